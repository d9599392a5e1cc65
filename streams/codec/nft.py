"""Sales of unique tokens to the envelope: one row a sale, as marketplaces and indexers export them.

Each field has many names: the token (``nft_id``, ``token_id``, with ``contract`` or ``collection`` before it),
``seller`` (``from``), ``buyer`` (``to``), a price (``price_eth``, ``price_usd``, ``price``, …), a time (``ts``,
``timestamp``, ``block_time``, …; seconds to nanoseconds, or RFC 3339). All of a row stays reachable as it was.
"""

from __future__ import annotations

from typing import Any

from streams.codec.guessed_times import any_time
from streams.codec.overlay import laid_over
from streams.detect.detectors.trading import amount, named
from streams.model.decode import decode_full

_TOKEN = ("nft_id", "token_id", "tokenId", "token")
_CONTRACT = ("contract", "contract_address", "nft_contract_address", "nft_contract", "collection", "collection_address")
_SELLER = ("seller", "seller_address", "from", "from_address", "maker")
_BUYER = ("buyer", "buyer_address", "to", "to_address", "taker", "winner")
_PRICE = ("price_eth", "price_usd", "price", "sale_price", "amount_eth", "amount_usd", "value_eth", "total_price")
_TIME = ("ts", "timestamp", "event_time", "time", "block_time", "block_timestamp", "evt_block_time", "sold_at", "date")
_ID = ("event_id", "sale_id", "id", "trade_id")
_TENANT = ("tenant", "marketplace", "platform", "project")


def first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these fields that is there and not null."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def nft(raw: bytes) -> dict[str, Any]:
    """The envelope of one row. Raises ValueError for what is no sale, or has an unreadable price or time."""
    return nft_envelope(decode_full(raw))


def nft_envelope(row: dict[str, Any]) -> dict[str, Any]:
    """The same, of a decoded row."""
    token, contract = named(first(row, _TOKEN)), named(first(row, _CONTRACT))
    if token is None:
        raise ValueError(f"no sale of a token: it has none of {', '.join(_TOKEN)}")
    seller, buyer = first(row, _SELLER), first(row, _BUYER)
    for role, party in (("seller", seller), ("buyer", buyer)):
        if not isinstance(party, (str, int)) or isinstance(party, bool) or not str(party).strip():
            raise ValueError(f"{role}: a sale needs one, as text")
    price = first(row, _PRICE)
    if price is not None and amount(price) is None:
        raise ValueError(f"price: {str(price)[:60]!r} is not a number")
    mapped = {
        "event_id": named(first(row, _ID)),
        "event_time": first(row, _TIME),
        "tenant": named(first(row, _TENANT)),
        "source": "trade",
        "type": "nft.sale",
        "instrument": f"{contract}/{token}" if contract else token,
        "token_id": token,
        "seller": str(seller).strip(),
        "buyer": str(buyer).strip(),
        "account": str(buyer).strip(),
        "counterparty": str(seller).strip(),
        "side": "buy",
        "qty": 1,
        "price": price,
        "venue": named(row.get("venue") or row.get("marketplace")),
    }
    if mapped["event_time"] is not None:
        mapped["event_time"] = any_time(mapped["event_time"])
    return laid_over(row, mapped)
