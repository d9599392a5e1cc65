"""Numbers of events, compared without rounding: 256-bit amounts arrive as decimal strings, 0.85 means 85/100."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

_DECIMAL = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_LARGEST = Fraction(2**63)


def exact(value: Any) -> Fraction | None:
    """The number that a JSON number or a decimal string writes down; None for anything else, booleans and NaN too."""
    if type(value) is int:
        return Fraction(value)
    found = parts(value)
    return None if found is None else Fraction(*found)  # which has to read no text: a fifth of the time


def parts(value: Any) -> tuple[int, int] | None:
    """As ``exact``: two integers, the second a power of ten, of which the first is so many parts."""
    kind = type(value)
    if kind is int:
        return value, 1
    if (kind is float and math.isfinite(value)) or (kind is str and _DECIMAL.fullmatch(value)):
        number, power = _digits(value)
        return (number * 10**power, 1) if power >= 0 else (number, 10**-power)
    return None


def together(items: Sequence[int | float | str]) -> tuple[Sequence[int], int]:
    """Numbers as integers of one size, and what each of them is to be divided by.

    Takes what ``exact`` takes, and is the way to work with many: fractions cost ten times as much.
    """
    if all(type(item) is int for item in items):
        return items, 1  # type: ignore[return-value]  # as was just seen
    digits = [(item, 0) if type(item) is int else _digits(item) for item in items]
    least = min(power for _, power in digits)
    scales = {power: 10 ** (power - least) for power in {power for _, power in digits}}
    whole = [number * scales[power] for number, power in digits]
    if least <= 0:
        return whole, 10**-least
    return [number * 10**least for number in whole], 1


@lru_cache(1 << 16)
def _digits(item: float | str) -> tuple[int, int]:
    """An integer, and the power of ten it is to be multiplied with."""
    number, _, power = (item if type(item) is str else repr(item)).lower().partition("e")
    whole, _, part = number.partition(".")
    return int(whole + part), int(power or 0) - len(part)


def plain(number: Fraction) -> int | float | str:
    """A number for JSON: an integer where it is one of 64 bits, else the nearest float, or text beyond those."""
    if number.denominator == 1 and -_LARGEST <= number < _LARGEST:
        return number.numerator
    try:
        return float(number)
    except OverflowError:
        return str(number.numerator // number.denominator)
