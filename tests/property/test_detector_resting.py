"""An order book that lays by what is over answers as one that keeps all of it open, whatever comes late."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from streams.detect.detectors.resting import MAX_ORDERS, Resting

KEEPS = 30_000
NAMES = {
    "plain": "o{}", "with what JSON escapes": 'o"{}\\', "beyond ASCII": "ö{}", "one that ends as another": "{}o",
}  # fmt: skip


class Open(Resting):
    """Lays nothing by."""

    def _lay_by(self, before: int) -> None:
        pass


def _events(name: str, seed: int) -> list[tuple[int, dict[str, Any]]]:
    """An account that places and cancels; some of it arrives late, some ids come again, some fills are never placed."""
    rng, at, placed, live, events = Random(seed), 1_709_208_000_000, 0, [], []
    for _ in range(700):
        at += rng.randint(0, 2_000)
        when = at - (rng.randint(0, 2 * KEEPS) if rng.random() < 0.05 else 0)
        chance = rng.random()
        some = name.format(rng.randint(0, placed))
        fields: dict[str, Any] = {"order_id": some, "qty": round(rng.random() * 100, 3)}
        if chance < 0.5:
            fields |= {"type": "order.placed", "side": rng.choice(("buy", "sell")), "price": 10.5}
            if chance > 0.02:
                placed += 1
                live.append(fields | {"order_id": name.format(placed)})
                fields = live[-1]
        elif chance < 0.9 and live:
            fields = {"type": "order.cancelled", "order_id": live.pop(rng.randrange(min(3, len(live))))["order_id"]}
        else:
            fields["type"] = rng.choice(("order.filled", "order.replaced"))
        events.append((when, fields))
    return events


def _orders(state: Any) -> list[Any]:
    """All of them, in their order."""
    parts = [state[0]] if isinstance(state[0], dict) else state[0]
    opened = [one if isinstance(one, dict) else msgspec.json.decode(one[0]) for one in parts]
    return [item for one in opened for item in one.items()]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_what_was_laid_by_is_found_again_when_it_is_asked_for(name: str, seed: int) -> None:
    state = expected = None
    laid_by = 0
    for at, fields in _events(name, seed):
        book, whole = Resting(state, KEEPS), Open(expected, KEEPS)
        assert book.take(at, fields) == whole.take(at, fields)
        for way in ("buy", "sell"):
            for when in (at, at - KEEPS, at - 4 * KEEPS):
                assert book.standing(when, way, KEEPS) == whole.standing(when, way, KEEPS)
        state, expected = (msgspec.json.decode(msgspec.json.encode(one.state())) for one in (book, whole))
        assert (_orders(state), state[1]) == (_orders(expected), expected[1])
        assert len(_orders(state)) <= MAX_ORDERS
        laid_by += not isinstance(state[0], dict)
    assert laid_by == 0 if "\\" in name else laid_by > 0, "what would be escaped twice is left open"


def test_a_state_of_before_is_read() -> None:
    order = [5, "buy", 1.0, 2.0, 0.0, None, None, False]
    book = Resting([{"a": order}, [[6, "sell", 1.0, 2.0, "b"]]], KEEPS)
    assert (book.standing(7, "buy"), book.order("a"), book.order("b")) == ([order], order, None)
    assert book.state() == [{"a": order}, [[6, "sell", 1.0, 2.0, "b"]]]
