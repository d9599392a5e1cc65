"""Rows a second into the storages, by upserts, beside what their servers do at most with the same rows.

Every fourth item is a newer version of an alert that is there. The sink is called as its runner calls it; the
reference is a plain COPY (PostgreSQL) or executemany (SQLite) of the same rows into a table without indexes.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.base import Delivered, Item, Kind, Origin, Sink, decode_item
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.storage.postgres_rows import ALERTS, table_and_row
from connectors.testing import sample_alert
from streams.local import postgres
from streams.local.guard import remove_data
from streams.model import content_hash


def items(count: int) -> list[Item]:
    """``count`` versions: three alerts of version 1, then version 2 of the first of them, and so on."""
    found = []
    for offset in range(count):
        number, version = (offset - 3, 2) if offset % 4 == 3 else (offset, 1)
        id_ = content_hash("bench", number)  # spread as real ids are
        alert = sample_alert(number, id=id_, version=version, tenant=f"tenant-{number % 20}")
        item = decode_item(Kind.STORAGE, "", msgspec.json.encode(alert), Origin("alerts", 0, offset))
        assert item is not None
        found.append(item)
    return found


async def _fill(sink: Sink, batches: Sequence[Sequence[Item]]) -> tuple[float, float]:
    """Seconds, and of them of this process's CPU."""
    await sink.open()
    began, used = time.perf_counter(), time.process_time()
    for batch in batches:
        assert all(isinstance(result, Delivered) for result in await sink.deliver(batch))
    took = time.perf_counter() - began, time.process_time() - used
    await sink.close()
    return took


def _sink(
    document: dict[str, Any], directory: Path, all_items: list[Item], environ: dict[str, str]
) -> tuple[float, float]:
    (config,) = parse_sinks([document])
    sink = config.make(SinkContext("bench", directory, Secrets(environ)))
    size = config.policy.batch
    return asyncio.run(_fill(sink, [all_items[start : start + size] for start in range(0, len(all_items), size)]))


async def _copy(url: str, rows: list[tuple[Any, ...]]) -> tuple[float, float]:
    import asyncpg

    connection = await asyncpg.connect(url)
    columns = ", ".join(f"{name} {'bigint' if name in ALERTS.numbers else 'text'}" for name in ALERTS.columns)
    name = f"plain_{uuid.uuid4().hex[:8]}"
    for flag in ALERTS.flags:
        columns = columns.replace(f"{flag} text", f"{flag} boolean")
    await connection.execute(f"CREATE TABLE {name} ({columns})")
    began, used = time.perf_counter(), time.process_time()
    await connection.copy_records_to_table(name, records=rows, columns=ALERTS.columns)
    took = time.perf_counter() - began, time.process_time() - used
    await connection.close()
    return took


def _executemany(path: Path, rows: list[tuple[Any, ...]]) -> tuple[float, float]:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"CREATE TABLE plain ({', '.join(ALERTS.columns)})")
    began, used = time.perf_counter(), time.process_time()
    with db:
        db.executemany(f"INSERT INTO plain VALUES ({', '.join('?' * len(ALERTS.columns))})", rows)
    took = time.perf_counter() - began, time.process_time() - used
    db.close()
    return took


def run(directory: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each way: rates of each round, CPU of this process in the best."""
    all_items = items(count)
    rows = [table_and_row(item)[1] for item in all_items]
    gc.collect()
    gc.freeze()  # ours stand for ever; a runner holds a few thousand
    seconds: dict[str, list[tuple[float, float]]] = {}

    def keep(name: str, took: tuple[float, float]) -> None:
        seconds.setdefault(name, []).append(took)

    url = postgres.start(directory)
    try:
        for number in range(rounds):
            document = {"name": "bench", "type": "postgres", "url": "env:PG", "schema": f"bench_{number}"}
            keep("postgres", _sink(document, directory, all_items, {"PG": url}))
            keep("plain COPY", asyncio.run(_copy(url, rows)))
            sqlite = {"name": "bench", "type": "sqlite", "path": f"{number}.db"}
            keep("sqlite", _sink(sqlite, directory, all_items, {}))
            keep("plain executemany", _executemany(directory / f"plain-{number}.db", rows))
    finally:
        postgres.stop(directory)
        remove_data(directory)
        gc.unfreeze()
    return [
        {
            "what": name, "unit": "rows/s", "rates": sorted(round(count / wall) for wall, _ in took),
            "cpu_us": round(min(used for _, used in took) / count * 1e6, 1),
        }
        for name, took in seconds.items()
    ]  # fmt: skip
