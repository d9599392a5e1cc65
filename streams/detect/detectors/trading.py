"""How trade events are read by the detectors of market abuse: parties, sides, sizes, and what became of an order.

Whatever cannot be read (a boolean as a price, text that is no number, an owner that is a list) is None, never an
error. Sizes are compared by tolerance, so they are doubles here; 256-bit decimal text is read, only rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from streams.detect.detectors.remembered import remembered
from streams.detect.exact import exact

#: What is read of an order or an execution; all who look at any of it ask for the same, and share one reading.
TRADE_FIELDS = (
    "type", "action", "status", "order_id", "account", "counterparty", "buyer", "seller", "owner", "counterparty_owner",
    "buyer_owner", "seller_owner", "side", "qty", "qty_removed", "price", "trade_id", "token_id",
)  # fmt: skip
#: Of these what is looked at by those who follow executions, orders, or prices and sizes alone.
EXECUTION_NEEDS = tuple(path for path in TRADE_FIELDS if path not in ("order_id", "qty_removed"))
ORDER_NEEDS = "type", "action", "status", "order_id", "side", "qty", "qty_removed", "price"
PRICE_NEEDS = "type", "action", "status", "side", "qty", "price"
_LONGEST_NAME = 64
#: Longer ones are read anew each time, so that what is remembered of texts has a bound.
_LONGEST_NUMBER = 128
_LARGEST = 10**100
_SMALLEST = 1e-100
#: What mints to and burns from: no party.
_NOBODY = {"0x" + "0" * 40, "0x" + "0" * 36 + "dead"}


class Stage(StrEnum):
    """What an event says of an order."""

    PLACED = "order.placed"
    CANCELLED = "order.cancelled"
    REPLACED = "order.replaced"
    FILLED = "order.filled"


_WORDS: dict[Stage, str] = {
    Stage.PLACED: "placed place new add added submit submitted accept accepted open opened created create insert "
    "received pendingnew booked",
    Stage.CANCELLED: "cancelled canceled cancel cxl delete deleted removed remove withdrawn expired expire pulled "
    "partiallycancelled partiallycanceled donefordate",
    Stage.REPLACED: "replaced replace amended amend modified modify updated update changed restated revised reduced",
    Stage.FILLED: "filled fill partiallyfilled partialfill partialfilled partfilled executed execute execution exec "
    "trade traded match matched sale sold nftsale",
}
_STAGES = {word: stage for stage, words in _WORDS.items() for word in words.split()}
_BUY = frozenset(("buy", "b", "bid", "bids", "long", "buyer", "1", "buytocover", "bot"))
_SELL = frozenset(("sell", "s", "ask", "asks", "offer", "short", "seller", "2", "5", "-1", "sellshort", "sld"))


def stage_of(word: Any) -> Stage | None:
    """``order.placed``, ``NEW_ORDER`` and ``New`` are one; None for what is none of the four."""
    return _stage_of(word) if isinstance(word, str) and len(word) <= _LONGEST_NAME else None


@lru_cache(1 << 10)
def _stage_of(word: str) -> Stage | None:
    squeezed = "".join(filter(str.isalnum, word)).lower()
    for prefix in ("", "order", "trade"):
        if (stage := _STAGES.get(squeezed.removeprefix(prefix).removesuffix(prefix))) is not None:
            return stage
    return None


def stage(fields: Mapping[str, Any]) -> Stage | None:
    """By ``type``; where that says nothing (``order``) by ``action``, then by ``status``."""
    return stage_of(fields.get("type")) or stage_of(fields.get("action")) or stage_of(fields.get("status"))


def side(value: Any) -> str | None:
    """``buy`` or ``sell``, also of ``B``, ``ask`` and FIX's ``1``, ``2``, ``5``."""
    if type(value) is str:
        return _side(value[:_LONGEST_NAME])
    return _side(str(value)[:_LONGEST_NAME]) if type(value) is int else None


@lru_cache(1 << 10)
def _side(text: str) -> str | None:
    word = text.strip().lower().replace("_", "").replace(" ", "")
    return "buy" if word in _BUY else "sell" if word in _SELL else None


def amount(value: Any) -> float | None:
    """The number that a JSON number or decimal text writes; None for anything else, and beyond any amount.

    An amount of 256 bits has 78 digits; more than 100, before the point or after it, is no market's number, and would
    not leave room to multiply.
    """
    if type(value) is float or type(value) is int:  # most are: fractions cost twenty times as much
        if not -_LARGEST < value < _LARGEST:
            return None
        return float(value) if not -_SMALLEST < value < _SMALLEST else 0.0
    if type(value) is not str:
        return None
    return _written(value) if len(value) <= _LONGEST_NUMBER else _written.__wrapped__(value)


@lru_cache(1 << 12)
def _written(text: str) -> float | None:
    number = exact(text)
    if number is None or abs(number) >= _LARGEST:
        return None
    return float(number) if abs(number) * _LARGEST >= 1 else 0.0


def size(value: Any) -> float | None:
    """As ``amount``, but more than nothing."""
    number = amount(value)
    return number if number is not None and number > 0 else None


def named(value: Any) -> str | None:
    """Who or what is called so, as text of at most 64 bytes (of a longer one the beginning, and a hash of it all).

    Addresses of chains are in lower case; nobody's address is None.
    """
    if type(value) is str:
        return _named(value) if len(value) <= _LONGEST_NAME else _named.__wrapped__(value)
    return str(value) if type(value) is int and -(10**18) < value < 10**20 else None


@lru_cache(1 << 14)
def _named(text: str) -> str | None:
    text = text.strip()
    if not text:
        return None
    if len(text) > _LONGEST_NAME // 2 and len(raw := text.encode(errors="replace")) > _LONGEST_NAME:
        text = f"{text[:12]}#{blake2b(raw, digest_size=12).hexdigest()}"
    text = text.lower() if text[:2] in {"0x", "0X"} else text
    return None if text in _NOBODY else text


class Said(NamedTuple):
    """What an event says of an order or an execution of it. What is not said, or cannot be read, is None."""

    stage: Stage | None
    order_id: str | None = None
    account: str | None = None
    side: str | None = None
    qty: float | None = None
    price: float | None = None
    removed: float | None = None  #: by how much less it is now


_NOTHING = Said(None)


@remembered
def said_of(fields: Mapping[str, Any]) -> Said:
    """What the event says; nothing where its stage is none of the four."""
    what = stage(fields)
    if what is None:
        return _NOTHING
    get = fields.get
    return Said(
        what, named(get("order_id")), named(get("account")), side(get("side")), size(get("qty")), amount(get("price")),
        size(get("qty_removed")),
    )  # fmt: skip


class Trade(NamedTuple):
    """One execution. What is not said is None; ``unique``: of a token of which there is one."""

    seller: str | None
    buyer: str | None
    seller_owner: str | None
    buyer_owner: str | None
    qty: float | None
    price: float | None
    unique: bool


@remembered
def trade_of(fields: Mapping[str, Any]) -> Trade | None:
    """The execution of an event that is one: ``seller`` and ``buyer``, else ``account``, ``side``, ``counterparty``."""
    what, _, account, way, qty, price, _ = said_of(fields)
    if what is not Stage.FILLED:
        return None
    other = named(fields.get("counterparty"))
    seller, buyer = named(fields.get("seller")), named(fields.get("buyer"))
    mine, theirs = named(fields.get("owner")), named(fields.get("counterparty_owner"))
    seller_owner, buyer_owner = named(fields.get("seller_owner")), named(fields.get("buyer_owner"))
    if way == "sell":
        seller, buyer = seller or account, buyer or other
        seller_owner, buyer_owner = seller_owner or mine, buyer_owner or theirs
    elif way == "buy":
        seller, buyer = seller or other, buyer or account
        seller_owner, buyer_owner = seller_owner or theirs, buyer_owner or mine
    token = fields.get("token_id")
    word = fields.get("type")
    unique = (token is not None and named(token) is not None) or (isinstance(word, str) and word.startswith("nft"))
    return Trade(seller, buyer, seller_owner, buyer_owner, qty, price, unique)


def near(one: float, other: float, tolerance: float) -> bool:
    """Whether two numbers differ by at most that share of the larger."""
    return abs(one - other) <= tolerance * max(abs(one), abs(other))


def listed(value: Any) -> frozenset[str]:
    """The names in a setting that lists some. Raises ValueError for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("takes a list of names")
    return frozenset(name for item in value if (name := named(item)) is not None)


class Fill(NamedTuple):
    """What one party did in an execution."""

    party: str
    side: str
    qty: float
    price: float


@remembered
def fills_of(fields: Mapping[str, Any]) -> Sequence[Fill]:
    """Both parties of an execution, the buyer first, or the one that is named. None without a quantity and a price."""
    trade = trade_of(fields)
    if trade is None or trade.qty is None or trade.price is None:
        return ()
    parties = ((trade.buyer, "buy"), (trade.seller, "sell"))
    return [Fill(party, way, trade.qty, trade.price) for party, way in parties if party is not None]


def better(way: str, entry: float, leave: float) -> float:
    """By what share of the entry's price it paid to leave at another, having bought (or sold) first."""
    return 0.0 if entry == 0 else (leave - entry) / abs(entry) * (1 if way == "buy" else -1)
