"""What tests of connectors need: alerts to send, a scripted sink, and a webhook receiver that insists on the rules.

``Receiver`` is a real HTTP server that follows Standard Webhooks to the letter, and misbehaves on demand.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiohttp import web

from connectors.base import Delivered, Item, Origin, Result
from streams.model import Alert, Evidence, Notification, Reason, Severity, Status

SECRET = "whsec_" + base64.b64encode(b"tocsin test secret 0123456789ab").decode()
_TOLERANCE_S = 300


def sample_alert(number: int = 1, **changes: Any) -> Alert:
    """A plausible alert; ``number`` makes its id."""
    at = 1_704_067_200_000
    seen = Evidence(position=f"audit.events/3/{number}", event_id=f"e{number}", event_time=at, event={"actor": "ada"})
    fields: dict[str, Any] = {
        "id": f"{number:032x}", "version": 1, "tenant": "acme", "rule": "audit.failed-login-burst",
        "rule_version": "0" * 16, "ruleset": "1" * 16, "severity": Severity.HIGH, "severity_word": "high",
        "type": "security", "title": "20 failed logins for ada", "source": "audit", "status": Status.ACTIVE,
        "key": {"actor": "ada"}, "values": {"observed": 20, "peak": 20, "threshold": 5, "within": 600_000},
        "count": 1, "event_time": at, "last_event_time": at + 1000, "created_at": at + 2000, "updated_at": at + 2000,
        "first": (seen,), "last": (seen,), "why": "opened", "runbook": "runbooks/failed-login-burst.md",
    }  # fmt: skip
    return Alert(**(fields | changes))


def sample_notification(number: int = 1, receiver: str = "ops", **changes: Any) -> Notification:
    """A notification about ``sample_alert(number, **changes)``."""
    alert = sample_alert(number, **changes)
    return Notification(
        id=f"n{number}-{alert.version}", alert_id=alert.id, tenant=alert.tenant, receiver=receiver, reason=Reason.NEW,
        at=alert.updated_at, alert=alert,
    )  # fmt: skip


def notifier_item(number: int = 1, offset: int | None = None, **changes: Any) -> Item:
    note = sample_notification(number, **changes)
    origin = Origin("notifications", 0, number if offset is None else offset)
    return Item(note.id, note.alert, origin, msgspec.json.encode(note), note)


def storage_item(number: int = 1, offset: int | None = None, **changes: Any) -> Item:
    alert = sample_alert(number, **changes)
    origin = Origin("alerts", 0, number if offset is None else offset)
    return Item(f"{alert.id}:{alert.version}", alert, origin, msgspec.json.encode(alert))


class Scripted:
    """A sink that does what it is told: ``script`` answers per item; everything it was given is kept in ``calls``."""

    def __init__(self, script: Callable[[Item], Result | Awaitable[Result]] = lambda _: Delivered("ok")) -> None:
        self.script = script
        self.calls: list[list[Item]] = []
        self.opened = self.closed = 0

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        self.calls.append(list(batch))
        results = []
        for item in batch:
            answer = self.script(item)
            results.append(answer if isinstance(answer, Result) else await answer)
        return results


@dataclass
class Receiver:
    """``async with Receiver() as receiver``: ``receiver.url``. ``behave(request, nth)`` may answer instead of 204.

    ``accepted`` maps webhook-id to body of what was taken; ``broken_rules`` lists every rule a sender broke.
    """

    secret: str = SECRET
    behave: Callable[[web.Request, int], Awaitable[web.StreamResponse | None]] | None = None
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken_rules: list[str] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    duplicates: int = 0
    url: str = ""

    async def __aenter__(self) -> Self:
        self._bodies: dict[str, bytes] = {}
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(dict(request.headers))
        self.methods.append(request.method)
        problem = self._check(request, body)
        if problem:
            self.broken_rules.append(problem)
            return web.Response(status=400, text=problem)
        identity = request.headers["webhook-id"]
        self._bodies[identity] = body
        if self.behave is not None and (answer := await self.behave(request, len(self.requests))) is not None:
            return answer
        if identity in self.accepted:
            self.duplicates += 1
        self.accepted[identity] = json.loads(body)
        return web.Response(status=204)

    def _check(self, request: web.Request, body: bytes) -> str:
        headers = request.headers
        identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not identity or "." in identity:
            return "webhook-id is missing or has a dot"
        if not stamp.isdigit() or abs(int(stamp) - time.time()) > _TOLERANCE_S:
            return "webhook-timestamp is missing or too far from now"
        if self._bodies.get(identity, body) != body:
            return "webhook-id was sent before with another body"
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(digest).decode()
        given = headers.get("webhook-signature", "").split(" ")
        if not any(hmac.compare_digest(wanted, one) for one in given):
            return "webhook-signature does not match"
        if headers.get("content-type") != "application/json":
            return "content-type is not application/json"
        document = json.loads(body)
        if not {"type", "timestamp", "data"} <= set(document):
            return "the body lacks type, timestamp or data"
        return ""


def answering(status: int, **headers: str) -> Callable[[web.Request, int], Awaitable[web.StreamResponse]]:
    """Always this status."""

    async def behave(_: web.Request, __: int) -> web.StreamResponse:
        return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, text="because")

    return behave


async def hang(_: web.Request, __: int) -> web.StreamResponse:
    """Never answers."""
    await asyncio.sleep(3600)
    return web.Response()


async def half_close(request: web.Request, _: int) -> web.StreamResponse:
    """Takes the request and drops the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def drip(request: web.Request, _: int) -> web.StreamResponse:
    """A slow loris: one byte of the answer now and then."""
    answer = web.StreamResponse(status=200)
    await answer.prepare(request)
    for _ in range(3600):
        await answer.write(b"x")
        await asyncio.sleep(0.05)
    return answer


async def flood(request: web.Request, _: int) -> web.StreamResponse:
    """An answer without an end."""
    answer = web.StreamResponse(status=200)
    await answer.prepare(request)
    for _ in range(10_000):
        await answer.write(b"x" * 65536)
    return answer
