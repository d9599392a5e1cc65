"""JSON records as Avro data, and back: what the marks of ``schemas/validation.py`` mean in Avro's own encoding.

A field that JSON leaves out is its default in Avro. What Avro has no place for, further fields of an open record, is an
error and never dropped.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any, cast

import fastavro

from schemas.library import Library, checked
from schemas.validation import _Check, kind_of

_library = Library()


class Binary:
    """The newest version of a subject, or another one. ``text`` is the schema as a registry is told it, without doc."""

    def __init__(self, subject: str, version: int | None = None) -> None:
        """Raises LookupError for an unknown subject or version."""
        self._schema, self._names = checked(_library, subject, version)
        self._check = _Check(self._names)
        self.text = json.dumps(_without_doc(self._schema))
        self._parsed = fastavro.parse_schema(_without_logical(self._schema))

    def encode(self, record: Any) -> bytes:
        """The record in Avro. Raises ValueError for what the schema has no place for."""
        out = BytesIO()
        try:
            fastavro.schemaless_writer(out, self._parsed, self._to(self._schema, record, ""))
        except (TypeError, KeyError, OverflowError, AttributeError, RecursionError) as error:
            raise ValueError(f"does not fit its schema: {type(error).__name__}: {str(error)[:200]}") from None
        return out.getvalue()

    def decode(self, value: bytes) -> Any:
        """The record of what ``encode`` made."""
        return self.json_of(fastavro.schemaless_reader(BytesIO(value), self._parsed, None))

    def json_of(self, datum: Any) -> Any:
        """The record of a decoded value. Raises ValueError for one that is not of this schema."""
        try:
            return self._of(self._schema, datum)
        except (TypeError, KeyError, AttributeError, StopIteration) as error:
            raise ValueError(f"is not of the schema: {type(error).__name__}: {str(error)[:200]}") from None

    def _to(self, schema: Any, value: Any, path: str) -> Any:
        schema = self._check.resolved(schema)
        if isinstance(schema, list):
            branch = self._branch(schema, value, path)
            datum = self._to(branch, value, path)
            resolved = self._check.resolved(branch)
            return (resolved["name"], datum) if "fields" in resolved else datum
        kind = schema["type"]
        if schema.get("tocsin") == "json":
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        if kind == "record":
            return self._record(schema, value, path)
        if kind == "array":
            return [self._to(schema["items"], item, f"{path}[{at}]") for at, item in enumerate(value)]
        if kind == "map":
            return {name: self._to(schema["values"], item, f"{path}.{name}") for name, item in value.items()}
        if kind_of(value) not in self._check.takes(schema):
            raise ValueError(f"{path}: {kind_of(value)} where {kind} stands")
        return float(value) if kind in ("float", "double") else value

    def _record(self, schema: dict[str, Any], value: Any, path: str) -> dict[str, Any]:
        fields = schema["fields"]
        if schema.get("tocsin") == "array":
            if len(value) > len(fields):
                raise ValueError(f"{path}: {len(value)} items, and {len(fields)} fields")
            value = dict(zip((field["name"] for field in fields), value, strict=False))
        known = {field["name"] for field in fields}
        if more := [name for name in value if name not in known]:
            raise ValueError(f"{path}: Avro has no place for {more[0]!r:.60}")
        return {
            # The default of a union is of its first branch.
            field["name"]: self._to(field["type"], value[field["name"]], f"{path}.{field['name']}")
            for field in fields
            if field["name"] in value or "default" not in field
        }

    def _branch(self, branches: list[Any], value: Any, path: str) -> Any:
        """The branch a JSON value belongs to."""
        fitting = [branch for branch in branches if kind_of(value) in self._check.takes(branch)]
        if len(fitting) > 1 and isinstance(value, dict):
            tagged = [branch for branch in fitting if self._check.tag(branch) == value.get("record")]
            fitting = tagged or fitting
        # Of several that take its kind, the first it is valid for.
        for branch in fitting:
            if len(fitting) == 1 or not any(self._check.any(branch, value, path)):
                return branch
        raise ValueError(f"{path}: no branch of the union takes it")

    def _of(self, schema: Any, datum: Any) -> Any:
        schema = self._check.resolved(schema)
        if isinstance(schema, list):
            return self._of(next(branch for branch in schema if self._is(branch, datum)), datum)
        kind = schema["type"]
        if schema.get("tocsin") == "json":
            return json.loads(datum)
        if kind == "record":
            found = {field["name"]: self._of(field["type"], datum[field["name"]]) for field in schema["fields"]}
            return list(found.values()) if schema.get("tocsin") == "array" else found
        if kind == "array":
            return [self._of(schema["items"], item) for item in datum]
        if kind == "map":
            return {name: self._of(schema["values"], item) for name, item in datum.items()}
        return datum

    def _is(self, branch: Any, datum: Any) -> bool:
        """Whether a decoded value is one of this branch."""
        schema = self._check.resolved(branch)
        if schema["type"] == "record":
            tag = self._check.tag(branch)
            names = {field["name"] for field in schema["fields"]}
            return isinstance(datum, dict) and set(datum) == names and tag in (None, datum.get("record"))
        if schema.get("tocsin") == "json":
            return isinstance(datum, str)
        return kind_of(datum) in self._check.takes(branch)


def _without(node: Any, dropped: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_without(item, dropped) for item in node]
    if not isinstance(node, dict):
        return node
    # `default` and `symbols` are data: a map's default could have a key called doc.
    return {
        name: value if name in ("default", "symbols") else _without(value, dropped)
        for name, value in node.items()
        if name not in dropped
    }


def _without_doc(node: Any) -> Any:
    return _without(node, frozenset({"doc"}))


def _without_logical(node: Any) -> Any:
    return cast("Any", _without(node, frozenset({"logicalType"})))
