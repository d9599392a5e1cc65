"""Redis that is flushed, full, restarted or somebody else's; what stands in it, and who hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis as api
import structlog

from connectors.base import Delivered, Rejected, Retry, SinkBroken
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from connectors.testing import sample_alert, storage_item
from streams.local import redis as server
from tests.contract.stores import Store, address, make, redis


def storing(tmp_path: Path, steps: Callable[[Store, api.Redis], Awaitable[None]], **more: Any) -> None:
    async def scenario() -> None:
        async with redis(tmp_path, **more) as store:
            with api.Redis.from_url(store.url, decode_responses=True) as client:
                await steps(store, client)

    asyncio.run(scenario())


async def put(store: Store, number: int = 1, **changes: Any) -> None:
    (result,) = await store.sink.deliver([storage_item(number, **changes)])
    assert isinstance(result, Delivered), result


ID = sample_alert(1).id


def test_open_alerts_are_in_the_sets_of_their_tenant_and_closed_ones_leave_them(tmp_path: Path) -> None:
    async def steps(store: Store, client: api.Redis) -> None:
        base = f"{store.schema}:{{acme}}"
        await put(store)
        assert client.smembers(f"{base}:active") == client.smembers(f"{base}:active:high") == {ID}
        await put(store, version=2, severity="critical", severity_word="critical")
        assert client.smembers(f"{base}:active:high") == set()
        assert client.smembers(f"{base}:active:critical") == {ID}
        await put(store, version=1)  # late: nothing changes
        assert client.hget(f"{base}:alert:{ID}", "severity") == "critical"
        await put(store, version=3, severity="critical", status="resolved", resolved_at=1_704_067_300_000)
        assert client.smembers(f"{base}:active") == client.smembers(f"{base}:active:critical") == set()
        assert 0 < client.ttl(f"{base}:alert:{ID}") <= 86_400
        await put(store, version=4, severity="low", status="active")
        assert client.smembers(f"{base}:active:low") == {ID}
        assert client.ttl(f"{base}:alert:{ID}") == -1
        document = json.loads(client.hget(f"{base}:alert:{ID}", "document") or "")
        assert (document["version"], document["severity"]) == (4, "low")

    storing(tmp_path, steps)


def test_counters_and_latencies_count_each_change_once_however_often_it_comes(tmp_path: Path) -> None:
    at = 1_704_067_202_000  # when the sample alert was created, two seconds after its event

    async def steps(store: Store, client: api.Redis) -> None:
        for _ in range(3):
            for number in (1, 2):
                await put(store, number)
                await put(store, number, version=2, acknowledged_at=at + 30_000, status="acknowledged")
            await put(store, 1, version=3, acknowledged_at=at + 30_000, resolved_at=at + 90_000, status="resolved")
        base = f"{store.schema}:{{acme}}"
        assert client.hgetall(f"{base}:counts") == {
            "opened": "2", "opened:high": "2", "acknowledged": "2", "closed": "1",
        }  # fmt: skip
        latency = client.hgetall(f"{base}:latency")
        assert (latency["detect:count"], latency["detect:sum_ms"], latency["detect:le_10000"]) == ("2", "4000", "2")
        assert (latency["acknowledge:sum_ms"], latency["close:sum_ms"]) == ("60000", "90000")
        assert "detect:le_1000" not in latency

    storing(tmp_path, steps)


def test_live_updates_are_told_once_to_the_tenants_channel(tmp_path: Path) -> None:
    async def steps(store: Store, client: api.Redis) -> None:
        heard: Any = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        heard.subscribe(f"{store.schema}:alerts:acme")
        heard.get_message(timeout=1)
        for _ in range(2):
            await put(store)
            await put(store, version=2)
            await put(store, 2, tenant="other")
        found = [json.loads(m["data"])["version"] for _ in range(8) if (m := heard.get_message(timeout=0.2))]
        assert found == [1, 2]
        heard.close()

    storing(tmp_path, steps)


def test_a_cooldown_key_stands_as_long_as_it_says(tmp_path: Path) -> None:
    async def steps(store: Store, client: api.Redis) -> None:
        await put(store, fingerprint="f")
        (key,) = client.keys(f"{store.schema}:*:cooldown:*")
        assert str(key).endswith(":cooldown:audit.failed-login-burst:f")
        assert 0 < client.pttl(key) <= 60_000
        assert client.get(key) == ID

    storing(tmp_path, steps, cooldown="1m")


def test_a_flush_is_noticed_and_told(tmp_path: Path) -> None:
    url = server.start(tmp_path / "server")
    try:

        async def steps(store: Store, client: api.Redis) -> None:
            with structlog.testing.capture_logs() as logs:
                await put(store)
                await put(store, 2)
                assert logs == []
                client.flushall()
                await put(store, 3)
            assert ["storage rebuild --sink cache" in log["hint"] for log in logs] == [True]
            assert len(store.arrived()) == 1
            for number in (1, 2, 3):  # what the command does
                await put(store, number)
            assert len(store.arrived()) == 3

        storing(tmp_path, steps, url=url)
    finally:
        server.stop(tmp_path / "server", 0)


def test_a_server_that_is_away_full_or_a_replica_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    url = server.start(folder)
    try:

        async def steps(store: Store, client: api.Redis) -> None:
            client.config_set("maxmemory", "1")
            (result,) = await store.sink.deliver([storage_item(1)])
            assert isinstance(result, Retry)
            assert "OutOfMemory" in result.reason
            client.config_set("maxmemory", "0")
            client.replicaof("127.0.0.1", "1")
            (result,) = await store.sink.deliver([storage_item(1)])
            assert isinstance(result, Retry)
            client.replicaof("NO", "ONE")
            await put(store)
            await asyncio.to_thread(server.stop, folder, 0)
            (result,) = await store.sink.deliver([storage_item(1)])
            assert isinstance(result, Retry)
            assert await asyncio.to_thread(server.start, folder) == url
            await put(store)

        storing(tmp_path, steps, url=url)
    finally:
        server.stop(folder, 0)


def test_a_password_and_a_key_of_somebody_else_break_the_sink(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    url = server.start(folder)
    try:
        with api.Redis.from_url(url) as client:
            client.config_set("requirepass", "a-long-password")
        secrets = Secrets({"REDIS": url, "RIGHT": "a-long-password", "WRONG": "another-password"})
        for more in ({}, {"password": "env:WRONG"}):
            sink = make({"name": "r", "type": "redis", "url": "env:REDIS", **more}, SinkContext("r", tmp_path, secrets))
            with pytest.raises(SinkBroken):
                asyncio.run(sink.open())

        async def scenario() -> None:
            block = {"name": "r", "type": "redis", "url": "env:REDIS", "password": "env:RIGHT"}
            sink = make(block, SinkContext("r", tmp_path, secrets))
            await sink.open()
            assert isinstance((await sink.deliver([storage_item(1)]))[0], Delivered)
            with api.Redis.from_url(url, password="a-long-password") as client:
                client.set(f"tocsin:{{acme}}:alert:{sample_alert(2).id}", "a text")
            with pytest.raises(SinkBroken, match="WRONGTYPE"):
                await sink.deliver([storage_item(2)])
            await sink.close()

        asyncio.run(scenario())
    finally:
        server.stop(folder, 0)


def test_numbers_that_lua_cannot_hold_are_refused_alone(tmp_path: Path) -> None:
    async def steps(store: Store, _: api.Redis) -> None:
        results = await store.sink.deliver([storage_item(1, count=2**60), storage_item(2)])
        assert [type(result) for result in results] == [Rejected, Delivered]

    storing(tmp_path, steps)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"url": "redis://:secret@h/0"}, "url: has a password"),
        ({"url": "http://h"}, "url: must be redis://"),
        ({"url": "env:R", "password": "secret"}, "password: must be a reference"),
    ],
)
def test_a_wrong_block_is_told(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(SinkErrors, match=problem):
        parse_sinks([{"name": "r", "type": "redis", **more}])


def test_the_sessions_server_answers() -> None:
    assert address("redis").startswith("redis://")
