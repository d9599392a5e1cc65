"""The parts of a key: fields of an event, and small functions of them (``streams.rules.expressions``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streams.rules.block import field_path
from streams.rules.durations import shown
from streams.rules.expressions import is_expression, parse_expression
from streams.rules.problems import BlockErrors
from streams.rules.program import KeyPart
from streams.rules.values import key_part

#: Parts of one key.
MAX_PARTS = 16

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}", re.ASCII)


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

    @property
    def written(self) -> str:
        """Canonical, with the name where it has one of its own: alerts are named by their key, names and all."""
        return self.text if self.name == self.text else f"{self.name}: {self.text}"

    def part(self, values: tuple[Any, ...], missing: str) -> KeyPart | None:
        """The part of the key; None where the event has none."""
        return key_part(values[0] if self.apply is None else self.apply(*values), missing)


def parse_key_field(raw: Any) -> KeyField:
    """``actor``, ``cidr(source_ip, 24)``, or ``{subnet: "cidr(source_ip, 24)"}``. Raises ValueError."""
    if isinstance(raw, dict):
        if len(raw) != 1:
            raise ValueError(
                f'takes one name with what it stands for, such as {{subnet: "cidr(ip, 24)"}}, not {shown(raw)}'
            )
        ((name, of),) = raw.items()
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{shown(name)} is no name: letters, digits, - and _, beginning with a letter")
        if not isinstance(of, str):
            raise ValueError(f"{name} takes a field or an expression, not {shown(of)}")
        part = parse_key_field(of)
        return KeyField(name, part.text, part.paths, part.apply)
    if is_expression(raw):
        text, paths, apply = parse_expression(raw)
        return KeyField(text, text, paths, apply)
    path = field_path(raw)
    return KeyField(path, path, (path,))


def parse_key(raw: Any) -> tuple[KeyField, ...]:
    """The ``group_by`` (or ``by``) of a rule file: a list of fields with distinct names. Raises ``BlockErrors``."""
    if not isinstance(raw, list):
        raise ValueError(f"takes a list of fields, not {shown(raw)}")
    if len(raw) > MAX_PARTS:
        raise ValueError(f"names more than {MAX_PARTS} fields")
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
