"""An order book that forgets what is over answers as one that remembers everything, whatever comes late."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from streams.detect.detectors import resting
from streams.detect.detectors.resting import MAX_ORDERS, Fill, Orders, stood, take
from streams.detect.detectors.trading import said_of

KEEPS = 30_000
START = 1_709_208_000_000


def _events(seed: int) -> list[tuple[int, dict[str, Any]]]:
    """An account that places and cancels; some of it arrives late, some of what is over is heard of again."""
    rng, at, live, events = Random(seed), START, [0], []
    over: list[tuple[int, int]] = []  # when, and which
    for number in range(700):
        at += rng.randint(0, 2_000)
        when = at - (rng.randint(0, KEEPS // 2) if rng.random() < 0.05 else 0)
        some = rng.choice([*live, *(one for end, one in over if end > at - KEEPS // 2)] or [number])
        fields: dict[str, Any] = {"order_id": f"o{some}", "qty": round(rng.random() * 100, 3)}
        chance = rng.random()
        if chance < 0.5:
            fields |= {"type": "order.placed", "side": rng.choice(("buy", "sell")), "price": 10.5}
            if chance > 0.02:
                live.append(number)
                fields = {**fields, "order_id": f"o{number}"}
        elif chance < 0.9 and live:
            over.append((when, live.pop(rng.randrange(min(3, len(live))))))
            fields = {"type": "order.cancelled", "order_id": f"o{over[-1][1]}"}
        else:
            fields["type"] = rng.choice(("order.filled", "order.replaced"))
        events.append((when, fields))
    return events


def _answers(events: list[tuple[int, dict[str, Any]]]) -> tuple[list[Any], Orders]:
    """After each event what stood now and at the earliest moment that matters, and what was filled since then."""
    orders: Orders = {}
    fills: list[Fill] = []
    answers, newest = [], START
    for at, fields in events:
        take(orders, fills, at, said_of(fields), KEEPS)
        newest = max(newest, at)
        answers.append([
            *(sorted(order for order, one in orders.items() if stood(one, when)) for when in (newest, newest - KEEPS)),
            [list(fill) for fill in fills if fill[0] > newest - KEEPS],
        ])  # fmt: skip
    return answers, orders


@pytest.mark.parametrize("seed", range(3))
def test_what_is_forgotten_is_asked_for_by_nobody(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = _events(seed)
    answers, orders = _answers(events)
    monkeypatch.setattr(resting, "_forget", lambda orders, at, keeps: None)
    expected, everything = _answers(events)
    assert answers == expected
    assert len(orders) < len(everything) / 3


def test_of_too_many_orders_those_that_are_over_go_first() -> None:
    open_ones = [
        (START + n, {"type": "order.placed", "order_id": f"o{n}", "side": "buy", "qty": 1}) for n in range(100)
    ]
    over = [
        (START + 100 + n, {"type": what, "order_id": f"c{n // 2}", "side": "buy", "qty": 1})
        for n in range(200)
        for what in ("order.placed", "order.cancelled")
    ]
    _, orders = _answers([*open_ones, *over])
    assert len(orders) <= MAX_ORDERS
    assert {f"o{n}" for n in range(100)} <= orders.keys()
    _, orders = _answers([(START + n, {**fields, "order_id": f"o{n}"}) for n, (_, fields) in enumerate(open_ones * 5)])
    assert len(orders) <= MAX_ORDERS
    assert "o499" in orders


def test_a_fill_takes_the_side_that_is_said_later() -> None:
    orders: Orders = {}
    fills: list[Fill] = []
    for at, fields in (
        (5, {"type": "order.filled", "order_id": "a", "qty": 2}),
        (6, {"type": "order.placed", "order_id": "a", "qty": 2, "side": "sell"}),
    ):
        order, _ = take(orders, fills, at, said_of(fields), KEEPS)
    assert order is orders["a"]
    assert fills == [[5, "sell", 2.0, None, "a"]]
