"""Alertmanager over the life of an alert: against one that does as documented, and the real one where it is installed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.base import Delivered, Origin, Rejected, Retry, Sink, SinkBroken
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import SinkErrors, parse_sinks
from connectors.testing import hang
from streams.model import Reason, Severity, Status
from streams.model.notification import Group, Member
from tests.contract.test_connectors_chat import send, told
from tests.contract.vendors.alertmanager import Alertmanager
from tests.contract.vendors.alertmanager_process import BINARY, RealAlertmanager
from tests.contract.vendors.server import saying

#: Without the binary there is nothing to skip: the documented one is always there.
each = pytest.mark.parametrize("server", ["documented", *(["real"] if BINARY else [])])


@dataclass
class Place:
    """``active``: what it would show; ``restart``: it forgets all."""

    url: str
    active: Callable[[], Awaitable[list[dict[str, Any]]]]
    restart: Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(server: str, tmp_path: Path) -> AsyncIterator[Place]:
    if server == "real":
        async with RealAlertmanager(tmp_path / "am") as real:
            yield Place(real.url, real.active, real.restart)
        return
    async with Alertmanager() as vendor:

        async def active() -> list[dict[str, Any]]:
            return vendor.active()

        async def restart() -> None:
            vendor.known.clear()

        yield Place(vendor.url, active, restart)
        assert vendor.broken_rules == []


def make(tmp_path: Path, url: Any, **more: Any) -> Sink:
    owns = more.pop("owns", lambda *_: True)
    block = {"name": "am", "type": "alertmanager", "token": "env:SECRET", "allow_private": True, "resend": "100ms"}
    where = {"urls": url} if isinstance(url, list) else {"url": url}
    (config,) = parse_sinks([block | where | more])
    return config.make(SinkContext("am", tmp_path, Secrets({"SECRET": Alertmanager().secret}), 1500, owns=owns))


async def deliver(sink: Sink, *items: Any) -> None:
    for item in items:
        (result,) = await sink.deliver([item])
        assert isinstance(result, Delivered), result


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@each
def test_an_alert_stands_with_its_labels_until_it_is_resolved(server: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(server, tmp_path) as place:
            sink = make(tmp_path, place.url)
            await sink.open()
            await deliver(sink, told(runbook="https://wiki.example.com/r", key={"actor.name": "ada"}))
            (alert,) = await place.active()
            assert alert["labels"] == {
                "alertname": "audit.failed-login-burst", "severity": "high", "tenant": "acme", "type": "security",
                "source": "audit", "tocsin_id": f"{1:032x}", "key_actor_name": "ada",
            }  # fmt: skip
            assert alert["annotations"]["summary"] == "Security Alert: HIGH — 20 failed logins for ada"
            assert (alert["startsAt"], alert["generatorURL"]) == (
                "2024-01-01T00:00:00.000Z", "https://wiki.example.com/r",
            )  # fmt: skip
            closed = told(
                Reason.RESOLVED, version=2, status=Status.RESOLVED, resolved_at=1_704_070_000_000,
                runbook="https://wiki.example.com/r", key={"actor.name": "ada"},
            )  # fmt: skip
            await deliver(sink, closed)
            assert await place.active() == []
            await asyncio.sleep(0.4)  # rounds in which it is told again, and stays what it is
            assert await place.active() == []
            await sink.close()

    asyncio.run(scenario())


@each
def test_a_severity_that_is_raised_leaves_one_alert_and_not_two(server: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(server, tmp_path) as place:
            sink = make(tmp_path, place.url)
            await sink.open()
            await deliver(sink, told(), told(Reason.SEVERITY_RAISED, version=2, severity=Severity.CRITICAL))
            assert [one["labels"]["severity"] for one in await place.active()] == ["critical"]
            await sink.close()

    asyncio.run(scenario())


@each
@pytest.mark.parametrize("ours", [False, True], ids=["it restarts", "both restart"])
def test_an_alertmanager_that_forgot_is_told_again(server: str, ours: bool, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(server, tmp_path) as place:
            sink = make(tmp_path, place.url)
            await sink.open()
            await deliver(sink, told(), told(number=2))
            await deliver(sink, told(Reason.RESOLVED, number=2, version=2, status=Status.RESOLVED))
            if ours:
                await sink.close()
            await place.restart()
            if ours:
                sink = make(tmp_path, place.url)
                await sink.open()

            async def stands() -> bool:
                return [one["labels"]["tocsin_id"] for one in await place.active()] == [f"{1:032x}"]

            await until(stands)
            await sink.close()

    asyncio.run(scenario())


@each
def test_an_open_alert_outlives_the_end_it_was_sent_with_and_not_its_sender(server: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(server, tmp_path) as place:
            sink = make(tmp_path, place.url, hold="1s")
            await sink.open()
            await deliver(sink, told())
            end = time.monotonic() + 2.2
            while time.monotonic() < end:
                assert len(await place.active()) == 1
                await asyncio.sleep(0.1)
            await sink.close()

            async def gone() -> bool:
                return await place.active() == []

            await until(gone)

    asyncio.run(scenario())


def test_what_another_worker_reads_is_told_again_by_that_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Alertmanager() as vendor:
            mine = {("notifications", 0), ("notifications", 1)}
            sink = make(tmp_path, vendor.url, owns=lambda *name: name in mine)
            await sink.open()
            here, moves = told(), replace(told(number=2), origin=Origin("notifications", 1, 0))
            await deliver(sink, here, moves)
            vendor.known.clear()

            async def both_told_again() -> bool:
                return sorted(vendor.arrived()) == ["n1-1", "n2-1"]

            await until(both_told_again)
            mine.discard(("notifications", 1))
            await asyncio.sleep(0.3)
            vendor.known.clear()
            mine.add(("notifications", 1))  # back again: what happened to it meanwhile is not known here
            await asyncio.sleep(0.5)
            assert vendor.arrived() == ["n1-1"]
            await sink.close()

    asyncio.run(scenario())


def test_one_member_of_a_cluster_that_hangs_holds_up_nothing_and_hears_it_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Alertmanager(behave=hang) as slow, Alertmanager() as quick:
            sink = make(tmp_path, [slow.url, quick.url])
            await sink.open()
            began = time.monotonic()
            await deliver(sink, told())
            assert time.monotonic() - began < 1.4
            assert quick.arrived() == ["n1-1"]
            slow.behave = None

            async def heard() -> bool:
                return slow.arrived() == ["n1-1"]

            await until(heard)
            await sink.close()

    asyncio.run(scenario())


def test_a_cluster_of_which_nobody_takes_it_is_tried_again_unless_all_refuse(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Alertmanager(behave=_four_hundred) as refuses:
            sink = make(tmp_path, ["http://127.0.0.1:1", refuses.url])
            await sink.open()
            assert isinstance((await sink.deliver([told()]))[0], Retry)
            await sink.close()

    asyncio.run(scenario())
    (result,), _ = send("alertmanager", tmp_path / "b", behave=_four_hundred)
    assert isinstance(result, Rejected)


def test_one_member_that_refuses_the_token_keeps_it_from_no_other_and_all_together_take_the_sink_down(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with Alertmanager(behave=saying(401)) as shut, Alertmanager() as opened:
            sink = make(tmp_path / "a", [shut.url, opened.url])
            await sink.open()
            await deliver(sink, told())
            await sink.close()
            assert opened.arrived() == ["n1-1"]
            sink = make(tmp_path / "b", shut.url)
            await sink.open()
            with pytest.raises(SinkBroken, match="401"):
                await sink.deliver([told()])
            await sink.close()

    asyncio.run(scenario())


async def _four_hundred(*_: object) -> Any:
    return web.json_response("start time must be before end time", status=400)


@each
def test_a_group_is_one_alert_named_by_what_its_members_share(server: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(server, tmp_path) as place:
            members = (Member(id=f"{1:032x}", title="one", severity="high", status="active", reason="new"),)
            group = Group(id="g" * 32, key={"rule": "a.b", "host": "db1"}, alerts=members, total=3)
            sink = make(tmp_path, place.url)
            await sink.open()
            await deliver(sink, told(group=group), told(Reason.GREW, number=2, group=group))
            (alert,) = await place.active()
            assert alert["labels"] == {
                "alertname": "a.b", "severity": "high", "tenant": "acme", "tocsin_id": "g" * 32, "key_host": "db1",
                "key_rule": "a.b",
            }  # fmt: skip
            assert "and 2 more" in alert["annotations"]["description"]
            await sink.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("event_time", [2**70, -(2**62), 0, 4_102_444_800_000])
@each
def test_a_time_no_calendar_holds_or_one_to_come_is_now(server: str, event_time: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(server, tmp_path) as place:
            sink = make(tmp_path, place.url)
            await sink.open()
            await deliver(sink, told(event_time=event_time))
            assert len(await place.active()) == 1
            await deliver(sink, told(Reason.RESOLVED, version=2, event_time=event_time, status=Status.RESOLVED))
            assert await place.active() == []
            await sink.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({}, "url"), ({"url": "ftp://x"}, "url"), ({"url": "https://a", "urls": ["https://b"]}, "url"),
        ({"urls": ["https://a", "nope"]}, "urls[1].url"), ({"url": "https://a", "token": "in the open"}, "token"),
        ({"url": "https://a", "resend": "1m", "hold": "2m"}, "hold"),
    ],
)  # fmt: skip
def test_a_wrong_block_is_told_by_its_path(block: dict[str, Any], path: str) -> None:
    with pytest.raises(SinkErrors) as caught:
        parse_sinks([{"name": "x", "type": "alertmanager"} | block])
    assert f"sinks[0].{path}" in dict(caught.value.problems)
