"""A success after many failures: edges of the window, ties, any order, lines that stand for many, hostile values."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.guessing import GuessedPassword
from streams.detect.living import Living
from tests.driving import Came, drive, told

MINUTE = 60_000


def found(tries: list[tuple[int, str, str, Any]], **settings: Any) -> list[int]:
    """The values of what is found of (time, outcome, address, repeat), in their order of arrival."""
    detector, state, seen = GuessedPassword({"at_least": 3, "within": "10m", **settings}), None, []
    for n, (at, outcome, address, repeat) in enumerate(tries):
        fields = {"outcome": outcome, "source_ip": address, "repeat": repeat}
        state, findings = detector.step(state, Event(at, f"e{n}", fields))
        seen += [one.value for one in findings]
    return seen


def fails(*times: int, ip: str = "a", repeat: Any = 1) -> list[tuple[int, str, str, Any]]:
    return [(at, "failure", ip, repeat) for at in times]


def ok(at: int, ip: str = "a") -> list[tuple[int, str, str, Any]]:
    return [(at, "success", ip, 1)]


@pytest.mark.parametrize(
    ("tries", "settings", "values"),
    [
        (fails(1, 2, 3) + ok(4), {}, [3]),
        (fails(1, 2) + ok(4), {}, []),
        (fails(4, 4, 4) + ok(4), {}, [3]),  # all of one moment
        (fails(5, 6, 7) + ok(4), {}, []),  # the failures came after it
        (fails(0, 1, 2) + ok(10 * MINUTE), {}, []),  # the first lies on the edge, and so outside
        (fails(1, 2, 3) + ok(10 * MINUTE), {}, [3]),
        (fails(1, repeat=3) + ok(4), {}, [3]),
        (fails(1, repeat=10**30) + ok(4), {}, [10_000]),
        (fails(1, 2) + fails(3, repeat=True) + ok(4), {}, [3]),  # a boolean is no number, and one line one attempt
        (fails(1, 2) + fails(3, repeat=-7) + ok(4), {}, [3]),
        (fails(1, 2, 3) + ok(4, "b"), {}, []),  # the owner, from elsewhere
        (fails(1, 2, 3) + ok(4, "b"), {"same_address": False}, [3]),
        (fails(1, 2, 3) + ok(4, ""), {}, [3]),  # nobody knows from where
        (fails(1, 2, 3) + ok(4) + ok(5), {}, [3, 3]),
        (fails(1, 2, 3) + ok(4) + ok(5) + ok(6), {"share": 0.7}, [3]),
        (ok(1) + ok(2) + fails(3, 4, 5) + ok(6), {"share": 0.7}, []),
        (ok(9) + fails(1, 2, 3, 4), {}, [3, 4]),  # late failures make a success suspicious, and then worse
    ],
)  # fmt: skip
def test_what_is_found(tries: list[Any], settings: dict[str, Any], values: list[int]) -> None:
    assert found(tries, **settings) == values


def test_in_whatever_order_they_come_the_worst_is_told() -> None:
    tries = fails(1, 2, 3, 4) + ok(4)
    assert {max(found(list(order))) for order in permutations(tries)} == {4}


@given(st.lists(st.tuples(st.integers(0, 1_500_000), st.sampled_from(["success", "failure"]), st.sampled_from("ab")),
                max_size=30))  # fmt: skip
def test_events_in_order_are_judged_as_brute_force_would(tries: list[tuple[int, str, str]]) -> None:
    tries = sorted(tries, key=lambda one: (one[0], one[1] == "success"))
    expected = []
    for at, outcome, ip in tries:
        if outcome != "success":
            continue
        before = [one for one in tries if one[1] == "failure" and at - 600_000 < one[0] <= at]
        if len(before) >= 3 and ip in {one[2] for one in before}:
            expected.append(len(before))
    assert found([(*one, 1) for one in tries]) == expected


@pytest.mark.parametrize("outcome", [None, 5, True, "maybe", ["failure"], {}, "SUCCESS"])
def test_an_outcome_that_is_none_changes_nothing(outcome: Any) -> None:
    assert GuessedPassword({}).step(None, Event(1, "", {"outcome": outcome})) == (None, ())
    assert GuessedPassword({}).step(None, Event(1, "", {})) == (None, ())


def test_an_attack_of_a_day_stays_small_and_duplicates_do_not_count() -> None:
    rng = Random(1)
    detector = Living(GuessedPassword({}), ("outcome", "repeat", "method", "source_ip"), 20 * MINUTE)
    events = [
        Came(n * 100, f"e{n}", ("failure", rng.randrange(9), None, "\ud800" + "x" * 10_000)) for n in range(2_000)
    ]
    state: Any = None
    for index, event in enumerate(events):
        state, _ = detector.step(state, event.moment(index))
    assert len(detector.written(state)[1]) < 8_000
    same = [Came(1, "a", ("failure", 1, None, "x"))] * 9 + [Came(2, "b", ("success", 1, None, "x"))]
    assert told(drive(detector, same)) == ["duplicates"] * 8


@pytest.mark.parametrize("settings", [{"at_least": 0}, {"share": 2}, {"within": "soon"}])
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at_least|duration|soon"):
        GuessedPassword(settings)
