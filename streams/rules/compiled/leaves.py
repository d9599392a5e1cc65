"""One condition as Python text. Whatever users wrote is bound to a name, never pasted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET

from streams.model.decode import INT_MAX, INT_MIN
from streams.rules.comparing import OtherField
from streams.rules.conditions import Leaf
from streams.rules.operators import ListName, Test, bound_of, is_in_no_list
from streams.rules.values import normal

#: Stands for the value in the text of a leaf.
VALUE = "\0"
#: Stands for the value of the other field, where there is one.
OTHER = "\1"

#: The text of a condition that holds for no event.
NEVER = "False"
#: Texts looked for in a text one after the other; more are left to a loop.
_MAX_PARTS = 8

#: Binds a constant and gives its name.
Bind = Callable[[Any], str]

_ORDER = {"gt": "{k} < \0 < INF", "gte": "{k} <= \0 < INF", "lt": "-INF < \0 < {k}", "lte": "-INF < \0 <= {k}"}
_IS_NUMBER = "(\0.__class__ is int or \0.__class__ is float)"
_IS_TEXT = "\0.__class__ is str"


class Written(NamedTuple):
    """A leaf as an expression over ``VALUE`` (which may be UNSET), asked from left to right as it is written."""

    text: str
    is_cheap: bool  #: no call but of a method
    is_folded: bool = False  #: over the value with its case folded where it is text


def source(leaf: Leaf, bind: Bind) -> Written:
    """With another field as operand: over ``VALUE`` and ``OTHER``, each of which stands there once."""
    if isinstance(leaf.operand, OtherField):
        return Written(f"{bind(_of_two(leaf))}(\0, \1)", is_cheap=False)
    text, is_folded = _inline(leaf, bind), not leaf.case_sensitive
    is_cheap = text is not None and not (leaf.op in _ORDER and isinstance(leaf.operand, str))  # amounts are text
    if text is None:
        is_folded = False
        is_of_text = leaf.op in ("regex", "cidr")
        text = f"({_IS_TEXT} and {bind(leaf.test)}(\0))" if is_of_text else _called(leaf, bind)
    if leaf.if_missing and leaf.op != "exists":
        text = f"(\0 is UNSET or {text})"
    return Written(text, is_cheap, is_folded)


def _called(leaf: Leaf, bind: Bind) -> str:
    return f"(\0 is not UNSET and {bind(_of_any(leaf.test))}(\0))"


def _of_any(test: Test) -> Test:
    """The test of a value as it was decoded: text needs no call to be normal."""
    return lambda value: test(value if value.__class__ is str else normal(value))


def _of_two(leaf: Leaf) -> Callable[[Any, Any], bool]:
    test, if_missing = leaf.test, leaf.if_missing

    def holds(value: Any, other: Any) -> bool:
        return if_missing if value is UNSET or other is UNSET else test(normal(value), normal(other))

    return holds


class Folded(str):
    """A text that stands in an index for every text that folds to it."""

    __slots__ = ()


def index_values(leaf: Leaf) -> tuple[Any, ...] | None:
    """The values one of which the field must have, ``Folded`` or text and numbers, for an index; None where none
    will do.
    """
    if leaf.op not in ("eq", "in", "in_list") or leaf.if_missing:
        return None
    values = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
    if not leaf.case_sensitive:
        return tuple(Folded(value.casefold()) for value in values) if _are_texts(values) else None
    return values if all(isinstance(value, str) or _are_numbers((value,)) for value in values) else None


def _are_texts(values: tuple[Any, ...]) -> bool:
    return all(isinstance(value, str) for value in values)


def _are_numbers(values: tuple[Any, ...]) -> bool:
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and INT_MIN <= value <= INT_MAX
        for value in values
    )


def _inline(leaf: Leaf, bind: Bind) -> str | None:
    op, operand = leaf.op, leaf.operand
    if isinstance(operand, ListName):
        return NEVER if leaf.test is is_in_no_list else None
    if op == "exists":
        return "\0 is not UNSET" if operand else "\0 is UNSET"
    if not leaf.case_sensitive:
        operand = _folded(operand)
    if op in ("eq", "ne"):
        return _equal(operand, bind, negative=op == "ne")
    if op in ("in", "in_list", "not_in"):
        return _member(operand, bind, negative=op == "not_in")
    if op in _ORDER:
        in_order = _ORDER[op].format(k=bind(bound_of(operand)))
        return f"({_IS_NUMBER} and {in_order} or {_IS_TEXT} and {bind(leaf.test)}(\0))"
    if op in ("starts_with", "ends_with"):
        method = "startswith" if op == "starts_with" else "endswith"
        return f"({_IS_TEXT} and \0.{method}({bind(operand)}))"
    if op == "contains" and _are_texts(operand) and len(operand) <= _MAX_PARTS:
        parts = " or ".join(f"{bind(part)} in \0" for part in operand)
        return f"({_IS_TEXT} and ({parts}) or \0.__class__ is list and {bind(_of_any(leaf.test))}(\0))"
    return None


def _folded(operand: Any) -> Any:
    if isinstance(operand, tuple):
        return tuple(map(_folded, operand))
    return operand.casefold() if isinstance(operand, str) else operand


def _equal(operand: Any, bind: Bind, *, negative: bool) -> str | None:
    if operand is None or isinstance(operand, bool):
        return f"(\0 is not UNSET and \0 is not {operand})" if negative else f"\0 is {operand}"
    if not (_are_texts((operand,)) or _are_numbers((operand,))):
        return None
    name = bind(operand)
    if isinstance(operand, str) or operand not in (0, 1):
        return f"(\0 is not UNSET and \0 != {name})" if negative else f"\0 == {name}"
    if negative:
        return f"(\0 is not UNSET and (\0 != {name} or \0.__class__ is bool))"
    return f"(\0 == {name} and \0.__class__ is not bool)"


def _member(operand: tuple[Any, ...], bind: Bind, *, negative: bool) -> str | None:
    texts = frozenset(one for one in operand if isinstance(one, str))
    words = [one for one in operand if one is None or isinstance(one, bool)]
    numbers = frozenset(one for one in operand if isinstance(one, (int, float)) and not isinstance(one, bool))
    if not _are_numbers(tuple(numbers)):
        return None
    asked = [f"\0 is {word}" for word in words]
    if texts:
        asked.append(f"{_IS_TEXT} and \0 in {bind(texts)}")
    if numbers:
        asked.append(f"{_IS_NUMBER} and \0 in {bind(numbers)}")
    text = f"({' or '.join(asked)})" if asked else NEVER
    return f"(\0 is not UNSET and not {text})" if negative else text
