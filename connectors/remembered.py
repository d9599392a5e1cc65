"""What a sink must remember of its vendor over restarts: which notifications it sent, and which message to update.

A small SQLite file in the data directory. It is a cache: without it (another machine, a lost disk) the next
notification begins a new message, and one that was sent between the last commit and a crash is sent again. Written
without waiting for the disk: a killed process loses nothing, a machine that loses its power may.
"""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import suppress
from typing import NamedTuple

from connectors.context import SinkContext

_KEEP_MS = 30 * 86_400_000
_PRUNE_EVERY = 2_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (key TEXT PRIMARY KEY, reference TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
  subject TEXT PRIMARY KEY, place TEXT NOT NULL, reference TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sent_at ON sent (at);
CREATE INDEX IF NOT EXISTS messages_at ON messages (at);
"""


class Earlier(NamedTuple):
    """A message in the vendor's hands: where it stands (channel, chat) and its name there."""

    place: str
    reference: str


class Remembered:
    """Nothing here raises: what cannot be remembered is forgotten, and the sink goes on."""

    def __init__(self, context: SinkContext) -> None:
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", context.name) or "sink"
        self._path = context.data_dir / "sinks" / f"{safe}.sqlite"
        self._db: sqlite3.Connection | None = None
        self._kept = 0

    def open(self) -> None:
        try:
            self._connect()
        except sqlite3.OperationalError:
            self.close()  # locked, read-only or full: go on without
        except (sqlite3.DatabaseError, OSError):  # torn: a cache is thrown away
            self.close()
            with suppress(OSError, sqlite3.Error):
                for end in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + end).unlink(missing_ok=True)
                self._connect()

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._prune()

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def sent(self, key: str) -> str | None:
        """The vendor's reference of a notification that was sent before."""
        row = self._row("SELECT reference FROM sent WHERE key = ?", key)
        return str(row[0]) if row else None

    def earlier(self, subject: str) -> Earlier | None:
        """The message about ``subject`` that stands at the vendor's."""
        row = self._row("SELECT place, reference FROM messages WHERE subject = ?", subject)
        return Earlier(str(row[0]), str(row[1])) if row else None

    def keep(self, key: str, reference: str, subject: str = "", message: Earlier | None = None) -> None:
        """``key`` was sent; ``message``: and it is now the one about ``subject``."""
        if self._db is None:
            return
        now = time.time_ns() // 1_000_000
        with suppress(sqlite3.Error, UnicodeEncodeError):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (key, reference, now))
                if message is not None:
                    row = (subject, message.place, message.reference, now)
                    self._db.execute("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)", row)
            finally:
                self._db.execute("COMMIT")
            self._kept += 1
            if self._kept % _PRUNE_EVERY == 0:
                self._prune()

    def forget(self, subject: str) -> None:
        """The message is gone at the vendor's."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.execute("DELETE FROM messages WHERE subject = ?", (subject,))

    def _prune(self) -> None:
        assert self._db is not None
        before = time.time_ns() // 1_000_000 - _KEEP_MS
        for table in ("sent", "messages"):
            self._db.execute(f"DELETE FROM {table} WHERE at < ?", (before,))

    def _row(self, query: str, value: str) -> tuple[object, ...] | None:
        if self._db is None:
            return None
        try:
            row: tuple[object, ...] | None = self._db.execute(query, (value,)).fetchone()
        except (sqlite3.Error, UnicodeEncodeError):
            return None
        return row
