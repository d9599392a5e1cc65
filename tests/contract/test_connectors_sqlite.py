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
from connectors.testing import storage_item
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
