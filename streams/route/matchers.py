"""Matchers over the fields of an alert: ``severity="critical"``, ``rule=~"audit[.].*"``, ``key.actor!=ada``.

As Alertmanager writes them, over any field by dot path. A field that is missing is the empty text, so ``team!=core``
holds where there is no team. Of a list (``tags``) one value suffices; with ``!=`` and ``!~`` none may be. Patterns are
RE2 and anchored at both ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import re2

_MATCHER = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(!=|=~|!~|=)\s*(.*?)\s*", re.DOTALL)
_MAX_TEXT = 1_000
_MAX_PATTERN_MEMORY = 1 << 20
_MAX_KNOWN = 200  #: characters of a value whose comparison with a pattern is remembered


class Op(StrEnum):
    """How a value is compared."""

    IS = "="
    IS_NOT = "!="
    LIKE = "=~"
    NOT_LIKE = "!~"


class Labelled:
    """What matchers look at: anything whose fields are read by name."""

    def label(self, path: str) -> str | tuple[str, ...]:
        """The value at a dot path as text, the texts of a list; empty where there is none."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition."""

    path: str
    op: Op
    text: str

    def holds(self, subject: Labelled) -> bool:
        """Whether it holds for ``subject``."""
        value, op, text = subject.label(self.path), self.op, self.text
        if op is Op.IS or op is Op.IS_NOT:
            found = text in value if value.__class__ is tuple else value == text
        else:
            found = any(_like(text, one) for one in value) if isinstance(value, tuple) else _like(text, value)
        return found is (op is Op.IS or op is Op.LIKE)

    def __str__(self) -> str:
        quoted = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.path}{self.op}"{quoted}"'


def all_hold(matchers: Sequence[Matcher], subject: Labelled) -> bool:
    """Whether every one of them does; none at all hold always."""
    for matcher in matchers:  # noqa: SIM110  # a generator costs more than most matchers
        if not matcher.holds(subject):
            return False
    return True


def parse_matcher(text: Any) -> Matcher:
    """``name op value``, the value in quotes or not. Raises ValueError that says what is wrong."""
    if not isinstance(text, str) or len(text) > _MAX_TEXT or (found := _MATCHER.fullmatch(text)) is None:
        raise ValueError(f'takes a matcher such as severity="critical", not {str(text)[:60]!r}')
    path, op, value = found[1], Op(found[2]), found[3]
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r'\\([\\"])', r"\1", value[1:-1])
    elif '"' in value:
        raise ValueError(f"has an unbalanced quote in {text[:60]!r}")
    if op in (Op.LIKE, Op.NOT_LIKE):
        try:
            _pattern(value)
        except re2.error as error:
            raise ValueError(f"has no valid pattern (RE2) in {text[:60]!r}: {error}") from None
    return Matcher(path, op, value)


def parse_matchers(raw: Any) -> tuple[Matcher, ...]:
    """A list of matchers, one text, or a mapping ``field: value`` or ``field: [one, of, these]`` of equalities.

    Raises ValueError.
    """
    if isinstance(raw, str):
        return (parse_matcher(raw),)
    if isinstance(raw, Mapping):
        return tuple(_equality(path, value) for path, value in raw.items())
    if not isinstance(raw, Sequence):
        raise ValueError("takes a list of matchers")
    return tuple(parse_matcher(item) for item in raw)


def _equality(path: Any, value: Any) -> Matcher:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return Matcher(str(path), Op.LIKE, "|".join(map(re2.escape, value)))
    if not isinstance(value, str):
        raise ValueError(f"{path}: takes text, or a list of texts")
    if value.endswith("*") and value.count("*") == 1:
        return Matcher(str(path), Op.LIKE, re2.escape(value[:-1]) + ".*")
    return Matcher(str(path), Op.IS, value)


def _like(text: str, value: str) -> bool:
    """The same few values are asked for again and again; long ones are not worth remembering."""
    return _known(text, value) if len(value) <= _MAX_KNOWN else _pattern(text).fullmatch(value) is not None


@lru_cache(maxsize=20_000)
def _known(text: str, value: str) -> bool:
    return _pattern(text).fullmatch(value) is not None


@lru_cache(maxsize=4_096)
def _pattern(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PATTERN_MEMORY
    return re2.compile(text, options)
