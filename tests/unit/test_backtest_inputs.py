"""What a backtest reads: every kind of file says the same, times reach into files, and what is amiss is named."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow
import pyarrow.parquet
import pytest

from streams.cli import backtest_inputs
from streams.errors import ConfigError
from streams.replay.files import open_file
from tests.unit.test_backtest_cli import EVENTS, RULE, START, failures, tocsin

FIELDS = ("event_id", "tenant", "actor", "source_ip", "action", "outcome")
EVENT = {
    "type": "record", "name": "Event", "fields": [
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        *({"name": name, "type": ["null", "string"]} for name in FIELDS),
        {"name": "detail", "type": ["null", "string"], "default": None},
    ],
}  # fmt: skip
PAYLOAD = {"type": "record", "name": "Kept", "fields": [
    {"name": "at", "type": "long"}, {"name": "value", "type": ["null", "bytes"]}]}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (tmp_path / "4.yaml").write_text(RULE.replace("AT_LEAST", "4"))
    return tmp_path


def reported(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    tocsin(*args, "--rules", "4.yaml", "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def avro(path: Path, schema: Any, rows: list[dict[str, Any]], codec: str = "null") -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, codec=codec, sync_interval=400)
    return path


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_an_avro_file_says_what_its_lines_of_json_say(
    here: Path, capsys: pytest.CaptureFixture[str], codec: str
) -> None:
    plain = reported(capsys, "--source", "audit=audit.jsonl")
    kept = [{"at": 1, "value": json.dumps(event).encode()} for event in EVENTS]
    avro(here / "payloads.avro", PAYLOAD, kept, codec)
    found = reported(capsys, "--source", "audit=payloads.avro")
    assert found["alerts"] == plain["alerts"]  # the content, and so the positions, are the same
    assert found["inputs"][0]["files"][0]["sha256"] == plain["inputs"][0]["files"][0]["sha256"]
    timed = [{**event, "event_time": datetime.fromtimestamp(event["event_time"] / 1000, UTC)} for event in EVENTS]
    avro(here / "events.avro", EVENT, timed, codec)
    found = reported(capsys, "--source", "audit=events.avro")
    assert [(one["key"], one["event_time"], one["count"]) for one in found["alerts"]] == [
        (one["key"], one["event_time"], one["count"]) for one in plain["alerts"]
    ]


def test_damaged_avro_is_refused_in_one_sentence(here: Path) -> None:
    whole = avro(here / "x.avro", PAYLOAD, [{"at": 1, "value": b"{}"}] * 500, "deflate").read_bytes()
    for damage in (whole[:40], whole[:-9], whole[:200] + b"\xff" * 40 + whole[240:], b"Obj\x01nothing"):
        (here / "x.avro").write_bytes(damage)
        with pytest.raises(ConfigError, match=r"x\.avro: the Avro data is damaged") as error:
            open_file(here / "x.avro")
        assert "\n" not in error.value.message
    empty = {"type": "record", "name": "Empty", "fields": []}
    avro(here / "x.avro", empty, [{}] * 9)
    with pytest.raises(ConfigError, match="9 records in fewer bytes"):
        open_file(here / "x.avro")


def test_a_column_of_numbers_called_value_holds_no_payloads(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "4.yaml").write_text(
        "id: test.hot\ntitle: hot\nsource: metric\nwhere: {value: {gte: 4}}\ngroup_by: [host]\ndetect: {match: {}}\n"
        "severity: low\ntype: metrics\ntests: [{name: hot, events: [{at: 0s, host: db, value: 9}], expect: [{at: 0s}]}]\n"
    )
    rows = [
        {"event_id": f"m{n}", "event_time": START + n, "type": "cpu", "host": "db", "value": n + 0.5} for n in range(5)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), "metric.parquet")
    schema = {"type": "record", "name": "M", "fields": [
        {"name": "event_id", "type": "string"}, {"name": "event_time", "type": "long"}, {"name": "type", "type": "string"},
        {"name": "host", "type": "string"}, {"name": "value", "type": "double"}]}  # fmt: skip
    avro(here / "metric.avro", schema, rows)
    for name in ("metric.parquet", "metric.avro"):
        assert reported(capsys, "--source", f"metric={name}")["counts"]["alerts"] == 1


def test_the_last_week_of_a_file_is_its_events_of_the_last_week(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = START + 10 * 86_400_000
    monkeypatch.setattr(backtest_inputs.time, "time", lambda: later / 1000)
    new = [{**event, "event_time": event["event_time"] + 8 * 86_400_000} for event in failures("zoe", 5)]
    (here / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in [*EVENTS, *new]))
    for asked in ("last 7d", "7d"):
        found = reported(capsys, "--source", "audit=audit.jsonl", "--from", asked)
        assert [alert["key"] for alert in found["alerts"]] == [{"actor": "zoe"}]
        assert found["counts"]["events"] == 5
        assert "--from 2024-01-04T00:00:00.000Z" in found["command"]  # not `last 7d`


def test_records_of_several_schemas_are_told_apart_with_their_positions(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = [
        json.dumps({"eventName": "GetObject", "eventTime": "yesterday", "event_time": "yesterday"}),
        "<xml/>",
        "[1]",
    ]
    lines = [json.dumps(event) for event in EVENTS]
    (here / "audit.jsonl").write_text("\n".join([*lines[:3], *foreign, *lines[3:]]))
    tocsin("--source", "audit=audit.jsonl", "--rules", "4.yaml")
    told = capsys.readouterr()
    assert f"{len(EVENTS) + 3} events, 3 invalid" in told.out
    digest = open_file(here / "audit.jsonl").sha256
    for line in (4, 5, 6):
        assert f"invalid: file:{digest}:{line}: " in told.err
    (here / "audit.jsonl").write_text("\n".join(foreign))
    tocsin("--source", "audit=audit.jsonl", "--rules", "4.yaml", status=1)
    assert "all 3 records were refused" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_events_is_no_success(here: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    (here / "audit.jsonl").write_bytes(content)
    tocsin("--source", "audit=audit.jsonl", "--rules", "4.yaml", status=2)
    assert "no events in this range" in capsys.readouterr().err
    empty = io.BytesIO()
    fastavro.writer(empty, fastavro.parse_schema(PAYLOAD), [])
    (here / "audit.jsonl").write_bytes(empty.getvalue())
    tocsin("--source", "audit=audit.jsonl", "--rules", "4.yaml", status=2)
    assert "no events in this range" in capsys.readouterr().err
