"""Workers that share a sink's rate in a real Redis, and go on without it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from connectors import shared_rate
from connectors.redact import Secrets
from connectors.runner import Runner
from connectors.settings import Policy, Rate
from connectors.shared_rate import Drawn, RedisTokens
from connectors.testing import Scripted, notifier_item
from streams import telemetry
from streams.local import redis as server

SECRETS = Secrets({})


def rate(url: str, per_second: float, burst: int) -> Rate:
    return Rate(per_second=per_second, burst=burst, shared=url, key=uuid.uuid4().hex)


def test_a_bucket_gives_its_burst_and_then_says_when_the_next_is_there(redis_url: str) -> None:
    async def scenario() -> list[Drawn]:
        tokens = RedisTokens(rate(redis_url, 0.1, 5), "sink", SECRETS)
        drawn = [await tokens.draw(wanted) for wanted in (3, 3, 3)]
        await tokens.close()
        return drawn

    first, second, third = asyncio.run(scenario())
    assert (first, second) == (Drawn(3, 0), Drawn(2, 0))
    assert third.tokens == 0
    assert 9_000 < third.wait_ms <= 10_000


def test_two_workers_together_send_no_more_than_the_rate(redis_url: str) -> None:
    shared = rate(redis_url, 50, 5)
    sinks = [Scripted(), Scripted()]

    def sent() -> list[int]:
        return [len(sink.calls) for sink in sinks]

    async def scenario() -> float:
        runners = [worker(shared, sink) for sink in sinks]
        running = [asyncio.create_task(runner.run()) for runner in runners]
        began = time.monotonic()
        for n in range(200):
            for runner in runners:
                runner.offer(notifier_item(n, offset=n))
        await until(lambda: sum(sent()) >= 65)
        took = time.monotonic() - began
        await asyncio.gather(*(runner.stop(0) for runner in runners))
        await asyncio.gather(*running)
        return took

    took = asyncio.run(scenario())
    assert took >= (65 - 5) / 50 - 0.05  # each by itself would have sent them in half of that
    assert min(sent()) > 0


def worker(shared: Rate, sink: Scripted) -> Runner:
    tokens = RedisTokens(shared, "sink", SECRETS)
    return Runner("shared", lambda: sink, Policy(rate=shared), lambda *_: None, tokens=tokens)


async def until(look: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.01)


def test_a_worker_goes_by_its_own_rate_while_redis_is_away_and_shares_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rate, "_AGAIN_MS", 100)
    url = server.start(tmp_path)
    sink = Scripted()
    counted = telemetry.SINK_RATE_LOCAL.labels("shared")
    before = counted._value.get()

    async def scenario() -> None:
        runner = worker(rate(url, 1000, 1), sink)
        running = asyncio.create_task(runner.run())
        offset = 0

        async def sending(more: int) -> None:
            nonlocal offset
            for _ in range(more):
                runner.offer(notifier_item(offset, offset=offset))
                offset += 1
            await until(lambda: len(sink.calls) == offset)

        await sending(5)
        assert not runner.rate_is_local
        await asyncio.to_thread(server.stop, tmp_path, 0)
        await sending(5)
        assert runner.rate_is_local
        assert await asyncio.to_thread(server.start, tmp_path) == url

        async def shared_again() -> bool:
            await sending(1)
            return not runner.rate_is_local

        end = time.monotonic() + 20
        while not await shared_again():
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        await runner.stop(1)
        await running

    try:
        with structlog.testing.capture_logs() as logs:
            asyncio.run(scenario())
    finally:
        server.stop(tmp_path, 0)
    assert [log["event"] for log in logs if "shared rate" in log["event"]] == [
        "the shared rate is away: by this worker's own",
        "the shared rate is back",
    ]
    assert counted._value.get() - before >= 5


def test_a_reference_that_leads_nowhere_is_told_and_the_sink_goes_on() -> None:
    sink = Scripted()
    nowhere = Rate(per_second=1000, burst=1, shared="env:NOT_THERE")

    async def scenario() -> None:
        runner = worker(nowhere, sink)
        running = asyncio.create_task(runner.run())
        runner.offer(notifier_item(1))
        await until(lambda: len(sink.calls) == 1)
        await runner.stop(1)
        await running

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert any("NOT_THERE" in str(log.get("error")) for log in logs)
