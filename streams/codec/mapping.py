"""User mappings: a document that says, field by field, where the envelope stands in a foreign payload.

The envelope is the mapped fields over the original object, so everything else stays reachable by dot path. A field the
mapping names is what the mapping says and nothing else: where it finds nothing the field is absent, even if the
original has one of that name. ``streams/docs/schemas.md`` shows the language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET

from streams.codec.times import converter
from streams.errors import ConfigError
from streams.model.decode import big_to_text, decode_full

Path = tuple[str, ...]

_OPTIONS = ("path", "const", "format", "timezone", "map", "default", "present", "absent")
_DOT = re.compile(r"(?<!\\)\.")
_MOST_FIELDS, _LONGEST = 500, 500


def find(document: Any, path: Path) -> Any:
    """The value at ``path``, UNSET where there is none. Digits step into lists."""
    for name in path:
        if isinstance(document, dict):
            document = document.get(name, UNSET)
        elif isinstance(document, list) and name.isdecimal() and name.isascii() and len(name) < 10:
            document = document[int(name)] if int(name) < len(document) else UNSET
        else:
            return UNSET
        if document is UNSET:
            return UNSET
    return document


def _word(value: Any) -> str | None:
    """A scalar as JSON writes it, text without quotes, integral floats as integers; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if value is None or isinstance(value, (bool, int)):
        return "null" if value is None else str(value).lower()
    return None


@dataclass(frozen=True, slots=True)
class Field:
    """How one field of the envelope comes about. UNSET: not said.

    The first path with a value other than null counts; a null where there are only nulls. ``present``/``absent``
    replace a value/its absence (null is absence). ``table`` replaces values by how JSON writes them: ``4625`` and
    ``"4625"`` are one word, ``true`` and ``1`` are two. ``default`` stands in for a missing or null value, and for one
    that is not in ``table``.
    """

    name: str
    paths: tuple[Path, ...] = ()
    const: Any = UNSET
    convert: Callable[[Any], int] | None = None
    table: dict[str, Any] | None = None
    default: Any = UNSET
    present: Any = UNSET
    absent: Any = UNSET

    def read(self, document: dict[str, Any]) -> Any:
        """The field's value, UNSET for none. Raises ValueError where it is there and cannot be converted."""
        if self.const is not UNSET:
            return self.const
        value: Any = UNSET
        for path in self.paths:
            found = find(document, path)
            if found is not UNSET:
                value = found
                if found is not None:
                    break
        if self.present is not UNSET or self.absent is not UNSET:
            return self.absent if value is UNSET or value is None else self.present
        if self.table is not None and (word := _word(value)) is not None:
            mapped = self.table.get(word, UNSET)
            if mapped is not UNSET:
                return mapped
        if self.default is not UNSET and (value is UNSET or value is None or self.table is not None):
            return self.default
        if self.convert is not None and value is not UNSET and value is not None:
            try:
                return self.convert(value)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
        return value


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping. Pure: the same payload gives the same envelope. Usable as ``Source.mapping``."""

    fields: tuple[Field, ...]

    def apply(self, raw: bytes) -> dict[str, Any]:
        """The envelope of one payload. Raises ValueError for what is no JSON object or has an unreadable time."""
        return self.envelope(decode_full(raw))

    def envelope(self, original: dict[str, Any]) -> dict[str, Any]:
        """The same, of a decoded payload, which stays as it is."""
        envelope = dict(original)
        for field in self.fields:
            value = field.read(original)
            if value is not UNSET:
                envelope[field.name] = value
            else:
                envelope.pop(field.name, None)
        return envelope

    __call__ = apply


class MappingErrors(ConfigError):
    """All problems of one mapping: (path inside the document, message)."""

    def __init__(self, problems: list[tuple[str, str]], place: Callable[[str], str] = lambda _: "") -> None:
        self.problems = tuple(problems)
        lines = [f"{place(path)}{path}: {message}" if path else f"{place(path)}{message}" for path, message in problems]
        head = "one problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__("\n  ".join([f"{head} in the mapping:", *lines]), "see streams/docs/schemas.md")


def parse_mapping(document: Any) -> Mapping:
    """The mapping a document (of YAML or JSON) describes. Raises MappingErrors with all its problems."""
    if not isinstance(document, dict) or not document:
        raise MappingErrors([("", "a mapping is an object of fields, such as `event_time: ts`")])
    if len(document) > _MOST_FIELDS:
        raise MappingErrors([("", f"{len(document)} fields are more than {_MOST_FIELDS}")])
    problems: list[tuple[str, str]] = []
    fields: list[Field] = []
    for name, rule in document.items():
        if not isinstance(name, str) or not name.strip() or "." in name or len(name) > 100:
            problems.append((str(name)[:60], "is no name for a field of the envelope: use a word without dots"))
            continue
        parser = _Parser(name, problems)
        field = parser.field(rule)
        if field is not None:
            fields.append(field)
    if problems:
        raise MappingErrors(problems)
    return Mapping(tuple(fields))


class _Parser:
    """Reads one field, noting problems instead of raising."""

    def __init__(self, name: str, problems: list[tuple[str, str]]) -> None:
        self.name, self.problems = name, problems

    def problem(self, message: str, option: str = "") -> None:
        self.problems.append((f"{self.name}.{option}" if option else self.name, message))

    def field(self, rule: Any) -> Field | None:
        if isinstance(rule, (str, list)):
            rule = {"path": rule}
        elif not isinstance(rule, dict):
            self.problem("expected a dot path, a list of them, or an object such as {const: x}")
            return None
        for option in rule:
            if option not in _OPTIONS:
                near = get_close_matches(str(option)[:40], _OPTIONS, 1)
                self.problem(f"is not an option{f' (did you mean {near[0]}?)' if near else ''}", str(option)[:40])
        if self._clashes(rule):
            return None
        before = len(self.problems)
        field = Field(
            name=self.name,
            paths=self._paths(rule["path"]) if "path" in rule else (),
            const=self._scalar(rule, "const"),
            convert=self._convert(rule) if "format" in rule else None,
            table=self._table(rule["map"]) if "map" in rule else None,
            default=self._scalar(rule, "default"),
            present=self._scalar(rule, "present"),
            absent=self._scalar(rule, "absent"),
        )
        return field if len(self.problems) == before else None

    def _clashes(self, rule: dict[Any, Any]) -> bool:
        ways = [way for way in ("const", "format", "map") if way in rule]
        ways += ["present/absent"] if "present" in rule or "absent" in rule else []
        if len(ways) > 1:
            self.problem(f"{' and '.join(ways)} do not go together")
        elif "const" in rule and len(rule) > 1:
            self.problem("const stands alone")
        elif "const" not in rule and "path" not in rule:
            self.problem("needs a path, or a const")
        elif "default" in rule and "present/absent" in ways:
            self.problem("default and present/absent do not go together: absent is the default")
        elif "timezone" in rule and "format" not in rule:
            self.problem("timezone needs a format")
        else:
            return False
        return True

    def _paths(self, value: Any) -> tuple[Path, ...]:
        paths = value if isinstance(value, list) else [value]
        if not paths:
            self.problem("expected at least one path", "path")
        return tuple(self._path(path) for path in paths)

    def _path(self, value: Any) -> Path:
        if not isinstance(value, str) or len(value) > _LONGEST:
            self.problem("expected a dot path, such as user.name", "path")
            return ()
        names = tuple(name.replace("\\.", ".") for name in _DOT.split(value))
        if not all(names):
            self.problem(f"{value!r} is no dot path: a name is empty", "path")
        return names

    def _scalar(self, rule: dict[Any, Any], option: str) -> Any:
        return self._plain(rule[option], option) if option in rule else UNSET

    def _plain(self, value: Any, option: str) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            self.problem(f"{value} is not a number of JSON", option)
        elif not isinstance(value, (str, int, float, bool, type(None))):
            self.problem("expected text, a number, true, false or null (quote a date)", option)
        elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.problem("is no valid Unicode text", option)
        elif not isinstance(value, bool):
            return big_to_text(value)
        return value

    def _table(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            self.problem("expected an object, such as {4625: failure}", "map")
            return {}
        table = {}
        for key, mapped in value.items():
            word = _word(self._plain(key, "map"))
            if word in table:
                self.problem(f"{word!r} is there twice"[:80], "map")
            elif word is not None:
                table[word] = self._plain(mapped, f"map.{word}"[:60])
        return table

    def _convert(self, rule: dict[Any, Any]) -> Callable[[Any], int] | None:
        zone: tzinfo = UTC
        if "timezone" in rule:
            try:
                zone = ZoneInfo(rule["timezone"])
            except (OSError, TypeError, ValueError, KeyError):  # by what the text hits
                self.problem(f"{str(rule['timezone'])[:60]!r} is no time zone, such as Europe/Amsterdam", "timezone")
        if not isinstance(rule["format"], str) or len(rule["format"]) > 100:
            self.problem("expected rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns or a strptime pattern", "format")
            return None
        try:
            return converter(rule["format"], zone)
        except ValueError as error:
            self.problem(str(error), "format")
            return None
