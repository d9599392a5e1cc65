"""A price against its market, or against what the others say."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.oracle_deviation import OracleDeviation
from tests.stepping import event, values, walk

MINUTE = 60_000


def said(at: int, price: Any, oracle: str = "a", **more: Any) -> Event:
    return event(at, price=price, oracle=oracle, **more)


@pytest.mark.parametrize(
    ("price", "reference", "off"),
    [
        ("103", "100", 3), ("102.99", 100, None), (97, "100", 3), ("0.9", "1.0", 10), (50, 100, 50),
        (0, 100, None), (-50, 100, None), (50, 0, None), (50, -100, None), (True, 100, None), ("x", 100, None),
        ("1" + "0" * 70, "2" + "0" * 70, 50), (None, 100, None), (50, None, None),
    ],
)  # fmt: skip
def test_how_far_a_price_is_off_its_market(price: Any, reference: Any, off: Any) -> None:
    found = values(OracleDeviation({}), [said(0, price, reference_price=reference)])
    assert found == ([] if off is None else [(0, off)])


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([said(0, 100, "a"), said(1, 100, "b"), said(2, 110, "c")], [(2, 10)]),
        ([said(0, 100, "a"), said(1, 110, "c")], []),  # one other is no median
        ([said(0, 100, "a"), said(1, 100, "a"), said(2, 110, "c")], []),
        ([said(0, 100, "a"), said(1, 100, "b"), said(11 * MINUTE, 110, "c")], []),  # they are old
        ([said(0, 100, "a"), said(1, 102, "b"), said(2, 400, "d"), said(3, 101, "c")], [(2, 292.16)]),  # d is the liar
        ([said(5, 110, "c"), said(0, 100, "a"), said(1, 100, "b")], []),  # one of two agrees
        ([said(0, 100, "a"), said(1, 100, "b"), said(9, 100, "c"), said(4, 200, "c")], []),  # older than its last
    ],
)
def test_without_a_market_the_median_of_the_others_counts(events: list[Event], found: list[Any]) -> None:
    assert values(OracleDeviation({}), events) == found


def test_it_clears_when_it_is_back_within_one_percent() -> None:
    prices = [110, 102, 100.9, 100, 110]
    found = walk(OracleDeviation({}), [said(n, price, reference_price=100) for n, price in enumerate(prices)])
    assert [(at, one.clear) for at, one in found] == [(0, False), (2, True), (4, False)]


def test_it_clears_when_the_last_reporter_is_back() -> None:
    events = [
        said(n, price, oracle, reference_price=100)
        for n, (oracle, price) in enumerate([("a", 110), ("b", 110), ("a", 100), ("c", 100), ("b", 100)])
    ]
    found = walk(OracleDeviation({}), events)
    assert [(at, one.clear) for at, one in found] == [(0, False), (1, False), (4, True)]


def test_clear_lies_below_the_limit() -> None:
    with pytest.raises(ValueError, match="clear must lie above 0"):
        OracleDeviation({"at_least": 1, "clear": 2})
