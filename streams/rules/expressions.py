"""Small functions of fields, for keys: ``lower(actor.email)``, ``cidr(source_ip, 24)``, ``first(user, actor)``.

They may stand inside each other. Pure and total: whatever a field holds, a function gives a value or UNSET (there is
none), in time linear in the length of the text, and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET

from streams.rules.addresses import address, around
from streams.rules.block import field_path
from streams.rules.durations import shown
from streams.rules.problems import did_you_mean

MAX_TEXT = 500
MAX_DEPTH = 4
MAX_FIELDS = 16
#: Longer is no domain.
_MAX_DOMAIN = 253
_MAX_PREFIX = 10_000
_V6_PREFIX = 64

_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\((.*)\)\s*", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://", re.ASCII)
_AUTHORITY_ENDS = re.compile(r"[/?#\\]")

Apply = Callable[..., Any]
#: A function of the values of all fields of the expression.
_Of = Callable[[tuple[Any, ...]], Any]


class Expression(NamedTuple):
    """``apply`` takes the values at ``paths``, normal, UNSET where missing."""

    text: str  #: canonical
    paths: tuple[str, ...]
    apply: Apply


def is_expression(raw: Any) -> bool:
    """Whether this is written as a function, and so is no dot path."""
    return isinstance(raw, str) and _CALL.fullmatch(raw) is not None


def parse_expression(raw: str) -> Expression:
    """Raises ValueError that says what to write instead."""
    if len(raw) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters")
    paths: list[str] = []
    text, of = _parse(raw, paths, 1)
    if len(paths) > MAX_FIELDS:
        raise ValueError(f"reads more than {MAX_FIELDS} fields")
    return Expression(text, tuple(paths), lambda *values: of(values))


def _parse(raw: str, paths: list[str], depth: int) -> tuple[str, _Of]:
    if depth > MAX_DEPTH + 1:
        raise ValueError(f"{shown(raw)} nests deeper than {MAX_DEPTH} functions")
    call = _CALL.fullmatch(raw)
    if call is None:
        path = field_path(raw.strip())
        if any(char in "()," for char in path):
            raise ValueError(f"{shown(path)} is neither a field nor a function such as lower(actor)")
        if path not in paths:
            paths.append(path)
        place = paths.index(path)
        return path, lambda values: values[place]
    name, inside = call.groups()
    if name not in FUNCTIONS:
        raise ValueError(f"{name}(…) is no function{did_you_mean(name, FUNCTIONS)}; there are {', '.join(FUNCTIONS)}")
    example, fewest, most, numbers, make, _ = FUNCTIONS[name]
    given = _arguments(inside)
    fields = given[:1] if numbers else given
    if not fewest <= len(given) <= most or not all(given):
        raise ValueError(f"is written {example}, not {shown(raw.strip())}")
    inner = [_parse(field, paths, depth + 1) for field in fields]
    settings = [_whole(text, example) for text in given[1:]] if numbers else []
    written = ", ".join([*(text for text, _ in inner), *map(str, settings)])
    return f"{name}({written})", make([of for _, of in inner], settings)


def _arguments(text: str) -> list[str]:
    """What stands between the commas that are in no inner brackets."""
    found, depth, begin = [], 0, 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        if char == "," and depth == 0:
            found.append(text[begin:place].strip())
            begin = place + 1
    if depth:
        raise ValueError(f"{shown(text)} has brackets that do not close")
    return [*found, text[begin:].strip()]


def _whole(text: str, example: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError(f"is written {example}: {shown(text)} is not a whole number")
    return int(text)


# --- the functions


def _lower(of: list[_Of], _: list[int]) -> _Of:
    (inner,) = of

    def lower(values: tuple[Any, ...]) -> Any:
        value = inner(values)
        return value.lower() if type(value) is str else value

    return lower


def _prefix(of: list[_Of], settings: list[int]) -> _Of:
    (inner,), (length,) = of, settings
    if not 1 <= length <= _MAX_PREFIX:
        raise ValueError(f"prefix takes 1 to {_MAX_PREFIX} characters")

    def prefix(values: tuple[Any, ...]) -> Any:
        value = inner(values)
        return value[:length] if type(value) is str else value

    return prefix


def _first(of: list[_Of], _: list[int]) -> _Of:
    def first(values: tuple[Any, ...]) -> Any:
        for inner in of:
            value = inner(values)
            if value is not None and value is not UNSET:
                return value
        return UNSET

    return first


def _cidr(of: list[_Of], settings: list[int]) -> _Of:
    (inner,) = of
    v4, v6 = settings if len(settings) == 2 else (settings[0], _V6_PREFIX)
    if v4 > 32 or v6 > 128:
        raise ValueError("cidr takes a prefix of at most 32 bits for IPv4 and 128 for IPv6: cidr(source_ip, 24, 56)")

    def cidr(values: tuple[Any, ...]) -> Any:
        value = inner(values)
        found = address(value) if type(value) is str else None
        if found is None:
            return UNSET
        return around(found, v4 if found.bits == 32 else v6)

    return cidr


def _domain(of: list[_Of], _: list[int]) -> _Of:
    (inner,) = of

    def domain(values: tuple[Any, ...]) -> Any:
        value = inner(values)
        if type(value) is not str:
            return UNSET
        if (scheme := _SCHEME.match(value)) is not None:
            rest = value[scheme.end() : scheme.end() + 4_096]
            end = _AUTHORITY_ENDS.search(rest)
            host = rest[: end.start()] if end is not None else rest
            host = host.rpartition("@")[2]
            host = host[1:].partition("]")[0] if host[:1] == "[" else host.partition(":")[0]
        else:
            _, at, host = value.rpartition("@")
            if not at:
                return UNSET
        host = host.strip().removesuffix(".")
        return host.lower() if 0 < len(host) <= _MAX_DOMAIN else UNSET

    return domain


class _Function(NamedTuple):
    example: str
    fewest: int
    most: int
    numbers: bool  #: whether what follows the first argument are whole numbers
    make: Callable[[list[_Of], list[int]], _Of]
    meaning: str  #: for the reference page


FUNCTIONS = {
    "lower": _Function("lower(actor.email)", 1, 1, False, _lower, "text in lower case; other values as they are"),
    "cidr": _Function(
        "cidr(source_ip, 24) or cidr(source_ip, 24, 56)", 2, 3, True, _cidr,
        f"the network around an address: prefix for IPv4, and for IPv6 (else {_V6_PREFIX}); IPv4 as IPv6 is IPv4",
    ),
    "domain": _Function(
        "domain(actor.email)", 1, 1, False, _domain,
        "what follows the last `@`; of a URL the host; in lower case",
    ),
    "first": _Function(
        "first(user, actor, account)", 2, MAX_FIELDS, False, _first, "the first that is neither missing nor null",
    ),
    "prefix": _Function(
        "prefix(account, 4)", 2, 2, True, _prefix, "the first characters of text; other values as they are",
    ),
}  # fmt: skip
