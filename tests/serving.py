"""Servers that are asynchronous contexts, on a thread beside a test that is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Serving:
    """``with Serving() as serving: receiver = serving.serve(Receiver())``; they run until the end of the block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[AbstractAsyncContextManager[Any]] = []
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def on_loop(self, work: Coroutine[Any, Any, T], seconds: float = 15) -> T:
        """What ``work`` returns, done where the servers run."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def serve(self, server: AbstractAsyncContextManager[T]) -> T:
        self._servers.append(server)
        return self.on_loop(server.__aenter__())

    def close(self) -> None:
        while self._servers:
            self.on_loop(self._servers.pop().__aexit__(None, None, None))
        self.on_loop(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _cancel_all() -> None:
    """Requests that are never answered."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=5)
