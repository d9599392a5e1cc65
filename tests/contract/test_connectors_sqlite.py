"""SQLite with locks, full disks, torn files and files of others."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivered, Item, Rejected, Retry, Sink, SinkBroken
from connectors.context import SinkContext
from connectors.registry import parse_sinks
from connectors.storage.sqlite_reader import _is, newest_alerts, read_alerts, read_versions
from connectors.storage.sqlite_schema import APPLICATION
from connectors.testing import storage_item
from streams.errors import TocsinError
from streams.model import Suppression
from tests.contract.places import place
from tests.contract.sinks import open_once


def database(tmp_path: Path, steps: Callable[[Sink], Awaitable[object]], **more: Any) -> None:
    async def scenario() -> None:
        async with place("sqlite", tmp_path, **more) as p:
            await steps(p.sink)

    asyncio.run(scenario())


def test_sqlite_keeps_the_newest_version_whatever_the_order(tmp_path: Path) -> None:
    async def steps(sink: Sink) -> None:
        for version in (2, 3, 1, 2):
            await sink.deliver([storage_item(1, version=version, title=f"v{version}")])

    database(tmp_path, steps)
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT version, title FROM alerts").fetchall() == [(3, "v3")]
        assert db.execute("SELECT version FROM alert_versions ORDER BY version").fetchall() == [(1,), (2,), (3,)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_sqlite_waits_for_a_lock(tmp_path: Path) -> None:
    async def steps(sink: Sink) -> None:
        with sqlite3.connect(tmp_path / "a.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            (result,) = await sink.deliver([storage_item(1)])
            assert isinstance(result, Retry)
            assert "locked" in result.reason
            other.execute("ROLLBACK")
        (result,) = await sink.deliver([storage_item(1)])
        assert isinstance(result, Delivered)

    database(tmp_path, steps, busy="10ms")


def test_sqlite_waits_for_a_full_disk(tmp_path: Path) -> None:
    async def steps(sink: Sink) -> None:
        db = sink._db  # type: ignore[attr-defined]
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
        big = [storage_item(n, description="x" * 50_000) for n in range(5)]
        results = await sink.deliver(big)
        assert all(isinstance(result, Retry) for result in results)
        assert isinstance(results[0], Retry)
        assert "full" in results[0].reason
        db.execute("PRAGMA max_page_count = 1000000")
        assert all(isinstance(result, Delivered) for result in await sink.deliver(big))

    database(tmp_path, steps)


def test_sqlite_refuses_one_value_and_stores_the_rest(tmp_path: Path) -> None:
    async def steps(sink: Sink) -> None:
        bad, good = storage_item(2, count=2**64), storage_item(3)
        results = await sink.deliver([bad, good])
        assert isinstance(results[0], Rejected)
        assert isinstance(results[1], Delivered)

    database(tmp_path, steps)
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT count(*) FROM alert_versions").fetchone() == (1,)


@pytest.mark.parametrize(
    "content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "torn"]
)
def test_a_corrupt_file_breaks_the_sink_and_is_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(content)
    (config,) = parse_sinks([{"name": "s", "type": "sqlite", "path": "a.db"}])
    with pytest.raises(SinkBroken, match=r"a\.db"):
        asyncio.run(open_once(config.make(SinkContext("s", tmp_path))))
    assert (tmp_path / "a.db").read_bytes() == content


def test_a_file_that_breaks_while_we_write_breaks_the_sink(tmp_path: Path) -> None:
    async def steps(sink: Sink) -> None:
        await sink.deliver([storage_item(n, description="x" * 9000) for n in range(50)])
        sink._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[attr-defined]
        sink._db.execute("PRAGMA cache_size = 0")  # type: ignore[attr-defined]
        with (tmp_path / "a.db").open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        with pytest.raises(SinkBroken):
            await sink.deliver([storage_item(n, version=2) for n in range(50)])

    database(tmp_path, steps)


def test_somebody_elses_database_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("CREATE TABLE payroll (name TEXT)")
    db.close()
    (config,) = parse_sinks([{"name": "s", "type": "sqlite", "path": "a.db"}])
    with pytest.raises(SinkBroken, match="not one of Tocsin's"):
        asyncio.run(open_once(config.make(SinkContext("s", tmp_path))))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    database(tmp_path, lambda sink: sink.deliver([]))
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    (config,) = parse_sinks([{"name": "s", "type": "sqlite", "path": "a.db"}])
    with pytest.raises(SinkBroken, match="schema 99"):
        asyncio.run(open_once(config.make(SinkContext("s", tmp_path))))


def test_what_people_do_with_an_alert_has_columns(tmp_path: Path) -> None:
    hidden = Suppression(stage="silence", by="night", since=1)

    async def steps(sink: Sink) -> None:
        await sink.deliver([
            storage_item(1, assignee="ada", incident="i1", snoozed_until=5, disposition="benign", hidden=2),
            storage_item(2, suppressed=(hidden,), phase="triaged"),
        ])  # fmt: skip

    database(tmp_path, steps)
    query = (
        "SELECT assignee, incident, snoozed_until, disposition, hidden, phase, suppressed_by FROM alerts ORDER BY id"
    )
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute(query).fetchall() == [
            ("ada", "i1", 5, "benign", 2, "", ""), ("", "", None, "", 0, "triaged", "silence night"),
        ]  # fmt: skip


def earlier_file(tmp_path: Path, schema: int, *items: Item) -> None:
    """As a worker of then left it: a table of the newest, and one of all."""
    fields = ("assignee", "incident", "suppressed_by") if schema == 2 else ()
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.executescript(FIRST)
        for name in fields:
            db.execute(f"ALTER TABLE alerts ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
        db.execute("CREATE INDEX alerts_tenant ON alerts (tenant, created_at)")
        for item in items:
            for table in ("alerts", "alert_versions"):
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                values = {"document": item.raw.decode(), "position": "alerts/0/0", "notification_failed": 0}
                row = [values.get(name, getattr(item.alert, name, "")) for name in columns]
                db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {schema}")
    db.close()


@pytest.mark.parametrize("schema", [1, 2])
def test_a_file_of_an_earlier_schema_is_brought_up_to_date(schema: int, tmp_path: Path) -> None:
    hidden = (Suppression(stage="silence", by="night", since=1),)
    first, second = (storage_item(1, assignee="ada", suppressed=hidden, version=n, title=f"v{n}") for n in (1, 2))
    earlier_file(tmp_path, schema, first, second, storage_item(3))
    with pytest.raises(TocsinError, match=f"has schema {schema}"):
        newest_alerts(tmp_path / "a.db")
    for _ in range(2):
        database(tmp_path, lambda sink: sink.deliver([storage_item(2, assignee="eve"), first]))
    assert [alert.title for alert in read_alerts(tmp_path / "a.db", assignee="ada")] == ["v2"]
    assert len(newest_alerts(tmp_path / "a.db")) == 3
    assert read_versions(tmp_path / "a.db", first.alert.id) == [
        (first.alert, "alerts/0/0"), (second.alert, "alerts/0/0"),
    ]  # fmt: skip
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT suppressed_by FROM alerts ORDER BY id").fetchall() == [
            ("silence night",),
            ("",),
            ("",),
        ]


def test_an_earlier_file_with_a_version_that_cannot_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    earlier_file(tmp_path, 2, storage_item(1))
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("UPDATE alert_versions SET document = '{}'")
    db.close()
    (config,) = parse_sinks([{"name": "s", "type": "sqlite", "path": "a.db"}])
    with pytest.raises(SinkBroken, match="cannot be read"):
        asyncio.run(open_once(config.make(SinkContext("s", tmp_path))))
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("SELECT count(*) FROM alerts").fetchone() == (1,)


def test_versions_in_any_order_and_cut_into_any_batches_leave_one_newest(tmp_path: Path) -> None:
    draw = random.Random(7)

    async def steps(sink: Sink) -> None:
        items = [storage_item(n, version=v) for n in range(40) for v in range(1, 6)] * 2
        draw.shuffle(items)
        while items:
            batch = [items.pop() for _ in range(min(len(items), draw.randint(1, 60)))]
            assert all(isinstance(result, Delivered) for result in await sink.deliver(batch))

    database(tmp_path, steps)
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT count(*), count(DISTINCT id), min(version) FROM alerts").fetchall() == [(40, 40, 5)]
        assert db.execute("SELECT count(*) FROM alert_versions").fetchone() == (200,)


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("tenant = 'a' ORDER BY created_at DESC", "newest_tenant"),
        ("status = 'active' ORDER BY created_at DESC", "newest_status"),
        ("severity = 'high' ORDER BY created_at DESC", "newest_severity"),
        ("type = 'security' ORDER BY created_at DESC", "newest_type"),
        ("source = 'audit' ORDER BY created_at DESC", "newest_source"),
        ("1 ORDER BY created_at DESC", "newest_created"),
        (f"{_is('incident', 'i')} ORDER BY created_at", "newest_incident"),
        (f"{_is('assignee', 'a')} ORDER BY created_at", "newest_assignee"),
        ("id = 'a'", "sqlite_autoindex"),
    ],
)
def test_a_listing_goes_by_an_index(condition: str, index: str, tmp_path: Path) -> None:
    database(tmp_path, lambda sink: sink.deliver([storage_item(1)]))
    with sqlite3.connect(tmp_path / "a.db") as db:
        query = f"EXPLAIN QUERY PLAN SELECT document FROM alerts WHERE {condition}"
        plan = [row[3] for row in db.execute(query, ("a",) * condition.count("?"))]
    assert index in plan[0], plan


#: The tables as the first schema had them.
FIRST = """
CREATE TABLE alerts (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, tenant TEXT NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL,
  severity_word TEXT NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL,
  why TEXT NOT NULL, count INTEGER NOT NULL, event_time INTEGER NOT NULL, last_event_time INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, acknowledged_at INTEGER, acknowledged_by TEXT NOT NULL,
  resolved_at INTEGER, resolved_by TEXT NOT NULL, correlation_id TEXT NOT NULL, violation_type TEXT NOT NULL,
  deal_id TEXT NOT NULL, escalation_level INTEGER NOT NULL, notification_failed INTEGER NOT NULL,
  document TEXT NOT NULL, position TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE alert_versions (
  id TEXT NOT NULL, version INTEGER NOT NULL, tenant TEXT NOT NULL, status TEXT NOT NULL, severity TEXT NOT NULL,
  why TEXT NOT NULL, updated_at INTEGER NOT NULL, document TEXT NOT NULL, position TEXT NOT NULL,
  PRIMARY KEY (id, version)
) WITHOUT ROWID;
"""
