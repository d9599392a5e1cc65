"""Numbers of a log: what is missing, what comes twice, what begins anew; any order, hostile numbers, bounded state."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.numbering import Numbering

SECOND, WAIT = 1_000, 120_000


def run(records: list[tuple[int, Any, str]], **settings: Any) -> list[tuple[str, Any]]:
    """(kind, value) of what is found, with the timers run after the last record."""
    detector, state, found = Numbering(settings), None, list[Any]()
    for at, number, event_id in records:
        due = detector.due(state)
        while due is not None and due <= at:
            state, findings = detector.expire(state, due)
            found += findings
            due = detector.due(state)
        state, findings = detector.step(json.loads(json.dumps(state)), Event(at, event_id, {"sequence": number}, [at]))
        found += findings
    due = detector.due(state)
    while due is not None:
        state, findings = detector.expire(state, due)
        found += findings
        due = detector.due(state)
    return [(one.detail["kind"], one.value) for one in found]


def numbered(*numbers: Any) -> list[tuple[int, Any, str]]:
    return [(n * SECOND, number, f"e-{n}") for n, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ((1, 2, 3), []),
        ((1, 2, 5, 6), [("gap", 2)]),
        ((1, 3, 5, 7), [("gap", 1), ("gap", 1), ("gap", 1)]),
        ((1, 5, 3, 6), [("gap", 2)]),  # 3 came late: 2 and 4 are missing, one gap of two parts
        ((1, 4, 3, 2, 5), []),  # late, in time
        ((7, 8, 8, 9), [("repeat", 1)]),
        ((100, 101, 1, 2, 3), [("reset", 1)]),
        ((100, 101, 0, 2), [("reset", 1), ("gap", 1)]),
        (("41", "42", 43.0), []),  # decimal text and integral floats are numbers
        ((1, True, None, "x", [], {}, -2, 1.5, 2**63, "9" * 400, "1e400", float("nan"), 2), []),
        ((2**63 - 2, 2**63 - 1), []),
    ],
)
def test_what_is_found(numbers: tuple[Any, ...], found: list[tuple[str, int]]) -> None:
    assert run(numbered(*numbers)) == found


def test_a_record_that_travels_for_two_minutes_is_missed_and_one_millisecond_less_is_not() -> None:
    late = [(0, 1, "a"), (SECOND, 3, "b")]
    assert run([*late, (SECOND + WAIT - 1, 2, "c")]) == []
    assert run([*late, (SECOND + WAIT, 2, "c")])[0] == ("gap", 1)


def test_the_same_record_again_is_no_repeat_and_one_without_an_id_cannot_be_told() -> None:
    assert run([(0, 1, "a"), (SECOND, 1, "a"), (2 * SECOND, 2, "b")]) == []
    assert run([(0, 1, ""), (SECOND, 1, "")]) == []


def test_what_is_older_than_the_first_record_is_history() -> None:
    assert run([(60_000, 50, "a"), (0, 48, "b"), (30_000, 49, "c"), (61_000, 51, "d")]) == []


def test_resets_can_be_accepted() -> None:
    assert run(numbered(5, 6, 1, 2), resets="accept") == []
    with pytest.raises(ValueError, match="resets"):
        Numbering({"resets": "maybe"})


def test_the_state_is_bounded_and_the_oldest_gap_is_told_at_once() -> None:
    detector, state, found = Numbering({}), None, 0
    for n in range(2_000):
        event = Event(n, "x" * 500 + str(n), {"sequence": 2 * n}, (n, ["t", 1, n], "i" * 200))
        state, findings = detector.step(state, event)
        found += len(findings)
    assert found == 2_000 - 1 - 32
    assert len(json.dumps(state)) < 32_768


@given(st.integers(1, 10**9), st.integers(2, 40), st.integers(0, 2**32))
def test_a_whole_log_in_any_order_of_arrival_is_silent(first: int, count: int, seed: int) -> None:
    records = [(n * SECOND, first + n, f"e-{n}") for n in range(count)]
    shuffled = records[:]
    Random(seed).shuffle(shuffled)
    detector, state = Numbering({}), None
    for at, number, event_id in shuffled:
        state, findings = detector.step(state, Event(at, event_id, {"sequence": number}, [at]))
        assert not findings
    assert detector.due(state) is None


@given(st.sets(st.integers(1, 60), max_size=25))
def test_as_many_are_missed_as_are_missing(missing: set[int]) -> None:
    records = [(n * SECOND, n, f"e-{n}") for n in range(62) if n not in missing]
    assert sum(value for kind, value in run(records) if kind == "gap") == len(missing)
