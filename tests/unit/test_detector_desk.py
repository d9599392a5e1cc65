"""Limits, costs and transfers of a trading desk: exact at the limit, silent where a number is none."""

from __future__ import annotations

import json
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event, Found
from streams.detect.detectors.costs import basis_points, nearly
from streams.detect.detectors.position import PositionLimit
from streams.detect.detectors.slippage import CostLimit, CostOutlier
from streams.detect.detectors.transfers import HighValue

HOSTILE = [None, True, False, "NaN", "Infinity", "1e999", "0x10", "", [1], {"a": 1}, float("nan"), float("inf")]
_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["1e400", "9" * 78, "-1"])
)  # fmt: skip


def play(detector: Any, events: list[dict[str, Any]]) -> list[list[Found]]:
    """What each event finds; states go through JSON, as they do live."""
    state, found = None, []
    for n, fields in enumerate(events):
        state, seen = detector.step(json.loads(json.dumps(state)), Event(n * 1000, f"e{n}", fields))
        found.append(list(seen))
    return found


def told(found: list[list[Found]]) -> list[Any]:
    """By event: the value, "clear", or None."""
    return [None if not seen else "clear" if seen[0].clear else seen[0].value for seen in found]


def position(value: Any, limit: Any = 100, **more: Any) -> dict[str, Any]:
    return {"position": value, "max_position": limit, **more}


def test_a_position_is_told_at_each_higher_level_and_again_after_it_came_down() -> None:
    values = [79.999, 80, 89, -90, 75, 74.99, 80, 250]
    assert told(play(PositionLimit({}), [position(value) for value in values])) == [
        None, 80, None, 90, None, "clear", 80, 250,
    ]  # fmt: skip


def test_positions_of_256_bits_are_exact() -> None:
    limit = 2**255
    just = limit * 4 // 5
    assert told(play(PositionLimit({}), [position(str(just - 1), str(limit)), position(str(just + 1), str(limit))])) == [
        None, 80,
    ]  # fmt: skip


def test_shorts_have_their_own_limit_where_there_is_one() -> None:
    assert told(play(PositionLimit({}), [position(-45, 100, max_short=50)])) == [90]
    assert told(play(PositionLimit({}), [position(45, 100, max_short=50)])) == [None]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_position_or_a_limit_that_is_no_number_is_not_judged(value: Any) -> None:
    assert told(play(PositionLimit({}), [position(value), position(90, value), position(85)])) == [None, None, 85]


def test_an_event_older_than_the_last_changes_nothing() -> None:
    detector = PositionLimit({})
    state, _ = detector.step(None, Event(5_000, "b", position(95)))
    assert detector.step(state, Event(4_000, "a", position(10))) == (state, ())


@pytest.mark.parametrize("settings", [{"levels": []}, {"levels": [80, "x"]}, {"clear": 81}, {"clear": 0}])
def test_levels_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="levels"):
        PositionLimit(settings)


def amounts(*values: Any) -> list[dict[str, Any]]:
    return [{"amount_usd": value} for value in values]


def test_the_limit_is_exact_and_signs_do_not_matter() -> None:
    assert told(play(HighValue({}), amounts("999999.99", -1_000_000))) == [None, 1_000_000]


def test_what_an_account_always_moves_is_not_told_but_three_times_of_it_and_ten_millions_are() -> None:
    usual = [900_000] * 6
    for amount, fires in ((2_699_999, False), (2_700_000, True), (10_000_000, True)):
        assert told(play(HighValue({}), amounts(*usual, amount))) == [None] * 6 + [amount if fires else None]


def test_small_change_makes_no_amount_usual() -> None:
    assert told(play(HighValue({}), amounts(*[50_000] * 100, 1_000_000))) == [None] * 100 + [1_000_000]


@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_no_amount_is_not_judged(value: Any) -> None:
    assert told(play(HighValue({}), amounts(value))) == [None]


def test_the_first_field_with_a_number_counts() -> None:
    event = {"amount_usd": None, "value_usd": "NaN", "notional_usd": "5000000"}
    assert told(play(HighValue({}), [event])) == [5_000_000]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"side": "buy", "expected_price": 100, "price": 101}, 100),
        ({"side": "Sell", "quoted_price": "100", "fill_price": "99"}, 100),
        ({"side": "bid", "arrival_price": 100, "avg_price": 99}, -100),
        ({"slippage_percent": "1.5", "side": "buy", "expected_price": 1, "price": 99}, 150),
        ({"expected_amount_out": str(10**30), "amount_out": str(10**30 - 10**27)}, 10),
        ({"expected_amount_out": 0, "amount_out": 5}, None),
        ({"expected_price": 100, "price": 101}, None),
        ({"side": "buy", "expected_price": -100, "price": 101}, None),
        ({"side": "buy", "expected_price": 100, "price": -101}, None),
        ({}, None),
    ],
)
def test_slippage_is_what_was_paid_more_or_got_less(fields: dict[str, Any], expected: int | None) -> None:
    assert basis_points("slippage", fields) == (None if expected is None else Fraction(expected))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"amount_in": 1, "reserve_in": 9}, 1_000),
        ({"amount_in": "1" + "0" * 70, "reserve_in": "9" + "0" * 70}, 1_000),
        ({"amount_in": -1, "reserve_in": 9}, None),
        ({"amount_in": 1, "reserve_in": True}, None),
        ({"price_impact_pct": 3, "amount_in": 1, "reserve_in": 9}, 300),
    ],
)
def test_impact_follows_from_the_reserve(fields: dict[str, Any], expected: int | None) -> None:
    assert basis_points("impact", fields) == (None if expected is None else Fraction(expected))


_prices = st.decimals("0.00000001", "1000000000", places=8).map(str)


@given(_prices, _prices, st.sampled_from(["buy", "sell"]))
def test_what_is_nearly_a_cost_is_off_by_next_to_nothing(quote: str, paid: str, side: str) -> None:
    for measure, fields in (
        ("slippage", {"expected_price": quote, "price": paid, "side": side}),
        ("slippage", {"expected_amount_out": quote, "amount_out": paid}),
        ("impact", {"reserve_in": quote, "amount_in": paid}),
    ):
        exactly, about = basis_points(measure, fields), nearly[measure](fields)
        assert exactly is not None
        assert about is not None
        assert abs(Fraction(about) - exactly) <= max(abs(exactly), Fraction(1)) / 1_000_000


def test_an_absolute_limit_is_met_exactly() -> None:
    costs = [{"slippage_bps": cost} for cost in (99.999, 100, "100.0", 5)]
    assert told(play(CostLimit({"measure": "slippage", "at_least": 100}), costs)) == [None, 100, 100, None]


def outlier(costs: list[Any], **settings: Any) -> list[Any]:
    return told(play(CostOutlier({"measure": "slippage", **settings}), [{"slippage_bps": cost} for cost in costs]))


@pytest.mark.parametrize("spread", [0.2, 0.5, 0.8, 1.2])
def test_of_ordinary_costs_next_to_none_are_outliers_however_wide_they_lie(spread: float) -> None:
    rng = Random(11)
    costs = [rng.lognormvariate(1, spread) for _ in range(4_000)]
    assert sum(one is not None for one in outlier(costs)) <= 1


def test_a_market_in_which_fills_got_better_as_often_as_worse_is_judged_by_those_that_cost() -> None:
    costs = [-3 if n % 2 else 4 + n % 3 for n in range(300)]
    assert outlier([*costs, 60])[-1] == 60


def test_costs_that_stay_high_become_usual() -> None:
    found = outlier([5] * 150 + [60] * 150)
    assert found[150] == 60
    assert found[-50:] == [None] * 50


@given(st.lists(st.dictionaries(st.sampled_from(["slippage_bps", "price", "expected_price", "side", "position",
       "max_position", "amount_usd", "amount_in", "reserve_in", "price_impact_bps", "amount_out",
       "expected_amount_out"]), _values, max_size=6), max_size=8))  # fmt: skip
def test_nothing_that_an_event_can_hold_raises_and_states_are_json(events: list[dict[str, Any]]) -> None:
    for detector in (
        PositionLimit({}), HighValue({}), CostLimit({"measure": "slippage", "at_least": 1}),
        CostLimit({"measure": "impact", "at_least": 1}), CostOutlier({"measure": "slippage"}),
        CostOutlier({"measure": "impact"}),
    ):  # fmt: skip
        for found in play(detector, events):
            json.dumps([[one.value, one.threshold, dict(one.detail)] for one in found], allow_nan=False)
