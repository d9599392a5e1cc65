"""Reading one block of a rule file: every problem noted, nothing raised half-way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from streams.rules.durations import parse_duration, shown
from streams.rules.problems import BlockErrors, did_you_mean
from streams.rules.values import path_problem

T = TypeVar("T")
_REQUIRED: Any = object()

MAX_LINE = 1_000
_MAX_DOUBLE = sys.float_info.max


class Block:
    """A mapping being read. Each getter notes its problem and gives the default instead; ``finish`` notes the rest.

    Kinds use it as ``block = Block(raw)``, getters, ``block.check()``: that raises ``BlockErrors`` with all of them.
    """

    def __init__(self, raw: Any, path: str = "") -> None:
        self.problems: list[tuple[str, str]] = []
        self._path = path
        self._known: set[str] = set()
        self._raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        if not isinstance(raw, Mapping):
            self.problem("", f"takes a mapping of names to values, not {shown(raw)}")

    def problem(self, name: str, message: str) -> None:
        """Note a problem of the value called ``name`` (empty: of the block itself)."""
        self.problems.append((".".join(part for part in (self._path, name) if part), message))

    def has(self, name: str) -> bool:
        """Whether the block says ``name`` at all."""
        self._known.add(name)
        return name in self._raw

    def raw(self, name: str, default: Any = None) -> Any:
        """The value as it stands."""
        self._known.add(name)
        return self._raw.get(name, default)

    def read(self, name: str, reading: Callable[[Any], T], default: Any = _REQUIRED) -> T:
        """``reading(value)``; a ValueError of it is the problem. Without a default the value must be there."""
        fallback: Any = None if default is _REQUIRED else default  # None is never used: the problem ends the loading
        if not self.has(name):
            if default is _REQUIRED:
                self.problem(name, "is missing")
            return fallback  # type: ignore[no-any-return]  # the caller's own
        try:
            return reading(self._raw[name])
        except BlockErrors as errors:
            for path, message in errors.problems:
                self.problem(f"{name}.{path}" if path else name, message)
        except ValueError as error:
            self.problem(name, str(error))
        return fallback  # type: ignore[no-any-return]  # as above

    def text(self, name: str, default: Any = _REQUIRED, *, longest: int = MAX_LINE) -> str:
        """Text that is not blank."""

        def reading(value: Any) -> str:
            if not isinstance(value, str) or (not value.strip() and value != default):
                raise ValueError(f"takes text, not {shown(value)}")
            if len(value) > longest:
                raise ValueError(f"is longer than {longest} characters")
            return value

        return self.read(name, reading, default)

    def flag(self, name: str, default: Any = _REQUIRED) -> bool:
        """true or false."""

        def reading(value: Any) -> bool:
            if not isinstance(value, bool):
                raise ValueError(f"takes true or false, not {shown(value)}")
            return value

        return self.read(name, reading, default)

    def integer(self, name: str, default: Any = _REQUIRED, *, least: int = 0, most: int = 1_000_000) -> int:
        """A whole number from ``least`` to ``most``."""

        def reading(value: Any) -> int:
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"takes a whole number from {least} to {most}, not {shown(value)}")
            return value

        return self.read(name, reading, default)

    def number(self, name: str, default: Any = _REQUIRED) -> float:
        """A finite number."""
        return self.read(name, finite, default)

    def duration(self, name: str, default: Any = _REQUIRED, *, least: int = 0) -> int:
        """A duration such as ``10m``, in ms."""

        def reading(value: Any) -> int:
            ms = parse_duration(value)
            if ms < least:
                raise ValueError(f"{value} is too short: at least {least} ms")
            return ms

        return self.read(name, reading, default)

    def choice(self, name: str, choices: Iterable[str], default: Any = _REQUIRED) -> str:
        """One of a few words."""
        known = tuple(choices)

        def reading(value: Any) -> str:
            if not isinstance(value, str) or value not in known:
                raise ValueError(f"does not take {shown(value)}{did_you_mean(value, known)}")
            return value

        return self.read(name, reading, default)

    def path(self, name: str, default: Any = _REQUIRED) -> str:
        """A dot path."""
        return self.read(name, field_path, default)

    def finish(self) -> list[tuple[str, str]]:
        """All problems, unknown names among them."""
        for name in self._raw:
            if name not in self._known:
                self.problem(str(name)[:60], f"is not known here{did_you_mean(name, self._known)}")
        return self.problems

    def check(self) -> None:
        """Raise ``BlockErrors`` where there is any problem."""
        problems = self.finish()
        if problems:
            raise BlockErrors(problems)


def finite(value: Any) -> float:
    """A number that a double can hold; booleans are none. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _MAX_DOUBLE:
        raise ValueError(f"takes a number, not {shown(value)}")
    return value


def field_path(value: Any) -> str:
    """A dot path. Raises ValueError."""
    problem = path_problem(value)
    if problem:
        raise ValueError(f"{shown(value)} {problem}")
    return value  # type: ignore[no-any-return]  # path_problem saw that it is text


def items(raw: Any, reading: Callable[[Any], T], most: int = 10_000) -> tuple[T, ...]:
    """``reading`` of every item of a list. Raises ValueError, or BlockErrors with the problems of all, by number."""
    if not isinstance(raw, Sequence) or isinstance(raw, (str, bytes)):
        raise ValueError(f"takes a list, not {shown(raw)}")
    if len(raw) > most:
        raise ValueError(f"has more than {most} items")
    return tuple(_all(((str(number), item) for number, item in enumerate(raw)), reading).values())


def named(raw: Any, reading: Callable[[str, Any], T]) -> dict[str, T]:
    """``reading`` of every name and value of a mapping. Raises ValueError, or BlockErrors with the problems of all."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"takes a mapping of names to blocks, not {shown(raw)}")
    pairs = [(str(name), (str(name), value)) for name, value in raw.items()]
    return _all(pairs, lambda pair: reading(*pair))


def _all(pairs: Iterable[tuple[str, Any]], reading: Callable[[Any], T]) -> dict[str, T]:
    found: dict[str, T] = {}
    problems: list[tuple[str, str]] = []
    for name, item in pairs:
        try:
            found[name] = reading(item)
        except BlockErrors as errors:
            problems += [(f"{name}.{path}" if path else name, text) for path, text in errors.problems]
        except ValueError as error:
            problems.append((name, str(error)))
    if problems:
        raise BlockErrors(problems)
    return found


def texts(value: Any) -> tuple[str, ...]:
    """A list of distinct, non-blank texts. Raises ValueError."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError(f"takes a list of names, not {shown(value)}")
    if len(set(value)) != len(value):
        raise ValueError("names something twice")
    return tuple(value)


def paths(value: Any) -> tuple[str, ...]:
    """A list of distinct dot paths. Raises ValueError."""
    return tuple(field_path(item) for item in texts(value))
