"""What a bucket of time adds up: events, weights, or different values. What it holds is one JSON value.

Numbers are exact. Weights are numbers from 0 on, as JSON or decimal text, of at most 78 digits (256 bits) before the
point and 30 behind it; anything else cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any, Protocol

from streams.detect import sketch
from streams.detect.exact import exact
from streams.detect.values import digest, token

Number = int | Fraction
Span = tuple[int, int]

_LARGEST_WEIGHT, _SMALLEST_PART = 10**78, 10**30
_LARGEST_INTEGER = 2**63


class Tally(Protocol):
    """``held`` is what a bucket holds; None: nothing yet."""

    room: int  #: bytes that a bucket may take in the changelog

    def read(self, values: tuple[Any, ...]) -> Any:
        """What to add for an event, from the fields of the kind; None where it cannot be used."""

    def add(self, held: Any, value: Any) -> Any:
        """The bucket with one more."""

    def join(self, one: Any, other: Any) -> Any:
        """Two buckets as one."""

    def sizes(self, held: Sequence[Any], spans: Sequence[Span]) -> Sequence[Number]:
        """How much there is in each span (first and last bucket) of neighbours."""


class Events:
    """Every event is one."""

    room = 20

    def read(self, values: tuple[Any, ...]) -> Any:
        return 1

    def add(self, held: Any, value: Any) -> Any:
        return (held or 0) + 1

    def join(self, one: Any, other: Any) -> Any:
        return one + other

    def sizes(self, held: Sequence[Any], spans: Sequence[Span]) -> Sequence[Number]:
        return summed(held, spans)


class Weights:
    """An event is what its field says."""

    room = 320

    def read(self, values: tuple[Any, ...]) -> Any:
        return weight(values[0])

    def add(self, held: Any, value: Any) -> Any:
        return written(read(held or 0) + value)

    def join(self, one: Any, other: Any) -> Any:
        return written(read(one) + read(other))

    def sizes(self, held: Sequence[Any], spans: Sequence[Span]) -> Sequence[Number]:
        return weighed(held, spans)


class Values:
    """Different values of a field, exact up to ``most`` of them: ``"digest,digest,"``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.room = most * (sketch.DIGEST + 1) + 2

    def read(self, values: tuple[Any, ...]) -> Any:
        told = token(values[0])
        return None if told is None else digest(told) + ","

    def add(self, held: Any, value: Any) -> Any:
        held = held or ""
        # Between two commas, or a comma and the beginning, nothing but a whole digest fits.
        return held if value in held or len(held) >= self._most * len(value) else held + value

    def join(self, one: Any, other: Any) -> Any:
        for value in other.split(",")[:-1]:
            one = self.add(one, value + ",")
        return one

    def sizes(self, held: Sequence[Any], spans: Sequence[Span]) -> list[Number]:
        return [len({value for one in held[a : b + 1] for value in one.split(",")} - {""}) for a, b in spans]


class Estimate:
    """Different values of a field: exact up to 341 of them, then estimated by a sketch of 4 KiB (error 1.6 %)."""

    room = sketch.ROOM

    def read(self, values: tuple[Any, ...]) -> Any:
        told = token(values[0])
        return None if told is None else digest(told)

    def add(self, held: Any, value: Any) -> Any:
        return sketch.add(held or "", value)

    def join(self, one: Any, other: Any) -> Any:
        return sketch.join(one, other)

    def sizes(self, held: Sequence[Any], spans: Sequence[Span]) -> list[Number]:
        sizes: list[Number] = []
        for first, last in spans:
            whole = held[first]
            for more in held[first + 1 : last + 1]:
                whole = sketch.join(whole, more)
            sizes.append(sketch.size(whole))
        return sizes


def weight(value: Any) -> Number | None:
    """A weight as an exact number, or None."""
    if value.__class__ is int:
        return value if 0 <= value < _LARGEST_INTEGER * 2 else None
    number = exact(value)
    if number is None or not 0 <= number < _LARGEST_WEIGHT or _SMALLEST_PART % number.denominator:
        return None
    return number.numerator if number.denominator == 1 else number


def read(held: int | str) -> Number:
    """A number as ``written``."""
    return held if isinstance(held, int) else Fraction(held)


def written(number: Number) -> int | str:
    """An exact number for JSON: an integer where it is one of 64 bits, else ``"7/2"``."""
    if number.denominator == 1 and number < _LARGEST_INTEGER:
        return int(number)
    return str(number)


def weighed(held: Sequence[int | str], spans: Sequence[Span]) -> Sequence[Number]:
    """The sum of the weights, as ``written``, of each span."""
    if all(one.__class__ is int for one in held):
        return summed(held, spans)  # type: ignore[arg-type]  # integers, as seen
    sums = summed([_parts(one) for one in held], spans)
    return [Fraction(number, _SMALLEST_PART) for number in sums]


def heaviest(held: Sequence[int | str], spans: Sequence[Span]) -> tuple[int, Number]:
    """The first span whose weights, as ``written``, sum up to the most, and that sum."""
    whole = all(one.__class__ is int for one in held)
    sums = summed(held if whole else [_parts(one) for one in held], spans)  # type: ignore[arg-type]  # integers
    most = max(sums)
    return sums.index(most), most if whole else Fraction(most, _SMALLEST_PART)


@lru_cache(1 << 16)
def _parts(held: int | str) -> int:
    """How many of the smallest parts: integers are added in a tenth of the time that fractions take."""
    if isinstance(held, int):
        return held * _SMALLEST_PART
    numerator, _, denominator = held.partition("/")
    return int(numerator) * (_SMALLEST_PART // int(denominator or 1))


def summed(numbers: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """The sum of each span, in one pass over all numbers."""
    if len(spans) == 1:
        first, last = spans[0]
        return [sum(numbers[first : last + 1])]
    before = [0, *accumulate(numbers)]
    return [before[last + 1] - before[first] for first, last in spans]
