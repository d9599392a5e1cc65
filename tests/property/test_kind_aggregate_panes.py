"""Aggregates over panes and sessions against their definition: every event kept, every window worked out anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.kinds.aggregate import Aggregate, parse
from streams.detect.quantiles import RELATIVE_ERROR, bucket_of, counted, merged, middle, quantile, rank
from streams.rules.ladder import parse_ladder
from tests.property.test_kind_aggregate import (
    COMPARISONS,
    Condition,
    Event,
    condition,
    edges,
    function,
    held_to,
    timelines,
    written,
)  # fmt: skip
from tests.timelines import Happening, Said, drive


@dataclass
class Buckets:
    """Windows that end at multiples of ``every``; rising ones judged with each event, and all when they have closed."""

    block: dict[str, Any]
    edge: Condition
    kind: Aggregate
    dedup: int
    events: list[Event] | None = None
    ids: list[str] = field(default_factory=list)
    since: int = 0
    judged: int = 0  #: the last end
    rest: bool = True
    name: int = -1
    told: int = -1
    said: list[Said] = field(default_factory=list)

    @property
    def every(self) -> int:
        return self.kind.window.every or self.kind.within

    def end(self, at: int) -> int:
        return at - at % self.every + self.every

    def value(self, end: int) -> tuple[int, Fraction | None]:
        assert self.events is not None
        values = [event.value for event in self.events if end - self.kind.within <= event.at < end]
        volume = self.kind.falling and self.kind.function in ("sum", "rate")
        if len(values) < (0 if volume else self.kind.min_events):
            return len(values), None
        return len(values), function(self.kind.function, self.kind.within)(values)

    def newest(self) -> int:
        assert self.events is not None
        open_panes = [
            self.end(e.at)
            for e in self.events
            if self.end(e.at) - self.every + self.kind.within > self.judged or not self.watched()
        ]
        return max([self.judged, *open_panes]) - 1

    def watched(self) -> bool:
        return bool(self.edge.held) or self.kind.falling or self.cleared

    cleared: bool = False

    def close(self, closed: int) -> None:
        while self.events is not None and not (self.rest and not self.edge.held):
            if self.rest:
                if self.judged + self.kind.forget > closed:
                    return
                self.events, self.edge.held = None, 0
                return
            if not self.edge.held and not self.kind.falling:
                return
            end = self.end(self.judged)
            if end - 1 > closed:
                return
            self.judged = end
            count, value = self.value(end)
            before = [event for event in self.events if self.end(event.at) <= end]
            if before:
                newest = max(self.end(event.at) for event in before)
                self.name = max(event.number for event in before if self.end(event.at) == newest)
            held = self.edge.held
            if value is None or held or self.since <= end - self.kind.within:
                change = self.edge.look(value)
                if change and change[0] == "fire" and (not self.kind.falling or self.name == self.told):
                    self.edge.held, change = held, None
                if change:
                    self.told = self.name
                    self.said.append(written(self.kind.function, change, self.name, end - 1))
                    self.cleared = change[0] == "clear"
            ahead = [e for e in self.events if self.end(e.at) - self.every + self.kind.within > end]
            self.rest = not ahead and not count

    def take(self, event: Event, closed: int) -> None:
        horizon = closed - self.kind.keeps
        if self.events is not None:
            asleep = not self.edge.held and not (self.kind.falling and not self.rest)
            if asleep and self.newest() <= horizon:
                self.events = None
        if self.events is None:
            self.events, self.ids, self.since, self.rest, self.told, self.name = (
                [],
                [],
                event.at,
                True,
                -1,
                event.number,
            )
            self.cleared, self.judged = False, 0
        if event.event_id and event.event_id in self.ids:
            return
        end = self.end(event.at)
        if end - self.every + self.kind.within - 1 <= closed:
            if not self.events:
                self.events = None
            return
        self.events.append(event)
        self.since = min(self.since, event.at)
        if self.rest:
            self.judged = max(self.judged, end - self.every)
        elif end - 1 > closed:
            self.judged = min(self.judged, end - self.every)
        self.rest = False
        if event.event_id and self.dedup:
            self.ids = [*self.ids, event.event_id][-self.dedup :]
        if not self.kind.falling:
            self.rising(event, end, closed)

    def rising(self, event: Event, first: int, closed: int) -> None:
        assert self.events is not None
        held, best = self.edge.held, None
        ends = sorted({self.end(e.at) for e in self.events})
        for end in ends:
            if first <= end <= first - self.every + self.kind.within and end - 1 > closed:
                value = self.value(end)[1]
                self.edge.held = held
                change = self.edge.look(value) if value is not None else None
                if change and change[0] == "fire" and (best is None or self.edge.held > best[0]):
                    best = self.edge.held, change, end
        self.edge.held = held
        if best is not None:
            self.edge.held = best[0]
            self.said.append(written(self.kind.function, best[1], event.number, None))
            if not held:
                self.judged = best[2] - self.every


exactly = edges(tuple(COMPARISONS)).filter(lambda edge: edge[0]["function"] not in ("median", "p90"))


@settings(max_examples=600, deadline=None)
@given(
    exactly, st.integers(1, 20), st.integers(1, 4), timelines(), st.booleans(), st.frozensets(st.integers(0, 25)),
    st.sampled_from((0, 1, 2, 64)), st.booleans(),
)  # fmt: skip
def test_panes_say_what_their_definition_says(
    edge: tuple[dict[str, Any], dict[str, Any]], every: int, panes: int, happenings: list[Happening], eager: bool,
    cuts: frozenset[int], dedup: int, sweeps: bool,
) -> None:  # fmt: skip
    block, ladder = edge
    kind = parse({**block, "within": f"{every * panes}ms", "every": f"{every}ms", "forget": "300ms", "dedup": dedup})
    one_word = len(set(ladder.values())) == 1
    words = {"low": ladder["low"]} if one_word else ladder
    rungs = parse_ladder("low" if one_word else ladder, falling=kind.falling)
    expected = held_to(Buckets(block, condition(block, words), kind, dedup), happenings, kind.keeps)
    found, _ = drive(kind.detector(rungs), happenings, kind.keeps, eager=eager, cuts=cuts, sweeps=sweeps)
    assert found == expected


values = st.integers(-(10**6), 10**6) | st.floats(-1e300, 1e300) | st.fractions()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(values, max_size=30), min_size=1, max_size=4), st.fractions(Fraction(1, 1000), 1))
def test_quantiles_over_panes_are_within_one_percent(panes: list[list[Any]], share: Fraction) -> None:
    numbers = [
        [Fraction(repr(value)) if isinstance(value, float) else Fraction(value) for value in pane] for pane in panes
    ]
    sketches = []
    for pane in numbers:
        sketch: list[int] = []
        for number in pane:
            sketch = counted(sketch, number, 10_000)
        sketches.append(sketch)
    ordered = sorted(number for pane in numbers for number in pane)
    told = quantile(merged(sketches), share)
    if not ordered:
        assert told is None
        return
    true = ordered[rank(len(ordered), share) - 1]
    assert told is not None
    assert abs(told - true) <= abs(true) * RELATIVE_ERROR or abs(true) < 1e-299


@settings(max_examples=300, deadline=None)
@given(values, values)
def test_buckets_keep_the_order_of_numbers(one: Any, other: Any) -> None:
    one, other = sorted((Fraction(one), Fraction(other)))
    assert bucket_of(one) <= bucket_of(other)
    assert middle(bucket_of(one)) <= middle(bucket_of(other))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=80), st.integers(1, 20))
def test_a_sketch_without_room_is_coarse_below_and_exact_above(numbers: list[int], most: int) -> None:
    narrow: list[int] = []
    wide: list[int] = []
    for number in numbers:
        narrow, wide = counted(narrow, number, most), counted(wide, number, 10_000)
    assert len(narrow) <= 2 * most
    assert sum(narrow[1::2]) == len(numbers)
    assert quantile(narrow, Fraction(1)) == quantile(wide, Fraction(1))
    assert narrow[2:] == wide[len(wide) - len(narrow) + 2 :]
