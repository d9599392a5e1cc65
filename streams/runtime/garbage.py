"""How often Python looks for cycles among its objects: events make none, and to learn that by walking keys is dear."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def look_seldom() -> None:
    """From here on: among young objects seldom, and never among those that there are now."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)


@contextmanager
def looking_seldom() -> Iterator[None]:
    """The same for a while; processes that are forked meanwhile inherit it."""
    before = gc.get_threshold()
    look_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
