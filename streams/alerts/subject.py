"""An alert, or a case, as matchers see it: fields by dot path, as text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

from streams.model import Alert
from streams.route.matchers import Labelled


class HasBase(Protocol):
    """A case: its own fields over those of the last version."""

    base: Alert


class Subject(Labelled):
    """Reads an alert, or a case over its alert. Nothing is copied."""

    __slots__ = ("_base", "_one")

    def __init__(self, one: Alert | HasBase) -> None:
        self._one = one
        self._base = one if isinstance(one, Alert) else one.base

    def label(self, path: str) -> str | tuple[str, ...]:
        name, rest = steps(path)
        value: Any = getattr(self._one, name, None)
        if value is None:
            value = getattr(self._base, name, None)
        return within(value, rest)


def within(value: Any, rest: tuple[str, ...]) -> str | tuple[str, ...]:
    """What stands in a field, as text: at the end of a way through its objects."""
    for part in rest:
        value = value.get(part) if isinstance(value, dict) else None
    return value if value.__class__ is str else _text(value)


@lru_cache(maxsize=4_096)
def steps(path: str) -> tuple[str, tuple[str, ...]]:
    """A dot path: the field, and the way through its objects."""
    name, _, rest = path.partition(".")
    return name, tuple(rest.split(".")) if rest else ()


def _text(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return str(value)  # of an enum its value
    if value is None or isinstance(value, (dict,)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return tuple(item for item in map(_text, value) if isinstance(item, str) and item)
    return str(value)
