"""Events moved to another time: in every codec and form of a time, and nothing else of them changes."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from streams.codec.avro import AvroDecoder, framed
from streams.codec.avro_schema import prepare
from streams.codec.mapping import parse_mapping
from streams.codec.registry import JOINS, mapping_named_or_file
from streams.model import Source
from streams.replay.files import event_time_of
from streams.replay.republish.avro import AvroForm
from streams.replay.republish.moved import MINUTE, moved_text
from streams.replay.republish.shift import Shift, Unmovable

DAY = 86_400_000
BY = 3 * 366 * DAY + 7 * MINUTE
DATA = Path(__file__).parents[3] / "shared" / "data"


def source(mapping: Any = None, join: Any = None) -> Source:
    return Source("audit", "audit.events", ("tenant",), mapping=mapping, join=join)


def moved(event: Any, mapping: Any = None, by: int = BY) -> bytes:
    """The payload shifted, after a look that its time is the new one."""
    of = source(mapping)
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    before = event_time_of(raw, mapping)
    assert before is not None
    new = Shift(of, by).of(raw, None, ()).value
    assert event_time_of(new, mapping) == before + by
    return new


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (1_704_067_200_123, 1_704_067_200_123 + BY),
        ("2024-01-01T00:00:00Z", "2027-01-03T00:07:00Z"),
        ("2024-01-01T00:00:00.123456+05:30", "2027-01-03T00:07:00.123456+05:30"),
        ("2024-01-01T23:59:59-08:00", "2027-01-04T00:06:59-08:00"),
    ],
)
def test_an_events_own_time_keeps_its_form(at: Any, expected: Any) -> None:
    assert json.loads(moved({"event_id": "x", "event_time": at})) == {"event_id": "x", "event_time": expected}


def test_nothing_else_changes_not_even_how_numbers_are_written() -> None:
    raw = (
        b'{"a":1.10,"event_time":1704067200000,"big":123456789012345678901234567890,"z":{"t":1704067200000,"x":[1e3]}}'
    )
    new = moved(raw)
    assert new == raw.replace(b"1704067200000", b"%d" % (1_704_067_200_000 + BY), 1)


@pytest.mark.parametrize(
    ("mapping", "event"),
    [
        ("cloudtrail", {"eventName": "GetObject", "eventID": "1", "eventTime": "2020-09-14T01:02:34Z"}),
        ("cloudtrail", {"eventName": "GetObject", "@timestamp": "2020-09-14T01:02:34.5Z"}),
        ("cloudtrail", {"detail-type": "x", "detail": {"eventName": "GetObject", "eventTime": "2020-09-14T01:02:34Z"}}),
        ("nft", {"seller": "a", "buyer": "b", "nft_id": 1, "price_eth": 5.0, "ts": 1_643_709_600}),
        ("nft", {"seller": "a", "buyer": "b", "nft_id": 1, "price_eth": 5.0, "block_time": "2022-02-01 10:00:00.000 UTC"}),
        ("orders", {"order_id": "1", "event": "new", "side": "buy", "qty": 1, "price": "1643709600.5", "ts_event": 1643709600123456789}),
        ("orders", {"order_id": "1", "event": "new", "side": "buy", "qty": 1, "price": 5, "TransactTime": "20220201-10:00:00.123"}),
        ("sshd", {"MESSAGE": "Failed password for root from 1.2.3.4 port 9 ssh2", "__REALTIME_TIMESTAMP": "1643709600123456"}),
        ("sshd", {"line": "2022-02-01T10:00:00.5+01:00 h sshd[1]: Failed password for root from 1.2.3.4 port 9 ssh2"}),
        ("sshd", {"line": "Feb  1 2022 10:00:00 h sshd[1]: Failed password for root from 1.2.3.4 port 9 ssh2"}),
        ("sshd:2022", {"line": "Feb  1 10:00:00 h sshd[1]: Failed password for root from 1.2.3.4 port 9 ssh2"}),
        ("cloudevents", {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "2022-02-01T10:00:00Z"}),
        ("cloudevents", {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"event_time": 1643709600000}}),
    ],
)  # fmt: skip
def test_every_mapping_is_understood(mapping: str, event: dict[str, Any]) -> None:
    apply = mapping_named_or_file(mapping)
    assert apply is not None
    by = 40 * DAY if mapping.startswith("sshd:") else BY  # its lines have a year of twelve months
    raw = json.dumps(event).encode()
    before, after = apply(raw), apply(moved(event, apply, by))
    for envelope in (before, after):
        for name in ("event_time", *event):
            envelope.pop(name, None)
        envelope.pop("data", None)
        envelope.pop("eventTime", None)
    assert after == before


@pytest.mark.parametrize(
    ("field", "event"),
    [
        ({"path": "when", "format": "epoch_s"}, {"when": 1_704_067_200}),
        ({"path": "when", "format": "epoch_s"}, {"when": "1704067200.25"}),
        ({"path": "a.when", "format": "epoch_us"}, {"a": {"when": 1_704_067_200_123_456}}),
        ({"path": "a.1", "format": "rfc3339"}, {"a": ["x", "2024-01-01T00:00:00+01:00"]}),
        ({"path": "when", "format": "%d/%m/%Y %H:%M:%S"}, {"when": "31/12/2023 23:59:59"}),
        ({"path": "when", "format": "%d.%m.%Y %H:%M", "timezone": "Europe/Amsterdam"}, {"when": "15.01.2024 12:00"}),
    ],
)
def test_a_mapping_of_ones_own_is_followed(field: dict[str, Any], event: dict[str, Any]) -> None:
    for by in (BY, 180 * DAY, -90 * DAY):  # summer time between
        moved(event, parse_mapping({"event_time": field}), by)


def test_a_binary_cloudevents_time_stands_in_its_header() -> None:
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"t"),
               ("ce_time", b"2022-02-01T10:00:00Z"), ("trace", b"2022-02-01T10:00:00Z"))  # fmt: skip
    shift = Shift(source(mapping_named_or_file("cloudevents"), JOINS["cloudevents"]), DAY)
    for value in (b'{"actor": "ada"}', b""):
        new = shift.of(value, None, headers)
        assert new.value == value
        assert dict(new.headers) == {**dict(headers), "ce_time": b"2022-02-02T10:00:00Z"}


SCHEMA = {
    "type": "record", "name": "e.Event", "fields": [
        {"name": "kept", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "event_time", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["LOGIN", "OTHER"]}},
        {"name": "next", "type": ["null", "Kind"], "default": None},
        {"name": "tags", "type": {"type": "map", "values": ["int", "double", "string"]}},
    ],
}  # fmt: skip


def test_avro_is_written_as_it_was() -> None:
    schema = prepare(json.dumps(SCHEMA))
    plain = {"kept": b"\x01\x02", "event_time": 1_704_067_200_123_456, "kind": "LOGIN", "next": "OTHER",
             "tags": {"a": 1, "b": 2.5, "c": "x"}}  # fmt: skip
    bare = json.loads(json.dumps(SCHEMA).replace('"logicalType"', '"was"'))
    written = BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(bare), plain)
    raw, decode = framed(7, written.getvalue()), AvroDecoder(lambda _: schema)
    new = Shift(source(decode), BY, AvroForm(lambda _: schema)).of(raw, None, ()).value
    assert event_time_of(new, decode) == 1_704_067_200_123 + BY
    assert decode(new) == {**decode(raw), "event_time": 1_704_067_200_123 + BY}
    assert len(new) == len(raw)


@pytest.mark.parametrize(
    "value", [b"nothing", b"", b"[]", b'{"type": "login"}', b'{"event_time": "later"}', b"[" * 9_000]
)
def test_what_has_no_time_passes_as_it_is(value: bytes) -> None:
    assert Shift(source(), BY).of(value, None, ()) == (value, (), False)


def test_what_cannot_be_moved_is_said_not_sent() -> None:
    mapping = parse_mapping({"event_time": {"path": "day", "format": "%Y-%m-%d"}})
    with pytest.raises(Unmovable):
        Shift(source(mapping), BY).of(b'{"day": "2024-01-01"}', None, ())
    constant = parse_mapping({"event_time": {"const": 1_704_067_200_000}})
    with pytest.raises(Unmovable):
        Shift(source(constant), BY).of(b'{"when": 1704067200000}', None, ())


def test_a_place_is_looked_for_again_where_records_differ() -> None:
    shift = Shift(source(mapping_named_or_file("nft")), DAY)
    for name in ("ts", "block_time", "ts"):
        row = {"seller": "a", "buyer": "b", "nft_id": 1, "price_eth": 5.0, name: 1_643_709_600}
        assert json.loads(shift.of(json.dumps(row).encode(), None, ()).value)[name] == 1_643_709_600 + 86_400


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("Dec 31 2023 23:59:30", 1_704_067_170_000, "Jan  1 2024 00:00:30"),
        ("Dec 31 23:59:30 2023", 1_704_067_170_000, "Jan  1 00:00:30 2024"),
        ("Dec 31 23:59:30", 1_704_067_170_000, "Jan  1 00:00:30"),
        ("2023-12-31 23:59", 1_704_067_140_000, "2024-01-01 00:00"),
        ("20231231-23:59:30.1", 1_704_067_170_100, "20240101-00:00:30.1"),
        ("2019-12-31 23:59", 1_704_067_140_000, None),
        ("Foo 31 23:59:30", 1_704_067_170_000, None),
        ("12", 1_704_067_170_000, None),
    ],
)
def test_texts_are_moved_in_their_own_form(text: str, at: int, expected: str | None) -> None:
    assert moved_text(text, at, MINUTE) == expected


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("file", "mapping"),
    [
        ("audit/otrf_ec2_proxy_s3_exfil.jsonl", "cloudtrail"), ("chain/mev_swaps.jsonl", "dex"),
        ("chain/mev_liquidity_events.jsonl", "dex"), ("trade/nft_wash_synthetic.jsonl", "nft"),
    ],
)  # fmt: skip
def test_real_data_moves_whole(file: str, mapping: str) -> None:
    apply = mapping_named_or_file(mapping)
    shift = Shift(source(apply), BY)
    lines = (DATA / file).read_bytes().splitlines()
    for raw in lines:
        new = shift.of(raw, None, ())
        assert new.own
        assert event_time_of(new.value, apply) == (event_time_of(raw, apply) or 0) + BY
        before, after = msgspec.json.decode(raw), msgspec.json.decode(new.value)
        assert sum(before[name] != after[name] for name in before) == 1
    assert len(lines) > 5
