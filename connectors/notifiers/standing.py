"""The alerts that a receiver forgets unless it hears of them again: kept over a restart, in the data directory.

A cache, as ``connectors.remembered`` is one: nothing here raises, and without it an alert that is open stands at the
receiver for as long as it was last promised to.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from connectors.context import SinkContext

_SCHEMA = """
CREATE TABLE IF NOT EXISTS standing (
  subject TEXT PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, alert TEXT NOT NULL,
  told_at INTEGER NOT NULL, ended_at INTEGER
) WITHOUT ROWID;
"""


class Stands(NamedTuple):
    """One alert as it was last told. ``ended_at``: when it was over; None: it is not."""

    topic: str
    partition: int
    alert: dict[str, Any]
    told_at: int
    ended_at: int | None


class Standing:
    """Subject -> what stands. The whole of it in memory, each change on disk too."""

    def __init__(self, context: SinkContext) -> None:
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", context.name) or "sink"
        self._path = context.data_dir / "sinks" / f"{safe}.standing.sqlite"
        self._db: sqlite3.Connection | None = None
        self._all: dict[str, Stands] = {}

    def open(self) -> None:
        with suppress(sqlite3.Error, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        with suppress(sqlite3.Error, ValueError):
            for subject, topic, partition, alert, told_at, ended_at in self._rows():
                self._all[subject] = Stands(topic, partition, msgspec.json.decode(alert), told_at, ended_at)

    def _rows(self) -> list[tuple[Any, ...]]:
        if self._db is None:
            return []
        return self._db.execute("SELECT subject, topic, partition, alert, told_at, ended_at FROM standing").fetchall()

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def get(self, subject: str) -> Stands | None:
        return self._all.get(subject)

    def items(self) -> Iterator[tuple[str, Stands]]:
        """As they are now; they may be changed meanwhile."""
        return iter(list(self._all.items()))

    def put(self, subject: str, stands: Stands) -> None:
        self._all[subject] = stands
        if self._db is not None:
            row = (subject, stands.topic, stands.partition, msgspec.json.encode(stands.alert).decode(),
                   stands.told_at, stands.ended_at)  # fmt: skip
            with suppress(sqlite3.Error, UnicodeEncodeError):
                self._db.execute("INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?, ?)", row)

    def drop(self, subject: str) -> None:
        self._all.pop(subject, None)
        if self._db is not None:
            with suppress(sqlite3.Error, UnicodeEncodeError):
                self._db.execute("DELETE FROM standing WHERE subject = ?", (subject,))
