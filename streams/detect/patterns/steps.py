"""What the steps of a ``sequence`` and the members of a ``group`` have in common: a name and a way into the rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from streams.detect.base import Option
from streams.rules.block import Block
from streams.rules.durations import shown
from streams.rules.keyed import parse_key
from streams.rules.problems import BlockErrors
from streams.rules.rule import ArmSpec
from streams.rules.where import parse_where

#: More steps or members are a mistake: an event is asked for each of them.
MAX_PARTS = 12
_LONGEST_NAME = 60

#: A way into a rule: what ``read_way`` knows.
WAY_OPTIONS = (
    Option("where", "condition", "", "which events, beside the rule's own `where`; this or source must be there"),
    Option("source", "source", "the rule's", "whose events; the rule's own `where` is for its own source"),
    Option("by", "key", "the rule's group_by", "the fields of the key in these events, in the order of group_by"),
)
#: What every part knows.
PART_OPTIONS = (Option("name", "text", "its number, from 1", "what alerts call it"), *WAY_OPTIONS)

T = TypeVar("T")


def read_way(read: Block) -> ArmSpec:
    """The ``where``, ``source`` and ``by`` of a part. Notes as a problem that it says neither of the first two."""
    where = read.read("where", parse_where, None)
    source, by = read.text("source", "", longest=_LONGEST_NAME), read.read("by", parse_key, None)
    if not read.has("where") and not source:
        read.problem("", "says neither where nor source")
    return ArmSpec(where, source, by)


def read_name(read: Block, number: int) -> str:
    """The name of a part; without one, its number from 1."""
    return read.text("name", "", longest=_LONGEST_NAME) or str(number)


def read_parts(raw: Any, what: str, part: Callable[[Any, int], T], name: Callable[[T], str]) -> tuple[T, ...]:
    """A list of at least two parts with distinct names. Raises ``BlockErrors`` with all problems of all of them."""
    if not isinstance(raw, list) or not 2 <= len(raw) <= MAX_PARTS:
        raise ValueError(f"takes a list of 2 to {MAX_PARTS} {what}, not {shown(raw)}")
    problems: list[tuple[str, str]] = []
    parts: list[T] = []
    for place, item in enumerate(raw):
        try:
            parts.append(part(item, place + 1))
        except BlockErrors as errors:
            problems += [(f"{place}.{path}" if path else str(place), message) for path, message in errors.problems]
    if len({name(one) for one in parts}) != len(parts):
        problems.append(("", f"names two {what} alike"))
    if problems:
        raise BlockErrors(problems)
    return tuple(parts)
