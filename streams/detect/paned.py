"""A measure over buckets of time (tumbling, by the calendar, hopping), against an edge: panes are kept, not events.

A rising condition fires at once, while its window is still filling, and clears when a whole window has closed in which
it did not hold. A falling one (``below``) is looked at only when a window has closed, and only where the key was known
before that window began.
"""

from __future__ import annotations

from typing import Any

from streams.detect.base import NEVER, Moment, Observed, Seen, Skipped, State, Witness
from streams.detect.edge import Change, Edge, Rungs
from streams.detect.entries import kept_id
from streams.detect.measures import Measure, Pane
from streams.detect.quantiles import narrowed
from streams.detect.sliding import as_float
from streams.detect.windows import Window
from streams.model import FindingKind

ID_LIMIT = 32
MAX_DEDUP = 1_000
#: Numbers that all panes of a key may consist of: a few bytes each in the changelog.
ROOM = 28_000
_MAX_PANES = 2_500
#: Before its own values a pane has its bounds, and the last event that came into it.
HEAD = 5
TRAILER = 9


class Paned:
    """State: ``[pane, …, held, since, seen, rest, told, at, ref, event_id, ids]``, panes oldest first.

    A pane is ``[start, end, at, ref, event_id, count, …]``. ``seen``: windows that end there or before have been
    judged; ``rest``: nothing was left to judge; ``told``: what the last finding by time was named after; the last event
    of the newest window judged; the last ids.
    """

    stride = 1
    max_items = _MAX_PANES + TRAILER

    def __init__(
        self, measure: Measure, edge: Edge, rungs: Rungs, window: Window, min_events: int, *, dedup: int, forget: int
    ) -> None:
        self._measure, self._rungs, self._window, self._least = measure, rungs, window, min_events
        self._falling, self._dedup, self._forget = edge.falling, dedup, forget
        self._many = window.panes > 1

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, closed, arms = moment
        item = self._measure.read(values, arms)
        if item is None:
            return state, Skipped.UNUSABLE
        kept = kept_id(event_id, ID_LIMIT)
        name: list[Any]
        ids: list[str]
        if state is None or (self.newest(state) <= horizon and not self.holds(state)):
            panes: list[Pane] = []
            held, since, seen, rest, told, name, ids = 0, at, NEVER, True, None, [at, ref, kept], []
        else:
            panes = [pane for pane in state[:-TRAILER] if pane[1] > horizon]
            held, since, seen, rest, told, *name, ids = state[-TRAILER:]
        if kept and kept in ids:
            return state, Skipped.DUPLICATE
        index, start, end = self._place(panes, at)
        if self._ends(start, end) - 1 <= closed:
            return state, Skipped.STALE
        known = index < len(panes) and panes[index][0] == start
        pane = [start, end, at, ref, kept, *self._measure.pane(item, panes[index][HEAD:] if known else None)]
        panes[index : index + known] = (pane,)
        if sum(map(len, panes)) > ROOM:
            panes = self._fitted(panes)
        since = min(since, at)
        if rest:
            seen = max(seen, start)
        elif end - 1 > closed:
            seen = min(seen, start)
        observed = None
        if not self._falling:
            held, seen, observed = self._rising(panes, index, held, seen, moment)
        if kept and self._dedup:
            ids = [*(ids[-self._dedup + 1 :] if self._dedup > 1 else ()), kept]
        return [*panes, held, since, seen, False, told, *name, ids], observed

    def _rising(
        self, panes: list[Pane], index: int, held: int, seen: int, moment: Moment
    ) -> tuple[int, int, Observed | None]:
        """The highest rung over the open windows that hold the pane."""
        best: tuple[int, Change, int] | None = None
        ends = self._ends(panes[index][0], panes[index][1])
        for last in range(index, len(panes)):
            end = panes[last][1]
            if end > ends:
                break
            if end - 1 <= moment.closed:
                continue
            value, _ = self._value(panes, self._begins(panes[last][0], end), end)
            if value is None:
                continue
            rung, change = self._rungs.judge(value, held)
            if change is not None and change.kind is FindingKind.FIRE and (best is None or rung > best[0]):
                best = rung, change, last
        if best is None:
            return held, seen, None
        rung, change, last = best
        start, end = self._begins(panes[last][0], panes[last][1]), panes[last][1]
        chosen = _events(panes, start, end, moment.ref)
        evidence = tuple(sorted((*chosen, Witness(moment.at, moment.ref, moment.event_id)), key=lambda one: one.at))
        observed = change.observed(evidence, None, self._detail(panes, start, end), self._measure.shown)
        return rung, seen if held else panes[last][0], observed

    def due(self, state: State) -> int | None:
        held, _, seen, rest, *_ = state[-TRAILER:]
        if rest:
            return seen + self._forget if held else None
        if not held and not self._falling:
            return None
        return self._window.bucket(seen).end - 1

    def expire(self, state: State) -> tuple[State | None, Seen]:
        held, since, seen, rest, told, *name, ids = state[-TRAILER:]
        if rest:
            return None, None  # silent for so long that it is forgotten, with what it held
        first, end = self._window.bucket(seen)
        start = self._begins(first, end)
        panes = state[:-TRAILER]
        value, count = self._value(panes, start, end)
        for pane in panes:
            if pane[1] <= end:
                name = pane[2:HEAD]
        after, change = held, None
        if value is None:
            after, change = 0, self._rungs.ended(held) if held else None
        elif held or (self._falling and since <= start):
            after, change = self._rungs.judge(value, held)
        if change is not None and change.kind is FindingKind.FIRE and (not self._falling or name[1] == told):
            after, change = held, None
        observed = None
        if change is not None:
            told = name[1]
            evidence = (*_events(panes, start, end, name[1]), Witness(*name))
            observed = change.observed(evidence, end - 1, self._detail(panes, start, end), self._measure.shown)
        left = [pane for pane in panes if self._ends(pane[0], pane[1]) > end]
        if left and not count:
            end = max(end, left[0][0])  # nothing lies in the windows between: they would tell nothing more
        return [*left, after, since, end, not left and not count, told, *name, ids], observed

    def _place(self, panes: list[Pane], at: int) -> tuple[int, int, int]:
        """The number of the pane of an instant, or of the place where it would stand, and its bounds."""
        index = len(panes)
        while index and panes[index - 1][0] > at:
            index -= 1
        if index and at < panes[index - 1][1]:
            return index - 1, panes[index - 1][0], panes[index - 1][1]
        return index, *self._window.bucket(at)

    def _begins(self, start: int, end: int) -> int:
        """Where the window begins whose last pane has these bounds."""
        return end - self._window.within if self._many else start

    def _ends(self, start: int, end: int) -> int:
        """Where the last window ends that has the pane with these bounds."""
        return start + self._window.within if self._many else end

    def _value(self, panes: list[Pane], start: int, end: int) -> tuple[Any, int]:
        """What is measured over a window, and the number of its events; None with too few of them."""
        chosen = [pane[HEAD:] for pane in panes if pane[0] >= start and pane[1] <= end]
        count = sum(pane[0] for pane in chosen)
        return (self._measure.across(chosen) if count >= self._least else None), count

    def _detail(self, panes: list[Pane], start: int, end: int) -> dict[str, Any]:
        count = sum(pane[HEAD] for pane in panes if pane[0] >= start and pane[1] <= end)
        return {"events": count, "window_start": start, "window_end": end}

    def _fitted(self, panes: list[Pane]) -> list[Pane]:
        """Sketches that together have room: the low ends of the long ones made coarse."""
        most = max(1, (ROOM // len(panes) - HEAD - 1) // 2)
        return [[*pane[: HEAD + 1], *narrowed(pane[HEAD + 1 :], most)] for pane in panes]

    def newest(self, state: State) -> int:
        seen: int = state[2 - TRAILER]
        newest: int = (max(seen, state[-TRAILER - 1][1]) if len(state) > TRAILER else seen) - 1
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[-TRAILER]) or (self._falling and not state[3 - TRAILER])

    def measure(self, state: State) -> float | None:
        if len(state) == TRAILER:
            return None
        start, end = state[-TRAILER - 1][:2]
        value, _ = self._value(state[:-TRAILER], self._begins(start, end), end)
        return as_float(self._measure, value)


def _events(panes: list[Pane], start: int, end: int, but: Any) -> list[Witness]:
    """The last events of the first panes of a window, but for one."""
    chosen = [Witness(*pane[2:HEAD]) for pane in panes if pane[0] >= start and pane[1] <= end and pane[3] != but]
    return chosen[:5]
