"""How a value of an event reads: by path, as a number, as part of a key.

Event values are JSON: text, integers of at most 64 bits, finite floats, booleans, null, lists and objects. Numbers that
fit neither are decimal text (``streams.model.decode``). A boolean is never a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from msgspec import UNSET

from streams.model.decode import INT_MAX, INT_MIN, big_to_text
from streams.rules.program import KeyPart

MAX_SEGMENTS = 16
MAX_PATH = 256

#: An integer beyond 64 bits as the decoder writes it: no leading zero, at least 19 digits, as many as Python converts.
_BIG = re.compile(r"-?[1-9][0-9]{18,4299}")
#: As many as Python converts.
_DIGITS = 4_300
_AMOUNT = re.compile(r"-?[0-9]{1,4300}(?:\.[0-9]{1,4300})?")


def path_problem(path: object) -> str | None:
    """What is wrong with a dot path, or None. A dot always descends; quotes and the like are refused."""
    if not isinstance(path, str) or not path:
        return "is not a field: write a name or a dot path such as user.name"
    if len(path) > MAX_PATH or path.count(".") >= MAX_SEGMENTS:
        return f"is too long a path (at most {MAX_SEGMENTS} segments and {MAX_PATH} characters)"
    if not all(path.split(".")) or path != path.strip():
        return "is not a field: a segment of the path is empty, or a blank stands around it"
    if any(char < " " or char in '"\\' for char in path):
        return "is not a field that can be read: a quote, a backslash or a control character stands in it"
    return None


def walk(value: Any, segments: Sequence[str]) -> Any:
    """What stands below ``value``; UNSET where a segment is missing or its parent is no object. Lists have no names."""
    for segment in segments:
        if type(value) is not dict:
            return UNSET
        value = value.get(segment, UNSET)
    return value


def read(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dot path; UNSET where it is missing."""
    return walk(document, path.split("."))


def normal(value: Any) -> Any:
    """The value as a full decode gives it: integers beyond 64 bits as decimal text, also inside lists and objects."""
    kind = type(value)
    if kind is int:
        return value if INT_MIN <= value <= INT_MAX else str(value)
    return big_to_text(value) if kind is list or kind is dict else value


def is_big_text(value: str) -> bool:
    """Whether this text is an integer beyond 64 bits in the decoder's writing."""
    return len(value) > 18 and _BIG.fullmatch(value) is not None and not INT_MIN <= int(value) <= INT_MAX


def number(value: Any) -> int | float | None:
    """The value as an exact number: an integer, a finite float, or decimal text of an integer beyond 64 bits."""
    kind = type(value)
    if kind is int:
        return value  # type: ignore[no-any-return]  # it is one
    if kind is float:
        return value if isfinite(value) else None
    return int(value) if kind is str and is_big_text(value) else None


def amount(value: Any) -> Decimal | int | float | None:
    """As ``number``, but decimal text of any size (``"250"``, ``"0.000001"``) is a number too. Exact."""
    if type(value) is str:
        return Decimal(value) if len(value) <= 8_602 and _AMOUNT.fullmatch(value) else None
    return number(value)


def comparable(value: Any) -> Decimal | int | float | None:
    """As ``amount``; text without sign and point, as most amounts on chains are, as the integer that is fast."""
    if type(value) is str and value.isdecimal() and value.isascii():
        return int(value) if len(value) <= _DIGITS else None
    return amount(value)


def key_part(value: Any, missing: str = "skip") -> KeyPart | None:
    """One part of a key (see ``program.Key``), or None where the event has no key.

    A list or an object is no part. A missing field and null are one: the event is skipped, or (policy ``null``)
    counted under null.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # it is text
    if kind is int:
        return ("i", value) if INT_MIN <= value <= INT_MAX else str(value)
    if kind is float:
        if value.is_integer() and INT_MIN <= value <= INT_MAX:
            return "i", int(value)
        return ("f", value) if isfinite(value) else None
    if kind is bool:
        return "b", value
    return ("n", None) if missing == "null" and (value is None or value is UNSET) else None
