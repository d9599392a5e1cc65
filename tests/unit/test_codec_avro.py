"""Avro payloads as events: each type as JSON would have carried it, and every hostile payload as one clear refusal."""

from __future__ import annotations

import itertools
import json
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from streams.codec.avro import AvroDecoder, framed
from streams.codec.avro_schema import prepare
from streams.codec.schema_registry import local_schema
from streams.errors import ConfigError
from streams.model.decode import decode_full
from streams.rules.plain import documents
from tests.detecting import AUDIT


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields], **more}


def written(schema: Any, value: Any) -> bytes:
    """By fastavro, as a producer would."""
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), value)
    return framed(7, out.getvalue())


def decoder(schema: Any, reader: Any = None) -> AvroDecoder:
    prepared = prepare(json.dumps(schema))
    return AvroDecoder(lambda _: prepared, None if reader is None else prepare(json.dumps(reader)))


def fixed(size: int, **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size, **more}


AT = datetime(2024, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
MS = 1_714_564_800_123
BIG = Decimal(2**200) / Decimal(10**18)


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -7, -7),
        ("long", 2**63 - 1, 2**63 - 1),
        ("float", 1.5, 1.5),
        ("double", 0.1, 0.1),
        ("double", float("nan"), "NaN"),
        ("double", float("-inf"), "-Infinity"),
        ("float", float("inf"), "Infinity"),
        ("string", "é\U0001f600", "é\U0001f600"),
        ("bytes", b"\x00\xff", "AP8="),
        (fixed(2), b"ab", "YWI="),
        ({"type": "enum", "name": "E", "symbols": ["login", "logout"]}, "logout", "logout"),
        ({"type": "array", "items": "bytes"}, [b"a", b""], ["YQ==", ""]),
        ({"type": "map", "values": "double"}, {"x": float("nan"), "y": 1.0}, {"x": "NaN", "y": 1.0}),
        (["null", "bytes", "string"], "a", "a"),
        (["null", "bytes", "string"], b"a", "YQ=="),
        ({"type": "long", "logicalType": "timestamp-millis"}, AT, MS),
        ({"type": "long", "logicalType": "timestamp-micros"}, AT, MS),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, AT.replace(tzinfo=None), MS),
        ({"type": "long", "logicalType": "timestamp-nanos"}, MS * 1_000_000 + 999_999, MS),
        ({"type": "long", "logicalType": "timestamp-micros"}, -1, -1),
        ({"type": "long", "logicalType": "timestamp-millis"}, 2**62, 2**62),
        ({"type": "int", "logicalType": "date"}, date(2024, 2, 29), "2024-02-29"),
        ({"type": "int", "logicalType": "time-millis"}, 86_399_999, 86_399_999),
        ({"type": "string", "logicalType": "uuid"}, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (fixed(16, logicalType="uuid"), UUID(int=1).bytes, "00000000-0000-0000-0000-000000000001"),
        (fixed(12, logicalType="duration"), b"\0" * 12, "AAAAAAAAAAAAAAAA"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}, Decimal("1.5"), "1.500"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}, Decimal("-0.007"), "-0.007"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, Decimal("-120"), "-120"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal(0), "0.00"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 90, "scale": 18}, BIG, f"{BIG:.18f}"),
        (fixed(4, logicalType="decimal", precision=9, scale=2), Decimal("-12.34"), "-12.34"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}, b"\x01", "AQ=="),  # no such decimal
        ({"type": "bytes", "logicalType": "decimal", "precision": 10**9, "scale": 10**9}, b"\x01", "AQ=="),
        ({"type": "string", "logicalType": "of-their-own"}, "x", "x"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_each_type_is_what_json_would_have_carried(kind: Any, value: Any, wanted: Any) -> None:
    given = value
    if isinstance(kind, dict) and "logicalType" in kind and isinstance(value, (int, bytes)):
        kind_to_write = {name: part for name, part in kind.items() if name != "logicalType"}
    else:
        kind_to_write = kind
    raw = written(record(("f", kind_to_write)), {"f": given})
    found = decoder(record(("f", kind)))(raw)["f"]
    assert (type(found), found) == (type(wanted), wanted)
    assert decode_full(json.dumps({"f": found}).encode())["f"] == found


SIMPLE = record(("actor", "string"), ("n", "long"))
RAW = written(SIMPLE, {"actor": "ada", "n": 5})


def test_a_record_is_an_object() -> None:
    assert decoder(SIMPLE)(RAW) == {"actor": "ada", "n": 5}
    assert documents(AUDIT.__class__("audit", "audit.events", mapping=decoder(SIMPLE)))(RAW) == {"actor": "ada", "n": 5}


def test_what_is_read_is_what_the_reader_asks_for() -> None:
    reader = record(("n", "double"), ("who", "string"), ("new", "string"))
    reader["fields"][1]["aliases"] = ["actor"]
    reader["fields"][2]["default"] = "none"
    assert decoder(SIMPLE, reader)(RAW) == {"n": 5.0, "who": "ada", "new": "none"}


def test_a_reader_that_lacks_a_default_refuses_the_event() -> None:
    with pytest.raises(ValueError, match="not a value of schema 7: SchemaResolutionError"):
        decoder(SIMPLE, record(("missing", "string")))(RAW)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it is empty"),
        (b'{"actor":"ada"}', "it begins with 7b, not 00"),
        (b"\x01" + RAW[1:], "it begins with 01, not 00"),
        (b"\0\0\0", "it ends inside the schema's id"),
        (RAW[:5], "EOFError"),
        (RAW[:-1], "EOFError"),
        (RAW + b"\0", "1 bytes are left over"),
        (RAW[:5] + b"\x06\xff\xfe\xfd\x0a", "UnicodeDecodeError"),
        (RAW[:5] + b"\x06\xed\xa0\x80\x0a", "UnicodeDecodeError"),
        (RAW[:5] + b"\x01" + RAW[5:], "not a value of schema 7"),  # a length of -1
        (RAW[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", "EOFError"),  # a length of 2**62 - 1
        (RAW[:5] + b"\xff" * 10_000, "not a value of schema 7"),
    ],
    ids=["empty", "json", "magic", "head", "nothing", "short", "long", "utf8", "surrogate", "minus one", "huge", "endless"],
)  # fmt: skip
def test_a_payload_that_is_none_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decoder(SIMPLE)(raw)


NODE = record(("next", ["null", "Node"]), name="Node")
TREE = record(("kids", {"type": "array", "items": "Tree"}), name="Tree")
WEB = record(("links", {"type": "map", "values": ["null", "string", "Web"]}), name="Web")


@pytest.mark.parametrize("depth", [300, 10_000, 1_000_000])
def test_a_list_without_end_is_refused_before_the_stack_is_full(depth: int) -> None:
    with pytest.raises(ValueError, match="nested deeper than 256 levels"):
        decoder(NODE)(framed(1, b"\x02" * depth + b"\0"))


def test_deep_trees_are_refused_and_shallow_ones_read() -> None:
    with pytest.raises(ValueError, match="nested deeper than 256 levels"):
        decoder(TREE)(framed(1, b"\x02" * 100_000))
    with pytest.raises(ValueError, match="nested deeper than 256 levels"):
        decoder(WEB)(framed(1, b"\x02\x02a\x04" * 100_000))
    value = {"links": {"a": {"links": {"b": None, "c": "x"}}, "d": "y"}}
    assert decoder(WEB)(written(WEB, value)) == value
    three = {"kids": [{"kids": []}, {"kids": [{"kids": []}]}]}
    assert decoder(TREE)(written(TREE, three)) == three
    sized = b"\x01\x02\x00\x00"  # a block of -1 items, with its size
    assert decoder(TREE)(framed(1, sized)) == {"kids": [{"kids": []}]}


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x02", b"\x04", b"\x01", b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80" * 11 + b"\0", b"\x02\x02a\x06"],
    ids=bytes.hex,
)
@pytest.mark.parametrize("schema", [NODE, TREE, WEB], ids=["Node", "Tree", "Web"])
def test_recursive_values_cut_short_are_refused(schema: Any, raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a value of schema 1"):
        decoder(schema)(framed(1, raw))


def chain(levels: int) -> dict[str, Any]:
    """Records inside records, twice each: two to the power of ``levels`` values in no bytes at all."""
    inner: Any = "null"
    for level in range(levels):
        inner = record(("a", inner), ("b", f"L{level - 1}" if level else "null"), name=f"L{level}")
    return dict(inner)


def deep(levels: int) -> dict[str, Any]:
    inner: Any = "int"
    for level in range(levels):
        inner = record(("f", inner), name=f"D{level}")
    return dict(inner)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (record(("f", {"type": "array", "items": "null"})), "items take no bytes"),
        (record(("f", {"type": "array", "items": record(("x", "null"), name="X")})), "items take no bytes"),
        (record(("f", {"type": "array", "items": fixed(0)})), "items take no bytes"),
        (chain(30), "values that take no bytes"),
        (deep(120), "nested deeper than 100 levels"),
        ({"type": "array", "items": "int"}, "not that of a record"),
        ("string", "not that of a record"),
        (["null", SIMPLE], "not that of a record"),
        (record(("f", "nowhere")), "UnknownType"),
        (record(*((f"d{n}", {"type": "array", "items": record(("f", f"D{n - 1}" if n else "int"), name=f"D{n}")}) for n in range(300))), "deeper than 256 levels"),
        ({**record(("f", "nowhere")), "__fastavro_parsed__": True}, "UnknownType"),
        ({"type": "record", "name": "R", "fields": 3}, "not an Avro schema"),
        ({"type": "record", "name": "R", "fields": [3]}, "not an Avro schema"),
        ({"type": {"type": {"type": 3}}}, "not an Avro schema"),
        (3, "not an Avro schema"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_a_schema_that_payloads_could_do_harm_with_is_refused(schema: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        prepare(json.dumps(schema))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff", "null", " " * 2_000_001], ids=range(6))
def test_a_text_that_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an Avro schema|larger than"):
        prepare(text.encode("latin-1"))


def test_wide_schemas_are_fine() -> None:
    wide = record(*((f"f{n}", ["null", "double"]) for n in range(2_000)))
    assert decoder(wide)(framed(1, b"\0" * 2_000)) == {f"f{n}": None for n in range(2_000)}


def test_numbers_cut_out_of_doubles_are_exact() -> None:
    raw = framed(1, struct.pack("<d", 5e-324))
    assert decoder(record(("f", "double")))(raw) == {"f": 5e-324}


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    file = tmp_path / "a.avsc"
    with pytest.raises(ConfigError, match=r"a\.avsc: cannot be read: No such file"):
        local_schema(file)
    file.write_text("{}")
    with pytest.raises(ConfigError, match=r"a\.avsc: not an Avro schema"):
        local_schema(file)
    file.write_text(json.dumps(SIMPLE))
    assert AvroDecoder(lambda _: local_schema(file))(RAW) == {"actor": "ada", "n": 5}
