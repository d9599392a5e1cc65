"""``aggregate: {field: latency_ms, function: p99, above: 500, within: 5m}``: when a sum, average, extreme, quantile,
rate or deviation over a window passes a threshold; clears when it has come back.

aggregate: {field: latency_ms, function: p99, above: 500, clear: 400, within: 5m, min_events: 20}
aggregate: {function: rate, per: 1m, below: 10, within: 15m}                   # events a minute: too few of them
aggregate: {field: notional, function: sum, above: 1000000, align: day, timezone: Europe/Berlin}
aggregate: {field: latency_ms, function: avg, above: 200, within: 1h, every: 1m}  # panes: any volume, constant state
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from streams.detect import measures
from streams.detect.base import Detector, Option, Settings
from streams.detect.edge import EDGE_OPTIONS, Edge, Rungs, parse_edge
from streams.detect.flat import Flat
from streams.detect.paned import MAX_DEDUP, Paned
from streams.detect.session import Session
from streams.detect.sliding import MAX_ENTRIES, Sliding
from streams.detect.windows import WINDOW_OPTIONS, Shape, Window, parse_window
from streams.rules.block import Block
from streams.rules.durations import format_duration, shown
from streams.rules.rule import Ladder

FUNCTIONS = ("sum", "avg", "min", "max", "rate", "stddev", "median")
FORGET = 86_400_000
DEDUP = 64
#: Events in a sliding window that a rate can ask for; as many again may wait there for time to close.
MAX_KEPT = MAX_ENTRIES // 2
#: Of a window with sketches: their buckets share the room.
MAX_SKETCHES = 60

#: What kinds that measure a window have in common.
VOLUME_OPTIONS = (
    *WINDOW_OPTIONS,
    Option("dedup", "integer", "64", "where panes are kept, how many of a key's last event ids are remembered"),
    Option("forget", "duration", "1d", "how long a key that is silent stays known, for below and at_most"),
)

OPTIONS = (
    Option("function", "one of sum, avg, min, max, rate, stddev, median, p1 to p100", None, "p99.9 is a quantile too"),
    Option("field", "field", "", "of which numbers; a rate without it is of events"),
    *EDGE_OPTIONS,
    Option("per", "duration", "1s", "the unit of a rate"),
    Option("min_events", "integer", "1", "with fewer in the window nothing holds"),
    *VOLUME_OPTIONS,
)

EXAMPLE = """
id: example.slow-endpoint
title: "{host}: the average is {observed} ms"
source: metric
where: {name: http.latency}
group_by: [host]
detect: {aggregate: {field: value, function: avg, above: 500, clear: 400, within: 5m, min_events: 3}}
severity: {medium: 500, critical: 2000}
type: performance
tests:
  - name: the average of three passes the threshold, and later the higher rung
    events:
      - {at: 0s, host: a, name: http.latency, value: 100, times: 2, every: 10s}
      - {at: 20s, host: a, name: http.latency, value: 1600}
      - {at: 30s, host: a, name: http.latency, value: 9000}
    expect: [{at: 20s, host: a, severity: medium}, {at: 30s, host: a, severity: critical}]
"""


class Volume(Settings):
    """Kinds whose number over a window crosses an edge, by an event or because time goes on."""

    __slots__ = ()

    edge: Edge
    window: Window

    @property
    def within(self) -> int:
        return self.window.within

    @property
    def falling(self) -> bool:
        return self.edge.falling

    @property
    def keeps(self) -> int:
        return self.window.keeps

    @property
    def timed(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Aggregate(Volume):
    """Edge-triggered: fires when ``function`` over the window passes the threshold and at each higher rung.

    A sliding window is exact, over at most some 1,400 events of a key (older ones are given up, and counted). With
    ``every``, ``align`` or a tumbling window panes are kept instead, at any volume; quantiles are then within 1 %.
    Numbers are exact, of any size. An event whose field is no number is not looked at.
    """

    function: str
    edge: Edge
    window: Window
    field: str = ""
    per: int = 1_000
    min_events: int = 1
    dedup: int = DEDUP
    forget: int = FORGET

    @property
    def name(self) -> str:
        return "aggregate"

    def fields(self) -> tuple[str, ...]:
        return (self.field,) if self.field else ()

    def document(self) -> dict[str, Any]:
        return {
            "function": self.function, "field": self.field, **self.edge.document(), **self.window.document(),
            "per": format_duration(self.per), "min_events": self.min_events, "dedup": self.dedup,
            "forget": format_duration(self.forget),
        }  # fmt: skip

    def against(self, ladder: Ladder) -> list[str]:
        if self.function == "stddev" and any(limit is not None and limit < 0 for limit, _, _ in ladder.rungs):
            return ["a deviation is never below 0"]
        top = ladder.top
        if top is not None and self._needs(Fraction(repr(top))) > MAX_KEPT:
            return [f"{top} needs more events in the window than are kept ({MAX_KEPT}): write every, to keep panes"]
        return self.edge.against(ladder)

    def _needs(self, limit: Fraction) -> Fraction:
        """How many events a limit calls for: known where each counts for one and all are kept."""
        counted = self.function == "rate" and not self.field and self.window.shape is Shape.SLIDING
        return limit * self.window.within / self.per if counted else Fraction(0)

    def detector(self, ladder: Ladder) -> Detector:
        window, quantile = self.window, measures.share_of(self.function) is not None
        measure = measures.Aggregate(
            self.function, bool(self.field), window.within, self.per, window.panes if quantile else 1
        )
        rungs = Rungs(self.edge, ladder, _squared) if self.function == "stddev" else Rungs(self.edge, ladder)
        volume = measures.volume(self.function)
        return machine(self, measure, rungs, 0 if volume and self.falling else self.min_events, volume=volume)


def machine(kind: Any, measure: measures.Measure, rungs: Rungs, min_events: int, *, volume: bool = False) -> Detector:
    """The state machine for the kind's ``window``, ``edge``, ``dedup`` and ``forget``."""
    window: Window = kind.window
    if window.shape is Shape.SESSION:
        return Session(measure, kind.edge, rungs, window, min_events, dedup=kind.dedup, forget=kind.forget)
    if window.bucketed:
        return Paned(measure, kind.edge, rungs, window, min_events, dedup=kind.dedup, forget=kind.forget)
    if volume and kind.falling:
        return Flat(measure, rungs, window.within, kind.forget)
    return Sliding(measure, rungs, window.within, min_events, whole=kind.falling)


def _squared(limit: Fraction) -> Fraction:
    return limit * limit


def parse(block: Mapping[str, Any]) -> Aggregate:
    """The block of a rule file. Raises BlockErrors."""
    read = Block(block)
    function, field = read.read("function", _function), read.path("field", "")
    edge, window = parse_edge(read, fields=False), parse_window(read)
    per = read.duration("per", 1_000, least=1)
    min_events, dedup, forget = parse_volume(read, window, "min_events")
    if function and function != "rate":
        if not field and not read.has("field"):
            read.problem("field", f"is missing: {function} is of a field; only a rate is of events without one")
        if read.has("per"):
            read.problem("per", "has a meaning only for a rate")
    if function == "rate" and window.shape in (Shape.CALENDAR, Shape.SESSION):
        read.problem("function", "cannot be a rate over windows of different length: write sum")
    if function == "stddev" and (edge.threshold.number < 0 or (edge.clear is not None and edge.clear < 0)):
        read.problem("", "a deviation is never below 0")
    if function and measures.share_of(function) is not None and window.panes > MAX_SKETCHES:
        read.problem("every", f"makes {window.panes} panes of a window: at most {MAX_SKETCHES} where each is a sketch")
    if edge.falling and function and measures.volume(function) and read.has("min_events"):
        read.problem("min_events", f"has no meaning where a {function} is too low: no events at all are 0")
    kind = Aggregate(function, edge, window, field, per or 1, min_events, dedup, forget)
    if kind._needs(edge.threshold.number) > MAX_KEPT:
        name = edge.comparison
        read.problem(name, f"needs more events in the window than are kept ({MAX_KEPT}): write every, to keep panes")
    read.check()
    return kind


def parse_volume(read: Block, window: Window, least: str) -> tuple[int, int, int]:
    """The option named ``least``, ``dedup`` and ``forget``; problems are noted."""
    sliding = window.shape is Shape.SLIDING
    most = MAX_ENTRIES if sliding else 1_000_000_000
    events = read.integer(least, 1, least=1, most=most)
    dedup = read.integer("dedup", DEDUP, least=0, most=MAX_DEDUP)
    if sliding and read.has("dedup"):
        read.problem("dedup", "has a meaning only where panes are kept: a sliding window knows the ids it holds")
    return events, dedup, read.duration("forget", FORGET, least=1)


def _function(value: Any) -> str:
    if isinstance(value, str) and (value in FUNCTIONS or measures.share_of(value) is not None):
        return value
    raise ValueError(f"takes one of {', '.join(FUNCTIONS)}, or a quantile such as p99, not {shown(value)}")
