"""Detectors of market abuse under hostile events: none raises, each keeps its state small, and order of arrival is no way
round spoofing's."""

from __future__ import annotations

import json
from itertools import permutations
from random import Random
from typing import Any

import pytest

from streams.detect.detectors import Event, Found
from streams.detect.detectors.closing import MarkingTheClose
from streams.detect.detectors.feigned_orders import FeignedOrders
from streams.detect.detectors.front_running import FrontRunning
from streams.detect.detectors.linked_owner import LinkedOwner
from streams.detect.detectors.momentum import MomentumIgnition
from streams.detect.detectors.prices import FatFinger, PriceDeviation
from streams.detect.detectors.pump import PumpAndDump
from streams.detect.detectors.round_trip import RoundTrip
from streams.detect.detectors.self_trade import SelfTrade

CLASSES = (
    FeignedOrders, FrontRunning, LinkedOwner, MarkingTheClose, MomentumIgnition, FatFinger, PriceDeviation,
    PumpAndDump, RoundTrip, SelfTrade,
)  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, -37.63, 5e-324, 1.7e308, 2**64 - 1, str(2**256 - 1), "-" + "9" * 300, "NaN", "Infinity",
    "1e999", "1e-999", "", " ", "x" * 5_000, [], [1], {}, {"a": {}}, "a", "b", "buy", "sell", "B", 1, 10, "10", "9.5",
)  # fmt: skip
TYPES = (
    "order.placed",
    "order.cancelled",
    "order.replaced",
    "order.filled",
    "trade",
    "nft.sale",
    "order",
    "x",
    None,
    7,
)
#: Shortly before the close of New York.
START = 1_704_226_800_000


@pytest.mark.parametrize("made", CLASSES, ids=lambda made: made.__name__)
def test_no_value_in_any_place_makes_it_raise_or_its_state_large(made: Any) -> None:
    detector, rng, state = made({}), Random(3), None
    for n in range(1_500):
        fields = {name: rng.choice(HOSTILE) for name in detector.fields if rng.random() < 0.8}
        fields["type"] = rng.choice(TYPES)
        if rng.random() < 0.5:
            fields |= {"qty": rng.choice((1, "7", 10**9)), "price": rng.choice((10, "0.1", -3)), "side": "buy"}
        at = START + rng.randrange(-2, 3) * rng.choice((0, 1_000, 10**6, 10**10)) + n * 100
        state, found = detector.step(json.loads(json.dumps(state, allow_nan=False)), Event(at, "", fields))
        for one in found:
            json.dumps([one.value, one.threshold, dict(one.detail)], allow_nan=False)
    assert len(json.dumps(state)) < 128 * 1024


@pytest.mark.parametrize("made", CLASSES, ids=lambda made: made.__name__)
def test_a_flood_of_long_names_leaves_room(made: Any) -> None:
    detector, rng, state = made({}), Random(4), None
    for n in range(600):
        name = f"{n}-" + "é" * 120
        fields = {
            "type": TYPES[rng.randrange(5)], "account": name, "counterparty": name + "x", "order_id": name,
            "trade_id": name, "owner": name, "counterparty_owner": name + "y", "side": rng.choice(("buy", "sell")),
            "qty": 1 + rng.random() / 3, "price": 1 + rng.random() / 3,
        }  # fmt: skip
        state, _ = detector.step(state, Event(START + n, "", fields))
    assert len(json.dumps(state, ensure_ascii=False).encode()) < 128 * 1024


SPOOF: tuple[dict[str, Any], ...] = (
    {"type": "order.placed", "order_id": "s", "side": "buy", "qty": 10, "price": 9.9},
    {"type": "order.placed", "order_id": "l", "side": "sell", "qty": 100, "price": 10},
    {"type": "order.filled", "order_id": "s", "qty": 10},
    {"type": "order.cancelled", "order_id": "l"},
)


def told(events: list[tuple[int, dict[str, Any]]]) -> int:
    detector, state = FeignedOrders({}), None
    found: list[Found] = []
    for at, fields in events:
        state, seen = detector.step(json.loads(json.dumps(state)), Event(at, "", fields))
        found += seen
    return len(found)


@pytest.mark.parametrize("gap_ms", [0, 500])
def test_spoofing_is_told_once_whatever_comes_first(gap_ms: int) -> None:
    timed = [(START + n * gap_ms, fields) for n, fields in enumerate(SPOOF)]
    assert [told(list(order)) for order in permutations(timed)] == [1] * 24


def test_a_cancellation_that_is_confirmed_twice_counts_from_the_first() -> None:
    timed = [(START + n * 500, fields) for n, fields in enumerate(SPOOF)]
    assert told([*timed, (START + 60_000, SPOOF[3])]) == 1
