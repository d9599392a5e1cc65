"""Every storage under SIGKILL while it writes, on a real Kafka: afterwards it holds what stands on the topic."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as api

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.storage.archive_care import verify
from connectors.storage.archive_store import Folder
from connectors.testing import sample_alert
from streams.runtime.rebuild import rebuild
from tests.contract.stores import archived, query
from tests.integration.delivering import Bench, eventually

pytestmark = pytest.mark.timeout(200)
ALERTS, VERSIONS = 400, 5
Look = Callable[[], dict[str, int]]


def newest(bench: Bench) -> dict[str, int]:
    """The newest version of each alert on the topic."""
    found: dict[str, int] = {}
    for alert in bench.read("alerts"):
        found[alert["id"]] = max(found.get(alert["id"], 0), alert["version"])
    return found


def sink_of(kind: str, tmp_path: Path, postgres_url: str, redis_url: str) -> tuple[dict[str, Any], Look, Look]:
    """The sink's block; how to see the newest versions; how to see how many of each alert there are."""
    name = f"t{uuid.uuid4().hex[:10]}"
    if kind == "postgres":

        def rows(statement: str) -> dict[str, int]:
            return {str(a): int(b) for a, b in asyncio.run(query(postgres_url, statement, schema=name))}

        return (
            {"type": "postgres", "url": "env:PG", "schema": name},
            lambda: rows("SELECT id, version FROM alerts"),
            lambda: rows("SELECT id, count(*) FROM alert_versions GROUP BY id"),
        )
    if kind == "sqlite":

        def found(statement: str) -> dict[str, int]:
            with sqlite3.connect(tmp_path / "a.db") as db:
                return dict(db.execute(statement).fetchall())

        return (
            {"type": "sqlite", "path": "a.db"},
            lambda: found("SELECT id, version FROM alerts"),
            lambda: found("SELECT id, count(*) FROM alert_versions GROUP BY id"),
        )
    if kind == "redis":

        def keys() -> dict[str, int]:
            with api.Redis.from_url(redis_url, decode_responses=True) as client:
                pairs = [client.hmget(key, ["id", "version"]) for key in client.scan_iter(f"{name}:*:alert:*", 1000)]
            return {str(id_): int(version or 0) for id_, version in pairs}

        return {"type": "redis", "url": "env:REDIS", "prefix": name}, keys, lambda: dict.fromkeys(keys(), VERSIONS)

    def documents() -> list[dict[str, Any]]:
        store = Folder(tmp_path / "archive")
        return [json.loads(row.value) for partition in range(2) for row in archived(store, "alerts", partition)]

    def last() -> dict[str, int]:
        return {one["id"]: one["version"] for one in documents()}

    def counted() -> dict[str, int]:
        ids = [one["id"] for one in documents()]
        return {id_: ids.count(id_) for id_ in ids}

    return {"type": "archive", "format": "jsonl", "every": "50ms"}, last, counted


@pytest.mark.parametrize("kind", ["postgres", "sqlite", "redis", "archive"])
def test_killed_while_it_writes_and_equal_to_the_topic_afterwards(
    kind: str, kafka: str, topics: str, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    bench = Bench(kafka, topics, tmp_path)
    block, look, counted = sink_of(kind, tmp_path, postgres_url, redis_url)
    sinks = [{"name": "kept", "batch": 50, **block}]
    command = [sys.executable, "-m", "tests.integration.delivering", kafka, topics, str(tmp_path), json.dumps(sinks)]
    environ = os.environ | {"PG": postgres_url, "REDIS": redis_url}

    def seen() -> dict[str, int]:
        try:
            return look()
        except Exception:  # not there yet
            return {}

    kills, before = 0, 0
    for version in range(1, VERSIONS + 1):
        bench.store(*(sample_alert(n, version=version) for n in range(ALERTS)))
        process = subprocess.Popen([*command, "", "0"], env=environ, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30
            while sum(seen().values()) <= before and time.monotonic() < end:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)  # it has begun to write
            kills += process.wait(10) == -signal.SIGKILL
        finally:
            process.kill()
            process.wait(10)
        before = sum(seen().values())
    assert kills == VERSIONS
    process = subprocess.Popen([*command, "", "0"], env=environ, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: bench.committed("kept", "alerts") >= ALERTS * VERSIONS, 60)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert seen() == newest(bench)
    assert counted() == dict.fromkeys(newest(bench), VERSIONS)  # none twice, none missing
    if kind == "archive":
        health = verify(Folder(tmp_path / "archive"))
        assert (health.problems, health.orphans) == ([], [])


def test_a_storage_that_was_emptied_is_filled_again_beside_its_sink(
    kafka: str, topics: str, tmp_path: Path, redis_url: str
) -> None:
    bench = Bench(kafka, topics, tmp_path)
    block, look, _ = sink_of("redis", tmp_path, "", redis_url)
    sink = {"name": "cache", **block}
    bench.store(*(sample_alert(n, version=v) for v in (1, 2) for n in range(50)))
    bench.send("alerts", b"k", b"not an alert")
    bench.flush()
    with bench.role(sink, REDIS=redis_url):
        eventually(lambda: look() == newest_of(50, 2))
        with api.Redis.from_url(redis_url) as client:
            client.delete(*client.scan_iter(f"{block['prefix']}:*", 1000))
        assert look() == {}
        (config,) = parse_sinks([sink])
        context = SinkContext("cache", tmp_path, Secrets({"REDIS": redis_url}))
        done = rebuild(config, context, bench.options, bench.names)
        assert (done.stored, done.refused) == (100, 1)
        assert look() == newest_of(50, 2)
        bench.store(sample_alert(0, version=3))
        eventually(lambda: look()[sample_alert(0).id] == 3)
    assert bench.committed("cache", "alerts") == 102


def newest_of(count: int, version: int) -> dict[str, int]:
    return {sample_alert(number).id: version for number in range(count)}
