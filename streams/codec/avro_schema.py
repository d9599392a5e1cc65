"""Avro schemas made ready to decode with: what they give is JSON, and no payload can make them give too much.

A payload is hostile, and so may a schema be that somebody registered. fastavro follows either as far as it leads: into
a stack that is full, or through items that take no bytes. So schemas are looked through before they are used.
"""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import fastavro
import msgspec
from fastavro.read import LOGICAL_READERS

from streams.model.decode import MAX_DEPTH

_LARGEST = 2_000_000  #: bytes of a schema's text
_MOST_NODES = 50_000
_DEEPEST = 100  #: of a schema's text
_MOST_FREE = 1_000  #: values in a record that take no bytes
_MOST_DIGITS = 4_300  #: of a decimal
_EPOCH = date(1970, 1, 1)


def _base64(data: bytes, _: Any = None, reader: Any = None) -> str:
    if type(reader) is dict and reader.get("logicalType") == "tocsin-decimal":
        return _decimal(data, reader)
    return base64.b64encode(data).decode("ascii")


def _decimal(data: bytes, schema: Any, _: Any = None) -> str:
    """Exact, with as many digits behind the point as the schema says."""
    number, scale = int.from_bytes(data, "big", signed=True), schema.get("scale", 0)
    digits = f"{abs(number):0{scale + 1}d}"
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def _date(days: int, _: Any = None, __: Any = None) -> str:
    try:
        return (_EPOCH + timedelta(days)).isoformat()
    except OverflowError:
        raise ValueError(f"{days} days after 1970 is no date") from None


def _uuid(data: bytes, _: Any = None, __: Any = None) -> str:
    return str(uuid.UUID(bytes=data))


def _micros(value: int, _: Any = None, __: Any = None) -> int:
    return value // 1_000


def _nanos(value: int, _: Any = None, __: Any = None) -> int:
    return value // 1_000_000


def _float(value: float, _: Any = None, __: Any = None) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


#: What an Avro type with a logical type is read by, under a name of ours: the way fastavro has for foreign ones.
#: None as a logical type: of any other, or none.
_READ_AS: dict[tuple[str, str | None], str] = {
    ("bytes", "decimal"): "tocsin-decimal",
    ("fixed", "decimal"): "tocsin-decimal",
    ("bytes", None): "tocsin-base64",
    ("fixed", None): "tocsin-base64",
    ("fixed", "uuid"): "tocsin-uuid",
    ("int", "date"): "tocsin-date",
    ("float", None): "tocsin-float",
    ("double", None): "tocsin-float",
    ("long", "timestamp-micros"): "tocsin-micros",
    ("long", "local-timestamp-micros"): "tocsin-micros",
    ("long", "timestamp-nanos"): "tocsin-nanos",
    ("long", "local-timestamp-nanos"): "tocsin-nanos",
}
LOGICAL_READERS.update(
    {
        "bytes-tocsin-decimal": _decimal,
        "fixed-tocsin-decimal": _decimal,
        "bytes-tocsin-base64": _base64,
        "fixed-tocsin-base64": _base64,
        "fixed-tocsin-uuid": _uuid,
        "int-tocsin-date": _date,
        "float-tocsin-float": _float,
        "double-tocsin-float": _float,
        "long-tocsin-micros": _micros,
        "long-tocsin-nanos": _nanos,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A schema to read with. ``parsed`` is fastavro's; ``recursive``: a payload decides how deep its values nest."""

    parsed: Any
    named: dict[str, Any]
    recursive: bool


def prepare(text: str | bytes, references: Iterable[str | bytes] = ()) -> Schema:
    """The schema a text describes. ``references``: texts of schemas whose names it uses, each after those it needs.

    Raises ValueError for what is no Avro schema of a record, and for one that payloads could do harm with.
    """
    named: dict[str, Any] = {}
    for reference in references:
        _parsed(reference, named)
    parsed = _parsed(text, named)
    if not isinstance(parsed, dict) or parsed.get("type") not in ("record", "error"):
        raise ValueError("the schema is not that of a record")
    look = _Look(named)
    least = look.at(parsed)
    if least.free > _MOST_FREE:
        raise ValueError(f"the schema has {least.free} values that take no bytes")
    if least.depth > MAX_DEPTH:
        raise ValueError(f"the schema nests deeper than {MAX_DEPTH} levels")
    return Schema(parsed, named, look.recursive)


def _parsed(text: str | bytes, named: dict[str, Any]) -> Any:
    if len(text) > _LARGEST:
        raise ValueError(f"the schema is larger than {_LARGEST} bytes")
    try:
        document = msgspec.json.decode(text)
        return fastavro.parse_schema(_Rewriting().of(document, 0), named_schemas=named)
    except Exception as error:  # fastavro raises a dozen kinds, and what Python does on a schema of another shape
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise ValueError(f"not an Avro schema: {kind}{str(error)[:300]}") from None


class _Rewriting:
    """A schema's document with our own names for how its leaves are read."""

    def __init__(self) -> None:
        self._nodes = 0

    def of(self, node: Any, depth: int) -> Any:
        self._nodes += 1
        if depth > _DEEPEST or self._nodes > _MOST_NODES:
            raise ValueError(f"nested deeper than {_DEEPEST} levels, or of more than {_MOST_NODES} parts")
        if isinstance(node, str):
            mark = _READ_AS.get((node, None))
            return {"type": node, "logicalType": mark} if mark else node
        if isinstance(node, list):
            return [self.of(branch, depth + 1) for branch in node]
        if not isinstance(node, dict):
            raise ValueError(f"{str(node)[:60]!r} is no schema")
        kept = {name: value for name, value in node.items() if not name.startswith("__") and name != "logicalType"}
        for name in ("items", "values"):
            if name in kept:
                kept[name] = self.of(kept[name], depth + 1)
        if isinstance(fields := kept.get("fields"), list):
            kept["fields"] = [
                {**field, "type": self.of(field["type"], depth + 1)}
                if isinstance(field, dict) and "type" in field
                else field
                for field in fields
            ]
        kind = kept.get("type")
        if not isinstance(kind, str):
            if kind is None:
                raise ValueError("it has no type")
            return {**kept, "type": self.of(kind, depth + 1)}
        if mark := _mark(kind, node):
            kept["logicalType"] = mark
        return kept


def _mark(kind: str, node: dict[str, Any]) -> str | None:
    logical = node.get("logicalType")
    if logical == "decimal":
        precision, scale = node.get("precision"), node.get("scale", 0)
        if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision <= _MOST_DIGITS:
            logical = None  # invalid: Avro says that it is to be ignored
    if logical == "uuid" and node.get("size") != 16:
        logical = None
    mark = _READ_AS.get((kind, logical)) if isinstance(logical, str) else None
    return mark or _READ_AS.get((kind, None))


_SIZES = {"null": 0, "float": 4, "double": 8}  #: of the others at least one byte


class _Least(NamedTuple):
    """The least bytes a value takes, how many values inside take none, and how deep it nests."""

    size: int
    free: int
    depth: int


class _Look:
    """Looks through a parsed schema once; names are full names by now."""

    def __init__(self, named: dict[str, Any]) -> None:
        self.recursive = False
        self._named, self._known = named, dict[str, _Least]()
        self._inside: set[str] = set()

    def at(self, node: Any) -> _Least:
        if isinstance(node, list):
            branches = [self.at(branch) for branch in node]
            free = (branch.free - (branch.size == 0) for branch in branches)  # its number is a byte
            return _Least(1, max(free, default=0), max((branch.depth for branch in branches), default=0))
        if isinstance(node, str):
            if node not in self._named:
                return _Least(_SIZES.get(node, 1), int(node == "null"), 0)
            node = self._named[node]
        kind = node["type"]
        if kind in ("record", "error"):
            return self._record(node)
        if kind == "array":
            items = self.at(node["items"])
            if items.size == 0:
                raise ValueError("the schema has an array whose items take no bytes")
            return _Least(1, 0, items.depth + 1)
        if kind == "map":
            return _Least(1, 0, self.at(node["values"]).depth + 1)
        if kind == "fixed":
            return _Least(node["size"], int(node["size"] == 0), 0)
        return _Least(1, 0, 0) if kind == "enum" else self.at(kind)

    def _record(self, node: dict[str, Any]) -> _Least:
        name = node["name"]
        if name in self._inside:
            self.recursive = True
            return _Least(1, 0, 0)
        if name not in self._known:
            self._inside.add(name)
            fields = [self.at(field["type"]) for field in node["fields"]]
            self._inside.discard(name)
            self._known[name] = _Least(
                sum(field.size for field in fields),
                1 + sum(field.free for field in fields),
                1 + max((field.depth for field in fields), default=0),
            )
        return self._known[name]
