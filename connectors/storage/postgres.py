"""PostgreSQL: alerts with all their versions, the ledger of deliveries, and the operations.

A batch is one transaction: COPY into a temporary table, then one statement per table that changes a row only for a
newer version. So redelivery changes nothing, and neither does a commit whose answer was lost.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from connectors.base import Delivered, Item, Record, Rejected, Result, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.redact import is_reference
from connectors.settings import Block
from connectors.storage.newest import newest_last
from connectors.storage.postgres_rows import ALERTS, TABLES, VERSION, Table, table_and_row
from connectors.storage.postgres_tls import MODES, tls_of
from streams.model import position

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_VERSIONS = ("id", "version", "tenant", "status", "severity", "why", "updated_at", "document", "position")


class PostgresConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``tls`` and the files: ``connectors.storage.postgres_tls``. ``topics``: read besides ``alerts``."""

    url: str
    password: str = ""
    schema: str = "tocsin"
    reader: str = "tocsin_reader"
    tls: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    topics: tuple[str, ...] = ("deliveries", "operations")


def read_config(block: Block) -> PostgresConfig:
    url = block.text("url")
    if url and not is_reference(url):
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres"):
            block.problem("url", "must be postgresql://user@host:port/database, or a reference, env:NAME or file:PATH")
        elif parts.password or "password" in parse_qs(parts.query):
            block.problem("url", "has a password in it: write `password: env:NAME`, or the whole url as a reference")
    names = {name: block.text(name, default) for name, default in (("schema", "tocsin"), ("reader", "tocsin_reader"))}
    for name, value in names.items():
        if not _NAME.fullmatch(value):
            block.problem(name, "must be lower-case letters, digits and underscore")
    return PostgresConfig(
        url=url,
        password=block.secret("password", ""),
        tls=block.choice("tls", MODES, ""),
        ca=block.text("ca", ""),
        certificate=block.text("certificate", ""),
        key=block.text("key", ""),
        topics=("deliveries", "operations") if block.flag("ledger", True) else (),
        **names,
    )


def further(config: PostgresConfig) -> tuple[str, ...]:
    return config.topics


class Postgres:
    """One connection. ``asyncpg`` is imported when the sink is opened: it is an extra."""

    def __init__(self, config: PostgresConfig, context: SinkContext) -> None:
        self._config, self._context = config, context
        self._connection: Any = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        self._connection = await self._connect()
        from connectors.storage.postgres_migrate import migrate

        try:
            await migrate(self._connection, self._config.schema, self._config.reader)
            await self._prepare(self._connection)
        except BaseException as error:
            await self.close()
            raise self._unopened(error) from None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await asyncio.wait_for(connection.close(), 1)
            except BaseException:
                connection.terminate()
                raise

    async def deliver(self, batch: Sequence[Item | Record]) -> Sequence[Result]:
        results: list[Result | None] = [None] * len(batch)
        rows: list[tuple[int, Table, tuple[Any, ...]]] = []
        for number, work in enumerate(batch):
            try:
                rows.append((number, *table_and_row(work)))
            except (ValueError, RecursionError) as error:
                results[number] = Rejected(f"{type(error).__name__}: {error}")
        async with self._lock:
            for number, result in (await self._store(rows)).items():
                results[number] = result
        return [result or Delivered(position(*work.origin)) for result, work in zip(results, batch, strict=True)]

    async def _store(self, rows: list[tuple[int, Table, tuple[Any, ...]]]) -> dict[int, Result]:
        """What became of those that were not stored, by number."""
        from connectors.storage.postgres_errors import Verdict, judge, say

        if not rows:
            return {}
        try:
            if self._connection is None or self._connection.is_closed():
                await self.open()
            await self._write(rows)
        except SinkBroken:
            raise
        except Exception as error:
            verdict = judge(error)
            if verdict is Verdict.BROKEN:
                raise SinkBroken(say(error)) from None
            if verdict is Verdict.WAIT:
                return {number: Retry(say(error)) for number, _, _ in rows}
            if len(rows) == 1:
                return {rows[0][0]: Rejected(say(error))}
            half = len(rows) // 2
            return await self._store(rows[:half]) | await self._store(rows[half:])
        return {}

    async def _write(self, rows: list[tuple[int, Table, tuple[Any, ...]]]) -> None:
        connection = self._connection
        try:
            await connection.execute("BEGIN")
            for table in TABLES:
                if mine := [row for _, kind, row in rows if kind is table]:
                    await _write_table(connection, table, mine)
            await connection.execute("COMMIT")
        except BaseException as error:
            await self._abandon(connection, error)
            raise

    async def _abandon(self, connection: Any, error: BaseException) -> None:
        """Roll back, if that is quick; a connection in any doubt is dropped, and with it the transaction."""
        from connectors.storage.postgres_errors import Verdict, judge

        if isinstance(error, Exception) and judge(error) is Verdict.REFUSE and not connection.is_closed():
            with suppress(Exception):
                await connection.execute("ROLLBACK")
                return
        connection.terminate()
        self._connection = None

    async def _connect(self) -> Any:
        try:
            import asyncpg
        except ImportError:
            raise SinkBroken("the sink needs asyncpg", "pip install 'tocsin[postgres]'") from None
        config, secrets = self._config, self._context.secrets
        url = secrets.address(config.url)
        more = {"password": secrets.resolve(config.password)} if config.password else {}
        try:
            return await asyncpg.connect(
                url,
                ssl=tls_of(config, url, secrets),
                timeout=self._context.timeout_ms / 1000,
                server_settings={"application_name": f"tocsin {self._context.name}", "search_path": config.schema},
                statement_cache_size=0,  # every statement is ours and simple: nothing that a pooler could mix up
                **more,
            )
        except BaseException as error:
            raise self._unopened(error) from None

    def _unopened(self, error: BaseException) -> BaseException:
        from connectors.storage.postgres_errors import Verdict, judge, say

        if isinstance(error, SinkBroken) or not isinstance(error, Exception) or judge(error) is Verdict.WAIT:
            return error
        return SinkBroken(say(error), "correct the sink's url, password, tls or rights in the database")

    async def _prepare(self, connection: Any) -> None:
        for table in TABLES:
            more = ", newest boolean" if table is ALERTS else ""
            columns = ", ".join(table.columns)
            await connection.execute(
                f"CREATE TEMPORARY TABLE incoming_{table.name} ON COMMIT DELETE ROWS AS "
                f"SELECT {columns}{', true AS newest' if more else ''} FROM {table.name} WITH NO DATA"
            )


async def _write_table(connection: Any, table: Table, rows: list[tuple[Any, ...]]) -> None:
    columns: tuple[str, ...] = table.columns
    if table is ALERTS:
        rows, columns = newest_last(rows, VERSION), (*columns, "newest")
    await connection.copy_records_to_table(f"incoming_{table.name}", records=rows, columns=columns)
    for statement in _STATEMENTS[table.name]:
        await connection.execute(statement)


def _insert(table: str, columns: Sequence[str], source: str, conflict: str) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {source} ON CONFLICT {conflict}"


_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in ALERTS.columns if name != "id")
#: An older version, or the same again, changes nothing.
_STATEMENTS = {
    "alerts": (
        _insert("alert_versions", _VERSIONS, "incoming_alerts", "(id, version) DO NOTHING"),
        _insert(
            "alerts",
            ALERTS.columns,
            "incoming_alerts WHERE newest",
            f"(id) DO UPDATE SET {_CHANGES} WHERE excluded.version > alerts.version",
        ),
    ),
    "deliveries": (_insert("deliveries", TABLES[1].columns, "incoming_deliveries", "DO NOTHING"),),
    "operations": (_insert("operations", TABLES[2].columns, "incoming_operations", "DO NOTHING"),),
}
