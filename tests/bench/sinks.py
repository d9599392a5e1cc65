"""Rows a second into the storages, by upserts, beside what their servers do at most with the same rows.

Every fourth item is a newer version of an alert that is there. The sink is called as its runner calls it; the
reference is a plain COPY (PostgreSQL) or executemany (SQLite) of the same rows into a table without indexes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
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


async def _fill(sink: Sink, batches: Sequence[Sequence[Item]]) -> float:
    """Seconds."""
    await sink.open()
    began = time.perf_counter()
    for batch in batches:
        assert all(isinstance(result, Delivered) for result in await sink.deliver(batch))
    took = time.perf_counter() - began
    await sink.close()
    return took


def _rate(document: dict[str, Any], directory: Path, all_items: list[Item], environ: dict[str, str]) -> float:
    (config,) = parse_sinks([document])
    sink = config.make(SinkContext("bench", directory, Secrets(environ)))
    size = config.policy.batch
    batches = [all_items[start : start + size] for start in range(0, len(all_items), size)]
    return len(all_items) / asyncio.run(_fill(sink, batches))


async def _copy(url: str, rows: list[tuple[Any, ...]]) -> float:
    import asyncpg

    connection = await asyncpg.connect(url)
    columns = ", ".join(f"{name} {'bigint' if name in ALERTS.numbers else 'text'}" for name in ALERTS.columns)
    name = f"plain_{uuid.uuid4().hex[:8]}"
    for flag in ALERTS.flags:
        columns = columns.replace(f"{flag} text", f"{flag} boolean")
    await connection.execute(f"CREATE TABLE {name} ({columns})")
    began = time.perf_counter()
    await connection.copy_records_to_table(name, records=rows, columns=ALERTS.columns)
    took = time.perf_counter() - began
    await connection.close()
    return took


def _executemany(path: Path, rows: list[tuple[Any, ...]]) -> float:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"CREATE TABLE plain ({', '.join(ALERTS.columns)})")
    began = time.perf_counter()
    with db:
        db.executemany(f"INSERT INTO plain VALUES ({', '.join('?' * len(ALERTS.columns))})", rows)
    took = time.perf_counter() - began
    db.close()
    return took


def run(count: int = 100_000, rounds: int = 3) -> dict[str, float]:
    """Print the best of ``rounds`` of each; returns rows a second."""
    all_items = items(count)
    rows = [table_and_row(item)[1] for item in all_items]
    size = sum(len(item.raw) for item in all_items) // count
    print(f"{count:,} versions of {size} bytes, the best of {rounds} rounds, {os.cpu_count()} cores")
    best: dict[str, float] = {}

    def keep(name: str, rate: float) -> None:
        best[name] = max(best.get(name, 0.0), rate)

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        url = postgres.start(directory)
        try:
            for number in range(rounds):
                document = {"name": "bench", "type": "postgres", "url": "env:PG", "schema": f"bench_{number}"}
                keep("postgres", _rate(document, directory, all_items, {"PG": url}))
                keep("postgres, plain COPY", count / asyncio.run(_copy(url, rows)))
                sqlite = {"name": "bench", "type": "sqlite", "path": f"{number}.db"}
                keep("sqlite", _rate(sqlite, directory, all_items, {}))
                keep("sqlite, plain executemany", count / _executemany(directory / f"plain-{number}.db", rows))
        finally:
            postgres.stop(directory)
            remove_data(directory)
    for what, rate in best.items():
        print(f"  {what:28} {rate:10,.0f} rows/s")
    return best


if __name__ == "__main__":
    run()
