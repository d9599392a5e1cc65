"""Faults of who is told: away, too busy, hanging up, answering a byte at a time, or saying no with a 200."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from connectors.testing import Receiver, drip
from tests.contract.sinks import chat, secret_of
from tests.contract.vendors.server import Vendor, keys_in
from tests.contract.vendors.slack import SlackBot
from tests.contract.vendors.teams import Teams
from tests.faults.ground import Ground
from tests.faults.scene import Size, keeps, until
from tests.faults.verdict import Target

Behave = Callable[[web.Request, int], Awaitable[web.StreamResponse | None]]
LIMITLESS = {"rate": {"per_second": 100_000, "burst": 10_000}}


def hook(name: str, receiver: Receiver, size: Size, **more: Any) -> Target:
    """A signed webhook, whose receiver keeps the ids it has seen."""
    block = {"name": name, "type": "webhook", "url": receiver.url, "secret": "env:HOOK", "allow_private": True}
    return Target(
        block | size.policy | more, lambda: list(receiver.accepted), ordered=True,
        broken=lambda: receiver.broken_rules, again=lambda: receiver.duplicates,
    )  # fmt: skip


class _OfReceiver:
    """One webhook whose receiver behaves badly for a while."""

    name = title = ""
    environ: dict[str, str] = {}  # noqa: RUF012 - none is ever added

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        self.receiver: Receiver = ground.serve(Receiver())
        self.size, self.met = size, 0
        self.targets = [hook(self.name, self.receiver, size, **self.more())]

    def more(self) -> dict[str, Any]:
        return {}

    def begin(self) -> None:
        self.receiver.behave = self.misbehave

    async def misbehave(self, request: web.Request, nth: int) -> web.StreamResponse | None:
        raise NotImplementedError

    def strike(self, ground: Ground) -> None:
        keeps(lambda: self.met, 10, self.size.lasts)
        self.receiver.behave = None


class Well(_OfReceiver):
    """For comparison: nothing is wrong."""

    name, title = "well", "nothing is wrong (for comparison)"

    def begin(self) -> None:
        self.receiver.behave = None

    def strike(self, ground: Ground) -> None:
        until(lambda: len(self.receiver.accepted) >= self.size.count, self.size.patience, "all to be told")


class Down(_OfReceiver):
    """Nothing listens; it comes back, at the same address, when everything waits for it."""

    name, title = "down", "the sink is down while all of it is told, then back"

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        super().__init__(ground, size, first)
        self._ground = ground

    def begin(self) -> None:
        self._site = self._ground.on_loop(self._leave())

    async def _leave(self) -> tuple[str, int]:
        """Close the listening socket and every connection."""
        (site,) = self.receiver._runner.sites
        host, port = self.receiver._runner.addresses[0][:2]
        await site.stop()
        await self.receiver._runner.server.shutdown(0.1)  # type: ignore[union-attr]  # it runs
        return host, port

    def strike(self, ground: Ground) -> None:
        time.sleep(self.size.lasts)
        assert not self.receiver.requests
        ground.on_loop(web.TCPSite(self.receiver._runner, *self._site).start())


class Storm(_OfReceiver):
    """Takes a twentieth of all (fifty at least), then answers 429 with Retry-After for a second, and so on."""

    name, title = "storm", "429 with Retry-After for a second, again and again"

    def begin(self) -> None:
        self._left, self._refused_at = self._quota, 0.0
        super().begin()

    @property
    def _quota(self) -> int:
        return max(50, self.size.count // 20)

    async def misbehave(self, request: web.Request, nth: int) -> web.StreamResponse | None:
        now = time.monotonic()
        if self._refused_at and now >= self._refused_at + 1:
            self._left, self._refused_at = self._quota, 0.0
        if self._left:
            self._left -= 1
            return None
        self.met += 1
        self._refused_at = self._refused_at or now
        return web.Response(status=429, headers={"Retry-After": "1"}, text="slow down")


class HalfClosed(_OfReceiver):
    """Half of the requests: the receiver ends its side without an answer, before or after it has taken the item."""

    name, title = (
        "half-closed",
        "every second connection half-closed, cut, or cut in mid-answer, with the item taken or not",
    )

    async def misbehave(self, request: web.Request, nth: int) -> web.StreamResponse | None:
        if nth % 2:
            return None
        self.met += 1
        if nth % 4:  # taken, and the sender never hears of it
            identity = request.headers["webhook-id"]
            self.receiver.duplicates += identity in self.receiver.accepted
            self.receiver.accepted.setdefault(identity, json.loads(await request.read()))
        if (transport := request.transport) is None:
            return web.Response()  # the sender had enough
        if nth % 3 == 0:
            transport.write_eof()  # a FIN; the other direction stays open
            await asyncio.sleep(2)
        elif nth % 3 == 1:
            transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of")
        transport.abort()
        return web.Response()


class Loris(_OfReceiver):
    """A header or a body that comes a byte at a time and has no end."""

    name, title = "loris", "answers a byte at a time, without an end"

    async def misbehave(self, request: web.Request, nth: int) -> web.StreamResponse | None:
        self.met += 1
        if nth % 2:
            with suppress(ConnectionError):  # the sender had enough
                await drip(request, nth)
        elif (transport := request.transport) is not None:
            transport.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not transport.is_closing():
                transport.write(b"x")
                await asyncio.sleep(0.05)
        return web.Response()


class Gone(_OfReceiver):
    """Never comes back within the budget: all of it is lost, and said so."""

    name, title = "gone", "down for longer than the budget (2 s)"

    def more(self) -> dict[str, Any]:
        return {"retry": {"attempts": 3, "within": "2s"}}

    async def misbehave(self, request: web.Request, nth: int) -> web.StreamResponse | None:
        self.met += 1
        return web.Response(status=503, text="gone")

    def strike(self, ground: Ground) -> None:
        keeps(lambda: self.met, 5, self.size.lasts)  # and stays so


class ErrorBody:
    """Slack and Teams tell of failures in a 200; a proxy's page is one as well. Every fiftieth alert is refused."""

    title = "200 with an error in the body (Slack, Teams), every 50th refused for good"

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        self.slack: SlackBot = ground.serve(SlackBot())
        self.teams: Teams = ground.serve(Teams())
        self.size, self.met = size, 0
        self.environ = {"SLACK": self.slack.secret, "TEAMS": secret_of(self.teams)}
        slack = chat(self.slack, "slack") | {"token": "env:SLACK"}
        teams = chat(self.teams, "teams") | {"url": "env:TEAMS"}
        self.targets = [self._target(slack, self.slack), self._target(teams, self.teams)]

    def _target(self, block: dict[str, Any], vendor: Vendor) -> Target:
        """They take no idempotency key: what was taken too slowly is shown twice."""
        return Target(
            block | self.size.policy | LIMITLESS, vendor.arrived, once=False, broken=lambda: vendor.broken_rules,
            again=lambda: len(seen := vendor.arrived()) - len(set(seen)),
        )  # fmt: skip

    def begin(self) -> None:
        failed = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error "
        self.slack.behave = self._saying(
            json.dumps({"ok": False, "error": "internal_error"}),
            json.dumps({"ok": False, "error": "channel_not_found"}),
        )
        self.teams.behave = self._saying(failed + "503", failed + "413")
        self._wrong = True

    def _saying(self, passing: str, final: str) -> Behave:
        async def behave(request: web.Request, nth: int) -> web.StreamResponse | None:
            (key,) = keys_in(json.loads(await request.read()))
            if int(key[1:].partition("-")[0]) % 50 == 0:
                return web.Response(text=final)
            if not self._wrong or nth % 3 == 0:
                return None
            self.met += 1
            return web.Response(text=passing if nth % 3 == 1 else "<html>Sign in: error</html>")

        return behave

    def strike(self, ground: Ground) -> None:
        keeps(lambda: self.met, 10, self.size.lasts)
        self._wrong = False
