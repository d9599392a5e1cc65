"""Amounts and addresses as chain events give them. Amounts are kept in states as text: they may have 256 bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from streams.detect.exact import exact

#: Nothing on a chain that holds 256 bits is larger.
_WHOLE_END = 2**256
_END = Fraction(_WHOLE_END)
_FINEST = 10**36
#: An address of any chain is shorter; longer text is none.
_MAX_TEXT = 128


def amount(value: Any) -> Fraction | None:
    """An amount from 0 to 2**256; None for what is none: negative, larger, finer than 36 places, boolean, no number."""
    if type(value) is str and len(value) > 160:
        return None
    if type(value) is int:
        return Fraction(value) if 0 <= value < _WHOLE_END else None
    found = exact(value)
    return found if found is not None and 0 <= found < _END and found.denominator <= _FINEST else None


def above_zero(value: Any) -> Fraction | None:
    """An amount that is more than nothing."""
    return amount(value) or None


def address(value: Any) -> str:
    """An address or a name of a token, comparable: in lower case. Empty for what is none."""
    return value.strip().lower() if type(value) is str and len(value) <= _MAX_TEXT else ""


def first_address(fields: Mapping[str, Any], names: Iterable[str]) -> str:
    """Of the first of these fields that holds one; else empty."""
    return next((found for found in (address(fields.get(name)) for name in names) if found), "")


def word(value: Any) -> str:
    """The type of an event, comparable."""
    return value.lower() if type(value) is str else ""


def shown(value: Fraction, places: int = 2) -> int | float:
    """The number as an alert shows it."""
    near = float(round(value, places))
    return int(near) if near.is_integer() and abs(near) < 2**53 else near
