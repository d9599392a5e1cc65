"""Entries of one key in event-time order, in one flat list: ``[at, ref, event_id, …, at, ref, event_id, …]``.

Windows are ``(x - within, x]``. Only those ending at an entry need to be looked at: between two entries a window
can only lose from its beginning.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import Any

from streams.detect.base import FIRST_EVIDENCE, Moment, State, Witness

#: Longer ids, and those with a space, a comma or what JSON must escape, are kept as a digest.
ID_LIMIT = 64


def is_plain(event_id: str) -> bool:
    """Whether an id is kept as it is: short, printable, without spaces and commas."""
    return (
        len(event_id) <= ID_LIMIT
        and event_id.isascii()
        and event_id.isprintable()
        and " " not in event_id
        and "," not in event_id
    )


def kept_id(event_id: str, limit: int = ID_LIMIT) -> str:
    """The id as state keeps it: itself where ``is_plain`` and not longer than ``limit``; else a digest of it."""
    if len(event_id) <= limit and is_plain(event_id):
        return event_id
    return "#" + hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()[:15]


def above(state: State | None, horizon: int, stride: int) -> State:
    """A copy of the entries that still count."""
    if not state:
        return []
    if state[0] > horizon:
        return state[:]
    return state[bisect_right(state[::stride], horizon) * stride :]


def place(entries: State, at: int, stride: int) -> int:
    """Number of the entry that a new one of time ``at`` becomes; equal times keep their order of arrival."""
    index = len(entries)
    while index and entries[index - stride] > at:
        index -= stride
    return index // stride


def windows(times: list[int], index: int, within: int) -> list[tuple[int, int]]:
    """All windows, as (first entry, last entry), that end at an entry and contain the entry ``index``."""
    found, last, top = [], len(times) - 1, times[index] + within
    while index <= last and times[index] < top:
        if index == last or times[index + 1] != times[index]:  # equal times end together
            found.append((bisect_right(times, times[index] - within), index))
        index += 1
    return found


def witnesses(entries: State, stride: int, first: int, last: int, moment: Moment) -> tuple[Witness, ...]:
    """The first entries of a window and the completing event, oldest first."""
    chosen: list[Witness] = []
    for at in range(first * stride, (last + 1) * stride, stride):
        if entries[at + 1] != moment.ref:
            chosen.append(Witness(entries[at], entries[at + 1], entries[at + 2]))
            if len(chosen) == FIRST_EVIDENCE:
                break
    chosen.append(Witness(moment.at, moment.ref, moment.event_id))
    chosen.sort(key=_at)
    return tuple(chosen)


def _at(witness: Witness) -> Any:
    return witness.at
