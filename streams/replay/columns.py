"""Files that have to be unpacked to be lines: Zstandard, and the rows of Parquet and Avro files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import fastavro
import msgspec

from streams.codec.avro_schema import prepare
from streams.errors import ConfigError, TocsinError

ZSTD = b"\x28\xb5\x2f\xfd"  #: how such files begin
PARQUET = b"PAR1"
AVRO = b"Obj\x01"
#: A column of this name holds whole payloads, whatever stands beside it.
PAYLOAD = "value"
_ROWS = 2_000
_AT_ONCE = 16  #: lines that are handed on together
_encode = msgspec.json.Encoder(decimal_format="string").encode


def unpacked_zstd(path: Path) -> IO[bytes]:
    """The content of a .zst file. What is damaged raises OSError as it is read."""
    pyarrow = _pyarrow("pyarrow", path)
    stream = pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")
    return io.BufferedReader(stream, 1 << 20)


def rows_as_lines(path: Path) -> IO[bytes]:
    """A Parquet file as JSON lines: the payloads of a column ``value`` if it has one, else an object a row.

    Of an object, what is null is left out (a column has no other way to say that a field is missing), and timestamps
    are milliseconds. Raises ConfigError where it is no Parquet after all.
    """
    parquet = _pyarrow("pyarrow.parquet", path)
    try:
        file = parquet.ParquetFile(str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the Parquet data is damaged: {str(error)[:200]}", "fetch the file again") from None
    return io.BufferedReader(_Lines(_lines(file)), 1 << 20)


def records_as_lines(path: Path) -> IO[bytes]:
    """An Avro container file as JSON lines, likewise; values become JSON as in ``streams/docs/codecs.md``.

    Raises ConfigError where it is no Avro file after all, or one of no records.
    """
    return io.BufferedReader(_Lines(_records(path)), 1 << 20)


def _records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        try:
            blocks = fastavro.block_reader(file)
            schema = prepare(blocks.metadata["avro.schema"]).parsed
            kind = _payload_kind(schema)
            while (block := next(blocks, None)) is not None:
                yield from [_line(row, kind) for row in _rows_of(block, schema)]
        except Exception as error:  # by what the bytes hit; fastavro has no error of its own
            why = f"{type(error).__name__}: {str(error)[:200]}"
            raise ConfigError(
                f"{path}: the Avro data is damaged, or of a kind that cannot be read: {why}", "fetch the file again"
            ) from None


def _rows_of(block: Any, schema: Any) -> Iterator[dict[str, Any]]:
    if block.num_records > len(block.bytes_.getbuffer()):
        raise ValueError(f"{block.num_records} records in fewer bytes")
    for _ in range(block.num_records):
        yield fastavro.schemaless_reader(block.bytes_, schema)  # type: ignore[misc]  # ``prepare`` takes records only


def _payload_kind(schema: Any) -> str:
    """``bytes`` or ``string`` where a field ``value`` holds payloads; empty where it does not."""
    for field in schema["fields"]:
        if field["name"] == PAYLOAD:
            branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
            kinds = {one["type"] if isinstance(one, dict) else one for one in branches} - {"null"}
            return str(kinds.pop()) if kinds in ({"bytes"}, {"string"}) else ""
    return ""


def _line(row: dict[str, Any], kind: str) -> bytes:
    value = row.get(PAYLOAD)
    if kind == "bytes":
        return base64.b64decode(value or "")
    if kind == "string":
        return (value or "").encode()
    return _encode({name: value for name, value in row.items() if value is not None})


def _pyarrow(module: str, path: Path) -> Any:
    try:
        import importlib

        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise TocsinError(
            f"{path}: Zstandard and Parquet need the Python module pyarrow", "pip install 'tocsin[archive]'"
        ) from None


def _lines(file: Any) -> Iterator[bytes]:
    whole = PAYLOAD in file.schema_arrow.names and _holds_payloads(file.schema_arrow.field(PAYLOAD).type)
    for batch in file.iter_batches(_ROWS, columns=[PAYLOAD] if whole else None):
        if whole:
            yield from [value or b"" for value in _as_bytes(batch.column(0)).to_pylist()]
        else:
            for row in _plain(batch).to_pylist():
                yield _encode({name: value for name, value in row.items() if value is not None})


def _holds_payloads(kind: Any) -> bool:
    """Whether a column of this type can hold payloads: a metric's value is a number."""
    from pyarrow import types

    return any(
        is_so(kind) for is_so in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    )


def _as_bytes(column: Any) -> Any:
    """A column of payloads: text as its bytes, which need not be decoded and encoded again."""
    import pyarrow

    return column.cast(pyarrow.large_binary())


def _plain(batch: Any) -> Any:
    """The batch with its timestamps as integers."""
    import pyarrow

    columns = [
        column.cast(pyarrow.timestamp("ms", column.type.tz), safe=False).cast(pyarrow.int64())
        if pyarrow.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]  # fmt: skip
    return pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


class _Lines(io.RawIOBase):
    """Lines as a stream of bytes. A payload that has line breaks of its own gets spaces for them, as JSON may."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines, self._rest = lines, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            some = [line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n" for line in islice(self._lines, _AT_ONCE)]
            if not some:
                return 0
            self._rest = memoryview(b"".join(some))  # of which the rest is no copy
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
