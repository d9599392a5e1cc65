"""Faults of storages: PostgreSQL restarted in the middle of a batch, or with a full disk; Redis flushed, or restarted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import asyncpg
import redis as api

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.testing import sample_alert
from streams.local import postgres, redis
from streams.model import Alert
from streams.runtime.rebuild import rebuild
from tests.contract.stores import query
from tests.faults.ground import Ground
from tests.faults.scene import Size, until
from tests.faults.verdict import Target

VERSIONS = 2


def versions(first: int, count: int) -> Iterator[Alert]:
    """``count`` versions, two of each alert."""
    for version in range(1, VERSIONS + 1):
        for number in range(count // VERSIONS):
            yield sample_alert(first + number, version=version, title="x" * 400)


class Postgres:
    """A server of its own, with a schema that the sink makes."""

    title = ""

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        self.size = size
        self.folder = ground.data_dir / type(self).__name__.lower()
        self.url = postgres.start(self.folder)
        ground.leave(lambda: postgres.stop(self.folder, 0))
        name = type(self).__name__.lower()
        self.environ = {name.upper(): self.url}
        block = {"name": name, "type": "postgres", "url": f"env:{name.upper()}", "schema": "faults", "batch": 500}
        self.targets = [Target(block | size.storage, self._keys, self._newest, ledger=self._attempts)]

    def ask(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return asyncio.run(query(self.url, statement, *arguments, schema="faults"))

    def _keys(self) -> list[str]:
        return [f"{a}:{v}" for a, v in self.ask("SELECT id, version FROM alert_versions")]

    def _newest(self) -> dict[str, int]:
        return {str(a): int(v) for a, v in self.ask("SELECT id, version FROM alerts")}

    def _attempts(self) -> int:
        return int(self.ask("SELECT count(*) FROM deliveries")[0][0])

    def stored(self) -> int:
        return int(self.ask("SELECT count(*) FROM alert_versions")[0][0])

    def begin(self) -> None:
        until(self._made, 30, "the sink to have made its tables")

    def _made(self) -> bool:
        return bool(asyncio.run(query(self.url, "SELECT 1 FROM pg_tables WHERE tablename = 'operations'")))


class Restarted(Postgres):
    """Stopped while a batch waits inside of its transaction: by a shutdown, and by a kill."""

    title = "PostgreSQL restarted in the middle of a batch (shutdown, kill)"

    def begin(self) -> None:
        super().begin()
        self._held, self._free = threading.Event(), threading.Event()
        self._holder = threading.Thread(target=lambda: asyncio.run(self._hold()), daemon=True)
        self._holder.start()
        assert self._held.wait(20)

    async def _hold(self) -> None:
        """Keep the batch from ending until the server is stopped."""
        connection = await asyncpg.connect(self.url, server_settings={"search_path": "faults"})
        await connection.execute("BEGIN; LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        self._held.set()
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - rare and short
            await asyncio.sleep(0.01)
        self._free.set()
        connection.terminate()

    def strike(self, ground: Ground) -> None:
        for grace in (10.0, 0.1):
            assert self._free.wait(60), "no batch came"
            postgres.stop(self.folder, grace)
            self._holder.join(10)
            assert postgres.start(self.folder) == self.url
            if grace == 10.0:
                Postgres.begin(self)
                Restarted.begin(self)
                ground.store(*versions(ground.further(), 50))


class Flushed:
    """Somebody empties Redis, then it is restarted, empty again; afterwards `tocsin storage rebuild`, as our log says."""

    title = "Redis flushed, and restarted empty; then `storage rebuild`"

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        self.size, self.folder = size, ground.data_dir / "redis"
        self.url = redis.start(self.folder)
        ground.leave(lambda: redis.stop(self.folder, 0))
        self.environ = {"REDIS": self.url}
        self._block = {"name": "flushed", "type": "redis", "url": "env:REDIS", "batch": 100} | size.storage
        self.targets = [Target(self._block, newest=self._newest)]

    def _newest(self) -> dict[str, int]:
        with api.Redis.from_url(self.url, decode_responses=True) as client:
            pipeline = client.pipeline(transaction=False)
            for key in client.scan_iter("tocsin:*:alert:*", 1000):
                pipeline.hmget(key, ["id", "version"])
            return {str(id_): int(version) for id_, version in pipeline.execute()}

    def begin(self) -> None:
        """Nothing is wrong before something stands there."""

    def strike(self, ground: Ground) -> None:
        until(lambda: len(self._newest()) >= 50, 60, "something to be stored")
        with api.Redis.from_url(self.url) as client:
            client.flushall()
        ground.store(*versions(ground.further(), 50))
        goal = ground.end_of("alerts")
        until(lambda: ground.committed("flushed", "alerts") >= goal, 120, "all to be stored")
        redis.stop(self.folder, 0)
        ground.store(*versions(ground.further(), 50))
        assert redis.start(self.folder) == self.url

    def mend(self, ground: Ground) -> None:
        """What the person does whom our log told of it."""
        assert len(self._newest()) < self.size.count // VERSIONS
        assert "storage rebuild --sink flushed" in ground.said
        (config,) = parse_sinks([self._block])
        context = SinkContext("flushed", ground.data_dir, Secrets(self.environ))
        rebuild(config, context, ground.options, ground.names)
