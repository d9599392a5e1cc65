"""Shares against their definition, over a sliding window and over panes, which must agree where both can be asked."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.exact import exact, plain
from streams.detect.kinds.ratio import parse
from streams.detect.measures import Share
from streams.rules.ladder import parse_ladder
from tests.property.test_kind_aggregate import Condition, numbers, odd, timelines
from tests.timelines import Happening, Said, drive

weights: Any = numbers | odd


def share(events: list[tuple[Fraction, bool]]) -> Fraction | None:
    whole = sum((weight for weight, _ in events), Fraction(0))
    return 100 * sum((weight for weight, hit in events if hit), Fraction(0)) / whole if whole else None


def armed(happenings: list[Happening], hits: int) -> list[Happening]:
    """Some of the events come in by the second way too."""
    return [
        Happening(one.closed, one.at, one.event_id, one.values, (0, 1) if hits >> number & 1 else (0,))
        for number, one in enumerate(happenings)
    ]


def weight_of(happening: Happening, weighted: bool) -> Fraction | None:
    if not weighted:
        return Fraction(1)
    value = happening.values[0]
    number = None if isinstance(value, str) and len(value) > 100 else exact(value)
    return None if number is None or number < 0 else number


@settings(max_examples=500, deadline=None)
@given(
    timelines(weights), st.integers(0, 2**25 - 1), st.booleans(), st.integers(10, 90), st.integers(0, 9),
    st.integers(1, 60), st.integers(1, 4), st.booleans(), st.frozensets(st.integers(0, 25)),
)  # fmt: skip
def test_a_share_above_its_threshold_fires_and_clears_as_defined(
    happenings: list[Happening], hits: int, weighted: bool, limit: int, back: int, within: int, least: int,
    eager: bool, cuts: frozenset[int],
) -> None:  # fmt: skip
    happenings = armed(happenings, hits)
    block: dict[str, Any] = {
        "of": {"outcome": "failure"}, "above": f"{limit}%", "clear": limit - back, "within": f"{within}ms",
        "min_volume": least,
    }  # fmt: skip
    kind = parse({**block, "weight": "w"} if weighted else block)
    ladder = parse_ladder({"low": limit, "high": limit + 8}, falling=False)
    edge = Condition("above", [(Fraction(limit), "low"), (Fraction(limit + 8), "high")], Fraction(limit - back))
    said: list[Said] = []
    events: list[tuple[int, str, Fraction, bool]] = []
    closed, clock, last = 0, None, -1

    def look(number: int, now: int, at: int | None) -> None:
        inside = [(weight, hit) for when, _, weight, hit in events if now - within < when <= now]
        held = edge.held
        change = edge.look(share(inside) if len(inside) >= least else None)
        if at is not None and change and change[0] == "fire":
            edge.held = held
        elif change:
            said.append(Said(number, change[0], None if change[1] is None else plain(change[1]), at, change[2]))

    def close() -> None:
        nonlocal clock
        while edge.held and clock is not None:
            leaving = min(when for when, *_ in events if when > clock - within) + within
            if leaving > closed:
                return
            clock = leaving
            look(last, clock, clock)

    for number, happening in enumerate(happenings):
        closed = max(closed, happening.closed)
        if happening.at is None or happening.at <= closed - within:
            continue
        close()
        weight = weight_of(happening, weighted)
        if weight is None:
            continue
        if clock is not None and clock <= closed - within and not edge.held:
            clock, events = None, []
        if clock is not None and happening.at <= clock - within:
            continue
        now = happening.at if clock is None else max(clock, happening.at)
        if happening.event_id and happening.event_id in [name for when, name, *_ in events if when > now - within]:
            continue
        events.append((happening.at, happening.event_id, weight, 1 in happening.arms))
        clock, last = now, number
        look(number, now, None)
    closed = 1 << 60
    close()
    found, _ = drive(kind.detector(ladder), happenings, kind.keeps, eager=eager, cuts=cuts)
    assert found == said


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50) | st.sampled_from(("0.25", 1.5)), st.booleans()), max_size=30),
    st.integers(1, 5),
)
def test_panes_of_shares_come_to_the_same_as_all_their_events(events: list[tuple[Any, bool]], parts: int) -> None:
    for weighted in (False, True):
        measure = Share(weighted)
        items = [measure.read((weight,), (0, 1) if hit else (0,)) for weight, hit in events]
        panes: list[Any] = [None] * parts
        for number, item in enumerate(items):
            assert item is not None
            panes[number % parts] = measure.pane(item, panes[number % parts])
        kept = [pane for pane in panes if pane is not None]
        exactly = share([(exact(weight) if weighted else Fraction(1), hit) for weight, hit in events])  # type: ignore[misc]
        assert measure.over([item for item in items if item is not None]) == measure.across(kept) == exactly
        joined = kept[:1]
        for pane in kept[1:]:
            joined = [measure.joined(joined[0], pane)]
        assert measure.across(joined) == exactly
