"""Forecasts against the textbook: the line worked out anew for each event, from all the values of the window."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.exact import exact, plain
from streams.detect.kinds.forecast import parse
from streams.rules.ladder import parse_ladder
from tests.property.test_kind_aggregate import Condition, timelines
from tests.timelines import Happening, Said, drive


def usable(value: Any) -> Fraction | None:
    return None if isinstance(value, str) and len(value) > 100 else exact(value)


def foreseen(points: list[tuple[int, Fraction]], at: int) -> Fraction | None:
    """Where the least-squares line through the points stands at ``at``: by deviations from the means."""
    mean_t = Fraction(sum(t for t, _ in points), len(points))
    mean_v = sum((v for _, v in points), Fraction(0)) / len(points)
    spread = sum(((t - mean_t) ** 2 for t, _ in points), Fraction(0))
    if not spread:
        return None
    slope = sum(((t - mean_t) * (v - mean_v) for t, v in points), Fraction(0)) / spread
    return mean_v + slope * (at - mean_t)


def defined(happenings: list[Happening], within: int, ahead: int, least: int, edge: Condition) -> list[Said]:
    closed, clock, last = 0, None, -1
    events: list[tuple[int, str, Fraction]] = []
    said: list[Said] = []

    def look(number: int, now: int, at: int | None) -> None:
        points = [(when, value) for when, _, value in events if now - within < when <= now]
        value = foreseen(points, now + ahead) if len(points) >= least else None
        held = edge.held
        change = edge.look(value)
        if at is not None and change and change[0] == "fire":
            edge.held = held
        elif change:
            said.append(Said(number, change[0], None if change[1] is None else plain(change[1]), at, change[2]))

    def close() -> None:
        nonlocal clock
        while edge.held and clock is not None:
            leaving = min(when for when, _, _ in events if when > clock - within) + within
            if leaving > closed:
                return
            clock = leaving
            look(last, clock, clock)

    for number, happening in enumerate(happenings):
        closed = max(closed, happening.closed)
        if happening.at is None or happening.at <= closed - within:
            continue
        close()
        value = usable(happening.values[0])
        if value is None:
            continue
        if clock is not None and clock <= closed - within and not edge.held:
            clock, events = None, []
        if clock is not None and happening.at <= clock - within:
            continue
        now = happening.at if clock is None else max(clock, happening.at)
        if happening.event_id and happening.event_id in [name for when, name, _ in events if when > now - within]:
            continue
        events.append((happening.at, happening.event_id, value))
        clock, last = now, number
        look(number, now, None)
    closed = 1 << 60
    close()
    return said


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(("reaches", "falls_to")), st.integers(-2, 30), st.integers(0, 3), st.integers(1, 60),
    st.integers(1, 100), st.integers(2, 4), timelines(), st.booleans(), st.frozensets(st.integers(0, 25)),
    st.booleans(),
)  # fmt: skip
def test_forecasts_say_what_the_textbook_says(
    name: str, limit: int, back: int, within: int, ahead: int, least: int, happenings: list[Happening], eager: bool,
    cuts: frozenset[int], sweeps: bool,
) -> None:  # fmt: skip
    falling = name == "falls_to"
    clear, high = (limit + back, limit - 4) if falling else (limit - back, limit + 4)
    kind = parse({
        "field": "v", name: limit, "in": f"{ahead}ms", "within": f"{within}ms", "clear": clear, "min_events": least,
    })  # fmt: skip
    ladder = parse_ladder({"low": limit, "high": high}, falling=falling)
    edge = Condition(
        "at_most" if falling else "at_least", [(Fraction(limit), "low"), (Fraction(high), "high")], Fraction(clear)
    )
    found, _ = drive(kind.detector(ladder), happenings, kind.keeps, eager=eager, cuts=cuts, sweeps=sweeps)
    assert found == defined(happenings, within, ahead, least, edge)
