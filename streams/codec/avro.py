"""Avro in the Confluent wire format: a zero byte, the id of the writer's schema in four bytes, the value.

A value becomes what JSON would have carried: times integer milliseconds, decimals exact decimal text, dates, UUIDs and
enums text, bytes base64, NaN and infinities text. ``streams/docs/codecs.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

import fastavro

from streams.codec.avro_depth import check_depth
from streams.codec.avro_schema import Schema
from streams.errors import TocsinError

_HEAD = 5

#: The schema with an id. Raises ValueError where there is none, SourceUnavailable where that cannot be told.
SchemaOf = Callable[[int], Schema]


@dataclass(frozen=True, slots=True)
class AvroDecoder:
    """Payloads to JSON-like objects. ``reader``: what they are read as, by Avro's rules; else as they were written."""

    writer: SchemaOf
    reader: Schema | None = None
    _known: dict[int, Schema] = field(default_factory=dict)

    def __call__(self, raw: bytes) -> dict[str, Any]:
        """The object of one payload. Raises ValueError for what is not one, SourceUnavailable as ``writer`` does."""
        schema_id, value = unframed(raw)
        reader = None if self.reader is None else self.reader.parsed
        schema = self._known.get(schema_id)
        if schema is None:
            schema = self._known[schema_id] = self.writer(schema_id)
        try:
            if schema.recursive:
                check_depth(schema, raw, _HEAD)
            document = fastavro.schemaless_reader(value, schema.parsed, reader)
        except TocsinError:
            raise
        except Exception as error:  # by what the bytes hit: EOFError, IndexError, OverflowError, and fastavro's own
            why = f"{type(error).__name__}: {str(error)[:200]}"
            raise ValueError(f"not a value of schema {schema_id}: {why}") from None
        if (left := len(raw) - value.tell()) > 0:
            raise ValueError(f"not a value of schema {schema_id}: {left} bytes are left over")
        return cast("dict[str, Any]", document)  # ``prepare`` takes records only


def unframed(raw: bytes) -> tuple[int, BytesIO]:
    """The schema's id, and the value to be read. Raises ValueError for another format."""
    if raw[:1] != b"\0":
        begins = "it is empty" if not raw else f"it begins with {raw[:1].hex()}, not 00"
        raise ValueError(f"not Avro in the Confluent wire format: {begins}")
    if len(raw) < _HEAD:
        raise ValueError("not Avro in the Confluent wire format: it ends inside the schema's id")
    value = BytesIO(raw)
    value.seek(_HEAD)
    return int.from_bytes(raw[1:_HEAD], "big"), value


def framed(schema_id: int, value: bytes) -> bytes:
    """The value behind its schema's id."""
    return b"\0" + schema_id.to_bytes(4, "big") + value
