"""Messages about orders and executions to the envelope, whoever wrote them.

What happened becomes one of ``order.placed``, ``order.cancelled``, ``order.replaced``, ``order.filled`` and
``order.rejected``: by the words that venues use (``new``, ``canceled``, ``amend``, ``trade``, …), by LOBSTER's numbers
1 to 5, and by FIX's (150, 39, 35). Other words stay as they are. A field that names several things by turns
(``type: limit``) is asked only for what it can answer. Everything stays reachable under its own name.
"""

from __future__ import annotations

from typing import Any

from streams.codec.guessed_times import any_time
from streams.codec.nft import first
from streams.codec.overlay import laid_over
from streams.detect.detectors.trading import Stage, amount, named, side, stage_of
from streams.model.decode import decode_full

_WHAT = (
    "event", "event_type", "eventType", "type", "action", "msg_type", "message_type", "messageType", "exec_type",
    "execType", "150", "status", "order_status", "ordStatus", "state", "39", "35", "MsgType", "ExecType", "OrdStatus",
)  # fmt: skip
_NUMBERS: dict[str, str] = {
    "1": Stage.PLACED, "2": Stage.REPLACED, "3": Stage.CANCELLED, "4": Stage.FILLED, "5": Stage.FILLED,
}  # fmt: skip
_FIX: dict[str, dict[str, str]] = {
    "150": {
        "0": Stage.PLACED, "4": Stage.CANCELLED, "5": Stage.REPLACED, "F": Stage.FILLED, "1": Stage.FILLED,
        "2": Stage.FILLED, "C": Stage.CANCELLED, "8": "order.rejected", "3": Stage.CANCELLED,
    },
    "39": {
        "0": Stage.PLACED, "1": Stage.FILLED, "2": Stage.FILLED, "3": Stage.CANCELLED, "4": Stage.CANCELLED,
        "5": Stage.REPLACED, "8": "order.rejected", "C": Stage.CANCELLED,
    },
    "35": {"D": Stage.PLACED, "F": Stage.CANCELLED, "G": Stage.REPLACED, "AE": Stage.FILLED, "9": "order.rejected"},
}  # fmt: skip
_FIX |= {"ExecType": _FIX["150"], "OrdStatus": _FIX["39"], "MsgType": _FIX["35"]}

#: Of the envelope: under which names each field comes. Texts, then numbers.
_TEXTS: dict[str, tuple[str, ...]] = {
    "event_id": ("event_id", "message_id", "msg_id", "exec_id", "execution_id", "ExecID", "17"),
    "tenant": ("tenant", "firm", "broker"),
    "account": (
        "account", "account_id", "trader", "trader_id", "client", "client_id", "user", "user_id", "participant",
        "participant_id", "member", "agent", "mpid", "wallet", "Account", "1",
    ),
    "counterparty": ("counterparty", "counterparty_id", "contra", "contra_account", "contra_party", "375"),
    "buyer": ("buyer", "buyer_id", "buy_account", "buy_trader", "buyer_account", "bid_account"),
    "seller": ("seller", "seller_id", "sell_account", "sell_trader", "seller_account", "ask_account"),
    "owner": ("owner", "beneficial_owner", "owner_id", "ubo"),
    "buyer_owner": ("buyer_owner", "buy_owner", "buyer_beneficial_owner"),
    "seller_owner": ("seller_owner", "sell_owner", "seller_beneficial_owner"),
    "instrument": (
        "instrument", "instrument_id", "symbol", "ticker", "pair", "market", "isin", "security", "asset", "product_id",
        "Symbol", "55",
    ),
    "venue": ("venue", "exchange", "mic", "207"),
    "order_id": (
        "order_id", "orderId", "orderID", "order_ref", "oid", "client_order_id", "cl_ord_id", "Order ID", "OrderID",
        "37", "41", "11", "id",
    ),
    "trade_id": ("trade_id", "tradeId", "match_id", "execution_ref", "TrdMatchID", "880", "1003"),
}  # fmt: skip
_NUMERIC: dict[str, tuple[str, ...]] = {
    "qty": ("qty", "quantity", "size", "Size", "volume", "amount", "order_qty", "orderQty", "shares", "OrderQty", "38"),
    "price": ("price", "px", "limit_price", "Price", "44"),
}
_FILLED: dict[str, tuple[str, ...]] = {
    "qty": ("last_qty", "fill_qty", "filled_qty", "exec_qty", "executed_qty", "LastQty", "32"),
    "price": ("last_price", "last_px", "fill_price", "exec_price", "LastPx", "31"),
}
_SIDES = ("side", "direction", "Direction", "buy_sell", "bs", "Side", "54", "order_side", "is_buy")
_TIMES = (
    "event_time", "ts", "timestamp", "time", "Time", "transact_time", "TransactTime", "60", "ts_event", "created_at",
    "datetime", "date",
)  # fmt: skip


def orders(raw: bytes) -> dict[str, Any]:
    """The envelope of one message. Raises ValueError for what is none, or has an unreadable number, side or time."""
    return orders_envelope(decode_full(raw))


def orders_envelope(row: dict[str, Any]) -> dict[str, Any]:
    """The same, of a decoded message."""
    what = _what(row)
    mapped: dict[str, Any] = {"source": "trade", "type": what}
    for name, spellings in _TEXTS.items():
        mapped[name] = next((text for key in spellings if (text := named(row.get(key))) is not None), None)
    if mapped["instrument"] is None and mapped["order_id"] is None:
        raise ValueError("no message about an order: it has neither an instrument nor an order id")
    for name, spellings in _NUMERIC.items():
        if what == Stage.FILLED:
            spellings = _FILLED[name] + spellings  # what was done comes before what was asked for
        mapped[name] = _number(name, first(row, spellings))
    if what == Stage.REPLACED and str(row.get("type", row.get("Type"))) == "2":
        mapped["qty_removed"], mapped["qty"] = mapped["qty"], None  # LOBSTER: the part that was taken away
    mapped["side"] = _side(first(row, _SIDES))
    mapped["account"] = mapped["account"] or mapped["buyer"]
    if (time := first(row, _TIMES)) is not None:
        mapped["event_time"] = any_time(time)
    if "order_type" not in row and isinstance(row.get("type"), str) and stage_of(row["type"]) is None:
        row = {**row, "order_type": row["type"]}
    return laid_over(row, mapped)


def _what(row: dict[str, Any]) -> str:
    """What happened. Raises ValueError where nothing says so."""
    other: str | None = None
    for key in (*_WHAT, "Type"):
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            continue
        text = str(value).strip()[:64]
        if key in _FIX and (known := _FIX[key].get(text)) is not None:
            return str(known)
        if text in _NUMBERS and key in {"type", "Type", "event_type", "event"}:
            return str(_NUMBERS[text])
        if (stage := stage_of(text)) is not None:
            return str(stage)
        if text.lower().endswith(("rejected", "reject")):
            return "order.rejected"
        if text and not text.isdigit():
            other = other or text.lower()
    if other is None:
        raise ValueError(f"no message about an order: none of {', '.join(_WHAT[:12])} says what happened")
    return other


def _number(name: str, value: Any) -> Any:
    """As it was written, where it is a number. Raises ValueError where it is there and is none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    value = value.strip() if isinstance(value, str) else value
    if amount(value) is None:
        raise ValueError(f"{name}: {str(value)[:60]!r} is not a number")
    return value


def _side(value: Any) -> str | None:
    """Raises ValueError where it is there and is neither side."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "buy" if value else "sell"
    if (read := side(value)) is None:
        raise ValueError(f"side: {str(value)[:60]!r} is neither buy nor sell")
    return read
