"""Numbers as events of trading give them: by several names, as decimal text of any size, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar, overload

from streams.detect.exact import exact

N = TypeVar("N")

#: Nothing that is traded or charged has more; a number beyond it is a mistake or an attack on the arithmetic.
_LARGEST = 10**80
#: Longer texts are read anew each time, so that what is remembered of them has a bound.
_LONGEST = 128


def number(value: Any) -> Fraction | None:
    """The number written down, exactly; None for what is none (booleans, NaN) and for what is absurdly large."""
    kind = type(value)
    if kind is int or kind is float:
        return _exact(value) if -_LARGEST <= value <= _LARGEST else None
    if kind is not str:
        return None
    return _written(value) if len(value) <= _LONGEST else _written.__wrapped__(value)


#: 1 and 1.0 are one here, and one fraction.
_exact = lru_cache(1 << 12)(exact)


@lru_cache(1 << 12)
def _written(text: str) -> Fraction | None:
    found = exact(text)
    return None if found is None or abs(found) > _LARGEST else found


def positive(value: Any) -> Fraction | None:
    """The number, where it is above zero."""
    found = number(value)
    return found if found is not None and found > 0 else None


@overload
def first(fields: Mapping[str, Any], names: Iterable[str]) -> Fraction | None: ...


@overload
def first(fields: Mapping[str, Any], names: Iterable[str], read: Callable[[Any], N | None]) -> N | None: ...


def first(fields: Mapping[str, Any], names: Iterable[str], read: Callable[[Any], Any] = number) -> Any:
    """The first of the fields that holds a number, as ``read`` reads one."""
    for name in names:
        value = fields.get(name)
        if value is not None and (found := read(value)) is not None:
            return found
    return None


def rounded(value: Fraction | float, places: int = 2) -> int | float:
    """The number as an alert shows it."""
    near: Any = round(value, places)
    shown = float(near)
    return int(shown) if shown.is_integer() else shown
