"""Messages about orders in the words of many venues, and sales of tokens, as the envelope; what is none is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.codec.guessed_times import any_time
from streams.codec.nft import nft
from streams.codec.orders import orders

MOMENT = 1_704_189_845_250
ORDER: dict[str, Any] = {"event": "new", "symbol": "ACME", "trader": "t1", "order_id": "o1"}
SALE: dict[str, Any] = {"seller": "a", "buyer": "b", "nft_id": "7", "price_eth": 2}


def of(row: dict[str, Any]) -> dict[str, Any]:
    return orders(msgspec.json.encode(row))


@pytest.mark.parametrize(
    ("row", "type_"),
    [
        ({"event": "NEW"}, "order.placed"),
        ({"type": "order.placed"}, "order.placed"),
        ({"type": "limit", "action": "submit"}, "order.placed"),  # the type of the order, then what happened to it
        ({"event": "OrderCancelled"}, "order.cancelled"),
        ({"action": "canceled"}, "order.cancelled"),
        ({"type": "cancel_order"}, "order.cancelled"),
        ({"type": "delete"}, "order.cancelled"),
        ({"msg_type": "AMEND"}, "order.replaced"),
        ({"type": "order", "status": "modified"}, "order.replaced"),
        ({"event_type": "trade"}, "order.filled"),
        ({"type": "EXECUTE"}, "order.filled"),
        ({"type": "order", "status": "PARTIALLY_FILLED"}, "order.filled"),
        ({"event": "order_rejected"}, "order.rejected"),
        ({"event": "halt"}, "halt"),  # what it does not know stays
        ({"type": 1}, "order.placed"),  # LOBSTER
        ({"type": "3"}, "order.cancelled"),
        ({"type": 4}, "order.filled"),
        ({"type": 5}, "order.filled"),
        ({"35": "D"}, "order.placed"),  # FIX
        ({"35": "8", "150": "4", "39": "4"}, "order.cancelled"),
        ({"35": "8", "150": "F", "39": "1"}, "order.filled"),
        ({"35": "G"}, "order.replaced"),
    ],
)
def test_what_happened_has_one_word(row: dict[str, Any], type_: str) -> None:
    assert of({"symbol": "ACME", "order_id": "o1", **row})["type"] == type_


def test_names_of_fields_become_those_of_the_envelope() -> None:
    seen = of(
        {"type": "New", "TransactTime": "20240102-10:04:05.250", "37": "o-9", "client": 17, "ticker": "ACME", "bs": "B",
         "quantity": "12.5", "limit_price": 3.25, "exchange": "XNYS", "beneficial_owner": "Q"}
    )  # fmt: skip
    assert {name: seen[name] for name in ("order_id", "account", "instrument", "side", "qty", "price", "venue")} == {
        "order_id": "o-9", "account": "17", "instrument": "ACME", "side": "buy", "qty": "12.5", "price": 3.25,
        "venue": "XNYS",
    }  # fmt: skip
    assert (seen["event_time"], seen["owner"]) == (MOMENT, "Q")


def test_of_a_fill_what_was_done_counts_not_what_was_asked_for() -> None:
    seen = of({**ORDER, "event": "fill", "qty": 100, "last_qty": 30, "price": 10, "last_price": 9.5})
    assert (seen["qty"], seen["price"]) == (30, 9.5)


def test_a_part_of_an_order_that_is_taken_away_is_no_new_quantity() -> None:
    seen = of({"type": 2, "order_id": 5, "size": 40, "direction": -1, "price": 5853300})
    assert (seen["type"], seen["qty_removed"], seen["side"]) == ("order.replaced", 40, "sell")
    assert "qty" not in seen


@pytest.mark.parametrize(
    ("value", "side"),
    [("B", "buy"), ("bid", "buy"), (1, "buy"), ("S", "sell"), ("ASK", "sell"), ("2", "sell"), (-1, "sell")],
)
def test_sides_have_many_spellings(value: object, side: str) -> None:
    assert of({**ORDER, "side": value})["side"] == side


@pytest.mark.parametrize("value", [1_704_189_845.25, MOMENT, MOMENT * 1_000, MOMENT * 10**6, "2024-01-02T10:04:05.250Z",
                                   "2024-01-02 10:04:05.250", "1704189845250", "2024-01-02T12:04:05.25+02:00"])  # fmt: skip
def test_a_time_is_read_whatever_its_unit(value: object) -> None:
    assert any_time(value) == MOMENT
    assert of({**ORDER, "ts": value})["event_time"] == MOMENT


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "none of event"),
        ({"event": True, "symbol": "A"}, "none of event"),
        ({"event": "new"}, "neither an instrument nor an order id"),
        ({**ORDER, "price": "NaN"}, "price: 'NaN' is not a number"),
        ({**ORDER, "qty": True}, "qty: 'True' is not a number"),
        ({**ORDER, "qty": "1e999"}, "qty"),
        ({**ORDER, "side": "up"}, "side: 'up' is neither"),
        ({**ORDER, "side": {"a": 1}}, "side"),
        ({**ORDER, "ts": "noon"}, "not an RFC 3339 time"),
        ({**ORDER, "ts": [1]}, "not a time"),
        ({**ORDER, "ts": 10**40}, "not an RFC 3339 time"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(row)


def test_a_price_may_be_negative_and_an_amount_of_256_bits() -> None:
    seen = of({**ORDER, "price": -37.63, "qty": str(2**256 - 1)})
    assert (seen["price"], seen["qty"]) == (-37.63, str(2**256 - 1))


def test_a_sale_of_a_token_names_the_token_and_both_parties() -> None:
    seen = nft(msgspec.json.encode({**SALE, "contract": "0xAB", "ts": "2024-01-02T10:04:05.250Z", "sale_id": "s"}))
    assert {name: seen[name] for name in ("type", "instrument", "token_id", "seller", "buyer", "account", "price")} == {
        "type": "nft.sale", "instrument": "0xab/7", "token_id": "7", "seller": "a", "buyer": "b", "account": "b", "price": 2,
    }  # fmt: skip
    assert (seen["event_id"], seen["event_time"]) == ("s", MOMENT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nft_id": None}, "no sale of a token"),
        ({"nft_id": ""}, "no sale of a token"),
        ({"seller": None}, "seller: a sale needs one"),
        ({"buyer": True}, "buyer: a sale needs one"),
        ({"price_eth": "NaN"}, "price: 'NaN' is not a number"),
        ({"price_eth": [1]}, "price"),
        ({"ts": "yesterday"}, "not an RFC 3339 time"),
    ],
)
def test_a_sale_that_cannot_be_read_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nft(msgspec.json.encode({**SALE, **change}))
