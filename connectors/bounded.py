"""A call that ends in time, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_S = 2.0  #: a cancelled call may take so long to clean up


class TimeLimit(Exception):
    """The work was cancelled at its limit."""


class Wedged(Exception):
    """The work ignored its cancellation, and was left behind."""


async def bounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """What ``work`` returns or raises; after ``seconds`` it is cancelled, and left behind if it does not end then.

    ``asyncio.wait_for`` waits for ever for work that swallows its cancellation.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=GRACE_S)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.add_done_callback(lambda left: left.cancelled() or left.exception())
        raise Wedged
    if task.cancelled():
        raise TimeLimit(f"no answer within {seconds:g} s")
    return task.result()
