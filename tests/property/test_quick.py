"""The short way does to a key's state exactly what a step would have done, or nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import Moment, Quick, State
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


@settings(max_examples=500, deadline=None, derandomize=True)
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
