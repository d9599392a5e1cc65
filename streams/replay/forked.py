"""Tasks in processes of their own. They are forked: what they need stands in their memory, and is never pickled."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from streams.errors import TocsinError

R = TypeVar("R")
#: What does one task: it is given its number, and tells how many records it has read.
Doing = Callable[[int, Callable[[int], None]], R]

#: So often the parent looks how far its children are, s.
_LOOK = 0.2


@dataclass
class _Work:
    """What children find in their memory."""

    do: Doing[Any]
    done: Any  #: shared numbers: records read, by task


_work: _Work | None = None


def forked(tasks: int, do: Doing[R], jobs: int, progress: Callable[[int], None] | None = None) -> Iterator[R]:
    """What ``do`` gives for each task, in their order. ``progress`` is told how many records were read by all.

    Results are pickled. Raises TocsinError where a process is killed, and whatever ``do`` raises.
    """
    global _work
    shared = multiprocessing.get_context("fork" if _forks() else None).Array("Q", max(tasks, 1), lock=False)
    _work = work = _Work(do, shared)
    try:
        yield from _results(tasks, min(jobs, tasks), progress)
    finally:
        _work = None
    if progress is not None:
        progress(sum(work.done))


def _results(tasks: int, jobs: int, progress: Callable[[int], None] | None) -> Iterator[Any]:
    if jobs < 2 or not _forks():
        for number in range(tasks):
            yield _do(number, progress)
        return
    # Forked before there are threads or clients: rules and mappings hold functions, which do not pickle.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, _die_with, (os.getpid(),)) as pool:
        coming = [pool.submit(_do, number) for number in range(tasks)]
        try:
            for future in coming:
                while not future.done():
                    with suppress(TimeoutError):
                        future.exception(_LOOK)
                    if progress is not None and _work is not None:
                        progress(sum(_work.done))
                yield future.result()
        except BrokenProcessPool:
            raise TocsinError(
                "a process of the backtest was killed, perhaps for want of memory", "try --jobs 1"
            ) from None
        except BaseException:
            for future in coming:
                future.cancel()
            raise


def _do(number: int, progress: Callable[[int], None] | None = None) -> Any:
    assert _work is not None
    work = _work

    def told(n: int) -> None:
        work.done[number] = n
        if progress is not None:
            progress(sum(work.done))

    return work.do(number, told)


def _forks() -> bool:
    return sys.platform == "linux"


def _die_with(parent: int) -> None:
    """A pool's process does not outlive one that is killed: it would wait for work for ever."""
    death = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(death, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
