"""An alert, or a case, as matchers see it: fields by dot path, as text."""

from __future__ import annotations

from typing import Any, Protocol

from streams.model import Alert
from streams.route.matchers import Labelled

#: Fields that change while a step is under way, and so are read from the case.
_OBJECTS = frozenset({"key", "metadata", "values"})


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
        name, _, rest = path.partition(".")
        value: Any = getattr(self._one, name, None)
        if value is None:
            value = getattr(self._base, name, None)
        for part in rest.split(".") if rest else ():
            value = value.get(part) if isinstance(value, dict) else None
        return _text(value)


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
