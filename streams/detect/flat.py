"""A volume over a sliding window that must not fall: it is looked at when events leave the window and that moment is
closed, for only then is it known that no more came.

Nothing is said before the key has been known for a whole window. An event that brings the volume back ends it at once.
A key that is silent stays known for ``forget``; then it is dropped, with what it held.
"""

from __future__ import annotations

from bisect import bisect_right

from streams.detect.base import Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.edge import Change, Rungs
from streams.detect.entries import kept_id, place
from streams.detect.measures import Measure
from streams.detect.sliding import ID_LIMIT, MAX_ENTRIES, STRIDE, as_float, evidence
from streams.model import FindingKind

#: Behind the entries: the last moment looked at, the rung held, what the last fire was named after, the last event.
TRAILER = 6


class Flat:
    """State: ``[at, ref, event_id, item, …, clock, held, told, at, ref, event_id]``, entries oldest first.

    Kept is what lies in the window that ends at ``clock``, and what is newer. A finding is named after the last event
    that came, so while a key is silent its severity rises no further.
    """

    stride = STRIDE
    max_items = MAX_ENTRIES * STRIDE + TRAILER

    def __init__(self, measure: Measure, rungs: Rungs, within: int, forget: int) -> None:
        self._measure, self._rungs, self._within, self._forget = measure, rungs, within, forget

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, _, _, arms = moment
        item = self._measure.read(values, arms)
        if item is None:
            return state, Skipped.UNUSABLE
        entries, clock, held, told = [], at, 0, None
        if state is not None:
            clock, held, told = state[-TRAILER : 3 - TRAILER]
            if at <= clock - self._within:
                return state, Skipped.STALE
            entries = state[:-TRAILER]
        kept = kept_id(event_id, ID_LIMIT)
        if kept and kept in entries[2::STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, STRIDE) * STRIDE
        entries[index:index] = (at, ref, kept, item)
        observed = None
        if held:
            clock = max(clock, entries[-STRIDE])
            del entries[: bisect_right(entries[::STRIDE], clock - self._within) * STRIDE]
            value = self._measure.over(entries[3::STRIDE])
            assert value is not None  # a volume always is something
            _, change = self._rungs.judge(value, held)
            if change is not None and change.kind is FindingKind.CLEAR:
                held, observed = 0, self._observed(change, entries, Witness(at, ref, event_id))
        return [*entries, clock, held, told, at, ref, kept], observed

    def due(self, state: State) -> int | None:
        if len(state) > TRAILER:
            return state[0] + self._within  # type: ignore[no-any-return]  # ms
        return state[-TRAILER] + self._forget  # type: ignore[no-any-return]  # as above

    def expire(self, state: State) -> tuple[State | None, Seen]:
        if len(state) == TRAILER:
            return None, None
        clock: int = state[0] + self._within
        held, told, *last = state[1 - TRAILER :]
        times = state[:-TRAILER:STRIDE]
        entries = state[bisect_right(times, clock - self._within) * STRIDE : -TRAILER]
        inside = entries[: bisect_right(entries[::STRIDE], clock) * STRIDE]
        value = self._measure.over(inside[3::STRIDE])
        assert value is not None  # a volume always is something
        rung, change = self._rungs.judge(value, held)
        observed = None
        if change is not None and change.kind is FindingKind.FIRE and last[1] != told:
            held, told = rung, last[1]
            observed = self._observed(change, inside, Witness(*last), clock)
        if not entries and not held:
            return None, observed
        return [*entries, clock, held, told, *last], observed

    def _observed(self, change: Change, entries: State, last: Witness, at: int | None = None) -> Observed:
        detail = {"events": len(entries) // STRIDE}
        return change.observed(evidence(entries, last, ordered=at is None), at, detail, self._measure.shown)

    def newest(self, state: State) -> int:
        newest: int = state[-TRAILER]
        return newest

    def holds(self, state: State) -> bool:
        return True  # until time has told what it means that nothing comes

    def measure(self, state: State) -> float | None:
        entries = state[:-TRAILER]
        newest = max(state[-TRAILER], entries[-STRIDE] if entries else state[-TRAILER])
        first = bisect_right(entries[::STRIDE], newest - self._within)
        value = self._measure.over(entries[first * STRIDE + 3 :: STRIDE])
        return as_float(self._measure, value)
