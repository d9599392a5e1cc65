"""Avro payloads with one scalar changed: everything else is read and written as the bytes' own types say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import fastavro

from streams.codec.avro import framed, unframed
from streams.codec.avro_schema import Schema
from streams.replay.republish.shift import Move, Path


class AvroForm:
    """Satisfies ``Form``. ``writer``: the schema with an id."""

    def __init__(self, writer: Callable[[int], Schema]) -> None:
        self._writer = writer
        self._plain: dict[int, Any] = {}

    def paths(self, value: bytes) -> Iterator[Path]:
        level: list[tuple[Path, Any]] = [((), self._read(value)[1])]
        while level:
            below: list[tuple[Path, Any]] = []
            for path, one in level:
                if isinstance(one, dict):
                    below += [((*path, name), inner) for name, inner in one.items()]
                elif isinstance(one, list):
                    below += [((*path, number), inner) for number, inner in enumerate(one)]
                elif isinstance(one, (str, int, float)) and not isinstance(one, bool):
                    yield path
            level = below

    def changed(self, value: bytes, path: Path, move: Move) -> bytes | None:
        schema_id, document = self._read(value)
        inner, last = document, path[-1] if path else None
        try:
            for name in path[:-1]:
                inner = inner[name]
            old = inner[last]
        except (LookupError, TypeError):
            return None
        if isinstance(old, bool) or not isinstance(old, (str, int, float)):
            return None
        new = move(old if isinstance(old, str) else repr(old), not isinstance(old, str))
        if new is None:
            return None
        inner[last] = new if isinstance(old, str) else type(old)(new)
        written = BytesIO()
        fastavro.schemaless_writer(written, self._plain[schema_id], document)
        made = framed(schema_id, written.getvalue())
        return made if self._read(made)[1] == document else None  # a union took another branch

    def _read(self, value: bytes) -> tuple[int, Any]:
        schema_id, content = unframed(value)
        if schema_id not in self._plain:
            self._plain[schema_id] = _plain(self._writer(schema_id))
        try:
            return schema_id, fastavro.schemaless_reader(content, self._plain[schema_id])
        except Exception as error:  # by what the bytes hit
            raise ValueError(f"not a value of schema {schema_id}: {type(error).__name__}") from None


def _plain(schema: Schema) -> Any:
    """The schema without logical types: as its bytes are."""
    known: set[str] = set()

    def bare(one: Any) -> Any:
        if isinstance(one, str):
            if one in schema.named and one not in known:  # of a reference, at its first use
                return bare(schema.named[one])
            return one
        if isinstance(one, list):
            return [bare(part) for part in one]
        if not isinstance(one, dict):
            return one
        if isinstance(name := one.get("name"), str) and "type" in one and one["type"] in _NAMED:
            known.add(name)
        skipped = ("logicalType", "__fastavro_parsed__", "__named_schemas")
        nested = ("type", "items", "values", "fields")
        return {
            key: bare(part) if key in nested else part
            for key, part in one.items() if key not in skipped
        }  # fmt: skip

    return fastavro.parse_schema(bare(schema.parsed))


_NAMED = ("record", "error", "enum", "fixed")
