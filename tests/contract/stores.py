"""Storages on real servers, for the contract tests: where each stores, and what arrived there."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import redis as api

from connectors.base import Sink
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.storage.archive import open_store
from connectors.storage.archive_ranges import manifests
from connectors.storage.archive_rows import Row, decode
from connectors.storage.archive_store import Store as Place
from streams.local.servers import provide

T = TypeVar("T")


def address(kind: str) -> str:
    """Of the session's server."""
    root, parent = os.environ["TOCSIN_TEST_SERVERS"], int(os.environ["TOCSIN_TEST_SESSION"])
    return provide(kind, Path(root), parent=parent).address


def now(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What ``work`` returns, also from inside a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result(30)


async def query(url: str, statement: str, *arguments: object, schema: str = "") -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url, server_settings={"search_path": schema} if schema else None)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


class Store:
    """``arrived``: the keys that are there. ``make``: a further sink that stores there, unopened."""

    def __init__(self, make: Callable[[], Sink], arrived: Callable[[], list[str]]) -> None:
        self.sink, self.make, self.arrived = make(), make, arrived
        self.url = self.schema = ""
        self.secrets = Secrets({})

    def lead(self, document: dict[str, Any], context: SinkContext) -> None:
        """Further sinks are made so."""
        self.make, self.secrets = lambda: make(document, context), context.secrets

    def query(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        return now(lambda: query(self.url, statement, *arguments, schema=self.schema))


def make(document: dict[str, Any], context: SinkContext) -> Sink:
    (config,) = parse_sinks([document])
    return config.make(context)


@asynccontextmanager
async def postgres(
    tmp_path: Path, timeout_ms: int = 5000, url: str = "", through: str = "", **more: Any
) -> AsyncIterator[Store]:
    """``through``: another way to the same server, for further sinks."""
    url, schema = url or address("postgres"), f"t{uuid.uuid4().hex[:12]}"
    context = SinkContext("pg", tmp_path, Secrets({"PG": url}), timeout_ms)
    document = {"name": "pg", "type": "postgres", "url": "env:PG", "schema": schema, **more}
    store = Store(lambda: make(document, context), list)
    store.lead(document, SinkContext("pg", tmp_path, Secrets({"PG": through or url}), timeout_ms))
    store.url, store.schema = url, schema
    store.arrived = lambda: [f"{a}:{v}" for a, v in store.query("SELECT id, version FROM alert_versions")]
    await store.sink.open()
    yield store
    await store.sink.close()
    await query(url, f"DROP SCHEMA {schema} CASCADE")


@asynccontextmanager
async def archive(tmp_path: Path, timeout_ms: int = 5000, **more: Any) -> AsyncIterator[Store]:
    context = SinkContext("archive", tmp_path, Secrets({}), timeout_ms)
    (config,) = parse_sinks([{"name": "archive", "type": "archive", **more}])
    store = Store(lambda: config.make(context), list)
    place = open_store(config.options, context)

    def arrived() -> list[str]:
        rows = [row for partition in range(4) for row in archived(place, "alerts", partition)]
        documents = [json.loads(row.value) for row in rows]
        return [f"{one['id']}:{one['version']}" for one in documents]

    store.arrived = arrived
    await store.sink.open()
    yield store
    await store.sink.close()


def archived(place: Place, topic: str, partition: int) -> list[Row]:
    """What the manifests of a partition name, in order."""
    found: list[Row] = []
    for manifest in manifests(place, topic, partition):
        for file in manifest.files:
            data = place.read(file.name)
            assert data is not None
            found += decode(file.name, data)
    return sorted(found, key=lambda row: row.offset)


@asynccontextmanager
async def redis(
    tmp_path: Path, timeout_ms: int = 5000, url: str = "", through: str = "", **more: Any
) -> AsyncIterator[Store]:
    """``through``: another way to the same server, for further sinks."""
    url, prefix = url or address("redis"), f"t{uuid.uuid4().hex[:12]}"
    context = SinkContext("cache", tmp_path, Secrets({"REDIS": url}), timeout_ms)
    document = {"name": "cache", "type": "redis", "url": "env:REDIS", "prefix": prefix, **more}
    store = Store(lambda: make(document, context), list)
    store.lead(document, SinkContext("cache", tmp_path, Secrets({"REDIS": through or url}), timeout_ms))
    store.url, store.schema = url, prefix

    def arrived() -> list[str]:
        with api.Redis.from_url(url) as client:
            keys = list(client.scan_iter(f"{prefix}:*:alert:*", 1000))
            found = [client.hmget(key, "id", "version") for key in keys]
        return [f"{(id_ or b'').decode()}:{(version or b'').decode()}" for id_, version in found]

    store.arrived = arrived
    await store.sink.open()
    yield store
    await store.sink.close()


STORES: dict[str, Callable[..., AbstractAsyncContextManager[Store]]] = {
    "archive": archive, "postgres": postgres, "redis": redis,
}  # fmt: skip
