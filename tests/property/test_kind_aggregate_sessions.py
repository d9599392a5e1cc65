"""Aggregates over sessions against their definition: the events of a key, cut where a pause is longer than the gap."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.kinds.aggregate import Aggregate, parse
from streams.rules.ladder import parse_ladder
from tests.property.test_kind_aggregate import (
    COMPARISONS,
    Condition,
    Event,
    condition,
    edges,
    function,
    held_to,
    numbers,
    odd,
    timelines,
    written,
)
from tests.timelines import Happening, drive


@dataclass
class Sessions:
    """Sessions are worked out anew from all events that were counted and whose session has not ended."""

    block: dict[str, Any]
    edge: Condition
    kind: Aggregate
    events: list[Event] = field(default_factory=list)
    ended: int | None = None
    said: list[Any] = field(default_factory=list)

    def sessions(self) -> list[list[Event]]:
        cut: list[list[Event]] = []
        for event in sorted(self.events, key=lambda event: event.at):
            if cut and event.at - cut[-1][-1].at <= self.kind.window.gap:
                cut[-1].append(event)
            else:
                cut.append([event])
        return cut

    def value(self, session: list[Event]) -> Fraction | None:
        if len(session) < self.kind.min_events:
            return None
        return function(self.kind.function, 1)([event.value for event in session])

    def reached(self, session: list[Event]) -> bool:
        value = self.value(session)
        return value is not None and COMPARISONS[self.edge.comparison](value, self.edge.limits[0][0])

    def close(self, closed: int) -> None:
        gap = self.kind.window.gap
        while self.events:
            session = self.sessions()[0]
            if session[-1].at + gap > closed:
                break
            self.events = [event for event in self.events if event not in session]
            self.ended = session[-1].at
            value, change = self.value(session), None
            if self.kind.falling:
                change = self.edge.look(value) if value is not None else None
            elif self.edge.held and not any(self.reached(other) for other in self.sessions()):
                change = self.edge.end(value)
            if change:
                number = max(event.number for event in session)
                self.said.append(written(self.kind.function, change, number, session[-1].at + gap))
        if not self.events and self.edge.held and self.ended is not None and self.ended + self.kind.forget <= closed:
            self.edge.held = 0

    def take(self, event: Event, closed: int) -> None:
        gap = self.kind.window.gap
        if event.at + gap <= closed and not any(abs(event.at - other.at) <= gap for other in self.events):
            return
        self.events.append(event)
        if not self.kind.falling:
            session = next(one for one in self.sessions() if event in one)
            value = self.value(session)
            held = self.edge.held
            change = self.edge.look(value) if value is not None else None
            if change and change[0] == "fire":
                self.said.append(written(self.kind.function, change, event.number, None))
            else:
                self.edge.held = held


def between(happenings: list[Happening]) -> list[Happening]:
    return [Happening(one.closed, one.at, "", one.values) for one in happenings]


@settings(max_examples=500, deadline=None)
@given(
    edges(tuple(COMPARISONS)).filter(lambda edge: edge[0]["function"] not in ("median", "p90", "rate")),
    st.integers(1, 30), timelines(numbers | odd).map(between), st.booleans(), st.frozensets(st.integers(0, 25)),
)  # fmt: skip
def test_sessions_say_what_their_definition_says(
    edge: tuple[dict[str, Any], dict[str, Any]], gap: int, happenings: list[Happening], eager: bool,
    cuts: frozenset[int],
) -> None:  # fmt: skip
    block, ladder = edge
    kind = parse({**block, "window": "session", "gap": f"{gap}ms", "within": "1h", "forget": "300ms"})
    one_word = len(set(ladder.values())) == 1
    words = {"low": ladder["low"]} if one_word else ladder
    rungs = parse_ladder("low" if one_word else ladder, falling=kind.falling)
    expected = held_to(Sessions(block, condition(block, words), kind), happenings, kind.keeps)
    found, _ = drive(kind.detector(rungs), happenings, kind.keeps, eager=eager, cuts=cuts)
    assert found == expected
