"""What guards every notifier that speaks HTTP: no redirect, no unpacking, no unknown certificate, no stale secret."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.base import Delivered, Kind, Rejected, Result, Retry
from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import CONNECTORS, parse_sinks
from connectors.runner import Runner
from connectors.settings import Policy, Retrying
from connectors.testing import Receiver, notifier_item
from streams.model import Delivery, Outcome
from tests.contract.sinks import NEEDED, chat, hook
from tests.contract.test_connectors_chat import every, send
from tests.contract.vendors.mail import certificate
from tests.contract.vendors.server import saying
from tests.contract.vendors.slack import SlackWebhook


@every
def test_no_redirect_is_followed_wherever_it_leads(which: str, tmp_path: Path) -> None:
    for number, status in enumerate((301, 302, 307, 308)):
        behave = saying(status, Location="http://169.254.169.254/latest/meta-data")
        (result,), vendor = send(which, tmp_path / str(number), behave=behave)
        assert isinstance(result, Rejected), result
        assert vendor.requests == 1


@cache
def packed(size: int) -> bytes:
    return gzip.compress(b"\0" * size, 1)


async def unpacks_to_a_lot(_: web.Request, __: int) -> web.StreamResponse:
    return web.Response(body=packed(50_000_000), headers={"Content-Encoding": "gzip"})


@every
def test_an_answer_that_would_unpack_to_fifty_megabytes_is_not(which: str, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=unpacks_to_a_lot, timeout_ms=4000)
    assert isinstance(result, Retry) or (which == "teams" and isinstance(result, Delivered)), result


@every
def test_a_header_without_an_end_is_no_delivery(which: str, tmp_path: Path) -> None:
    (result,), _ = send(which, tmp_path, behave=saying(200, "ok", X_Long="x" * 200_000))
    assert isinstance(result, Retry), result


_INSIDE: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://{0}/h"}, "slack": {"token": "env:TOKEN", "channel": "C1", "api": "https://{0}"},
    "pagerduty": {"key": "env:TOKEN", "url": "https://{0}"}, "teams": {"url": "env:HTTPS"}, "discord": {"url": "env:HTTPS"},
    "telegram": {"token": "env:TOKEN", "chat": "-1", "api": "https://{0}"}, "alertmanager": {"url": "https://{0}"},
    "email": {"url": "env:SMTP", "to": "ops@example.com"}, "apprise": {"url": "env:NTFY"},
    "sms": NEEDED["sms"] | {"api": "https://{0}"}, "phone": NEEDED["phone"] | {"api": "https://{0}"},
}  # fmt: skip


def test_every_notifier_that_has_a_network_is_kept_from_the_inside() -> None:
    assert {name for name, one in CONNECTORS.items() if one.kind is Kind.NOTIFIER} == set(_INSIDE) | {"console"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])  # a name is looked up, by the system's resolver
@pytest.mark.parametrize("type_", sorted(_INSIDE))
def test_no_notifier_connects_to_the_inside_though_its_address_leads_there(
    type_: str, host: str, tmp_path: Path
) -> None:
    async def scenario() -> tuple[Result, int]:
        connected = 0

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connected
            connected += 1
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        place = f"{host}:{server.sockets[0].getsockname()[1]}"
        block = {
            name: value.format(place) if isinstance(value, str) else value for name, value in _INSIDE[type_].items()
        }
        (config,) = parse_sinks([{"name": "x", "type": type_} | block])
        environ = {
            "TOKEN": "1:hush-token",
            "HTTPS": f"https://{place}/h",
            "SMTP": f"smtp://{place}",
            "NTFY": f"ntfys://{place}/t",
        }
        sink = config.make(SinkContext("x", tmp_path, Secrets(environ), 3000))
        await sink.open()
        (result,) = await sink.deliver([notifier_item()])
        await sink.close()
        server.close()
        return result, connected

    result, connected = asyncio.run(scenario())
    assert isinstance(result, Retry)
    assert "not a public address; set allow_private" in result.reason
    assert connected == 0


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    async def scenario() -> tuple[Result, int]:
        taken = 0

        async def take(_: web.Request) -> web.Response:
            nonlocal taken
            taken += 1
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", take)
        runner = web.AppRunner(app)
        await runner.setup()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate(tmp_path))
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/hook"
        (config,) = parse_sinks([{"name": "s", "type": "slack", "url": "env:URL", "allow_private": True}])
        sink = config.make(SinkContext("s", tmp_path, Secrets({"URL": url}), 3000))
        await sink.open()
        (result,) = await sink.deliver([notifier_item()])
        await sink.close()
        await runner.cleanup()
        return result, taken

    result, taken = asyncio.run(scenario())
    assert isinstance(result, Retry)
    assert "certificate" in result.reason.lower()
    assert taken == 0


_OLD, _NEW = (f"whsec_{word * 8}" for word in ("T0xE", "TkVX"))


@pytest.mark.parametrize("replaced", [True, False])
def test_a_secret_that_was_replaced_in_its_file_is_read_anew_when_the_old_one_is_refused(
    replaced: bool, tmp_path: Path
) -> None:
    async def scenario() -> list[Delivery]:
        file = tmp_path / "mounted"
        file.write_text(_OLD)
        async with Receiver(secret=_OLD) as receiver:
            (config,) = parse_sinks([hook(receiver.url) | {"secret": f"file:{file}"}])
            context = SinkContext("w", tmp_path, Secrets({}))
            told: list[Delivery] = []
            policy = Policy(retry=Retrying(first_ms=1, longest_ms=5))
            runner = Runner("w", lambda: config.make(context), policy, lambda _, one: told.append(one))  # type: ignore[arg-type]
            running = asyncio.create_task(runner.run())
            runner.offer(notifier_item(1))
            while runner.schedule.open:  # noqa: ASYNC110 - until it has arrived
                await asyncio.sleep(0.005)
            receiver.secret = _NEW
            if replaced:
                file.write_text(_NEW)
            runner.offer(notifier_item(2))
            while runner.schedule.open:  # noqa: ASYNC110 - until it is settled
                await asyncio.sleep(0.005)
            await runner.stop(1)
            await running
            return told

    outcomes = [one.outcome for one in asyncio.run(scenario())]
    assert outcomes[0] is Outcome.DELIVERED
    assert outcomes[1:] == ([Outcome.RETRY, Outcome.DELIVERED] if replaced else [Outcome.REJECTED])


def test_a_webhooks_address_that_was_replaced_is_read_anew_for_chat_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with SlackWebhook() as vendor:
            file = tmp_path / "mounted"
            file.write_text(vendor.url + "/services/T000/B000/REVOKED")
            (config,) = parse_sinks([chat(vendor, "slack") | {"url": f"file:{file}"}])
            told: list[Delivery] = []
            context = SinkContext("s", tmp_path, Secrets({}))
            policy = Policy(retry=Retrying(first_ms=1, longest_ms=5))
            runner = Runner("s", lambda: config.make(context), policy, lambda _, one: told.append(one))  # type: ignore[arg-type]
            running = asyncio.create_task(runner.run())
            while not runner.is_open:  # noqa: ASYNC110 - with the old one
                await asyncio.sleep(0.005)
            file.write_text(vendor.url + vendor.secret)
            runner.offer(notifier_item(1))
            while runner.schedule.open:  # noqa: ASYNC110 - until it is settled
                await asyncio.sleep(0.005)
            await runner.stop(1)
            await running
            assert [one.outcome for one in told] == [Outcome.RETRY, Outcome.DELIVERED]
            assert vendor.arrived() == ["n1-1"]

    asyncio.run(scenario())
