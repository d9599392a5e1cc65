"""The operators of ``where``: what each accepts as its operand, and when it holds for a value that is present.

``compile_test`` gives a function of one value (never UNSET), and of two where the operand is another field
(``comparing.OtherField``). Wrong types never raise: they do not hold. ``ne`` and ``not_in`` hold for every value that
is not equal, whatever its type; ``not_contains`` asks of text and lists only.
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from streams.rules.comparing import OtherField, compare_fields, other_field
from streams.rules.durations import shown
from streams.rules.regex import searching
from streams.rules.values import amount, comparable, number

Test = Callable[..., bool]

ORDER = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
NEGATIVE = {"ne": "eq", "not_in": "in", "not_contains": "contains"}
#: Operators whose operand may be one scalar or a list, any of which will do.
ANY_OF = frozenset({"in", "not_in", "in_list", "contains", "not_contains", "starts_with", "ends_with", "regex", "cidr"})
OPERATORS = frozenset({"eq", "ne", "exists", *ANY_OF, *ORDER})
#: Operators whose operand may be another field.
COMPARING = frozenset({"eq", "ne", *ORDER})
#: Operators that ``case_sensitive: false`` can go with.
WITH_CASE = frozenset({"eq", "ne"} | ANY_OF - {"cidr"})
#: When each holds for a value that is present, for the reference page.
MEANINGS = {
    "eq": "is the same text, number, boolean or null",
    "ne": "is not the same, whatever its type",
    "in": "is one of the list",
    "not_in": "is none of the list, whatever its type",
    "in_list": "is in a list: written out, an indicator list by its name, or a file beside the rule (`bad-ips.txt`: a "
    "text a line, `#` comments)",
    "gt": "is a number above the bound",
    "gte": "is a number at or above the bound",
    "lt": "is a number below the bound",
    "lte": "is a number at or below the bound",
    "contains": "is text with one of these in it, or a list with one of them as an item",
    "not_contains": "is text or a list, and contains none of these",
    "starts_with": "is text that begins with one of these",
    "ends_with": "is text that ends with one of these",
    "regex": "is text in which one of these RE2 patterns matches somewhere",
    "cidr": "is an IP address in one of these networks; an IPv4 address written as IPv6 is the IPv4 address",
    "exists": "`true`: is there, null included. `false`: is not there",
}

MAX_OPERANDS = 50_000
MAX_TEXT = 4_096
_MAX_ADDRESS = 64
_LIST_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*", re.ASCII)
_MAX_LIST_NAME = 100


@dataclass(frozen=True, slots=True)
class ListName:
    """The operand of ``in_list`` that is a name: what stands in the list is bound later (``streams.rules.lists``)."""

    name: str

    def __str__(self) -> str:
        """For people."""
        return self.name


def list_name(text: Any) -> str:
    """The name of an indicator list. Raises ValueError."""
    if not isinstance(text, str) or len(text) > _MAX_LIST_NAME or not _LIST_NAME.fullmatch(text):
        raise ValueError(
            f"takes the name of a list, lower-case words joined by - or _, such as bad-ips, not {shown(text)}"
        )
    return text


def _scalar(value: Any) -> Any:
    """The canonical scalar of an operand: integral floats become integers. Raises ValueError."""
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{shown(value)} is no value an event can have")
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"is longer than {MAX_TEXT} characters")
        return value
    if value is None or isinstance(value, (bool, int)):
        return value
    raise ValueError(f"{shown(value)} is not text, a number, true, false or null")


def canonical(op: str, operand: Any) -> Any:
    """The operand as it is kept and hashed: a scalar, another field, or for ``ANY_OF`` a tuple or the name of a list.

    Raises ValueError with what to write instead.
    """
    if op == "exists":
        if not isinstance(operand, bool):
            raise ValueError("takes true or false")
        return operand
    if op in COMPARING and isinstance(operand, dict):
        return other_field(operand)
    if op == "in_list" and isinstance(operand, str):
        return ListName(list_name(operand))
    if op in ORDER:
        bound = _scalar(operand)
        if isinstance(bound, bool) or amount(bound) is None:
            raise ValueError(f'takes a number (or decimal text such as "1000", for amounts), not {shown(operand)}')
        return bound
    if op not in ANY_OF:
        if isinstance(operand, (list, dict)):
            raise ValueError("takes one value; a list goes with in or contains")
        return _scalar(operand)
    items = operand if isinstance(operand, list) else [operand]
    if op in ("in", "not_in", "in_list") and not isinstance(operand, list):
        raise ValueError("takes a list" if op != "in_list" else "takes a list, or the name of one")
    if not items:
        raise ValueError("takes at least one value: an empty list decides nothing")
    if len(items) > MAX_OPERANDS:
        raise ValueError(f"has more than {MAX_OPERANDS} values")
    values = tuple(_scalar(item) for item in items)
    if op in ("starts_with", "ends_with", "regex", "cidr") and not all(isinstance(item, str) for item in values):
        raise ValueError(f"takes text, not {shown(next(item for item in values if not isinstance(item, str)))}")
    return values


def compile_test(op: str, operand: Any, case_sensitive: bool = True) -> Test:
    """The test for a canonical operand. Raises ValueError for a bad pattern or network."""
    if isinstance(operand, OtherField):
        return compare_fields(op, operand, case_sensitive)
    if isinstance(operand, ListName):
        return is_in_no_list
    if op in NEGATIVE:
        positive = compile_test(NEGATIVE[op], operand, case_sensitive)
        if op == "not_contains":
            return lambda value: isinstance(value, (str, list)) and not positive(value)
        return lambda value: not positive(value)
    if op == "exists":
        return lambda _: bool(operand)
    if op == "eq":
        return _equal(operand, case_sensitive)
    if op in ("in", "in_list"):
        return _member(operand, case_sensitive)
    if op in ORDER:
        return _order(op, operand)
    if op == "regex":
        return searching(operand, case_sensitive)
    if op == "cidr":
        return _cidr(operand)
    if op == "contains":
        return _contains(operand, case_sensitive)
    return _affix(str.startswith if op == "starts_with" else str.endswith, operand, case_sensitive)


def is_in_no_list(value: Any) -> bool:
    """The test of a list's name that nothing is bound to, or nothing stands in."""
    return False


def _fold(text: str) -> str:
    return text.casefold()


def _same(text: str) -> str:
    return text


def _equal(operand: Any, case_sensitive: bool) -> Test:
    if isinstance(operand, bool) or operand is None:
        return lambda value: value is operand
    if isinstance(operand, str):
        fold = _same if case_sensitive else _fold
        wanted = fold(operand)
        return lambda value: isinstance(value, str) and fold(value) == wanted
    return lambda value: number(value) == operand


def _member(operands: tuple[Any, ...], case_sensitive: bool) -> Test:
    fold = _same if case_sensitive else _fold
    texts = frozenset(fold(item) for item in operands if isinstance(item, str))
    others = [_equal(item, case_sensitive) for item in operands if item is None or isinstance(item, bool)]
    numbers = frozenset(item for item in operands if isinstance(item, (int, float)) and not isinstance(item, bool))

    def holds(value: Any) -> bool:
        if isinstance(value, str) and fold(value) in texts:
            return True
        return (bool(numbers) and number(value) in numbers) or any(test(value) for test in others)

    return holds


def _contains(operands: tuple[Any, ...], case_sensitive: bool) -> Test:
    fold = _same if case_sensitive else _fold
    texts = tuple(fold(item) for item in operands if isinstance(item, str))
    member = _member(operands, case_sensitive)

    def holds(value: Any) -> bool:
        if isinstance(value, str):
            text = fold(value)
            return any(part in text for part in texts)
        return isinstance(value, list) and any(member(item) for item in value)

    return holds


def _affix(method: Callable[[str, tuple[str, ...]], bool], operands: tuple[str, ...], case_sensitive: bool) -> Test:
    fold = _same if case_sensitive else _fold
    wanted = tuple(fold(item) for item in operands)
    return lambda value: isinstance(value, str) and method(fold(value), wanted)


def _order(op: str, operand: Any) -> Test:
    compare, bound = ORDER[op], bound_of(operand)
    reading: Callable[[Any], Any] = comparable if isinstance(operand, str) else number

    def holds(value: Any) -> bool:
        got = reading(value)
        return got is not None and bool(compare(got, bound))

    return holds


def bound_of(operand: float | str) -> Decimal | float:
    """What is compared with for ``gt`` and its like: exactly the operand, as the number that is compared fastest."""
    if not isinstance(operand, str):
        return operand
    bound = Decimal(operand)
    if bound == bound.to_integral_value():
        return int(bound)
    return float(bound) if Decimal(float(bound)) == bound else bound


def _cidr(networks: tuple[str, ...]) -> Test:
    ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for text in networks:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"{shown(text)} is not a network: {error}") from None
        first, last = int(network.network_address), int(network.broadcast_address)
        ranges[network.version].append((first, last))

    def holds(value: Any) -> bool:
        if not isinstance(value, str) or len(value) > _MAX_ADDRESS:
            return False
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        place = int(mapped or address)
        return any(first <= place <= last for first, last in ranges[mapped.version if mapped else address.version])

    return holds
