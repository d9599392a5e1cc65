"""``forecast: {field: value, reaches: 100, in: 4h, within: 1h}``: when the straight line through the last values gets
to a number that soon; clears when it does not any more.

forecast: {field: value, reaches: 100, in: 4h, within: 1h, min_events: 5}        # "{host}: disk full in {eta}"
forecast: {field: free_bytes, falls_to: 0, in: 4h, within: 1h}
forecast: {field: used, reaches: {field: capacity, times: 0.95}, in: 1d, within: 6h, clear: 80}
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from streams.detect.base import Moment, Observed, Option, Seen, Settings, Skipped, State, Witness
from streams.detect.edge import Change, Edge, Rungs, Threshold, parse_number, parse_threshold
from streams.detect.entries import kept_id, place
from streams.detect.exact import plain, together
from streams.detect.measures import Number, item_of, kept
from streams.detect.sliding import ID_LIMIT, MAX_ENTRIES, STRIDE, evidence
from streams.model import FindingKind
from streams.rules.block import Block
from streams.rules.durations import MAX_DURATION, format_duration
from streams.rules.rule import Ladder

_HOUR = 3_600_000
_MIN_EVENTS = 5
TRAILER = 6

OPTIONS = (
    Option("field", "field", None, "the number that grows or falls"),
    Option("reaches", "threshold", "", "fires where the line rises to this; one of these two"),
    Option("falls_to", "threshold", "", "fires where the line falls to this"),
    Option("in", "duration", None, "how far ahead is looked"),
    Option("within", "duration", None, "the values of so long make the line"),
    Option("clear", "number", "the threshold", "past which the line has to stay for the alert to resolve"),
    Option("min_events", "integer", "5", "with fewer values there is no line"),
)

EXAMPLE = """
id: example.disk-fills-up
title: "{host}: disk full in {eta}"
source: metric
where: {name: disk.used.percent}
group_by: [host]
detect: {forecast: {field: value, reaches: 100, in: 4h, within: 1h, min_events: 3}}
severity: high
type: system
tests:
  - name: six percent in twenty minutes fill what is left in less than four hours
    events:
      - {at: 0s, host: a, name: disk.used.percent, value: 50}
      - {at: 10m, host: a, name: disk.used.percent, value: 53}
      - {at: 20m, host: a, name: disk.used.percent, value: 56}
    expect: [{at: 20m, host: a, severity: high}]
  - name: what stands still never fills
    events: [{at: 0s, host: a, name: disk.used.percent, value: 90, times: 10, every: 5m}]
    expect: []
"""


@dataclass(frozen=True, slots=True)
class Forecast(Settings):
    """Edge-triggered: fires when the least-squares line over the last ``within`` stands at or beyond the threshold
    ``ahead`` ms after the key's newest event.

    Observed is where the line stands then. Templates can say ``{eta}``, the time until it gets there (0s where it has
    already), ``{slope_per_hour}`` and ``{current}``, where it stands now. Arithmetic is exact. Events beyond some 1,400
    in a window are given up, oldest first, and counted.
    """

    field: str
    edge: Edge
    ahead: int
    within: int
    min_events: int = _MIN_EVENTS

    @property
    def name(self) -> str:
        return "forecast"

    @property
    def falling(self) -> bool:
        return self.edge.falling

    @property
    def keeps(self) -> int:
        return self.within

    @property
    def timed(self) -> bool:
        return True

    def fields(self) -> tuple[str, ...]:
        return (self.field, *filter(None, (self.edge.threshold.field,)))

    def document(self) -> dict[str, Any]:
        return {
            "field": self.field, **self.edge.document(), "in": format_duration(self.ahead),
            "within": format_duration(self.within), "min_events": self.min_events,
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        return self.edge.against(ladder)

    def detector(self, ladder: Ladder) -> Foreseeing:
        return Foreseeing(self, ladder)


class Line(NamedTuple):
    """A straight line through values over time."""

    at: Fraction  #: where it stands at the moment it was asked for
    slope: Fraction  #: per ms

    def until(self, limit: Fraction, *, falling: bool) -> int | None:
        """In how many ms it gets to ``limit``; 0 where it is beyond, None where it never does."""
        left = limit - self.at
        if left == 0 or (left > 0) == falling:
            return 0
        return None if self.slope == 0 or (self.slope > 0) == falling else int(left / self.slope)


def line(times: Sequence[int], numbers: Sequence[Number], now: int, one: int = 1) -> Line | None:
    """The least-squares line through numbers divided by ``one``, as seen from ``now``. None of values at one moment."""
    count = len(times)
    offsets = [at - now for at in times]
    first, second = sum(offsets), sum(at * at for at in offsets)
    spread = count * second - first * first
    if not spread:
        return None
    total = sum(numbers)
    slope = Fraction(count * sum(at * number for at, number in zip(offsets, numbers, strict=True)) - first * total)
    slope /= spread
    return Line((total - slope * first) / (count * one), slope / one)


class Foreseeing:
    """State: ``[at, ref, event_id, value, …, clock, held, limit, at, ref, event_id]``, entries oldest first.

    ``clock``: where the window ends; ``limit``: the threshold of the newest event; behind it the last event that came.
    """

    stride = STRIDE
    max_items = MAX_ENTRIES * STRIDE + TRAILER

    def __init__(self, forecast: Forecast, ladder: Ladder) -> None:
        self._forecast = forecast
        self._rungs = Rungs(forecast.edge, ladder)

    def step(self, state: State | None, moment: Moment) -> tuple[State | None, Seen]:
        at, ref, event_id, values, horizon, _, _ = moment
        within, threshold = self._forecast.within, self._forecast.edge.threshold
        item = item_of(values[0])
        limit = threshold.at(item_of(values[1]) if threshold.field else None)
        if item is None or limit is None:
            return state, Skipped.UNUSABLE
        entries, clock, held = [], at, 0
        if state is not None and (state[-TRAILER] > horizon or state[1 - TRAILER]):
            clock, held, known = state[-TRAILER : 3 - TRAILER]
            if at <= clock - within:
                return state, Skipped.STALE
            if at < clock:
                limit = Fraction(known)
            clock = max(clock, at)
            entries = _since(state, clock - within)
        name = kept_id(event_id, ID_LIMIT)
        if name and name in entries[2::STRIDE]:
            return state, Skipped.DUPLICATE
        index = place(entries, at, STRIDE) * STRIDE
        entries[index:index] = (at, ref, name, item)
        held, change, seen = self._judge(entries, clock, held, limit)
        observed = None
        if change is not None:
            observed = self._observed(change, seen, limit, entries, Witness(at, ref, event_id))
        return [*entries, clock, held, kept(limit), at, ref, name], observed

    def due(self, state: State) -> int | None:
        if not state[1 - TRAILER] or len(state) == TRAILER:
            return None
        due: int = state[0] + self._forecast.within
        return due

    def expire(self, state: State) -> tuple[State | None, Seen]:
        clock: int = state[0] + self._forecast.within
        held, known, *last = state[1 - TRAILER :]
        limit = Fraction(known)
        entries = _since(state, clock - self._forecast.within)
        after, change, seen = self._judge(entries, clock, held, limit)
        observed = None
        if change is not None and change.kind is FindingKind.CLEAR:
            held, observed = after, self._observed(change, seen, limit, entries, Witness(*last), clock)
        return [*entries, clock, held, known, *last], observed

    def _judge(self, entries: State, clock: int, held: int, limit: Fraction) -> tuple[int, Change | None, Line | None]:
        seen = None
        if len(entries) >= self._forecast.min_events * STRIDE:
            numbers, one = together(entries[3::STRIDE])
            seen = line(entries[::STRIDE], numbers, clock, one)
        if seen is None:
            return 0, self._rungs.ended(held)._replace(threshold=limit) if held else None, None
        return *self._rungs.judge(seen.at + seen.slope * self._forecast.ahead, held, limit), seen

    def _observed(
        self, change: Change, seen: Line | None, limit: Fraction, entries: State, last: Witness, at: int | None = None
    ) -> Observed:
        detail: dict[str, Any] = {"events": len(entries) // STRIDE}
        if seen is not None:
            until = seen.until(limit, falling=self._forecast.falling)
            detail["eta"] = "never" if until is None else _rounded(until)
            detail["slope_per_hour"] = plain(seen.slope * _HOUR)
            detail["current"] = plain(seen.at)
        return change.observed(evidence(entries, last, ordered=at is None), at, detail)

    def newest(self, state: State) -> int:
        newest: int = state[-TRAILER]
        return newest

    def holds(self, state: State) -> bool:
        return bool(state[1 - TRAILER])


def _since(state: State, start: int) -> State:
    """A copy of the entries newer than ``start``."""
    end = len(state) - TRAILER
    return state[bisect_right(state[:end:STRIDE], start) * STRIDE : end]


def _rounded(ms: int) -> str:
    """A duration as people say it: to the second below an hour, to the minute below ten years."""
    if ms > MAX_DURATION:
        return "more than ten years"
    return format_duration(ms - ms % (1_000 if ms < _HOUR else 60_000))


def parse(block: Mapping[str, Any]) -> Forecast:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    field = read.path("field")
    rises, falls = read.has("reaches"), read.has("falls_to")
    threshold: Threshold | None = None
    if rises == falls:
        read.problem("", "takes exactly one of reaches, falls_to")
    else:
        threshold = read.read("reaches" if rises else "falls_to", parse_threshold)
    clear = read.read("clear", partial(parse_number, percent=False), None)
    edge = Edge("at_least" if rises else "at_most", threshold or Threshold(Fraction(0)), clear)
    if threshold is not None and not threshold.field and clear not in (None, threshold.number):
        assert clear is not None
        if edge.reached(clear, threshold.number):
            read.problem("clear", f"lies beyond the threshold of {plain(threshold.number)}")
    ahead, within = read.duration("in", least=1), read.duration("within", least=1)
    min_events = read.integer("min_events", _MIN_EVENTS, least=2, most=MAX_ENTRIES)
    read.check()
    return Forecast(field, edge, ahead, within, min_events)
