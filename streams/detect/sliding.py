"""A measure over a sliding window, against an edge: every event kept for as long as it lies in the window.

The window ends where the key has come to: at its newest event, or later where time alone has moved it on. It is looked
at with each event; while something is held also whenever an event leaves it, for the condition may be over then. An
older event counts while it lies in the window; one that had left it already is stale.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from streams.detect.base import FIRST_EVIDENCE, MAX_STATE, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.edge import Change, Rungs
from streams.detect.entries import kept_id, place
from streams.detect.measures import MAX_TEXT, Measure
from streams.model import FindingKind

STRIDE = 4
ID_LIMIT = 16
#: Behind the entries: the end of the window, the rung held, the key's first event, and the last that came.
TRAILER = 6
MAX_ENTRIES = MAX_STATE // (60 + ID_LIMIT + MAX_TEXT)


class Sliding:
    """State: ``[at, ref, event_id, item, …, clock, held, since, at, ref, event_id]``, entries oldest first.

    ``min_events``: with fewer in the window nothing holds. ``whole``: nothing begins before the key has been known for
    a whole window.
    """

    stride = STRIDE
    max_items = MAX_ENTRIES * STRIDE + TRAILER

    def __init__(self, measure: Measure, rungs: Rungs, within: int, min_events: int, *, whole: bool) -> None:
        self._measure, self._rungs, self._within, self._least = measure, rungs, within, min_events
        self._whole = whole

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, arms = moment
        item = self._measure.read(values, arms)
        if item is None:
            return state, Skipped.UNUSABLE
        if state is None or (state[-TRAILER] <= horizon and not state[1 - TRAILER]):
            entries, clock, held, since = [], at, 0, at
        else:
            clock, held, since = state[-TRAILER : 3 - TRAILER]
            if at <= clock - self._within:
                return state, Skipped.STALE
            clock, since = max(clock, at), min(since, at)
            entries = self._inside(state, clock)
        kept = kept_id(event_id, ID_LIMIT)
        if kept and kept in entries[2::STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, STRIDE) * STRIDE
        entries[index:index] = (at, ref, kept, item)
        held, change = self._judge(entries, clock, held, since)
        observed = None
        if change is not None:
            observed = self._observed(change, entries, Witness(at, ref, event_id))
        entries += (clock, held, since, at, ref, kept)
        return entries, observed

    def due(self, state: State) -> int | None:
        if not state[1 - TRAILER] or len(state) == TRAILER:
            return None
        due: int = state[0] + self._within
        return due

    def expire(self, state: State) -> tuple[State | None, Seen]:
        clock: int = state[0] + self._within
        held, since, *last = state[1 - TRAILER :]
        entries = self._inside(state, clock)
        after, change = self._judge(entries, clock, held, since)
        observed = None
        if change is not None and change.kind is FindingKind.CLEAR:
            held = after
            observed = self._observed(change, entries, Witness(*last), clock)
        return [*entries, clock, held, since, *last], observed

    def _inside(self, state: State, clock: int) -> State:
        """A copy of the entries in the window."""
        start, end = clock - self._within, len(state) - TRAILER
        if not end or state[0] > start:
            return state[:end]
        return state[bisect_right(state[:end:STRIDE], start) * STRIDE : end]

    def _judge(self, entries: State, clock: int, held: int, since: int) -> tuple[int, Change | None]:
        value = None
        if (
            len(entries) >= self._least * STRIDE
            and entries
            and (held or not self._whole or clock - since >= self._within)
        ):
            items = entries[3::STRIDE]
            if not held and (near := self._measure.near(items)) is not None and self._rungs.is_far(near):
                return 0, None
            value = self._measure.over(items)
        if value is None:
            return 0, self._rungs.ended(held) if held else None
        return self._rungs.judge(value, held)

    def _observed(self, change: Change, entries: State, last: Witness, at: int | None = None) -> Observed:
        detail = {"events": len(entries) // STRIDE}
        return change.observed(evidence(entries, last, ordered=at is None), at, detail, self._measure.shown)

    def newest(self, state: State) -> int:
        newest: int = state[-TRAILER]
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[1 - TRAILER])

    def measure(self, state: State) -> float | None:
        value = self._measure.over(state[3 : len(state) - TRAILER : STRIDE])
        return as_float(self._measure, value)


def evidence(entries: State, last: Witness, stride: int = STRIDE, *, ordered: bool = True) -> tuple[Witness, ...]:
    """The first entries and the event that the finding is named after: ``ordered`` by time, else that one last."""
    chosen: list[Witness] = []
    for index in range(0, len(entries), stride):
        if entries[index + 1] != last.ref:
            chosen.append(Witness(entries[index], entries[index + 1], entries[index + 2]))
            if len(chosen) == FIRST_EVIDENCE:
                break
    chosen.append(last)
    return tuple(sorted(chosen, key=lambda witness: witness.at)) if ordered else tuple(chosen)


def as_float(measure: Measure, value: Fraction | None) -> float | None:
    """A measured number for a dashboard; None where there is none, or no double can say it."""
    try:
        return None if value is None else float(measure.shown(value))
    except (OverflowError, ValueError):
        return None
