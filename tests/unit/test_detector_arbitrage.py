"""Arbitrage within a transaction: circles in any order, what is none, and a search that ends."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import Event, Found
from streams.detect.detectors.arbitrage import LONGEST, Arbitrage


def swap(number: int, token_in: str, paid: Any, token_out: str, bought: Any, **more: Any) -> dict[str, Any]:
    return {"tx_hash": "t", "tx_index": 7, "log_index": number, "pool": f"p{number}", "token_in": token_in,
            "amount_in": paid, "token_out": token_out, "amount_out": bought, **more}  # fmt: skip


def run(events: Iterable[dict[str, Any]], **more: Any) -> list[Found]:
    detector, state, found = Arbitrage(more), None, list[Found]()
    for number, fields in enumerate(events):
        event = Event(1_000, f"e{number}", fields, (1_000, number, f"e{number}"))
        state, more_found = detector.step(msgspec.json.decode(msgspec.json.encode(state)), event)
        found += more_found
        assert len(msgspec.json.encode(state)) <= MAX_INNER
    return found


CIRCLE = [swap(1, "W", 1000, "X", 50), swap(2, "X", 50, "Y", 70), swap(3, "Y", 70, "W", 1030)]


@pytest.mark.parametrize("order", list(permutations([*CIRCLE, CIRCLE[0]])))
def test_a_circle_is_found_once_in_any_order(order: tuple[dict[str, Any], ...]) -> None:
    (found,) = run(order)
    assert (found.value, found.detail["gain"], found.detail["gain_token"]) == (3, "30", "W")
    assert found.detail["gain_percent"] == 3.0


@pytest.mark.parametrize(
    ("events", "gain"),
    [
        ([swap(1, "W", 100, "X", 50), swap(2, "X", 50, "W", 100)], None),  # nothing gained
        ([swap(1, "W", 100, "X", 50), swap(2, "X", 50, "W", 101)], "1"),
        ([swap(1, "W", 100, "X", 50), swap(2, "X", 48, "W", 100)], "2"),  # the gain is kept in the middle
        ([swap(1, "W", 100, "X", 50), swap(2, "X", 53, "W", 120)], None),  # topped up on the way
        ([swap(1, "W", 100, "X", 50), swap(2, "X", 45, "W", 95)], None),  # the rest of X is no gain: W is missing
        ([swap(1, "W", 100, "X", 50), swap(2, "X", 40, "W", 70)], None),
        ([swap(1, "W", 100, "X", 50), swap(1, "X", 50, "W", 101, log_index=2)], None),  # one pool
        ([swap(1, "W", 2**200, "X", 5), swap(2, "X", 5, "W", str(2**200 + 1))], "1"),
        ([swap(1, "W", 100, "W", 200)], None),
        ([swap(1, "W", 100, "X", 50), swap(2, "X", True, "W", 101)], None),
        ([swap(1, "W", 100, "X", 50), swap(2, "X", -50, "W", 101)], None),
    ],
)
def test_what_is_a_gain(events: list[dict[str, Any]], gain: str | None) -> None:
    events = [{**one, "amount_in": str(one["amount_in"])} if one["amount_in"] is not True else one for one in events]
    found = run(events)
    assert [one.detail["gain"] for one in found] == ([] if gain is None else [gain])


def test_the_longest_circle_is_found_and_one_longer_is_not() -> None:
    for length, fires in ((LONGEST, 1), (LONGEST + 1, 0)):
        tokens = [f"T{n}" for n in range(length)]
        events = [
            swap(n, tokens[n], 100, tokens[(n + 1) % length], 101 if n == length - 1 else 100) for n in range(length)
        ]
        assert len(run(events)) == fires


def test_a_transaction_that_is_one_great_tangle_ends_soon() -> None:
    tangle = [swap(n, f"T{n % 5}", 100, f"T{(n * 7 + 1) % 5}", 100, tx_hash='"' * 90) for n in range(150)]
    assert run([one for one in tangle if one["token_in"] != one["token_out"]]) == []


HOSTILE = st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=80) | st.lists(
    st.integers(), max_size=2
)  # fmt: skip


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(CIRCLE[0], HOSTILE)), max_size=5))
def test_hostile_values_raise_nothing_and_hide_nothing(noise: list[dict[str, Any]]) -> None:
    assert run([*noise, *CIRCLE])
