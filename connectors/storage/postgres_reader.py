"""Reading what the PostgreSQL storage wrote, as a tenant: row-level security holds besides the condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.context import SinkContext
from connectors.storage.postgres import Postgres, PostgresConfig
from connectors.storage.postgres_rows import indexed
from streams.model import Alert

FILTERS = ("tenant", "status", "severity", "type", "source", "rule", "assignee", "incident", "disposition")
_decode = msgspec.json.Decoder(Alert).decode


async def read_alerts(
    config: PostgresConfig, context: SinkContext, wanted: Mapping[str, str], limit: int, offset: int = 0
) -> list[Alert]:
    """The newest alerts (by creation), at most ``limit`` from ``offset`` on.

    ``wanted``: values of ``FILTERS``, or the ``id``. Raises SinkBroken where the database cannot be reached, TypeError
    for another filter.
    """
    if unknown := set(wanted) - {"id", *FILTERS}:
        raise TypeError(f"cannot filter by {', '.join(sorted(unknown))}")
    where = " AND ".join(f"{name} = ${n}" for n, name in enumerate(wanted, 1)) or "true"
    page = f"ORDER BY created_at DESC, id LIMIT {limit:d} OFFSET {offset:d}"
    query = f"SELECT document::text FROM alerts WHERE {where} {page}"
    given = {name: indexed(value) for name, value in wanted.items()}
    connection: Any = await Postgres(config, context)._connect()
    try:
        async with connection.transaction(readonly=True):
            if "tenant" in wanted and await connection.fetchval(
                "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = $1", config.reader
            ):
                await connection.execute("SELECT set_config('app.tenant', $1, true)", given["tenant"])
                await connection.execute(f"SET LOCAL ROLE {config.reader}")
            return [_decode(row[0].encode()) for row in await connection.fetch(query, *given.values())]
    finally:
        await connection.close(timeout=2)
