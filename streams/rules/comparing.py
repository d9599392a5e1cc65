"""A field against another field of the same event: ``amount: {gt: {field: limit, times: 0.9}}``.

Numbers are compared without rounding; a float is what it writes down (0.1 is a tenth). Decimal text of any size is a
number wherever order is asked for or something is calculated; in plain equality text equals text, as with a value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from streams.rules.block import Block, field_path
from streams.rules.durations import shown
from streams.rules.option import Option
from streams.rules.problems import BlockErrors
from streams.rules.values import amount, number

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip

#: What stands in the operand, for the reference page.
OPTIONS = (
    Option("field", "field", None, "the other field"),
    Option("times", "amount", "1", "a number, or decimal text, that it is multiplied with"),
    Option("plus", "amount", "0", "a number, or decimal text, that is added"),
)


@dataclass(frozen=True, slots=True)
class OtherField:
    """The field at ``path``, times ``times``, plus ``plus``."""

    path: str
    times: Fraction = Fraction(1)
    plus: Fraction = Fraction(0)

    @property
    def as_it_is(self) -> bool:
        """Whether nothing is calculated."""
        return self.times == 1 and self.plus == 0

    def __str__(self) -> str:
        """For people: ``limit × 9/10 + 5``."""
        times = "" if self.times == 1 else f" × {self.times}"
        plus = "" if self.plus == 0 else f" {'+' if self.plus > 0 else '-'} {abs(self.plus)}"
        return self.path + times + plus

    def document(self) -> dict[str, str]:
        """Canonical: equal for operands that mean the same."""
        calculated = {} if self.as_it_is else {"times": str(self.times), "plus": str(self.plus)}
        return {"field": self.path, **calculated}


def other_field(raw: dict[str, Any]) -> OtherField:
    """``{field: path, times: 0.9, plus: 5}``. Raises ValueError that says what to write."""
    block = Block(raw)
    path: str = block.read("field", field_path)
    times: Fraction = block.read("times", _factor, Fraction(1))
    plus: Fraction = block.read("plus", _factor, Fraction(0))
    try:
        block.check()
    except BlockErrors as errors:
        said = "; ".join(f"{name}: {message}" if name else message for name, message in errors.problems)
        raise ValueError(f"compares with another field, such as {{field: limit, times: 0.9}}: {said}") from None
    if times == 0:
        raise ValueError("takes the other field times 0, which is no comparison with it")
    return OtherField(path, times, plus)


def _factor(value: Any) -> Fraction:
    found = None if isinstance(value, bool) else _fraction(value)
    if found is None or len(str(value)) > 100:
        raise ValueError(f"takes a number, or decimal text, not {shown(value)}")
    return found


def _fraction(value: Any) -> Fraction | None:
    """The number that a value writes down, decimal text included."""
    found = amount(value)
    if found is None:
        return None
    return Fraction(repr(found)) if type(found) is float else Fraction(found)


def compare_fields(op: str, other: OtherField, case_sensitive: bool) -> Callable[[Any, Any], bool]:
    """The test of two values that are both there. Total: what cannot be compared does not hold, but for ``ne``."""
    if op in ("eq", "ne"):
        equal = _same(case_sensitive) if other.as_it_is else _calculated("eq", other)
        return equal if op == "eq" else lambda value, against: not equal(value, against)
    return _calculated(op, other)


def _calculated(op: str, other: OtherField) -> Callable[[Any, Any], bool]:
    compare, times, plus = _COMPARE[op], other.times, other.plus
    # Between whole numbers without fractions: all of it times what makes the two constants whole, which is positive.
    whole = times.denominator * plus.denominator
    of_other, of_one = times.numerator * plus.denominator, plus.numerator * times.denominator

    def holds(value: Any, against: Any) -> bool:
        if type(value) is int and type(against) is int:
            return bool(compare(value * whole, against * of_other + of_one))
        left, right = _fraction(value), _fraction(against)
        return left is not None and right is not None and bool(compare(left, right * times + plus))

    return holds


def _same(case_sensitive: bool) -> Callable[[Any, Any], bool]:
    def equal(value: Any, against: Any) -> bool:
        kind = type(value)
        if kind is bool or value is None:
            return value is against
        if kind is str and type(against) is str:
            return bool(value == against if case_sensitive else value.casefold() == against.casefold())
        left, right = number(value), number(against)
        if left is None or right is None:
            return False
        return bool(left == right) if type(left) is type(right) else _fraction(left) == _fraction(right)

    return equal
