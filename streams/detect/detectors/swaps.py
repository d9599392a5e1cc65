"""One swap in a pool, as a state keeps it: who, which way, how much, and where in its block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from streams.detect.detectors import Event, Sight
from streams.detect.entries import kept_id
from streams.detect.exact import exact

#: What ``swap_of`` reads of an event.
FIELDS = (
    "tx_hash", "tx_index", "log_index", "trace_address", "sender", "recipient", "from", "token_in", "amount_in",
    "token_out", "amount_out",
)  # fmt: skip
#: Swaps of one pool in one block that are remembered; a larger block loses those that stand first in it.
MOST = 100
_ACTORS = ("sender", "recipient", "from")
_WORD, _AMOUNT = 66, 100  #: characters
_LAST_INDEX = 1 << 53
_LEAST, _LARGEST = Fraction(1, 10**40), 10**100


@lru_cache(1 << 12)
def _number(text: str) -> Fraction:
    return exact(text) or Fraction(0)


class Swap(NamedTuple):
    """Plain JSON but for its type. ``place`` tells two swaps of one transaction apart."""

    tx_index: int
    place: str
    tx: str
    actors: Sequence[str]  #: distinct, sorted, without those everybody trades through
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
    if len(value) <= _WORD and value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value.lower() if value[:2] in ("0x", "0X") else value
    return kept_id(value, 0)


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
        if type(value) is int or (isinstance(value, str) and value):
            return kept_id(str(value))
        if isinstance(value, list):
            return kept_id(".".join(map(str, value[:64])))
    return kept_id(event.id or str(event.sight))


def actors_of(fields: Mapping[str, Any], names: Iterable[str], public: frozenset[str]) -> list[str]:
    """The words under ``names`` that stand for somebody."""
    return sorted({word(fields.get(name)) for name in names} - public - {""})


def swap_of(event: Event, public: frozenset[str]) -> Swap | None:
    """The swap an event tells of; None where it trades nothing, or lacks its place in the block, token or amount."""
    fields = event.fields
    index = index_of(fields.get("tx_index"))
    token_in, token_out = word(fields.get("token_in")), word(fields.get("token_out"))
    paid, bought = amount_of(fields.get("amount_in")), amount_of(fields.get("amount_out"))
    if index is None or not token_in or not token_out or token_in == token_out or paid is None or bought is None:
        return None
    actors = actors_of(fields, _ACTORS, public)
    return Swap(
        index, place_of(event), word(fields.get("tx_hash")), actors, token_in, token_out, paid, bought, event.sight
    )


def with_swap(kept: Sequence[Sequence[Any]], swap: Swap, most: int = MOST) -> tuple[list[Swap], int] | None:
    """What is kept, in the order of the block, with one more; and how many had to go. None: it is there already."""
    swaps = [Swap(*one) for one in kept]
    if any(one.tx_index == swap.tx_index and one.place == swap.place for one in swaps):
        return None
    swaps = sorted([*swaps, swap], key=lambda one: (one.tx_index, one.place))
    gone = max(0, len(swaps) - most)
    return swaps[gone:], gone
