"""Whether a JSON record is what its schema says, and if not, everything that is wrong with it and where.

The schemas are Avro, the records JSON as msgspec writes them, so a few properties say how one stands for the other:

- ``"tocsin": "json"`` on a string: any JSON value (its Avro default is JSON text);
- ``"tocsin": "array"`` on a record: an array with the fields in order, from the end on those with a default left out;
- ``"tocsin": "open"`` on a record: other fields may be there (events);
- ``"tocsin": "rfc3339"`` or ``"decimal"`` on a string: a time, or a number of any size;
- ``"minimum"`` on a number.

Times are integer ms. A field that is not there has its default. A boolean is never a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

#: More problems than this in one record are not told.
MOST = 100
_RANGE = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_RFC3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_DECIMAL = re.compile(r"-?[0-9]{1,4300}(\.[0-9]{1,4300})?")
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), ((list, tuple), "array"), (dict, "object"),
)  # fmt: skip
#: JSON kinds that an Avro type takes.
_TAKES = {
    "null": {"null"}, "boolean": {"boolean"}, "int": {"integer"}, "long": {"integer"}, "float": {"integer", "number"},
    "double": {"integer", "number"}, "string": {"string"}, "enum": {"string"}, "array": {"array"}, "map": {"object"},
}  # fmt: skip


def kind_of(value: Any) -> str:
    """What JSON calls it; the Python name of what is no JSON."""
    if value is None:
        return "null"
    return next((name for types, name in _KINDS if isinstance(value, types)), f"Python {type(value).__name__}")


def _show(value: Any) -> str:
    if not isinstance(value, (str, int, float)) or (isinstance(value, int) and value.bit_length() > 256):
        return f"an {kind_of(value)}" if isinstance(value, (dict, list, tuple, int)) else kind_of(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def problems(schema: Any, names: dict[str, Any], value: Any) -> list[str]:
    """All problems (the first ``MOST``) of ``value``, each beginning with its path; ``names``: types by full name."""
    found: list[str] = []
    for path, message in _Check(names).any(schema, value, ""):
        found.append(f"{path}: {message}" if path else message)
        if len(found) == MOST:
            break
    return found


Found = Iterator[tuple[str, str]]


class _Check:
    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.by_type: dict[str, Callable[[dict[str, Any], Any, str], Found]] = {
            "record": self.record, "enum": self.enum, "array": self.array, "map": self.map, "string": self.string,
            "int": self.number, "long": self.number, "float": self.number, "double": self.number,
        }  # fmt: skip

    def resolved(self, schema: Any) -> Any:
        if isinstance(schema, str):
            return self.names.get(schema) or {"type": schema}
        return (
            self.resolved(schema["type"]) if isinstance(schema, dict) and isinstance(schema["type"], dict) else schema
        )

    def takes(self, schema: Any) -> set[str]:
        """Kinds of JSON values that ``schema`` may accept."""
        schema = self.resolved(schema)
        if isinstance(schema, list):
            return set().union(*map(self.takes, schema))
        if schema.get("tocsin") == "json":
            return {"null", "boolean", "integer", "number", "string", "array", "object"}
        if schema["type"] == "record":
            return {"array" if schema.get("tocsin") == "array" else "object"}
        return _TAKES[schema["type"]]

    def any(self, schema: Any, value: Any, path: str) -> Found:
        schema = self.resolved(schema)
        if isinstance(schema, list):
            yield from self.union(schema, value, path)
        elif schema.get("tocsin") == "json":
            yield from _json(value, path)
        elif kind_of(value) not in self.takes(schema):
            yield path, f"expected {_words(self.takes(schema))}, found {kind_of(value)}"
        elif (check := self.by_type.get(schema["type"])) is not None:
            yield from check(schema, value, path)

    def union(self, branches: list[Any], value: Any, path: str) -> Found:
        fitting = [branch for branch in branches if kind_of(value) in self.takes(branch)]
        tags = {tag: branch for branch in fitting if (tag := self.tag(branch))}
        if tags and len(tags) == len(fitting):
            word = value.get("record")
            if not isinstance(word, str) or word not in tags:
                yield _field(path, "record"), f"{_show(word)} is not one of {', '.join(tags)}"
                return
            fitting = [tags[word]]
        if not fitting:
            yield path, f"expected {_words(self.takes(branches))}, found {kind_of(value)}"
            return
        outcomes = [list(self.any(branch, value, path)) for branch in fitting]
        if all(outcomes):
            yield from min(outcomes, key=len)

    def tag(self, branch: Any) -> str | None:
        """The word in ``record`` that chooses this branch of a union of records."""
        schema = self.resolved(branch)
        for field in schema.get("fields", ()) if isinstance(schema, dict) else ():
            kind = self.resolved(field["type"])
            if field["name"] == "record" and isinstance(kind, dict) and len(kind.get("symbols", ())) == 1:
                return str(kind["symbols"][0])
        return None

    def record(self, schema: dict[str, Any], value: Any, path: str) -> Found:
        fields = schema["fields"]
        if schema.get("tocsin") == "array":
            if len(value) > len(fields):
                yield path, f"expected at most {len(fields)} items, found {len(value)}"
            value = dict(zip((field["name"] for field in fields), value, strict=False))
        for field in fields:
            name = field["name"]
            if name in value:
                yield from self.any(field["type"], value[name], _field(path, name))
            elif "default" not in field:
                yield _field(path, name), "is missing"
        known = {field["name"] for field in fields}
        for name, item in value.items():
            if not isinstance(name, str):
                yield path, f"field name {_show(name)} is not a string"
            elif name not in known and schema.get("tocsin") != "open":
                yield _field(path, name), "is not a field of this record"
            elif name not in known:
                yield from _json(item, _field(path, name))

    def enum(self, schema: dict[str, Any], value: str, path: str) -> Found:
        if value not in schema["symbols"]:
            yield path, f"{_show(value)} is not one of {', '.join(schema['symbols'])}"

    def array(self, schema: dict[str, Any], value: Any, path: str) -> Found:
        for place, item in enumerate(value):
            yield from self.any(schema["items"], item, f"{path}[{place}]")

    def map(self, schema: dict[str, Any], value: dict[Any, Any], path: str) -> Found:
        for name, item in value.items():
            if not isinstance(name, str):
                yield path, f"key {_show(name)} is not a string"
            else:
                yield from self.any(schema["values"], item, _field(path, name))

    def string(self, schema: dict[str, Any], value: str, path: str) -> Found:
        form = schema.get("tocsin")
        if not _encodable(value):
            yield path, "is no valid Unicode text"
        elif form == "rfc3339" and not _RFC3339.fullmatch(value):
            yield path, f"{_show(value)} is not an RFC 3339 time"
        elif form == "decimal" and not _DECIMAL.fullmatch(value):
            yield path, f"{_show(value)} is not a decimal number"

    def number(self, schema: dict[str, Any], value: Any, path: str) -> Found:
        low, high = _RANGE.get(schema["type"], (-math.inf, math.inf))
        if schema.get("logicalType") == "timestamp-millis":
            low, high = 0, _LAST_MS
        low = max(low, schema.get("minimum", low))
        if isinstance(value, float) and not math.isfinite(value):
            yield path, f"{value} is not a number of JSON"
        elif value < low:
            yield path, f"{_show(value)} is below {low}"
        elif value > high:
            yield path, f"{_show(value)} is above {high}"


def _field(path: str, name: str) -> str:
    if len(path) > 400:  # deep enough to find it by, and hostile depth stays linear
        return path
    shown = name if len(name) <= 60 and _encodable(name) else _show(name)
    return f"{path}.{shown}" if path else shown


def _words(kinds: set[str]) -> str:
    # An integer is a number: say so once.
    words = sorted((kinds - {"integer"} if "number" in kinds else kinds) - {"null"}) or ["null"]
    if "null" in kinds and words != ["null"]:
        words.append("null")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json(value: Any, path: str) -> Found:
    """What of ``value`` no JSON can carry."""
    waiting = [(path, value)]
    while waiting:
        at, node = waiting.pop()
        if isinstance(node, dict):
            for name, item in node.items():
                if isinstance(name, str):
                    waiting.append((_field(at, name), item))
                else:
                    yield at, f"key {_show(name)} is not a string"
        elif isinstance(node, (list, tuple)):
            waiting.extend((f"{at}[{place}]" if len(at) <= 400 else at, item) for place, item in enumerate(node))
        elif isinstance(node, float):
            if not math.isfinite(node):
                yield at, f"{node} is not a number of JSON"
        elif isinstance(node, str):
            if not _encodable(node):
                yield at, "is no valid Unicode text"
        elif node is not None and not isinstance(node, (bool, int)):
            yield at, f"{kind_of(node)} is not JSON"
