"""What stands in an archive's files: rows, and how they are written as Parquet or as lines of JSON."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from connectors.base import Item, Record, SinkBroken
from connectors.storage.archive_retention import DAY, Retention

FORMATS = ("parquet", "jsonl")
_SUFFIX = {"parquet": "parquet", "jsonl": "jsonl.gz"}


class Row(NamedTuple):
    """One record as it stood on its topic. ``at``: ms."""

    topic: str
    partition: int
    offset: int
    at: int
    key: bytes | None
    tenant: str
    value: bytes


class Place(NamedTuple):
    """What shares a file: class, day (of UTC) and tenant."""

    class_: str
    day: str
    tenant: str

    def folder(self, topic: str) -> str:
        tenant = quote(self.tenant, safe="") or "__HIVE_DEFAULT_PARTITION__"
        if len(tenant) > 120:
            tenant = f"{tenant[:80]}~{hashlib.sha256(self.tenant.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        return f"data/{quote(topic, safe='')}/class={self.class_}/day={self.day}/tenant={tenant}"


class _Event(msgspec.Struct):
    tenant: Any = ""
    type: Any = ""


_event = msgspec.json.Decoder(_Event)


def row_of(work: Item | Record, retention: Retention) -> tuple[Place, Row]:
    """An item's row, and where it belongs. Never raises for its content: what cannot be read has no tenant."""
    topic, partition, offset = work.origin
    if isinstance(work, Item):
        alert = work.alert
        place = Place(retention.class_of(topic, alert.type, alert.source), day_of(alert.updated_at), alert.tenant)
        at = min(max(alert.updated_at, -(2**63)), 2**63 - 1)
        return place, Row(topic, partition, offset, at, alert.id.encode(), alert.tenant, work.raw)
    try:
        event = _event.decode(work.raw)
        tenant = event.tenant if isinstance(event.tenant, str) else ""
        type_ = event.type if isinstance(event.type, str) else ""
    except (ValueError, RecursionError):
        tenant = type_ = ""
    place = Place(retention.class_of(topic, type_), day_of(work.at), tenant)
    return place, Row(topic, partition, offset, work.at, work.record_key, tenant, work.raw)


def day_of(at: int) -> str:
    """``2024-01-31``; times no calendar has lie on its first or last day."""
    at = min(max(at, -62_135_596_800_000), 253_402_300_799_000)
    return (datetime.fromtimestamp(0, UTC) + (at // DAY) * _ONE_DAY).date().isoformat()


_ONE_DAY = datetime(1970, 1, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def end_of(day: str) -> int:
    """The last ms of a day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000 + DAY - 1


def file_name(place: Place, topic: str, partition: int, begin: int, last: int, format_: str) -> str:
    return f"{place.folder(topic)}/{_base(topic, partition, begin)}{last:012d}.{_SUFFIX[format_]}"


def begins_at(name: str, topic: str, partition: int, begin: int) -> bool:
    """Whether a file of that name holds what begins at that offset."""
    return name.rpartition("/")[2].startswith(_base(topic, partition, begin))


def _base(topic: str, partition: int, begin: int) -> str:
    return f"{quote(topic, safe='')}-{partition}-{begin:012d}-"


def encode(rows: Sequence[Row], format_: str) -> bytes:
    """A file's content, the same for the same rows."""
    return _parquet(rows) if format_ == "parquet" else _lines(rows)


def decode(name: str, data: bytes) -> list[Row]:
    """The rows of a file. Raises ValueError for what is no such file."""
    return list(_from_parquet(data) if name.endswith(".parquet") else _from_lines(data))


def decode_keyed(name: str, data: bytes, key: bytes) -> list[Row]:
    """Those rows of a file that have this key, in a fraction of the time. Raises ValueError like ``decode``."""
    if not name.endswith(".parquet"):
        return [row for row in decode(name, data) if row.key == key]
    pa, _ = _arrow()
    table = _table(data)
    return list(_rows_of(table.filter(pa.compute.equal(table["key"], pa.scalar(key, pa.binary())))))


def _lines(rows: Iterable[Row]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=6) as file:
        for row in rows:
            head = {"topic": row.topic, "partition": row.partition, "offset": row.offset, "at": row.at}
            if row.key is not None:
                head |= _text_or_bytes("key", row.key)
            value: dict[str, Any] = _text_or_bytes("text", row.value)
            if b"\n" not in row.value and b"\r" not in row.value and _is_json(row.value):
                value = {"value": msgspec.Raw(row.value)}
            file.write(msgspec.json.encode(head | {"tenant": row.tenant} | value) + b"\n")
    return out.getvalue()


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return False
    return value == value.strip()  # a reader would not keep what stands around it


def _text_or_bytes(name: str, value: bytes) -> dict[str, Any]:
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}


class _Line(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    at: int
    tenant: str
    key: str | None = None
    key_base64: bytes | None = None
    value: msgspec.Raw = msgspec.Raw(b"")
    text: str | None = None
    text_base64: bytes | None = None


_line = msgspec.json.Decoder(_Line)


def _from_lines(data: bytes) -> Iterable[Row]:
    try:
        text = gzip.decompress(data)
    except (OSError, EOFError) as error:
        raise ValueError(f"not a whole gzip file: {error}") from None
    for raw in text.split(b"\n")[:-1]:
        line = _line.decode(raw)
        key = line.key_base64 if line.key is None else line.key.encode()
        value = (line.text_base64 or b"") if line.text is None else line.text.encode()
        if raw_value := bytes(line.value):
            value = raw_value
        yield Row(line.topic, line.partition, line.offset, line.at, key, line.tenant, value)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise SinkBroken("an archive in Parquet needs pyarrow", "pip install 'tocsin[archive]'") from None
    return pyarrow, pyarrow.parquet


def _parquet(rows: Sequence[Row]) -> bytes:
    pa, parquet = _arrow()
    texts = [_text_or_bytes("text", row.value).get("text") for row in rows]
    columns = {
        "topic": pa.array([row.topic for row in rows], pa.string()),
        "partition": pa.array([row.partition for row in rows], pa.int32()),
        "offset": pa.array([row.offset for row in rows], pa.int64()),
        "at": pa.array([row.at for row in rows], pa.int64()),
        "key": pa.array([row.key for row in rows], pa.binary()),
        "tenant": pa.array([row.tenant for row in rows], pa.string()),
        "value": pa.array(texts, pa.large_string()),
        "bytes": pa.array(
            [row.value if text is None else None for row, text in zip(rows, texts, strict=True)], pa.large_binary()
        ),  # only where the value is not UTF-8
    }
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue()


def _from_parquet(data: bytes) -> Iterable[Row]:
    return _rows_of(_table(data))


def _table(data: bytes) -> Any:
    pa, parquet = _arrow()
    try:
        return parquet.read_table(io.BytesIO(data), partitioning=None)
    except pa.ArrowException as error:
        raise ValueError(f"not a Parquet file: {error}") from None


def _rows_of(table: Any) -> Iterable[Row]:
    for one in table.to_pylist():
        value = one["bytes"] if one["value"] is None else one["value"].encode()
        yield Row(one["topic"], one["partition"], one["offset"], one["at"], one["key"], one["tenant"], value)
