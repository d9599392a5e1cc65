"""What a detector in Python is handed of an event; detectors that only look at it are handed one and the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import UNSET

from streams.detect.base import Ref
from streams.detect.detectors import Event
from streams.detect.entries import kept_id

_SIGHT_ID = 128

#: An event by the values at the paths, its time, place, id, and the numbers of the arms it came by.
Reading = Callable[[tuple[Any, ...], int, Ref, str, tuple[int, ...]], Event]


def read(
    fields: tuple[str, ...], ways: tuple[str, ...],
    values: tuple[Any, ...], at: int, ref: Ref, event_id: str, arms: tuple[int, ...],
) -> Event:  # fmt: skip
    """The event for a detector that reads ``fields``."""
    found = {path: value for path, value in zip(fields, values, strict=True) if value is not UNSET}
    return Event(at, event_id, found, (at, ref, _seen_id(event_id)), _named(ways, arms))


@lru_cache(256)
def reading(fields: tuple[str, ...], ways: tuple[str, ...]) -> Reading:
    """As ``read``; all who ask for the same fields are given one event, so that it is read once for all of them.

    The values are known again by identity: a list of values is made anew for each event.
    """
    last: tuple[tuple[Any, ...], tuple[Any, ...], Event] | None = None

    def once(values: tuple[Any, ...], at: int, ref: Ref, event_id: str, arms: tuple[int, ...]) -> Event:
        nonlocal last
        known = last
        if known is not None and known[0] is values and known[1] == (at, ref, event_id, arms):
            return known[2]
        event = read(fields, ways, values, at, ref, event_id, arms)
        last = (values, (at, ref, event_id, arms), event)
        return event

    return once


@lru_cache(256)
def _named(ways: tuple[str, ...], arms: tuple[int, ...]) -> tuple[str, ...]:
    return tuple([ways[arm] for arm in arms])


@lru_cache(64)
def _seen_id(event_id: str) -> str:
    """The id in a sight: itself where it is printable and not very long, so that states stay as small as they look."""
    plain = len(event_id) <= _SIGHT_ID and event_id.isascii() and event_id.isprintable()
    return event_id if plain else kept_id(event_id, 0)
