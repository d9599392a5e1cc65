"""What is measured over a window: sums, averages, quantiles, shares; over kept items, or over panes that merge.

An item is what one event contributes, as a JSON value that state keeps. A pane is a flat list, its first value the
number of events in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from streams.detect import quantiles
from streams.detect.base import MAX_STATE
from streams.detect.exact import exact, plain, together

Item = int | float | str
Number = int | Fraction
Pane = list[Any]

#: A longer text is no number here: 256-bit amounts with as many decimals have less.
MAX_TEXT = 100
_INT = 2**63
_BIN_BYTES = 14
_QUANTILES = {"median": Fraction(1, 2)}


class Measure(Protocol):
    """A number that the events of a window have together."""

    def read(self, values: tuple[Any, ...], arms: tuple[int, ...]) -> Item | None:
        """What an event contributes; None: nothing that can be used."""

    def over(self, items: Sequence[Item]) -> Fraction | None:
        """The number for these, in whatever order. None where there is none."""

    def near(self, items: Sequence[Item]) -> float | None:
        """What ``over`` gives for these, of which there is one at least, within a billionth; None where that takes as
        long as to be exact.
        """

    def pane(self, item: Item, pane: Pane | None) -> Pane:
        """The pane with one item more, as a copy."""

    def across(self, panes: Sequence[Pane]) -> Fraction | None:
        """The number for all panes of a window."""

    def joined(self, one: Pane, other: Pane) -> Pane:
        """Two panes as one."""

    def shown(self, number: Fraction) -> Any:
        """The number as people read it."""


def number_of(item: Item) -> Number:
    """The number that ``item_of`` or ``kept`` kept."""
    return item if type(item) is int else Fraction(item if type(item) is str else repr(item))


def item_of(value: Any) -> Item | None:
    """The number in an event as state keeps it; None for anything else."""
    kind = type(value)
    if kind is int:
        item: int = value
        return item if -_INT <= item < _INT else str(item)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is not str or len(value) > MAX_TEXT:
        return None
    number = exact(value)
    return None if number is None else kept(number) if number.denominator == 1 and abs(number) < _INT else str(value)


def kept(number: Number) -> int | str:
    """A number as JSON keeps it exactly: an integer of 64 bits, or text."""
    if number.denominator == 1 and -_INT <= number < _INT:
        return int(number)
    return str(number)


def volume(function: str) -> bool:
    """Whether nothing at all is 0, and not nothing to measure."""
    return function in ("sum", "rate")


def share_of(function: str) -> Fraction | None:
    """The quantile that a function's name means: ``p99.9``, ``median``; None for other functions."""
    if function in _QUANTILES:
        return _QUANTILES[function]
    number = exact(function[1:]) if function[:1] == "p" and function[1:2].isdigit() and len(function) <= 10 else None
    return number / 100 if number is not None and 0 < number <= 100 else None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of a field. Without ``field`` each event is 1. ``per``: for a rate, how many ms make a unit.

    Quantiles are nearest rank, so one of the values; over panes within 1 % (``quantiles``). The deviation is
    that of the values themselves (divided by n); it is worked with as a square, and so never rounded in comparisons.
    """

    function: str
    field: bool
    within: int = 1
    per: int = 1_000
    panes: int = 1  #: among so many the room for sketches is divided

    @property
    def _bins(self) -> int:
        return MAX_STATE * 3 // 4 // _BIN_BYTES // self.panes

    def read(self, values: tuple[Any, ...], arms: tuple[int, ...]) -> Item | None:
        return item_of(values[0]) if self.field else 1

    def over(self, items: Sequence[Item]) -> Fraction | None:
        if not items and not volume(self.function):
            return None
        numbers, one = together(items)
        match self.function:
            case "min":
                return Fraction(min(numbers), one)
            case "max":
                return Fraction(max(numbers), one)
            case "sum" | "avg" | "rate":
                return self._total(len(numbers), Fraction(sum(numbers), one))
            case "stddev":
                squares = Fraction(sum(number * number for number in numbers), one * one)
                return _variance(len(numbers), Fraction(sum(numbers), one), squares)
        share = share_of(self.function)
        assert share is not None
        return Fraction(sorted(numbers)[quantiles.rank(len(numbers), share) - 1], one)

    def near(self, items: Sequence[Any]) -> float | None:
        number: float | None = None
        try:
            if self.function in ("min", "max"):
                number = 0 + (min if self.function == "min" else max)(items)
            elif self.function in ("sum", "avg") and min(items) >= 0:  # else most of it may cancel out
                number = sum(items) / (len(items) if self.function == "avg" else 1)
        except TypeError:  # decimal text is among them
            return None
        return number

    def pane(self, item: Item, pane: Pane | None) -> Pane:
        number, count = number_of(item), pane[0] + 1 if pane else 1
        match self.function:
            case "min":
                return [count, kept(min(number, number_of(pane[1])) if pane else number)]
            case "max":
                return [count, kept(max(number, number_of(pane[1])) if pane else number)]
            case "sum" | "avg" | "rate":
                return [count, kept(number_of(pane[1]) + number if pane else number)]
            case "stddev":
                one, two = (number_of(pane[1]), number_of(pane[2])) if pane else (0, 0)
                return [count, kept(one + number), kept(two + number * number)]
        return [count, *quantiles.counted(pane[1:] if pane else (), number, self._bins)]

    def across(self, panes: Sequence[Pane]) -> Fraction | None:
        count = sum(pane[0] for pane in panes)
        if not count:
            return Fraction(0) if volume(self.function) else None
        match self.function:
            case "min":
                return Fraction(min(number_of(pane[1]) for pane in panes))
            case "max":
                return Fraction(max(number_of(pane[1]) for pane in panes))
            case "sum" | "avg" | "rate":
                return self._total(count, sum(number_of(pane[1]) for pane in panes))
            case "stddev":
                return _variance(
                    count, sum(number_of(pane[1]) for pane in panes), sum(number_of(pane[2]) for pane in panes)
                )
        share = share_of(self.function)
        assert share is not None
        return quantiles.quantile(
            panes[0][1:] if len(panes) == 1 else quantiles.merged(pane[1:] for pane in panes), share
        )

    def joined(self, one: Pane, other: Pane) -> Pane:
        count = one[0] + other[0]
        if self.function in ("min", "max"):
            choose = min if self.function == "min" else max
            return [count, kept(choose(number_of(one[1]), number_of(other[1])))]
        if share_of(self.function) is not None:
            return [count, *quantiles.narrowed(quantiles.merged((one[1:], other[1:])), self._bins)]
        return [count, *_summed(one, other)]

    def shown(self, number: Fraction) -> Any:
        return plain(root(number)) if self.function == "stddev" else plain(number)

    def _total(self, count: int, total: Number) -> Fraction:
        if self.function == "avg":
            return Fraction(total) / count
        return Fraction(total) * self.per / self.within if self.function == "rate" else Fraction(total)


@dataclass(frozen=True, slots=True)
class Share:
    """The percentage of events that came in by arm 1, or of their weights. None where the weights are nothing."""

    weighted: bool = False

    def read(self, values: tuple[Any, ...], arms: tuple[int, ...]) -> Item | None:
        hit = 1 in arms
        if not self.weighted:
            return int(hit)
        weight = item_of(values[0])
        if weight is None or number_of(weight) < 0:
            return None
        return f"{'+' if hit else '-'}{weight}"

    def over(self, items: Sequence[Item]) -> Fraction | None:
        if not self.weighted:
            return Fraction(100 * sum(items), len(items)) if items else None  # type: ignore[arg-type]  # 0 and 1
        weights, _ = together([str(item)[1:] for item in items])
        hits = sum(weight for item, weight in zip(items, weights, strict=True) if str(item)[0] == "+")
        return _percent(hits, sum(weights))

    def near(self, items: Sequence[Any]) -> float | None:
        return None if self.weighted else 100 * sum(items) / len(items)

    def pane(self, item: Item, pane: Pane | None) -> Pane:
        count, hits, whole = (pane[0], number_of(pane[1]), number_of(pane[2])) if pane else (0, 0, 0)
        hit, weight = (str(item)[0] == "+", Fraction(str(item)[1:])) if self.weighted else (item == 1, 1)
        return [count + 1, kept(hits + weight if hit else hits), kept(whole + weight)]

    def across(self, panes: Sequence[Pane]) -> Fraction | None:
        return _percent(sum(number_of(pane[1]) for pane in panes), sum(number_of(pane[2]) for pane in panes))

    def joined(self, one: Pane, other: Pane) -> Pane:
        return [one[0] + other[0], *_summed(one, other)]

    def shown(self, number: Fraction) -> Any:
        return plain(number)


def _summed(one: Pane, other: Pane) -> Pane:
    return [kept(number_of(left) + number_of(right)) for left, right in zip(one[1:], other[1:], strict=True)]


def _percent(part: Number, whole: Number) -> Fraction | None:
    return 100 * Fraction(part) / whole if whole else None


def _variance(count: int, one: Number, two: Number) -> Fraction:
    return Fraction(two) / count - (Fraction(one) / count) ** 2


def root(square: Fraction) -> Fraction:
    """The square root: exact where it is rational, else to 15 places or better."""
    above, below = math.isqrt(square.numerator), math.isqrt(square.denominator)
    if above * above == square.numerator and below * below == square.denominator:
        return Fraction(above, below)
    scale = 10 ** max(30, 2 * len(str(square.denominator)))
    return Fraction(math.isqrt(square.numerator * scale * scale // square.denominator), scale)
