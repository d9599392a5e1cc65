"""Apprise behind its fence: no inside address, no endless answer, no thread that anything waits for, no secret."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.base import Delivered, Rejected, Retry, Sink, SinkBroken
from connectors.context import SinkContext
from connectors.notifiers.fenced import Fence, Threads, TooManyStuck
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.testing import flood, hang
from streams.model import Reason, Severity, Status
from tests.contract.test_connectors_chat import send, told
from tests.contract.vendors.ntfy import Ntfy
from tests.contract.vendors.server import saying


def make(url: str, tmp_path: Path, timeout_ms: int = 1500, **more: Any) -> tuple[Sink, Secrets]:
    (config,) = parse_sinks([{"name": "push", "type": "apprise", "url": "env:URL", "allow_private": True} | more])
    secrets = Secrets({"URL": url})
    return config.make(SinkContext("push", tmp_path, secrets, timeout_ms)), secrets


def test_a_push_shows_title_words_and_where_to_look(tmp_path: Path) -> None:
    _, vendor = send("apprise", tmp_path, told(severity=Severity.CRITICAL))
    (pushed,) = vendor.bodies
    assert pushed["title"] == "Security Alert: CRITICAL — 20 failed logins for ada"
    assert pushed["message"].startswith("New: observed 20, threshold 5 within 10m.\n\nTimestamp: 2024-01-01")
    assert pushed["message"].endswith(f"tocsin alerts show {1:032x}")


def test_the_kind_follows_severity_and_end(tmp_path: Path) -> None:
    sink, _ = make("json://127.0.0.1", tmp_path)
    kinds = [
        sink.preview(item)["notify_type"]  # type: ignore[attr-defined]
        for item in (
            told(severity=Severity.CRITICAL), told(severity=Severity.MEDIUM), told(severity=Severity.LOW),
            told(Reason.RESOLVED, severity=Severity.CRITICAL, status=Status.RESOLVED),
        )
    ]  # fmt: skip
    assert kinds == ["failure", "warning", "info", "success"]


def test_what_is_longer_than_the_service_takes_is_cut_where_one_sees_it(tmp_path: Path) -> None:
    _, vendor = send("apprise", tmp_path, told(description="🔥" * 2000))
    assert "… [cut]\ntocsin alerts show" in vendor.bodies[0]["message"]


def test_an_inside_address_is_not_connected_to(tmp_path: Path) -> None:
    (result,), vendor = send("apprise", tmp_path, allow_private=False)
    assert isinstance(result, Retry)
    assert "127.0.0.1 is not a public address" in result.reason
    assert vendor.requests == 0


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain"])
def test_a_name_that_leads_inside_is_none_either(name: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Ntfy() as vendor:
            sink, _ = make(vendor.secret.replace("127.0.0.1", name), tmp_path, allow_private=False)
            await sink.open()
            (result,) = await sink.deliver([told()])
            await sink.close()
            assert isinstance(result, Retry)
            assert vendor.requests == 0

    asyncio.run(scenario())


def test_other_threads_connect_where_they_like_meanwhile(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Ntfy() as vendor:
            fenced, _ = make(vendor.secret, tmp_path / "a", allow_private=False)
            free, _ = make(vendor.secret, tmp_path / "b")
            await fenced.open()
            await free.open()
            ((refused,), (sent,)) = await asyncio.gather(fenced.deliver([told()]), free.deliver([told()]))
            assert isinstance(refused, Retry)
            assert isinstance(sent, Delivered)
            await fenced.close()
            await free.close()

    asyncio.run(scenario())


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Ntfy() as inside:

            async def away(*_: object) -> web.StreamResponse:
                return web.Response(status=307, headers={"Location": inside.url})

            async with Ntfy(behave=away) as vendor:
                sink, _ = make(vendor.secret, tmp_path)
                await sink.open()
                (result,) = await sink.deliver([told()])
                await sink.close()
                assert isinstance(result, Rejected)
                assert inside.requests == 0

    asyncio.run(scenario())


def test_an_endless_answer_is_read_to_64_kib_and_no_further(tmp_path: Path) -> None:
    began = time.monotonic()
    (result,), _ = send("apprise", tmp_path, behave=flood, timeout_ms=4000)
    assert isinstance(result, Retry)
    assert time.monotonic() - began < 3


def test_a_wrong_password_is_the_sinks_failure_without_the_address(tmp_path: Path) -> None:
    with pytest.raises(SinkBroken, match="401") as caught:
        send("apprise", tmp_path, behave=saying(401))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["nosuch://x", "not an address", "pover://"])
def test_an_address_apprise_does_not_know_takes_the_sink_down_unseen(url: str, tmp_path: Path) -> None:
    sink, _ = make(url, tmp_path)
    with pytest.raises(SinkBroken, match="env:URL") as caught:
        asyncio.run(sink.open())
    assert url not in str(caught.value)


def test_apprises_own_log_lines_with_the_address_do_not_reach_ours(tmp_path: Path) -> None:
    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            names.append(record.name)

    names: list[str] = []
    root, seen = logging.getLogger(), Seen(logging.DEBUG)
    root.addHandler(seen)
    theirs = logging.getLogger("apprise")
    before, theirs.level = theirs.level, logging.DEBUG
    try:
        theirs.propagate = True
        theirs.warning("so it would be")
        send("apprise", tmp_path, behave=saying(500))
    finally:
        root.removeHandler(seen)
        theirs.level = before
    assert names.count("apprise") == 1


def test_what_arrives_after_its_call_was_cancelled_is_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def slowly(*_: object) -> None:
            await asyncio.sleep(0.4)

        async with Ntfy(behave=slowly) as vendor:
            sink, _ = make(vendor.secret, tmp_path)
            await sink.open()
            call = asyncio.ensure_future(sink.deliver([told()]))
            await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.sleep(0.8)
            (again,) = await sink.deliver([told()])
            await sink.close()
            assert isinstance(again, Delivered)
            assert vendor.arrived() == ["n1-1"]

    asyncio.run(scenario())


def test_threads_that_do_not_come_back_are_left_behind_and_counted() -> None:
    async def scenario() -> None:
        threads, gate = Threads("t"), threading.Event()
        outcomes: list[Any] = []

        async def one() -> Any:
            return await threads.call(gate.wait, Fence(True, time.monotonic() + 9), outcomes.append)

        calls = [asyncio.ensure_future(one()) for _ in range(8)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        with pytest.raises(TooManyStuck):
            await one()
        gate.set()
        await asyncio.sleep(0.2)
        assert threads.left == 0
        assert await one() is True
        assert outcomes == [True] * 9

    asyncio.run(scenario())


def test_a_service_that_never_answers_is_tried_again_in_bounded_time(tmp_path: Path) -> None:
    began = time.monotonic()
    (result,), _ = send("apprise", tmp_path, behave=hang, timeout_ms=300)
    assert isinstance(result, Retry)
    assert time.monotonic() - began < 3
