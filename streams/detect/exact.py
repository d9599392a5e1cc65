"""Numbers of events, compared without rounding: 256-bit amounts arrive as decimal strings, 0.85 means 85/100."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

_DECIMAL = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_LARGEST = Fraction(2**63)


def exact(value: Any) -> Fraction | None:
    """The number that a JSON number or a decimal string writes down; None for anything else, booleans and NaN too."""
    kind = type(value)
    if kind is int:
        return Fraction(value)
    if kind is float:
        return Fraction(repr(value)) if math.isfinite(value) else None
    if kind is str and _DECIMAL.fullmatch(value):
        return Fraction(value)
    return None


def plain(number: Fraction) -> int | float | str:
    """A number for JSON: an integer where it is one of 64 bits, else the nearest float, or text beyond those."""
    if number.denominator == 1 and -_LARGEST <= number < _LARGEST:
        return number.numerator
    try:
        return float(number)
    except OverflowError:
        return str(number.numerator // number.denominator)
