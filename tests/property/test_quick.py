"""The short way does to a key's state exactly what a step would have done, or nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from streams.detect.base import Detector, Moment, Quick, Seen, State
from streams.detect.edge import Edge, Rungs, Threshold
from streams.detect.kinds import distinct, level
from streams.detect.kinds.count import parse
from streams.rules.ladder import parse_ladder

LADDER = parse_ladder("low", falling=False)
moments = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["", "a", "b", "c", "d" * 40, "e"]), st.integers(0, 12)), max_size=30
)
counts = st.fixed_dictionaries(
    {"at_least": st.sampled_from([1, 2, 3, 5, 600]), "within": st.sampled_from(["10ms", "25ms"])},
    optional={"dedup": st.sampled_from([0, 64])},
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(counts, moments)
def test_quick_is_step_or_nothing(block: dict[str, Any], events: list[tuple[int, str, int]]) -> None:
    detector = parse(block).detector(LADDER)
    assert isinstance(detector, Quick)
    within, newest = int(block["within"][:-2]), 0
    state: State | None = None
    for ref, (at, event_id, behind) in enumerate(events):
        newest = max(newest, at)
        horizon = newest - behind - within
        if at <= horizon:
            continue
        after, seen = detector.step(state, Moment(at, ref, event_id, (), horizon))
        if state is not None:
            copy = state[:]
            if detector.quick(copy, at, ref, event_id, (), horizon):
                assert (copy, None) == (after, seen)
            else:
                assert copy == state
        state = after


def test_the_newest_of_too_few_is_taken_the_short_way() -> None:
    detector = parse({"at_least": 5, "within": "10m"}).detector(LADDER)
    state, _ = detector.step(None, Moment(0, 0, "a", (), -600_000))
    assert state is not None
    assert isinstance(detector, Quick)
    taken = [detector.quick(state, at, at, f"e{at}", (), at - 600_000) for at in (1, 2, 700_000, 700_001)]
    assert taken == [True] * 4
    assert state == [700_000, 700_001, "700000 e700000,700001 e700001,"]


#: About the threshold of ten as near as doubles come, and what is no number.
numbers = st.sampled_from([
    0, 9, 10, 11, 3.5, 9.999999999999998, 10.000000000000002, 9.99999, 10.00001, -1, 1e300, -1e300, 2**63, 5e-324,
    "9", "10", "10.000000000000000001", "x", None, UNSET, True, [1],
])  # fmt: skip
timed = st.tuples(st.integers(0, 60), st.sampled_from(["", "a", "b", "c", "d" * 41, "e"]), st.integers(0, 12))
levels = st.one_of(
    st.builds(lambda edge: {"value": "v", edge: 10}, st.sampled_from(["above", "at_least", "below", "at_most"])),
    st.just({"value": "v", "above": "50%", "of": "w"}),
    st.builds(
        lambda times: {"value": "v", "below": {"field": "w", "times": times, "plus": 1}},
        st.sampled_from([3, 0.5, 1e300]),
    ),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(levels, st.lists(st.tuples(timed, st.tuples(numbers, numbers)), max_size=30))
def test_a_level_far_away_is_noted_the_short_way(block: dict[str, Any], events: list[Any]) -> None:
    kind = level.parse(block | {"forget": "25ms"})
    wide = len(kind.fields())
    told = _alike(kind.detector(LADDER), [(*event, values[:wide]) for event, values in events], 25)
    # What a step finds without looking whether the value is far.
    exact = kind.detector(LADDER)
    exact._is_far = lambda values: False  # type: ignore[method-assign]
    assert told == _stepped(exact, [(*event, values[:wide]) for event, values in events], 25)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries({"at_least": st.sampled_from([1, 2, 3, 6])}, optional={"dedup": st.sampled_from([0, 64])}),
    st.lists(st.tuples(timed, st.sampled_from(["p", "q", "r", "s", 1, None, UNSET])), max_size=40),
)
def test_one_more_of_too_few_different_values_is_taken_the_short_way(block: dict[str, Any], events: list[Any]) -> None:
    detector = distinct.parse(block | {"field": "f", "within": "25ms"}).detector(LADDER)
    _alike(detector, [(*event, (value,)) for event, value in events], 25)


def _alike(detector: Detector, events: list[Any], span: int) -> list[Seen]:
    """What the steps saw; the short way was the same or nothing."""
    assert isinstance(detector, Quick)
    state: State | None = None
    newest, told = 0, []
    for ref, (at, event_id, behind, values) in enumerate(events):
        newest = max(newest, at)
        horizon = newest - behind - span
        if at <= horizon:
            continue
        after, seen = detector.step(_known(detector, state, horizon), Moment(at, ref, event_id, values, horizon))
        if state is not None:
            copy = state[:]
            if detector.quick(copy, at, ref, event_id, values, horizon):
                assert (copy, None) == (after, seen)
            else:
                assert copy == state
        state = after
        told.append(seen)
    return told


def _stepped(detector: Detector, events: list[Any], span: int) -> list[Seen]:
    state: State | None = None
    newest, told = 0, []
    for ref, (at, event_id, behind, values) in enumerate(events):
        newest = max(newest, at)
        horizon = newest - behind - span
        if at > horizon:
            state, seen = detector.step(_known(detector, state, horizon), Moment(at, ref, event_id, values, horizon))
            told.append(seen)
    return told


def _known(detector: Detector, state: State | None, horizon: int) -> State | None:
    """The state, unless it has expired."""
    gone = state is not None and detector.newest(state) <= horizon and not detector.holds(state)
    return None if gone else state


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(["above", "at_least", "below", "at_most"]),
    st.one_of(
        st.fractions(), st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Fraction(repr(number)))
    ),
    st.one_of(st.floats(allow_nan=False), st.integers(-(2**63), 2**63)),
    st.fractions(-(10**-9), 10**-9),
)
def test_what_is_far_reaches_nothing(comparison: str, limit: Fraction, number: float, off: Fraction) -> None:
    edge = Edge(comparison, Threshold(limit))
    if Rungs(edge, LADDER).is_far(number):
        assert not edge.reached(Fraction(number) * (1 + off), limit)
