"""What a key with very many entries forgets: only what no event that is still waited for can need."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from streams.detect.base import State

_STRIDE = 4


def thinned(
    entries: State, closed: int, rows: Mapping[int, int], over: int, until: int, guards: int, steps: int
) -> State:
    """The entries (``[at, ref, event_id, mask, …]``) without those that nothing after ``closed`` can need.

    ``rows``: masks of which, where they come in a row, only so many of the latest are needed. ``over``: a mask that
    speaks for nothing later. ``until``: bits of what ends everything before it, but for ``guards``. ``steps``: bits of
    what can be part of a match; of others in a row the first and the last are kept. The newest entry stays.

    An event that comes later than what is waited for may then miss what it would have completed, and a duplicate of
    what is gone counts again.
    """
    old = min(bisect_right(entries[::_STRIDE], closed), len(entries) // _STRIDE - 1)
    masks: list[int] = entries[3::_STRIDE]
    ended = next((place for place in range(old - 1, -1, -1) if masks[place] & until), 0)
    kept: list[int] = []
    last, row = 0, 0
    for place in range(old - 1, -1, -1):
        mask = masks[place]
        if not mask or mask == over or (place < ended and not mask & guards):
            continue
        row = row + 1 if mask == last else 1
        last = mask
        if mask & steps:
            needless = row > rows.get(mask, row)
        else:
            needless = row > 1 and place > 0 and masks[place - 1] == mask
        if not needless:
            kept.append(place)
    thin: State = []
    for place in reversed(kept):
        thin += entries[place * _STRIDE : (place + 1) * _STRIDE]
    return thin + entries[old * _STRIDE :]
