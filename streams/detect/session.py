"""A measure over sessions, against an edge. A session is the events of a key with no pause longer than ``gap``.

A rising condition fires at once, while its session goes on, and clears when that has ended and no other holds it. A
falling one is looked at when a session has ended, and holds until one ends that is not too low.
"""

from __future__ import annotations

from typing import Any

from streams.detect.base import Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.edge import Change, Edge, Rungs
from streams.detect.entries import kept_id
from streams.detect.measures import Measure, Pane
from streams.detect.paned import ID_LIMIT
from streams.detect.sliding import as_float
from streams.detect.windows import Window
from streams.model import FindingKind

#: Open at once, for events that come in disorder. The oldest go, and are counted.
MAX_SESSIONS = 16
#: Before its own values a session has its first and last time, and the first and last event that came.
HEAD = 8
TRAILER = 3


class Session:
    """State: ``[session, …, clock, held, ids]``, in order of time. ``clock``: when the last one ended.

    A session is ``[first, last, at, ref, event_id, at, ref, event_id, count, …]``. One that would become as long as
    ``within`` takes no more; the next event begins another.
    """

    stride = 1
    max_items = MAX_SESSIONS + TRAILER

    def __init__(
        self, measure: Measure, edge: Edge, rungs: Rungs, window: Window, min_events: int, *, dedup: int, forget: int
    ) -> None:
        self._measure, self._rungs, self._least = measure, rungs, min_events
        self._gap, self._longest, self._falling = window.gap, window.within, edge.falling
        self._dedup, self._forget = dedup, forget

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, closed, arms = moment
        item = self._measure.read(values, arms)
        if item is None:
            return state, Skipped.UNUSABLE
        sessions: list[Pane] = []
        clock, held = at, 0
        ids: list[str] = []
        if state is not None and (self.newest(state) > horizon or self.holds(state)):
            clock, held, ids = state[-TRAILER:]
            sessions = [one for one in state[:-TRAILER] if one[1] + self._gap > closed]
        kept = kept_id(event_id, ID_LIMIT)
        if kept and kept in ids:
            return state, Skipped.DUPLICATE
        event = (at, ref, kept)
        made: Pane = [at, at, *event, *event, *self._measure.pane(item, None)]
        apart, alone = [], True
        for one in sessions:
            near = one[0] - self._gap <= made[1] and made[0] <= one[1] + self._gap
            if near and max(one[1], made[1]) - min(one[0], made[0]) < self._longest:
                made, alone = self._joined(one, made, event), False
            else:
                apart.append(one)
        if alone and at + self._gap <= closed:
            return state, Skipped.STALE
        sessions = sorted((*apart, made), key=_order)
        observed = None
        if not self._falling and (value := self._value(made)) is not None:
            rung, change = self._rungs.judge(value, held)
            if change is not None and change.kind is FindingKind.FIRE:
                held, observed = rung, self._observed(change, made, Witness(at, ref, event_id), None)
        if kept and self._dedup:
            ids = [*(ids[-self._dedup + 1 :] if self._dedup > 1 else ()), kept]
        return [*sessions, clock, held, ids], observed

    def due(self, state: State) -> int | None:
        clock, held, _ = state[-TRAILER:]
        if len(state) == TRAILER:
            return clock + self._forget if held else None
        return min(one[1] for one in state[:-TRAILER]) + self._gap if held or self._falling else None

    def expire(self, state: State) -> tuple[State | None, Seen]:
        clock, held, ids = state[-TRAILER:]
        if len(state) == TRAILER:
            return None, None  # silent for so long that it is forgotten, with what it held
        ended: Pane = min(state[:-TRAILER], key=_ending)
        sessions = [one for one in state[:-TRAILER] if one is not ended]
        value, change, rung = self._value(ended), None, held
        if self._falling:
            if value is not None:
                rung, change = self._rungs.judge(value, held)
        elif held and not any(self._reached(one) for one in sessions):
            rung, change = 0, self._rungs.ended(held)._replace(value=value)
        observed = None
        if change is not None:
            observed = self._observed(change, ended, Witness(*ended[5:HEAD]), ended[1] + self._gap)
        if not sessions and not rung and not ids:
            return None, observed
        return [*sessions, max(clock, ended[1]), rung, ids], observed

    def _joined(self, one: Pane, made: Pane, event: tuple[Any, ...]) -> Pane:
        first = min(one, made, key=_order)
        values = self._measure.joined(one[HEAD:], made[HEAD:])
        return [min(one[0], made[0]), max(one[1], made[1]), *first[2:5], *event, *values]

    def _value(self, session: Pane) -> Any:
        return self._measure.across((session[HEAD:],)) if session[HEAD] >= self._least else None

    def _reached(self, session: Pane) -> bool:
        value = self._value(session)
        return value is not None and self._rungs.judge(value, 0)[0] > 0

    def _observed(self, change: Change, session: Pane, last: Witness, at: int | None) -> Observed:
        first = Witness(*session[2:5])
        evidence: tuple[Witness, ...] = (last,) if first.ref == last.ref else (first, last)
        if at is None:
            evidence = tuple(sorted(evidence, key=lambda witness: witness.at))
        detail = {"events": session[HEAD], "session_start": session[0], "session_end": session[1]}
        return change.observed(evidence, at, detail, self._measure.shown)

    def newest(self, state: State) -> int:
        newest: int = max(state[-TRAILER], *(one[1] for one in state[:-TRAILER]), 0)
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[1 - TRAILER]) or (self._falling and len(state) > TRAILER)

    def measure(self, state: State) -> float | None:
        return None if len(state) == TRAILER else as_float(self._measure, self._value(state[-TRAILER - 1]))


def _order(session: Pane) -> Any:
    return session[0]


def _ending(session: Pane) -> Any:
    return session[1]
