"""Aggregates against their definition: every event kept, everything worked out anew each time, in fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from streams.detect.exact import exact, plain
from streams.detect.kinds.aggregate import Aggregate, parse
from streams.detect.measures import root
from streams.rules.ladder import parse_ladder
from tests.timelines import Happening, Said, drive

FUNCTIONS = ("sum", "avg", "min", "max", "median", "p90", "rate", "stddev")
COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "above": lambda value, limit: value > limit, "at_least": lambda value, limit: value >= limit,
    "below": lambda value, limit: value < limit, "at_most": lambda value, limit: value <= limit,
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    number: int
    at: int
    value: Fraction
    event_id: str = ""


@dataclass
class Condition:
    """An edge with its ladder, as a reader of the reference page would work it out."""

    comparison: str
    limits: list[tuple[Fraction, str]]  #: threshold and word, mildest first; the first is the rule's own
    clear: Fraction
    held: int = 0

    def look(self, value: Fraction | None) -> tuple[str, Any, str] | None:
        reached = COMPARISONS[self.comparison]
        if value is None:
            return self.end(None) if self.held else None
        rung = max((n for n, (limit, _) in enumerate(self.limits, 1) if reached(value, limit)), default=0)
        if rung > self.held:
            self.held = rung
            return "fire", value, self.limits[rung - 1][1]
        if self.held and not reached(value, self.limits[0][0]) and not reached(value, self.clear):
            return self.end(value)
        return None

    def end(self, value: Fraction | None) -> tuple[str, Any, str]:
        held, self.held = self.held, 0
        return "clear", value, self.limits[held - 1][1]


def function(name: str, within: int, per: int = 1_000) -> Callable[[list[Fraction]], Fraction | None]:
    def over(values: list[Fraction]) -> Fraction | None:
        ordered, n = sorted(values), len(values)
        if name in ("sum", "rate"):
            return sum(values, Fraction(0)) * (Fraction(per, within) if name == "rate" else 1)
        if not values:
            return None
        average = sum(values, Fraction(0)) / n
        return {
            "avg": average, "min": ordered[0], "max": ordered[-1],
            "median": ordered[max(1, math.ceil(Fraction(n, 2))) - 1],
            "p90": ordered[max(1, math.ceil(Fraction(9 * n, 10))) - 1],
            "stddev": sum(((value - average) ** 2 for value in values), Fraction(0)) / n,
        }[name]  # fmt: skip

    return over


def usable(value: Any) -> Fraction | None:
    return None if isinstance(value, str) and len(value) > 100 else exact(value)


def condition(block: dict[str, Any], ladder: dict[str, Any]) -> Condition:
    comparison = next(name for name in COMPARISONS if name in block)
    words = sorted(ladder.items(), key=lambda rung: rung[1], reverse=comparison in ("below", "at_most"))

    def squared(limit: Any) -> Fraction:
        return Fraction(str(limit)) ** (2 if block["function"] == "stddev" else 1)

    return Condition(
        comparison,
        [(squared(limit), word) for word, limit in words],
        squared(block.get("clear", words[0][1])),
    )


def written(name: str, change: tuple[str, Any, str], number: int, at: int | None) -> Said:
    kind, value, word = change
    if value is not None:
        value = plain(root(value)) if name == "stddev" else plain(value)
    return Said(number, kind, value, at, word)


@dataclass
class Sliding:
    """The window that ends at the newest event, or where an event left it while something was held."""

    block: dict[str, Any]
    edge: Condition
    kind: Aggregate
    events: list[Event] = field(default_factory=list)
    clock: int | None = None
    since: int = 0
    last: int = -1
    said: list[Said] = field(default_factory=list)

    def inside(self) -> list[Event]:
        assert self.clock is not None
        return [event for event in self.events if self.clock - self.kind.within < event.at <= self.clock]

    def look(self, number: int, at: int | None) -> None:
        events, value = self.inside(), None
        whole = not self.kind.falling or self.edge.held or self.clock - self.since >= self.kind.within  # type: ignore[operator]
        if events and len(events) >= self.kind.min_events and whole:
            value = function(self.block["function"], self.kind.within)([event.value for event in events])
        held = self.edge.held
        change = self.edge.look(value)
        if at is not None and change and change[0] == "fire":
            self.edge.held = held
        elif change:
            self.said.append(written(self.block["function"], change, number, at))

    def close(self, closed: int) -> None:
        while self.edge.held:
            leaving = min(event.at for event in self.inside()) + self.kind.within
            if leaving > closed:
                return
            self.clock = leaving
            self.look(self.last, leaving)

    def take(self, event: Event, closed: int) -> None:
        if self.clock is not None and self.clock <= closed - self.kind.within and not self.edge.held:
            self.clock, self.events = None, []
        if self.clock is not None and event.at <= self.clock - self.kind.within:
            return
        clock = event.at if self.clock is None else max(self.clock, event.at)
        begin = clock - self.kind.within
        if event.event_id and event.event_id in [one.event_id for one in self.events if one.at > begin]:
            return
        self.since = event.at if self.clock is None else min(self.since, event.at)
        self.clock, self.last = clock, event.number
        self.events.append(event)
        self.look(event.number, None)


@dataclass
class Flat:
    """Looked at when an event leaves the window and that is closed."""

    block: dict[str, Any]
    edge: Condition
    kind: Aggregate
    events: list[Event] | None = None
    clock: int = 0
    last: int = -1
    told: int = -1
    said: list[Said] = field(default_factory=list)

    def value(self, end: int) -> Fraction:
        assert self.events is not None
        chosen = [event.value for event in self.events if end - self.kind.within < event.at <= end]
        value = function(self.block["function"], self.kind.within)(chosen)
        assert value is not None
        return value

    def close(self, closed: int) -> None:
        while self.events is not None:
            still = [event.at for event in self.events if event.at > self.clock - self.kind.within]
            if not still:
                if self.edge.held and self.clock + self.kind.forget > closed:
                    return
                self.events, self.edge.held = None, 0
            elif min(still) + self.kind.within > closed:
                return
            else:
                self.clock = min(still) + self.kind.within
                held, value = self.edge.held, self.value(self.clock)
                change = self.edge.look(value)
                if change and change[0] == "fire" and self.last != self.told:
                    self.told = self.last
                    self.said.append(written(self.block["function"], change, self.last, self.clock))
                else:
                    self.edge.held = held

    def take(self, event: Event, closed: int) -> None:
        if self.events is None:
            self.events, self.clock, self.told = [], event.at, -1
        begin = self.clock - self.kind.within
        if event.at <= begin:
            return
        if event.event_id and event.event_id in [one.event_id for one in self.events if one.at > begin]:
            return
        self.events.append(event)
        self.last = event.number
        if self.edge.held:
            self.clock = max(self.clock, *(one.at for one in self.events))
            held = self.edge.held
            change = self.edge.look(self.value(self.clock))
            if change and change[0] == "clear":
                self.said.append(written(self.block["function"], change, event.number, None))
            else:
                self.edge.held = held


whole = st.integers(-3, 12)
numbers = whole | st.sampled_from(
    (0.1, 2.5, "7", "0.3", "-1.5", 2**63 - 1, "115792089237316195423570985008687907853269984")
)
odd: Any = st.sampled_from((None, UNSET, True, "x", [], {}, "1" * 101))
ids = st.sampled_from(("", "", "", "a", "b"))


@st.composite
def timelines(draw: Any, values: Any = numbers | odd, spread: int = 40) -> list[Happening]:
    """Events in some disorder, a few of them late, with time that closes behind them; ticks in between."""
    now, closed, happenings = 1_000, 0, []
    for _ in range(draw(st.integers(0, 25))):
        now += draw(st.integers(0, spread // 4) | st.integers(0, spread))
        closed = max(closed, now - draw(st.integers(0, spread)))
        if draw(st.integers(0, 4)) == 0:
            happenings.append(Happening(closed))
            continue
        at = now - draw(st.just(0) | st.integers(0, spread // 2))
        happenings.append(Happening(closed, at, draw(ids), (draw(values),)))
    return happenings


@st.composite
def edges(draw: Any, names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    name, comparison = draw(st.sampled_from(FUNCTIONS)), draw(st.sampled_from(names))
    falling = comparison in ("below", "at_most")
    first = draw(st.integers(1, 6))
    block: dict[str, Any] = {"function": name, "field": "v", comparison: first}
    if draw(st.booleans()):
        block["clear"] = first + draw(st.integers(1, 3)) if falling else max(0, first - draw(st.integers(1, 3)))
    ladder = {"low": first, "high": max(0, first - 1) if falling else first + draw(st.integers(1, 5))}
    if not (falling and name in ("sum", "rate")):
        block["min_events"] = draw(st.integers(1, 3))
    return block, ladder


def held_to(oracle: Any, happenings: list[Happening], keeps: int) -> list[Said]:
    closed = 0
    for number, happening in enumerate(happenings):
        closed = max(closed, happening.closed)
        oracle.close(closed)
        late = happening.at is not None and happening.at <= closed - keeps
        if happening.at is not None and not late and (value := usable(happening.values[0])) is not None:
            oracle.take(Event(number, happening.at, value, happening.event_id), closed)
    oracle.close(1 << 60)
    found: list[Said] = oracle.said
    return found


@settings(max_examples=600, deadline=None)
@given(
    edges(tuple(COMPARISONS)), st.integers(1, 60), timelines(), st.booleans(), st.frozensets(st.integers(0, 25)),
    st.booleans(),
)  # fmt: skip
def test_sliding_windows_say_what_their_definition_says(
    edge: tuple[dict[str, Any], dict[str, Any]], within: int, happenings: list[Happening], eager: bool,
    cuts: frozenset[int], sweeps: bool,
) -> None:  # fmt: skip
    block, ladder = edge
    kind = parse({**block, "within": f"{within}ms", "forget": "300ms"})
    rungs = (
        parse_ladder(ladder, falling=kind.falling)
        if len(set(ladder.values())) > 1
        else parse_ladder("low", falling=kind.falling)
    )
    words = ladder if len(set(ladder.values())) > 1 else {"low": ladder["low"]}
    machine = Flat if kind.falling and block["function"] in ("sum", "rate") else Sliding
    expected = held_to(machine(block, condition(block, words), kind), happenings, kind.keeps)
    found, _ = drive(kind.detector(rungs), happenings, kind.keeps, eager=eager, cuts=cuts, sweeps=sweeps)
    assert found == expected
