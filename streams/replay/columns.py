"""What needs pyarrow to be read as lines: Zstandard files, and the rows of Parquet files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from streams.errors import ConfigError, TocsinError

ZSTD = b"\x28\xb5\x2f\xfd"  #: how such files begin
PARQUET = b"PAR1"
#: A column of this name holds whole payloads, whatever stands beside it.
PAYLOAD = "value"
_ROWS = 2_000
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


def _pyarrow(module: str, path: Path) -> Any:
    try:
        import importlib

        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise TocsinError(
            f"{path}: Zstandard and Parquet need the Python module pyarrow", "pip install 'tocsin[archive]'"
        ) from None


def _lines(file: Any) -> Iterator[bytes]:
    whole = PAYLOAD in file.schema_arrow.names
    for batch in file.iter_batches(_ROWS, columns=[PAYLOAD] if whole else None):
        if whole:
            values = batch.column(0).to_pylist()
            yield from (value.encode() if isinstance(value, str) else value or b"" for value in values)
        else:
            for row in _plain(batch).to_pylist():
                yield _encode({name: value for name, value in row.items() if value is not None})


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
        self._lines, self._rest = lines, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            line = next(self._lines, None)
            if line is None:
                return 0
            self._rest = line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
