"""SQLite with locks, full disks, torn files and files of others."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Delivered, Rejected, Retry, Sink, SinkBroken
from connectors.context import SinkContext
from connectors.registry import parse_sinks
from connectors.storage.sqlite_reader import newest_alerts, read_alerts
from connectors.storage.sqlite_schema import APPLICATION
from connectors.testing import storage_item
from streams.errors import TocsinError
from streams.model import Suppression
from tests.contract.sinks import open_once, place


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


def test_a_file_of_schema_1_is_brought_up_to_date(tmp_path: Path) -> None:
    item = storage_item(1, assignee="ada", suppressed=(Suppression(stage="silence", by="night", since=1),))
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.executescript(FIRST)
        columns = [row[1] for row in db.execute("PRAGMA table_info(alerts)")]
        values = {"document": item.raw.decode(), "position": "alerts/0/0", "notification_failed": 0}
        row = [values[name] if name in values else getattr(item.alert, name) for name in columns]
        db.execute(f"INSERT INTO alerts VALUES ({', '.join('?' * len(row))})", row)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with pytest.raises(TocsinError, match="has schema 1"):
        newest_alerts(tmp_path / "a.db")
    for _ in range(2):
        database(tmp_path, lambda sink: sink.deliver([storage_item(2, assignee="eve")]))
    assert [alert.assignee for alert in read_alerts(tmp_path / "a.db", assignee="ada")] == ["ada"]
    assert len(newest_alerts(tmp_path / "a.db")) == 2
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT suppressed_by FROM alerts ORDER BY id").fetchall() == [("silence night",), ("",)]


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
