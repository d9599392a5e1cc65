"""A fence around other people's code that speaks HTTP from a thread: where it connects, how much it reads, how long.

It holds for the threads that asked for it and for no other: connecting is watched by an audit hook (which sees every
address, also behind names and redirects), answers are read through a bound put into ``requests``. A fenced thread that
is stuck all the same is left behind; of those there may be only so many.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from connectors.ssrf import Forbidden, is_public

_LONGEST_ANSWER = 64 * 1024
_MOST_STUCK = 8


@dataclass
class Fence:
    """What one call may do, and what was seen of it. ``status``: of the last answer there was; 0: none."""

    allow_private: bool
    until: float  #: monotonic seconds
    status: int = 0
    retry_after: str | None = None
    refused: Forbidden | None = None


class _Here(threading.local):
    fence: Fence | None = None


_here = _Here()
_installed = threading.Lock()
_done = False


def install() -> None:
    """Put the hook and the bound in place, once a process. Raises ImportError without ``requests``."""
    global _done
    with _installed:
        if _done:
            return
        import requests

        requests.Response.iter_content = _bounded(requests.Response.iter_content)  # type: ignore[method-assign]
        sys.addaudithook(_watch)
        _done = True


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto") or (fence := _here.fence) is None or fence.allow_private:
        return
    address = args[1]
    host = str(address[0]) if isinstance(address, tuple) else "a local socket"
    if not is_public(host):
        fence.refused = Forbidden(host, host)
        raise fence.refused


def _bounded(read: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
    def iter_content(answer: Any, *given: Any, **named: Any) -> Iterator[bytes]:
        fence = _here.fence
        if fence is None:
            yield from read(answer, *given, **named)
            return
        import requests

        fence.status, fence.retry_after = answer.status_code, answer.headers.get("Retry-After")
        total = 0
        for part in read(answer, *given, **named):
            total += len(part)
            if total > _LONGEST_ANSWER or time.monotonic() > fence.until:
                answer.close()
                raise requests.exceptions.ConnectionError("the answer is too long, or takes too long")
            yield part

    return iter_content


class TooManyStuck(Exception):
    """So many earlier calls have not come back that no further one is begun."""


@dataclass
class Threads:
    """Daemon threads for fenced calls: one that is stuck holds up neither the loop nor the end of the process."""

    name: str
    left: int = 0  #: calls that nobody waits for any more

    async def call(self, work: Callable[[], Any], fence: Fence, done: Callable[[Any], None]) -> Any:
        """What ``work`` returns or raises. ``done`` gets what it returns, on the loop, even where this was cancelled.

        Raises TooManyStuck.
        """
        if self.left >= _MOST_STUCK:
            raise TooManyStuck
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def finish(outcome: Any, error: BaseException | None) -> None:
            if future.cancelled():
                self.left -= 1
            if error is None:
                done(outcome)
            if not future.done() and error is None:
                future.set_result(outcome)
            elif not future.done() and error is not None:
                future.set_exception(error)

        def run() -> None:
            _here.fence = fence
            outcome, error = None, None
            try:
                outcome = work()
            except BaseException as caught:  # whatever it is, it is told on the loop
                error = caught
            try:
                loop.call_soon_threadsafe(finish, outcome, error)
            except RuntimeError:
                pass  # the loop is over, and nobody waits

        threading.Thread(target=run, name=self.name, daemon=True).start()
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self.left += 1
            raise
