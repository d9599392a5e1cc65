"""Reading the ``detect`` block of a rule file: all problems of a block at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from streams.rules.durations import parse_duration, shown
from streams.rules.problems import BlockErrors, did_you_mean


class Block:
    """Takes values out of a block by name and type, and notes what is wrong; ``done`` raises it."""

    def __init__(self, block: Any, known: Iterable[str]) -> None:
        self.problems: list[tuple[str, str]] = []
        self._values: Mapping[str, Any] = {}
        if isinstance(block, Mapping):
            self._values = block
        else:
            self.problems.append(("", f"must be a mapping, not {shown(block)}"))
        names = tuple(known)
        for name in self._values:
            if name not in names:
                self.wrong(str(name), f"unknown key{did_you_mean(name, names)}")

    def has(self, name: str) -> bool:
        return name in self._values

    def raw(self, name: str) -> Any:
        return self._values.get(name)

    def wrong(self, path: str, message: str) -> None:
        self.problems.append((path, message))

    def count(self, name: str, top: int) -> int:
        """A required whole number from 1 to ``top``."""
        value = self._values.get(name)
        if type(value) is not int or not 1 <= value <= top:
            self._expected(name, f"a whole number from 1 to {top}")
            return 1
        return value

    def duration(self, name: str, default: int | None = None) -> int:
        """A positive duration in ms; required without a default."""
        if name not in self._values and default is not None:
            return default
        if name not in self._values:
            self._expected(name, "a duration such as 10m")
            return 1
        try:
            value = parse_duration(self._values[name])
        except ValueError as error:
            self.wrong(name, str(error))
            return 1
        if value <= 0:
            self.wrong(name, "must be longer than nothing")
            return 1
        return value

    def path(self, name: str) -> str:
        """A required dot path."""
        value = self._values.get(name)
        if not is_path(value):
            self._expected(name, "a field, as a dot path such as resource.name")
            return "_"
        return str(value)

    def done(self) -> None:
        """Raise BlockErrors with everything noted."""
        if self.problems:
            raise BlockErrors(self.problems)

    def _expected(self, name: str, what: str) -> None:
        found = f", not {shown(self._values[name])}" if name in self._values else ""
        self.wrong(name, f"must be {what}{found}")


def is_path(value: Any) -> bool:
    """Whether ``value`` is a dot path with no empty part."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 256
        and all(part.strip() == part != "" for part in value.split("."))
    )


def is_number(value: Any) -> bool:
    """A finite number that is not a boolean."""
    return type(value) is int or (type(value) is float and math.isfinite(value))
