"""The parts of a key: fields of an event, and small functions of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streams.rules.block import field_path
from streams.rules.durations import shown
from streams.rules.problems import BlockErrors
from streams.rules.program import KeyPart
from streams.rules.values import key_part


@dataclass(frozen=True, slots=True)
class KeyField:
    """One part of a key: what it is called in findings, how it is written, and what it reads.

    ``apply`` makes the part's value of the values at ``paths`` (UNSET where missing; UNSET means there is none); None:
    the field itself. Pure and total: it never raises, whatever the event holds.
    """

    name: str
    text: str  #: canonical
    paths: tuple[str, ...]
    apply: Callable[..., Any] | None = field(default=None, compare=False, repr=False)

    @property
    def is_field(self) -> bool:
        """Whether it is a field as it stands, so that a producer may have partitioned by it."""
        return self.apply is None

    def part(self, values: tuple[Any, ...], missing: str) -> KeyPart | None:
        """The part of the key; None where the event has none."""
        return key_part(values[0] if self.apply is None else self.apply(*values), missing)


def parse_key_field(raw: Any) -> KeyField:
    """``actor``. Raises ValueError that says what to write."""
    path = field_path(raw)
    return KeyField(path, path, (path,))


def parse_key(raw: Any) -> tuple[KeyField, ...]:
    """The ``group_by`` (or ``by``) of a rule file: a list of fields with distinct names. Raises ``BlockErrors``."""
    if not isinstance(raw, list):
        raise ValueError(f"takes a list of fields, not {shown(raw)}")
    problems: list[tuple[str, str]] = []
    fields: list[KeyField] = []
    for place, item in enumerate(raw):
        try:
            fields.append(parse_key_field(item))
        except ValueError as error:
            problems.append((str(place), str(error)))
    if len({part.name for part in fields}) != len(fields):
        problems.append(("", "names something twice"))
    if problems:
        raise BlockErrors(problems)
    return tuple(fields)
