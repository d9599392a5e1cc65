"""Growth of a counter: each rise at the sample that shows it, whatever the order in which samples arrive."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import Event
from streams.detect.detectors.counters import MAX_SAMPLES, Increase

MINUTE = 60_000
SETTINGS = {"field": "value", "at_least": 3, "within_minutes": 15}


def told(samples: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    """(minute, growth) of each finding over samples in order of arrival."""
    detector, state, found = Increase(SETTINGS), None, []
    for n, (minute, value) in enumerate(samples):
        state, findings = detector.step(state, Event(int(minute * MINUTE), f"e{n}", {"value": value}))
        state = msgspec.json.decode(msgspec.json.encode(state))
        found += [(minute, one.value) for one in findings]
    return found


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(0, 5), (1, 6), (2, 8)], [(2, 3)]),
        ([(0, 5), (1, 6), (2, 7)], []),
        ([(0, 500)], []),  # the first sample is no rise, however large
        ([(0, 0), (1, 1), (9, 2), (16, 4)], [(16, 3)]),  # a rise at minute 1 is on the edge, and outside
        ([(0, 9), (1, 10), (2, 1), (3, 2)], [(3, 3)]),  # set back to 0, and then two more
        ([(0, 0), (2, 3), (1, 3)], [(2, 3)]),  # late: the rise was earlier, and is the same
        ([(0, 0), (20, 1), (5, 3)], []),  # late: the rise of 3 was 15 minutes ago; of what fell then only 1 is new
        ([(0, 1), (0, 4)], [(0, 3)]),  # within one moment the larger is the later
        ([(0, "1"), (1, "4")], [(1, 3)]),
        ([(0, 0), (1, 2**63 - 1)], [(1, 2**63 - 1)]),
        ([(0, 0.5), (1, 3.5)], [(1, 3)]),
    ],
)
def test_it_fires_at_the_rise_that_makes_enough(samples: list[Any], expected: list[Any]) -> None:
    assert told(samples) == expected


@pytest.mark.parametrize(
    "value", [None, True, "many", "NaN", "1e999", -1, 2**63, str(10**70), [3], {"value": 3}, 1e300]
)
def test_what_is_no_counter_changes_nothing(value: Any) -> None:
    assert told([(0, 0), (1, value), (2, 3)]) == [(2, 3)]
    assert Increase(SETTINGS).step(None, Event(0, "e", {"value": value})) == (None, ())
    assert Increase(SETTINGS).step(None, Event(0, "e", {})) == (None, ())


@pytest.mark.parametrize("wrong", [{"at_least": 0}, {"at_least": "much"}, {"within_minutes": 0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"more than 0|invalid literal"):
        Increase(SETTINGS | wrong)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 6)), max_size=12), st.randoms(use_true_random=False))
def test_inside_a_window_the_order_of_arrival_makes_no_difference(samples: list[Any], rng: Random) -> None:
    def ended(order: list[Any]) -> Any:
        detector, state = Increase(SETTINGS), None
        for n, (minute, value) in enumerate(order):
            state, _ = detector.step(state, Event(minute * MINUTE, f"e{n}", {"value": value}))
        return state

    mixed = list(samples)
    rng.shuffle(mixed)
    assert ended(mixed) == ended(samples)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=25))
def test_in_order_it_says_what_adding_up_by_hand_says(steps: list[tuple[int, int]]) -> None:
    samples: list[tuple[float, Any]] = []
    minute = 0
    for gap, value in steps:
        minute += gap + 1
        samples.append((minute, value))
    expected = []
    for n in range(len(samples)):
        now = samples[n][0]
        rises = [b - a if b >= a else b for (_, a), (at, b) in pairwise(samples[: n + 1]) if at > now - 15]
        before = [b - a if b >= a else b for (_, a), (at, b) in pairwise(samples[:n]) if at > samples[n - 1][0] - 15]
        if sum(rises) >= 3 and sum(rises) > sum(before):
            expected.append((now, sum(rises)))
    assert told(samples) == expected


def test_a_flood_of_samples_stays_within_its_room() -> None:
    detector = Increase(SETTINGS)
    state: Any = None
    for n in range(5 * MAX_SAMPLES):
        state, _ = detector.step(state, Event(n, f"e{n}", {"value": 2**62 + n + 0.5}))
    assert len(state) <= MAX_SAMPLES
    assert len(msgspec.json.encode(state)) < MAX_INNER
