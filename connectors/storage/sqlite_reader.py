"""Reading what the SQLite storage wrote, while it writes. Nothing here changes the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from connectors.storage.sqlite_schema import SPARSE, VERSION
from streams.errors import TocsinError
from streams.model import Alert

_decode = msgspec.json.Decoder(Alert).decode
_FILTERS = ("tenant", "status", "severity", "type", "source", "rule", "assignee", "incident", "disposition")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise TocsinError(
            f"there is no alert storage at {path}", "run a worker with a sqlite sink, or correct its path"
        )
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version < VERSION:
                raise TocsinError(
                    f"{path} has schema {version}; this Tocsin reads {VERSION}",
                    "a worker of this version brings it up to date when it starts",
                )
            if version > VERSION:
                raise TocsinError(f"{path} has schema {version}; this Tocsin reads {VERSION}")
            yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise TocsinError(f"cannot read {path}: {error}") from None


def read_alerts(path: Path, *, limit: int = 50, offset: int = 0, **wanted: str | None) -> list[Alert]:
    """The newest alerts (by creation), at most ``limit`` from ``offset`` on.

    ``wanted``: values of the columns in ``_FILTERS``.
    """
    if unknown := set(wanted) - set(_FILTERS):
        raise TypeError(f"cannot filter by {', '.join(sorted(unknown))}")
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(_is(name, value) for name, value in given.items()) or "1"
    query = f"SELECT document FROM alerts WHERE {where} ORDER BY created_at DESC, id LIMIT ? OFFSET ?"
    with _reading(path) as db:
        return [_decode(row[0]) for row in db.execute(query, (*given.values(), limit, offset))]


def _is(name: str, value: str) -> str:
    """A condition on a column, its value to come, as the column's index wants it."""
    return f"{name} = ? AND {name} != ''" if value and name in SPARSE else f"{name} = ?"


def newest_alerts(path: Path, *, tenant: str | None = None, incident: str | None = None, since: int = 0) -> list[Alert]:
    """Every alert created from ``since`` (ms) on as it stands now, oldest first; of a tenant, or of an incident."""
    given: list[Any] = [since]
    where = "created_at >= ?"
    for name, value in (("tenant", tenant), ("incident", incident)):
        if value is not None:
            where += f" AND {_is(name, value)}"
            given.append(value)
    with _reading(path) as db:
        rows = db.execute(f"SELECT document FROM alerts WHERE {where} ORDER BY created_at, id", given)
        return [_decode(row[0]) for row in rows]


def find_alerts(path: Path, prefix: str, limit: int = 10) -> list[Alert]:
    """Alerts whose id is ``prefix``, or else begins with it."""
    with _reading(path) as db:
        exact = db.execute("SELECT document FROM alerts WHERE id = ?", (prefix,)).fetchall()
        # Not LIKE: % and _ in it would be wild. Code point 0x10FFFF sorts behind every continuation.
        rows: list[Any] = (
            exact
            or db.execute(
                "SELECT document FROM alerts WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (prefix, f"{prefix}\U0010ffff", limit),
            ).fetchall()
        )
        return [_decode(row[0]) for row in rows]


def read_versions(path: Path, alert_id: str) -> list[tuple[Alert, str]]:
    """Every version of an alert, oldest first, with its position on ``alerts``."""
    query = "SELECT document, position FROM alert_versions WHERE id = ? ORDER BY version"
    with _reading(path) as db:
        return [(_decode(document), where) for document, where in db.execute(query, (alert_id,))]
