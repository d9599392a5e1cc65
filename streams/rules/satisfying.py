"""An event that a condition holds for: found by trying, branch by branch, value by value, and checked in the end."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import islice, product
from typing import Any

from msgspec import UNSET

from streams.rules.comparing import OtherField
from streams.rules.conditions import All, Condition, Leaf, Not
from streams.rules.operators import ORDER
from streams.rules.pattern_text import texts_matching
from streams.rules.values import amount, read

#: Ways through the condition's alternatives, and values of one field, that are tried before giving up.
MAX_BRANCHES = 2_000
MAX_VALUES = 400

_PLAIN = ("example", "x", 1, 0, -1, True, False, None, "", ["example"])
_Asked = tuple[Leaf, bool]


def satisfying(condition: Condition, given: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Fields, nested by their dot paths, for which the condition holds; None where none were found.

    ``given``: values by path that must stand. A field that is only asked to be something else is left out.
    """
    fixed = dict(given or {})
    for branch in islice(_branches(condition, True), MAX_BRANCHES):
        by_path: dict[str, list[_Asked]] = {}
        for asked in branch:
            by_path.setdefault(asked[0].path, []).append(asked)
        for order in (list(by_path), list(reversed(by_path))):
            event = _event(order, by_path, fixed)
            if event is not None and condition.holds(lambda path, event=event: read(event, path)):  # type: ignore[misc]
                return event
    return None


def _branches(condition: Condition, wanted: bool) -> Iterator[tuple[_Asked, ...]]:
    """Every choice among alternatives, as the leaves that must then hold, or must not."""
    if isinstance(condition, Leaf):
        yield ((condition, wanted),)
    elif isinstance(condition, Not):
        yield from _branches(condition.part, not wanted)
    elif isinstance(condition, All) == wanted:
        yield from _together(condition.parts, wanted)
    else:
        for part in condition.parts:
            yield from _branches(part, wanted)


def _together(parts: Sequence[Condition], wanted: bool) -> Iterator[tuple[_Asked, ...]]:
    if not parts:
        yield ()
        return
    for first in _branches(parts[0], wanted):
        for rest in _together(parts[1:], wanted):
            yield (*first, *rest)


def _event(
    order: Sequence[str], by_path: Mapping[str, list[_Asked]], fixed: Mapping[str, Any]
) -> dict[str, Any] | None:
    event: dict[str, Any] = {}
    for path, value in fixed.items():
        if not put(event, path, value):
            return None
    for path in order:
        if path in fixed:
            continue
        for other in {leaf.operand.path for leaf, _ in by_path[path] if isinstance(leaf.operand, OtherField)}:
            # a field that is asked nothing else is given a number, so that there is something to compare with
            if other not in by_path and read(event, other) is UNSET and not put(event, other, 1):
                return None
        for value in islice(_candidates(by_path[path], event), MAX_VALUES):
            if all(_holds(leaf, value, event) is wanted for leaf, wanted in by_path[path]):
                break
        else:
            return None
        if value is not UNSET and not put(event, path, value):
            return None
    return event


def _holds(leaf: Leaf, value: Any, event: Mapping[str, Any]) -> bool:
    return leaf.holds(lambda path: value if path == leaf.path else read(event, path))


def put(event: dict[str, Any], path: str, value: Any) -> bool:
    """Set a dot path; False where a plain value stands in the way."""
    *parents, last = path.split(".")
    for name in parents:
        below = event.setdefault(name, {})
        if not isinstance(below, dict):
            return False
        event = below
    if isinstance(event.get(last), dict):
        return False
    event[last] = value
    return True


def _candidates(asked: Sequence[_Asked], event: Mapping[str, Any]) -> Iterator[Any]:
    positive = [leaf for leaf, wanted in asked if wanted]
    if not positive:
        yield UNSET
    for leaf in positive:
        yield from _values(leaf, event)
    yield from _composed(positive)
    yield from _PLAIN
    for leaf, wanted in asked:
        if not wanted:
            yield from _values(leaf, event)
    yield UNSET


def _values(leaf: Leaf, event: Mapping[str, Any]) -> Iterator[Any]:
    operand = leaf.operand
    if isinstance(operand, OtherField):
        yield from _beside(leaf.op, read(event, operand.path), operand)
    elif leaf.op in ORDER and not isinstance(operand, tuple):
        yield from _near(operand)
    elif leaf.op == "regex":
        for pattern in operand:
            yield from texts_matching(pattern)
    elif leaf.op == "cidr":
        for network in operand:
            inside = ipaddress.ip_network(network)
            yield from (str(inside[min(place, inside.num_addresses - 1)]) for place in (1, 2, 3, 0))
    elif leaf.op in ("exists", "ne", "not_in", "not_contains"):
        return
    elif isinstance(operand, tuple):
        yield from operand
    elif isinstance(operand, (str, int, float)) or operand is None:
        yield operand


def _beside(op: str, other: Any, operand: OtherField) -> Iterator[Any]:
    """Values for a field that is compared with one that has its value already."""
    base = amount(other)
    if base is None:
        if op == "eq":
            yield other
        return
    exact = Fraction(repr(base) if isinstance(base, float) else base) * operand.times + operand.plus
    for value in (exact, exact + 1, exact - 1):
        yield int(value) if value.denominator == 1 else float(value)
    if op == "eq":
        yield other


def _near(bound: Any) -> Iterator[int | float]:
    try:
        exact = Decimal(bound) if isinstance(bound, str) else Decimal(repr(bound))
    except ArithmeticError:
        return
    for value in (exact, exact + 1, exact - 1, exact + Decimal("0.5"), exact - Decimal("0.5")):
        whole = value.to_integral_value()
        yield int(whole) if whole == value else float(value)


def _composed(positive: Sequence[Leaf]) -> Iterator[str]:
    """Texts that begin, end and contain what they have to."""
    heads = [leaf.operand for leaf in positive if leaf.op == "starts_with"] or [("",)]
    inner = [_texts(leaf) for leaf in positive if leaf.op in ("contains", "regex")]
    tails = [leaf.operand for leaf in positive if leaf.op == "ends_with"] or [("",)]
    for chosen in islice(product(*heads, *inner, *tails), 60):
        head = max(chosen[: len(heads)], key=len)
        middle = chosen[len(heads) : len(chosen) - len(tails)]
        tail = max(chosen[len(chosen) - len(tails) :], key=len)
        yield head + "".join(middle) + tail
        yield " ".join(part for part in (head, *middle, tail) if part)


def _texts(leaf: Leaf) -> tuple[str, ...]:
    if leaf.op == "contains":
        return tuple(item for item in leaf.operand if isinstance(item, str)) or ("",)
    return tuple(text for pattern in leaf.operand for text in islice(texts_matching(pattern), 4)) or ("",)
