"""One condition as Python text. Whatever users wrote is bound to a name, never pasted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from streams.model.decode import INT_MAX, INT_MIN
from streams.rules.comparing import OtherField
from streams.rules.conditions import Leaf
from streams.rules.operators import NEGATIVE, ListName
from streams.rules.values import normal

#: Stands for the value in the text of a leaf.
VALUE = "\0"
#: Stands for the value of the other field, where there is one.
OTHER = "\1"

#: Binds a constant and gives its name.
Bind = Callable[[Any], str]

_ORDER = {"gt": "{k} < \0 < INF", "gte": "{k} <= \0 < INF", "lt": "-INF < \0 < {k}", "lte": "-INF < \0 <= {k}"}
_IS_NUMBER = "(\0.__class__ is int or \0.__class__ is float)"


def source(leaf: Leaf, bind: Bind) -> tuple[str, bool]:
    """The text of a leaf over ``VALUE`` (which may be UNSET), and whether it is cheap: no call but of a method.

    With another field as operand: over ``VALUE`` and ``OTHER``, each of which stands there once.
    """
    if isinstance(leaf.operand, OtherField):
        return f"{bind(_of_two(leaf))}(\0, \1)", False
    text = _inline(leaf, bind)
    cheap = text is not None
    if text is None:
        test = leaf.test
        text = f"(\0 is not UNSET and {bind(lambda value: test(normal(value)))}(\0))"
    return (f"(\0 is UNSET or {text})" if leaf.if_missing and leaf.op != "exists" else text), cheap


def _of_two(leaf: Leaf) -> Callable[[Any, Any], bool]:
    test, if_missing = leaf.test, leaf.if_missing

    def holds(value: Any, other: Any) -> bool:
        return if_missing if value is UNSET or other is UNSET else test(normal(value), normal(other))

    return holds


class Folded(str):
    """A text that stands in an index for every text that folds to it."""

    __slots__ = ()


def index_values(leaf: Leaf) -> tuple[Any, ...] | None:
    """The values one of which the field must have, all text, all ``Folded`` or all numbers, for an index; None where
    none will do.
    """
    if leaf.op not in ("eq", "in", "in_list") or leaf.if_missing:
        return None
    values = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
    if not leaf.case_sensitive:
        return tuple(Folded(value.casefold()) for value in values) if _are_texts(values) else None
    return values if _are_texts(values) or _are_numbers(values) else None


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
        return None
    if op == "exists":
        return "\0 is not UNSET" if operand else "\0 is UNSET"
    if not leaf.case_sensitive:
        return None
    positive = NEGATIVE.get(op, op)
    if positive == "eq":
        return _equal(operand, bind, negative=op == "ne")
    if positive in ("in", "in_list"):
        return _member(operand, bind, negative=op == "not_in")
    if op in _ORDER and not isinstance(operand, str):
        in_order = _ORDER[op].format(k=bind(operand))
        return f"({in_order} if {_IS_NUMBER} else \0.__class__ is str and {bind(leaf.test)}(\0))"
    if op in ("starts_with", "ends_with"):
        method = "startswith" if op == "starts_with" else "endswith"
        return f"(\0.__class__ is str and \0.{method}({bind(operand)}))"
    if op == "contains" and _are_texts(operand) and len(operand) == 1:
        test = leaf.test
        among = bind(lambda value: test(normal(value)))
        return f"({bind(operand[0])} in \0 if \0.__class__ is str else \0.__class__ is list and {among}(\0))"
    return None


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
    if _are_texts(operand):
        text = f"(\0.__class__ is str and \0 in {bind(frozenset(operand))})"
    elif _are_numbers(operand):
        text = f"({_IS_NUMBER} and \0 in {bind(frozenset(operand))})"
    else:
        return None
    return f"(\0 is not UNSET and not {text})" if negative else text
