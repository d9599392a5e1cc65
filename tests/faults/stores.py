"""Faults of storages: PostgreSQL restarted in the middle of a batch, or with a full disk; Redis flushed, or restarted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
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


class _Postgres:
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

    def _stored(self) -> int:
        return int(self.ask("SELECT count(*) FROM alert_versions")[0][0])

    def begin(self) -> None:
        until(self._made, 30, "the sink to have made its tables")

    def _made(self) -> bool:
        return bool(asyncio.run(query(self.url, "SELECT 1 FROM pg_tables WHERE tablename = 'operations'")))


class Restarted(_Postgres):
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
                _Postgres.begin(self)
                Restarted.begin(self)
                ground.store(*versions(ground.further(), 50))


class FullDisk(_Postgres):
    """A real disk that is full: its tables lie on a file system of their own, which something else has filled."""

    title = "PostgreSQL's disk is full (ENOSPC), then there is room"

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        super().__init__(ground, size, first)
        self._disk = (self.folder / "data").resolve() / "disk"  # where the server may enter
        self._disk.mkdir()
        self._real = _mount(self._disk, 32 + size.count // 50)
        if self._real:
            ground.leave(lambda: subprocess.run(["umount", "-l", str(self._disk)], check=False))
            place, owner = self._disk / "tables", (self.folder / "data").resolve().stat().st_uid
            place.mkdir(mode=0o700)
            os.chown(place, owner, owner)
            self.ask(f"CREATE TABLESPACE small LOCATION '{place}'")
            self.ask("ALTER ROLE tocsin SET default_tablespace = 'small'")
        else:
            self.title = "PostgreSQL says that its disk is full (53100), then there is room"

    def begin(self) -> None:
        super().begin()
        if self._real:
            room = os.statvfs(self._disk)
            with (self._disk / "filler").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_bsize - self.size.count * 500)
        else:  # no right to mount here: the server is made to say it
            self.ask(
                "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS"
                "$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
            )
            self.ask("CREATE TRIGGER full BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION full()")

    def strike(self, ground: Ground) -> None:
        name = self.targets[0].name

        def refused() -> bool:
            errors = [one.get("error", "") for one in ground.read("deliveries") if one["sink"] == name]
            return any("53100" in error for error in errors)

        until(refused, 60, "PostgreSQL to have no space")
        time.sleep(self.size.lasts)
        assert self._stored() < self.size.count
        if self._real:
            (self._disk / "filler").unlink()
        else:
            self.ask("DROP TRIGGER full ON alerts")


def _mount(folder: Path, megabytes: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tocsin-faults", str(folder)]
    try:
        return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


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
        until(lambda: len(self._newest()) >= 25, 60, "something to be stored again")
        redis.stop(self.folder, 0)
        ground.store(*versions(ground.further(), 50))
        assert redis.start(self.folder) == self.url

    def mend(self, ground: Ground) -> None:
        """What the person does whom our log told of it."""
        assert len(self._newest()) < self.size.count // VERSIONS
        (config,) = parse_sinks([self._block])
        context = SinkContext("flushed", ground.data_dir, Secrets(self.environ))
        rebuild(config, context, ground.options, ground.names)
