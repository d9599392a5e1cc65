"""Each withdrawal of a bridge has its deposit, or is told."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.bridge_message import BridgeMessage
from tests.stepping import event, walk

MINUTE = 60_000
_SETTINGS = {"deposits": ["in"], "withdrawals": ["out"]}


def paid(at: int, amount: Any = 1000, **more: Any) -> Event:
    return event(at, type="out", amount=amount, tx_hash=f"0x{at}", **more)


def came(at: int, amount: Any = 1000, **more: Any) -> Event:
    return event(at, type="in", amount=amount, **more)


def after(events: list[Event]) -> tuple[list[str], list[bool], int | None]:
    """Reasons of the findings, whether each clears, and what is waited for at the end."""
    detector = BridgeMessage(_SETTINGS)
    state: Any = None
    found: list[Any] = []
    for one in events:
        state, findings = detector.step(state, one)
        found += findings
    return [one.detail.get("reason", "") for one in found], [one.clear for one in found], detector.due(state)


@pytest.mark.parametrize(
    ("events", "reasons"),
    [
        ([came(0), paid(1, 1001)], []),
        ([came(0), paid(1, 1002)], ["1 times the deposit"]),
        ([came(0), paid(1, 3000)], ["3 times the deposit"]),
        ([came(0), paid(1), paid(2)], ["paid twice"]),
        ([came(0), paid(1, 500), paid(2, 500)], []),  # in two parts
        ([came(0, None), paid(1), paid(2)], ["paid twice"]),
        ([came(0, "-5"), paid(1, None)], []),
        ([came(0, 10**6, decimals=6), paid(1, 10**18, decimals=18)], []),
        ([came(0, 10**6, decimals=6), paid(1, 10**19, decimals=18)], ["10 times the deposit"]),
        ([came(0, 10**6, decimals=6), paid(1, 10**19)], []),  # in units nobody knows
        ([came(0), paid(1), event(2, type="out", amount=1000, tx_hash="0x1")], []),  # one withdrawal told twice
        ([came(0), event(1, type="other", amount=9_999)], []),
    ],
)
def test_what_comes_out_is_held_against_what_went_in(events: list[Event], reasons: list[str]) -> None:
    assert after(events) == (reasons, [False] * len(reasons), None)


def test_a_deposit_may_be_seen_until_half_an_hour_later() -> None:
    assert after([paid(5)]) == ([], [], 5 + 30 * MINUTE)
    assert after([paid(5), came(20)]) == ([], [], None)


def test_a_withdrawal_of_nothing_is_told_in_time_and_cleared_by_its_deposit() -> None:
    detector = BridgeMessage(_SETTINGS)
    state, _ = detector.step(None, paid(5))
    state, found = detector.expire(state, 5 + 30 * MINUTE)
    assert [(one.value, one.detail["reason"]) for one in found] == [(1, "no deposit")]
    assert detector.due(state) is None
    assert [found.clear for _, found in walk(detector, [came(31 * MINUTE)], state)] == [True]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_twice_is_twice_in_whatever_order_it_is_seen(order: tuple[int, ...]) -> None:
    events = [came(0), paid(1), paid(2)]
    assert after([events[place] for place in order])[0] == ["paid twice"]
