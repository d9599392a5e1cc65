"""How much all events of a sliding window weigh together, exactly, in any order."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from streams.detect.base import MAX_STATE, Moment, Observed, Seen, Skipped, State
from streams.detect.entries import above, kept_id, place, windows, witnesses
from streams.detect.exact import plain
from streams.detect.tallies import Number, heaviest, weight, written
from streams.model import FindingKind

_STRIDE = 4
_ID_LIMIT = 40
_BYTES = 60 + 40 + 80  #: of an entry in the changelog, with a weight of 256 bits


class Weighing:
    """State: ``[at, ref, id, weight, …]``, oldest first. Every event of a window is kept: the room for it bounds how
    many there can be, and the oldest go first; hopping and tumbling windows have no such bound.
    """

    stride = _STRIDE
    max_items = MAX_STATE // _BYTES * _STRIDE

    def __init__(self, within: int, at_least: Number, *, dedup: bool = True) -> None:
        self._within, self._at_least, self._dedup = within, at_least, dedup

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, _ = moment
        added = weight(values[0])
        if added is None:
            return state, Skipped.UNUSABLE
        kept = kept_id(event_id, _ID_LIMIT) if self._dedup else ""
        entries = above(state, horizon, _STRIDE)
        if kept and kept in entries[2::_STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, _STRIDE)
        entries[index * _STRIDE : index * _STRIDE] = (at, ref, kept, written(added))
        times = entries[::_STRIDE]
        if index == len(times) - 1:
            spans = [(bisect_right(times, at - self._within), index)]
        else:
            spans = windows(times, index, self._within)
        heavy, most = heaviest(entries[3::_STRIDE], spans)
        if most < self._at_least:
            return entries, None
        evidence = witnesses(entries, _STRIDE, *spans[heavy], moment)
        return entries, Observed(FindingKind.FIRE, plain(Fraction(most)), plain(Fraction(self._at_least)), evidence)

    def newest(self, state: State) -> int:
        newest: int = state[-_STRIDE]
        return newest

    def holds(self, state: State) -> bool:
        return False
