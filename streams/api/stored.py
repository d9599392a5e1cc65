"""Where the API finds alerts: the first PostgreSQL or else SQLite storage of the configuration."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkConfig, parse_sinks
from connectors.storage import postgres_reader, sqlite_reader
from streams.config import Config
from streams.model import Alert

FILTERS = postgres_reader.FILTERS


class Stored(Protocol):
    """Both methods raise TocsinError where the storage cannot be read. ``tenant`` None: of any."""

    async def newest(self, tenant: str | None, limit: int, offset: int, **wanted: str) -> list[Alert]:
        """By creation, the newest first."""

    async def one(self, tenant: str | None, alert_id: str) -> Alert | None:
        """By its full id; None also where it is another tenant's."""


class InSQLite:
    """The file of a worker on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def newest(self, tenant: str | None, limit: int, offset: int, **wanted: str) -> list[Alert]:
        def read() -> list[Alert]:
            return sqlite_reader.read_alerts(self._path, limit=limit, offset=offset, tenant=tenant, **wanted)

        return await asyncio.to_thread(read)

    async def one(self, tenant: str | None, alert_id: str) -> Alert | None:
        found = await asyncio.to_thread(sqlite_reader.find_alerts, self._path, alert_id, 1)
        return next((alert for alert in found if alert.id == alert_id and tenant in (None, alert.tenant)), None)


class InPostgres:
    """One connection a question: few ask, and a database that restarts needs no care so."""

    def __init__(self, sink: SinkConfig, context: SinkContext) -> None:
        self._options, self._context = sink.options, context

    async def newest(self, tenant: str | None, limit: int, offset: int, **wanted: str) -> list[Alert]:
        given = wanted | ({} if tenant is None else {"tenant": tenant})
        return await postgres_reader.read_alerts(self._options, self._context, given, limit, offset)

    async def one(self, tenant: str | None, alert_id: str) -> Alert | None:
        given = {"id": alert_id} | ({} if tenant is None else {"tenant": tenant})
        found = await postgres_reader.read_alerts(self._options, self._context, given, 1)
        return found[0] if found else None


def stored(config: Config) -> Stored | None:
    """None where no such storage is configured."""
    sinks = {sink.type: sink for sink in reversed(parse_sinks(list(config.sinks)))}
    if (sink := sinks.get("postgres")) is not None:
        return InPostgres(sink, SinkContext(sink.name, config.data_dir, Secrets(os.environ), 5_000))
    if (sink := sinks.get("sqlite")) is not None:
        return InSQLite(config.data_dir / Path(sink.options.path))
    return None
