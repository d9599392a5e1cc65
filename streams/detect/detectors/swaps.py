"""What happens in a pool, as a state keeps it: who, which way, how much, and where in its block."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from streams.detect.detectors import Event, Sight
from streams.detect.detectors.routers import ROUTERS
from streams.detect.entries import kept_id
from streams.detect.exact import exact

#: What the detectors of one pool read of an event, and those of one transaction: it is read once for both of a kind.
POOL_FIELDS = (
    "type", "tx_hash", "tx_index", "log_index", "trace_address", "owner", "caller", "sender", "recipient", "from",
    "token_in", "amount_in", "token_out", "amount_out", "liquidity", "tick_lower", "tick_upper",
)  # fmt: skip
TRANSACTION_FIELDS = (
    "type", "tx_index", "log_index", "trace_address", "pool", "outcome", "token", "amount", "amount_usd",
    "profit_usd", "token_in", "amount_in", "token_out", "amount_out", "price_before", "price_after", "old_price",
    "new_price", "price_impact_percent",
)  # fmt: skip
#: Those who are nobody: everybody trades through them.
PUBLIC = ROUTERS | {""}
_WORD, _AMOUNT = 66, 100  #: characters
_LAST_INDEX = 1 << 53
_LEAST, _LARGEST = Fraction(1, 10**40), 10**100

#: Something of a block as a state keeps it. It begins with its index in the block and its place in the transaction, by
#: which rows are sorted and told apart.
Row = list[Any]


@lru_cache(1 << 12)
def _number(text: str) -> Fraction:
    return exact(text) or Fraction(0)


class Swap(NamedTuple):
    """The row of a swap."""

    tx_index: int
    place: str
    tx: str  #: empty where the key says it
    actors: list[str]  #: distinct, sorted, without those everybody trades through; or the pool alone
    token_in: str
    token_out: str
    amount_in: str
    amount_out: str
    sight: Sight

    @property
    def bought(self) -> Fraction:
        return _number(self.amount_out)

    @property
    def paid(self) -> Fraction:
        return _number(self.amount_in)


def word(value: Any) -> str:
    """A name, hexadecimal in lower case; long and odd ones as their digest; empty for what is none."""
    if not isinstance(value, str) or not value:
        return ""
    if len(value) <= _WORD and value.isascii() and (value.isalnum() or _is_plain(value)):
        return value.lower() if value[:2] in ("0x", "0X") else value
    return kept_id(value, 0)


def _is_plain(text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text


def index_of(value: Any) -> int | None:
    """A place in a block: an integer, or one as decimal text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    return value if type(value) is int and 0 <= value < _LAST_INDEX else None


def amount_of(value: Any) -> str | None:
    """A positive amount as text; None for anything else, also for what no token has so much or so little of."""
    if type(value) is str and value.isascii() and value.isdecimal():  # most are
        return value if len(value) <= _AMOUNT and value.strip("0") else None
    number = exact(value)
    if number is None or not _LEAST <= number <= _LARGEST:
        return None
    text = str(value)
    return text if len(text) <= _AMOUNT else None


def place_of(event: Event) -> str:
    """Where in its transaction the event stands; without that, its id."""
    for name in ("log_index", "trace_address"):
        value = event.fields.get(name)
        if value is None:
            continue
        if type(value) is int or (isinstance(value, str) and value):
            return kept_id(str(value))
        if isinstance(value, list):
            return kept_id(".".join(map(str, value[:64])))
    return kept_id(event.id or str(event.sight))


def actors_of(fields: Mapping[str, Any], names: Iterable[str], public: frozenset[str]) -> list[str]:
    """The words under ``names`` that stand for somebody, sorted; ``public``: those that do not, the empty one too."""
    found = {word(fields[name]) for name in names if name in fields} - public
    return list(found) if len(found) < 2 else sorted(found)


def swap_of(event: Event, actors: list[str], tx: str = "") -> Row | None:
    """The swap an event tells of; None where it trades nothing, or lacks its place in the block, token or amount."""
    fields = event.fields
    index = index_of(fields.get("tx_index"))
    token_in, token_out = word(fields.get("token_in")), word(fields.get("token_out"))
    paid, bought = amount_of(fields.get("amount_in")), amount_of(fields.get("amount_out"))
    if index is None or not token_in or not token_out or token_in == token_out or paid is None or bought is None:
        return None
    return [index, place_of(event), tx, actors, token_in, token_out, paid, bought, list(event.sight)]


def added(rows: list[Row], row: Row, most: int) -> int | None:
    """Put a row where it stands in the block; how many of the first ones had to go. None: it is there already."""
    index, place = row[:2]
    if rows and rows[-1][0] >= index:
        for one in rows:
            if one[0] == index and one[1] == place:
                return None
        insort(rows, row)
    else:
        rows.append(row)
    gone = max(0, len(rows) - most)
    del rows[:gone]
    return gone
