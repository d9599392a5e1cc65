"""The schema of the PostgreSQL storage: numbered files, applied once each, in order, by whoever comes first."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import Any, NamedTuple

from connectors.base import SinkBroken

_FOLDER = resources.files("connectors.storage") / "migrations" / "postgres"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tocsin migrations of ' || $1, 0))"


class Migration(NamedTuple):
    """``digest``: of its text, so that a file that was changed after it was applied is noticed."""

    number: int
    name: str
    text: str
    digest: str


def migrations() -> list[Migration]:
    """All there are, in order."""
    found = []
    for file in _FOLDER.iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            text = file.read_text("utf-8")
            found.append(Migration(int(match[1]), match[2], text, hashlib.sha256(text.encode()).hexdigest()))
    return sorted(found)


async def migrate(connection: Any, schema: str, reader: str) -> list[int]:
    """Bring ``schema`` up to date in one transaction, under a lock; returns the numbers that were applied.

    Raises SinkBroken where the schema is newer than this Tocsin, or an applied migration is not the one we know.
    ``reader``: a role that may read (its tenant); made if it is missing and we may make roles.
    """
    known = migrations()
    async with connection.transaction():
        await connection.execute(_LOCK, schema)
        if not await connection.fetchval("SELECT to_regnamespace($1)::oid", schema):  # it may be made for us
            await connection.execute(f"CREATE SCHEMA {schema}")
        await connection.execute(f"SET LOCAL search_path TO {schema}")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, "
            "digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        there = {
            row["number"]: row["digest"] for row in await connection.fetch("SELECT number, digest FROM migrations")
        }
        if there and max(there) > known[-1].number:
            raise SinkBroken(
                f"schema {schema} has migration {max(there)}; this Tocsin knows {known[-1].number}",
                "use the newer Tocsin",
            )
        if changed := [one.number for one in known if there.get(one.number, one.digest) != one.digest]:
            raise SinkBroken(
                f"schema {schema} was made by another migration {changed[0]} than ours", "use a new schema"
            )
        applied = [one for one in known if one.number not in there]
        for one in applied:
            await connection.execute(one.text)
            await connection.execute(
                "INSERT INTO migrations (number, name, digest) VALUES ($1, $2, $3)", one.number, one.name, one.digest
            )
        if applied:
            await _let_read(connection, schema, reader)
    return [one.number for one in applied]


async def _let_read(connection: Any, schema: str, reader: str) -> None:
    # Without the right to make roles the schema works all the same: whoever runs the database grants SELECT.
    await connection.execute(f"""
        DO $do$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{reader}') THEN
            BEGIN
              CREATE ROLE {reader} NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
            END;
          END IF;
          IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{reader}') THEN
            GRANT USAGE ON SCHEMA {schema} TO {reader};
            GRANT SELECT ON alerts, alert_versions, deliveries, operations TO {reader};
          END IF;
        END $do$""")
