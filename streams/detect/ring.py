"""The last event ids of a key as one line: ``",id,id,"``. Bounded, where a window keeps no events."""

from __future__ import annotations

from streams.detect.entries import kept_id

EMPTY = ","


def has(ring: str, kept: str) -> bool:
    """Whether it is one of the last; ``kept`` as ``kept_id`` gives it."""
    return f",{kept}," in ring


def with_id(ring: str, kept: str, most: int) -> str:
    """The ring with one more, and the oldest gone where there are more than ``most``."""
    if not kept or not most:
        return ring
    ring = f"{ring}{kept},"
    return ring if ring.count(",") <= most + 1 else ring[ring.index(",", 1) :]


def named(event_id: str) -> str:
    """The id as a ring keeps it."""
    return kept_id(event_id, 40)
