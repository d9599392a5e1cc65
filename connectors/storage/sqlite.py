"""SQLite: the storage that needs nothing. One file, one transaction per batch, newer versions over older ones.

Two workers may write one file on one machine; redelivery changes nothing. A file that is locked, or a disk that is
full, is waited for. A file that is corrupt, or not ours, breaks the sink visibly and is left as it is.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.settings import Block
from connectors.storage.newest import newest_last
from connectors.storage.sqlite_schema import (
    APPLICATION,
    CREATE,
    EARLIER,
    FIELDS,
    INSERT,
    LEAVE,
    OVERTAKE,
    SET_ASIDE,
    VERSION,
)
from streams.model import Alert, position

T = TypeVar("T")
_fields = attrgetter(*FIELDS)
_VERSION = FIELDS.index("version")
_alert = msgspec.json.Decoder(Alert)
_BROKEN = "restore the file from a copy, or move it away: a sink with a new name fills it again from the alerts topic"
_AT_ONCE = 2_000  #: versions taken from a file of before
#: Primary result codes after which waiting helps: busy, locked, I/O error, full disk, cannot open, read-only.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM,
    }
)  # fmt: skip
#: What one value may raise: an integer beyond 64 bits, a lone surrogate, a string beyond SQLite's limit.
_REFUSED = (
    OverflowError,
    UnicodeEncodeError,
    ValueError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)


class SQLiteConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is relative to the data directory. ``busy_ms``: how long one call waits for another writer."""

    path: str = "alerts.db"
    busy_ms: int = 2_000


def read_config(block: Block) -> SQLiteConfig:
    path = block.text("path", "alerts.db")
    if "\0" in path or path.startswith("file:") or path == ":memory:":
        block.problem("path", "must be the path of a file")
    return SQLiteConfig(path=path, busy_ms=block.duration("busy", 2_000, 0, 60_000))


class SQLite:
    """All work on the file happens on one thread of its own."""

    def __init__(self, config: SQLiteConfig, context: SinkContext) -> None:
        self.path = context.data_dir / Path(config.path)
        self._busy_ms = config.busy_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{context.name}")
        self._db: sqlite3.Connection | None = None

    async def _on_thread(self, work: Callable[[], T]) -> T:
        # Shielded: the thread cannot be cancelled, and the next call queues behind this one anyway.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    async def open(self) -> None:
        await self._on_thread(self._connect)

    async def close(self) -> None:
        try:
            await self._on_thread(self._disconnect)
        finally:
            self._thread.shutdown(wait=False)

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        return await self._on_thread(lambda: self._store(batch))

    def _connect(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = open_database(self.path, self._busy_ms)
        except OSError as error:
            raise SinkBroken(f"cannot make {self.path.parent}: {error.strerror}") from None
        except sqlite3.Error as error:
            raise SinkBroken(f"cannot open {self.path}: {error}") from None

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _store(self, batch: Sequence[Item]) -> list[Result]:
        db = self._db
        if db is None:
            raise SinkBroken(f"{self.path} is not open")
        try:
            db.execute("BEGIN IMMEDIATE")
            results = _store_all(db, batch)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.rollback()
            if (error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else -1) in _PASSING:
                return [Retry(f"{self.path.name}: {error}")] * len(batch)
            raise SinkBroken(f"{self.path}: {error}", _BROKEN) from None
        return results


def _store_all(db: sqlite3.Connection, batch: Sequence[Item]) -> list[Result]:
    """All at once; one by one where some value is refused, so that the others are stored."""
    try:
        _insert(db, map(_row_of, batch))
    except _REFUSED:
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        return [_store_one(db, item) for item in batch]
    return [Delivered(position(*item.origin)) for item in batch]


def _store_one(db: sqlite3.Connection, item: Item) -> Result:
    try:
        _insert(db, [_row_of(item)])  # a value is refused by the first statement, before anything is stored
    except _REFUSED as error:
        return Rejected(f"{type(error).__name__}: {error}")
    return Delivered(position(*item.origin))


def _insert(db: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Two statements for a batch, in the order of the index by id: neighbours are on one page.

    Raises one of _REFUSED with some rows stored; after another error the transaction is as SQLite left it.
    """
    ordered = newest_last(rows, _VERSION)
    db.executemany(INSERT, ordered)
    db.executemany(OVERTAKE, [row[:2] for row in ordered if row[-1]])


def _row_of(item: Item) -> tuple[Any, ...]:
    return _row(item.alert, item.raw.decode(), position(*item.origin))


def _row(alert: Alert, document: str, where: str) -> tuple[Any, ...]:
    """What INSERT takes, without the last."""
    hidden_by = f"{alert.suppressed[0].stage} {alert.suppressed[0].by}" if alert.suppressed else ""
    return (*_fields(alert), hidden_by, len(alert.notification_failed), document, where)


def open_database(path: Path, busy_ms: int) -> sqlite3.Connection:
    """A connection to the storage's file, created if need be. Raises SinkBroken if the file is somebody else's."""
    db = sqlite3.connect(path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False)
    try:
        version, ours = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
        if version > VERSION:
            raise SinkBroken(f"{path} has schema {version}; this Tocsin knows {VERSION}", "use the newer Tocsin")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA cache_size = -65536")  # KiB; the default of 2 MB is a tenth of what a batch touches
        db.execute("PRAGMA wal_autocheckpoint = 10000")  # pages: 40 MB, so that a page is written back once for many
        db.execute("PRAGMA synchronous = FULL")  # offsets are committed behind it: it must survive a power cut
        if version == 0:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:  # another worker may have been first
                _create(db, path)
            db.execute("COMMIT")
        elif ours != APPLICATION:
            raise SinkBroken(f"{path} is a database, but not one of Tocsin's", "choose another path")
        elif version < VERSION:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("PRAGMA user_version").fetchone()[0] < VERSION:  # another worker may have been first
                _upgrade(db, path)
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise SinkBroken(f"{path} is a database, but not one of Tocsin's", "choose another path")
    _run(db, CREATE)
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Store what is there anew, in the transaction that is open."""
    _run(db, SET_ASIDE)
    _run(db, CREATE)
    earlier = db.execute(EARLIER)
    try:
        while found := earlier.fetchmany(_AT_ONCE):
            _insert(db, [_row(_alert.decode(document), document, where) for document, where in found])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise SinkBroken(f"{path} holds a version that cannot be read: {error}", _BROKEN) from None
    _run(db, LEAVE)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _run(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)
