"""Flash loans turned against prices: each sign, any order, ordinary loans, hostile values."""

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
from streams.detect.detectors.flash_loan import FlashLoanAttack

LOAN = {"type": "flash_loan", "log_index": 1, "token": "0xW", "amount": "1000", "amount_usd": 5_000}


def swap(number: int, pool: str, token_in: str, paid: Any, token_out: str, bought: Any, **more: Any) -> dict[str, Any]:
    return {"type": "swap", "log_index": number, "pool": pool, "token_in": token_in, "amount_in": paid,
            "token_out": token_out, "amount_out": bought, **more}  # fmt: skip


def run(events: Iterable[dict[str, Any]], **more: Any) -> list[Found]:
    detector, state, found = FlashLoanAttack(more), None, list[Found]()
    for number, fields in enumerate(events):
        event = Event(
            1_000, f"e{fields.get('log_index', number)}", fields, (1_000, number, f"e{fields.get('log_index')}")
        )
        state, more_found = detector.step(msgspec.json.decode(msgspec.json.encode(state)), event)
        found += more_found
        assert len(msgspec.json.encode(state)) <= MAX_INNER
    return found


THERE, BACK = swap(2, "p", "0xw", 250, "X", 90), swap(3, "p", "X", 90, "0xw", 250)
OTHER = swap(4, "q", "X", 90, "0xw", 251)


@pytest.mark.parametrize("order", list(permutations([LOAN, THERE, BACK, THERE])))
def test_a_pool_traded_there_and_back_is_found_once_in_any_order_about_the_loan(
    order: tuple[dict[str, Any], ...],
) -> None:
    (found,) = run(order)
    assert found.about is not None
    assert found.about[2] == "e1"
    assert (found.value, found.detail["signs"], found.detail["borrowed"]) == (
        5_000,
        "a pool traded there and back",
        "1000",
    )


@pytest.mark.parametrize(
    ("events", "signs"),
    [
        ([LOAN], None),
        ([THERE, BACK], None),  # nothing borrowed
        ([LOAN, THERE, OTHER], None),  # an ordinary arbitrage
        ([LOAN, {**THERE, "amount_in": 249}, BACK], None),
        ([LOAN, THERE, {**BACK, "amount_out": 249}], None),
        ([{**LOAN, "token": "0xZ"}, THERE, BACK], None),  # another token's loan
        ([{**LOAN, "amount": "600"}, {**LOAN, "log_index": 9, "amount": "600"}, THERE, BACK], None),  # of both together
        ([LOAN, {"price_before": 100, "price_after": "110"}], "a price moved far"),
        ([LOAN, {"price_before": 110, "price_after": 100}], "a price moved far"),
        ([LOAN, {"price_before": 100, "price_after": 109.99}], None),
        ([LOAN, {"old_price": 100, "new_price": 200}], "a price moved far"),
        ([LOAN, {"price_before": 0, "price_after": 10}], None),
        ([LOAN, {"price_before": -5, "price_after": 10}], None),
        ([LOAN, {"price_impact_percent": -12}], "a price moved far"),
        ([LOAN, {"price_impact_percent": True}], None),
        ([LOAN, {"profit_usd": "100000"}], "a large gain"),
        ([LOAN, {"profit_usd": 99_999.99}], None),
        ([LOAN, {"profit_usd": "-500000"}], None),
    ],
)
def test_what_is_a_sign(events: list[dict[str, Any]], signs: str | None) -> None:
    assert [one.detail["signs"] for one in run(events)] == ([] if signs is None else [signs])


def test_the_gain_is_the_value_where_it_is_told() -> None:
    (found,) = run([{"profit_usd": 2_000_000}, LOAN])
    assert (found.value, found.detail["borrowed_usd"]) == (2_000_000, 5_000)


def test_a_huge_transaction_stays_small() -> None:
    crowd = [
        swap(n, "p" * 90, "v" * 66, "9" * 99, "w" * 66, "8" * 99, profit_usd="1" * 99, price_impact_percent=99)
        for n in range(500)
    ]
    assert len(run([*crowd, LOAN])) == 1


@pytest.mark.parametrize("bad", [{"share": 0}, {"move_percent": "x"}, {"gain_usd": -1}, {"share": None}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is a number above 0"):
        FlashLoanAttack(bad)


HOSTILE = st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=80) | st.lists(
    st.integers(), max_size=2
)  # fmt: skip
NAMES = (*LOAN, *THERE, "profit_usd", "price_before", "price_after", "price_impact_percent")


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, HOSTILE)), max_size=5))
def test_hostile_values_raise_nothing_and_hide_nothing(noise: list[dict[str, Any]]) -> None:
    assert run([*({**one, "log_index": 50 + n, "type": "other"} for n, one in enumerate(noise)), LOAN, THERE, BACK])
    run(noise)
