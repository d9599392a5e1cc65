"""Addresses and networks as numbers: IPv4 written as IPv6 is IPv4, whatever is none is None, nothing raises.

Held equal to the standard library's ``ipaddress`` by a property test; written out because lists of 200,000 networks and
key expressions on every event have no time for objects. Addresses with a zone (``fe80::1%eth0``) are none.
"""

from __future__ import annotations

from typing import NamedTuple

#: No address is longer.
MAX_ADDRESS = 45
_V4_DIGITS, _V6_DIGITS = frozenset("0123456789."), frozenset("0123456789abcdefABCDEF:.")
_MAPPED = 0xFFFF


class Address(NamedTuple):
    """``bits``: 32 or 128."""

    bits: int
    place: int


class Network(NamedTuple):
    """All addresses whose first ``prefix`` bits are those of ``place``."""

    bits: int
    prefix: int
    place: int  #: of its first address


def address(text: str) -> Address | None:
    """The address this text writes down; None for any other text."""
    if len(text) > MAX_ADDRESS:
        return None
    if ":" not in text:
        v4 = _v4(text)
        return None if v4 is None else Address(32, v4)
    v6 = _v6(text)
    if v6 is None:
        return None
    return Address(32, v6 & 0xFFFFFFFF) if v6 >> 32 == _MAPPED else Address(128, v6)


def network(text: str) -> Network | None:
    """``10.0.0.0/8``, or an address alone; None for any other text, and where bits are set beyond the prefix."""
    if len(text) > MAX_ADDRESS + 4:
        return None
    head, slash, tail = text.partition("/")
    if not slash:
        found = address(head)
        return None if found is None else Network(found.bits, found.bits, found.place)
    if not (tail.isascii() and tail.isdigit() and len(tail) <= 3) or len(head) > MAX_ADDRESS:
        return None
    bits, place = (32, _v4(head)) if ":" not in head else (128, _v6(head))
    prefix = int(tail)
    if place is None or prefix > bits or place & ((1 << (bits - prefix)) - 1):
        return None
    if bits == 128 and prefix >= 96 and place >> 32 == _MAPPED:
        return Network(32, prefix - 96, place & 0xFFFFFFFF)
    return Network(bits, prefix, place)


def around(found: Address, prefix: int) -> str:
    """The network of this prefix around an address, as people write it. ``prefix`` may not exceed its bits."""
    place = found.place >> (found.bits - prefix) << (found.bits - prefix)
    return f"{_written_v4(place) if found.bits == 32 else _written_v6(place)}/{prefix}"


def _v4(text: str) -> int | None:
    parts = text.split(".")
    if len(parts) != 4 or not _V4_DIGITS.issuperset(text):
        return None
    place = 0
    for part in parts:
        if not part or len(part) > 3 or (part[0] == "0" and len(part) > 1):
            return None
        number = int(part)
        if number > 255:
            return None
        place = place << 8 | number
    return place


def _v6(text: str) -> int | None:
    if not _V6_DIGITS.issuperset(text):
        return None
    if "." in text:  # the last 32 bits as IPv4
        head, _, tail = text.rpartition(":")
        v4 = _v4(tail)
        if v4 is None:
            return None
        text = f"{head}:{v4 >> 16:x}:{v4 & 0xFFFF:x}"
    before, gap, after = text.partition("::")
    first = before.split(":") if before else []
    last = after.split(":") if after else []
    missing = 8 - len(first) - len(last)
    if (missing < 1 if gap else missing != 0) or not all(
        0 < len(part) <= 4 and "." not in part for part in first + last
    ):
        return None
    digits = "".join(part.zfill(4) for part in (*first, *("0",) * missing, *last))
    return int(digits, 16)


def _written_v4(place: int) -> str:
    return f"{place >> 24}.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}"


def _written_v6(place: int) -> str:
    """RFC 5952: no leading zeros, the first of the longest runs of zeros (two or more) left out."""
    groups = [place >> shift & 0xFFFF for shift in range(112, -1, -16)]
    best, length, run = 0, 1, 0
    for index, group in enumerate(groups):
        run = run + 1 if group == 0 else 0
        if run > length:
            best, length = index - run + 1, run
    texts = [f"{group:x}" for group in groups]
    if length < 2:
        return ":".join(texts)
    return f"{':'.join(texts[:best])}::{':'.join(texts[best + length :])}"
