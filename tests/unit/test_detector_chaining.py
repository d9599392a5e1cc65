"""Chains of hashes: breaks, forks, second beginnings; whole chains in any order, hostile values, bounded state."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.chaining import Chained

SECOND, WAIT = 1_000, 120_000
Record = tuple[int, Any, Any]  #: time, hash, hash before


def run(records: list[Record]) -> list[str]:
    detector, state, found = Chained({}), None, list[Any]()
    for n, (at, own, before) in enumerate(records):
        due = detector.due(state)
        while due is not None and due <= at:
            state, findings = detector.expire(state, due)
            found += findings
            due = detector.due(state)
        event = Event(at, f"e-{n}", {"hash": own, "prev_hash": before}, [at, n])
        state, findings = detector.step(json.loads(json.dumps(state)), event)
        found += findings
    due = detector.due(state)
    while due is not None:
        state, findings = detector.expire(state, due)
        found += findings
        due = detector.due(state)
    return [one.detail["kind"] for one in found]


def chain(count: int, first: int = 0) -> list[Record]:
    return [(n * SECOND, f"h{first + n}", f"h{first + n - 1}") for n in range(count)]


def changed(records: list[Record], place: int, own: str) -> list[Record]:
    at, _, before = records[place]
    return [*records[:place], (at, own, before), *records[place + 1 :]]


@pytest.mark.parametrize(
    ("records", "found"),
    [
        (chain(20), []),
        (chain(20)[:7] + chain(20)[8:], ["break"]),  # one taken out
        (changed(chain(20), 7, "forged"), ["break"]),
        ([*chain(20), (30 * SECOND, "x", "h5")], ["fork"]),
        ([*chain(20), *chain(20)], []),  # sent again
        ([(0, "a", None), (SECOND, "b", "a"), (2 * SECOND, "c", "")], ["beginning"]),
        ([(0, "a", "0" * 64), (SECOND, "b", "a")], []),
        ([(0, "AB", "x"), (SECOND, "c", "ab ")], []),  # in any case, with blanks
        ([(0, "a", "z"), (SECOND, "b", "b")], ["break"]),  # its own predecessor
        ([(0, "a", "z"), (SECOND, 7, "a"), (2 * SECOND, "c", "b")], ["break"]),  # a record without a hash
        ([(0, "a", "z"), (SECOND, "b", 7), (2 * SECOND, "c", "b")], ["beginning"]),
        ([(0, "a", "z"), (0, "b", "y")], ["break"]),  # two heads of one moment: one is the root
    ],
)
def test_what_is_found(records: list[Record], found: list[str]) -> None:
    assert run(records) == found


def test_the_record_before_may_come_two_minutes_later_less_a_millisecond() -> None:
    head, later = [(0, "a", "z"), (SECOND, "c", "b")], (SECOND + WAIT - 1, "b", "a")
    assert run([*head, later]) == []
    assert run([*head, (SECOND + WAIT, "b", "a")]) == ["break"]


def test_history_from_before_the_first_record_is_taken_as_it_is() -> None:
    assert run([(9 * SECOND, "b", "a"), (9 * SECOND + WAIT + 1, "c", "b"), (0, "a", "z")]) == []


def test_after_a_break_the_chain_goes_on() -> None:
    cut = chain(50)[:10] + chain(50)[12:30] + chain(50)[31:]
    assert run(cut) == ["break", "break"]


@given(st.integers(2, 40), st.integers(0, 2**32), st.booleans())
def test_a_whole_chain_in_any_order_is_silent(count: int, seed: int, of_one_moment: bool) -> None:
    records = [(0 if of_one_moment else at, own, before) for at, own, before in chain(count)]
    Random(seed).shuffle(records)
    detector, state = Chained({}), None
    for n, (at, own, before) in enumerate(records):
        state, findings = detector.step(state, Event(at, f"e-{n}", {"hash": own, "prev_hash": before}, [at]))
        assert not findings
    if state is not None and (due := detector.due(state)) is not None:
        state, findings = detector.expire(state, due + WAIT)
        assert not findings
        assert detector.due(state) is None


@given(st.sets(st.integers(1, 30), max_size=12))
def test_every_hole_is_one_break(taken: set[int]) -> None:
    records = [record for n, record in enumerate(chain(33)) if n not in taken]
    holes = sum(n not in taken and n - 1 in taken for n in range(1, 33))
    assert run(records) == ["break"] * holes


def test_the_state_is_bounded() -> None:
    detector, state, told = Chained({}), None, 0
    for n in range(3_000):
        fields = {"hash": "a" * 900 + str(n), "prev_hash": "\U0001f600" * 900 + str(n)}
        state, findings = detector.step(state, Event(n, "", fields, (n, ["t", 1, n], "i" * 200)))
        told += len(findings)
    assert told == 3_000 - 200 - 1
    assert len(json.dumps(state, ensure_ascii=False).encode()) < 131_072
