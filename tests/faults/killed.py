"""SIGKILL while a hundred deliveries are in flight: the receiver has taken them, and we never heard of it."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from connectors.testing import Receiver
from tests.contract.sinks import chat
from tests.contract.vendors.alertmanager import Alertmanager
from tests.contract.vendors.pagerduty import PagerDuty
from tests.faults.ground import Ground
from tests.faults.receivers import LIMITLESS, hook
from tests.faults.scene import Size, until
from tests.faults.verdict import Target

IN_FLIGHT = 100


class _Holding:
    """Takes a request and, while ``holding``, never answers it."""

    holding, held = False, 0

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        answer: web.StreamResponse = await super()._handle(request)  # type: ignore[misc]  # the server's beside us
        if self.holding:
            self.held += 1
            await asyncio.sleep(3600)
        return answer


class _Hook(_Holding, Receiver):
    pass


class _Pager(_Holding, PagerDuty):
    pass


class _Alertmanager(_Holding, Alertmanager):
    pass


class Killed:
    """Three receivers that take idempotency keys, each with a hundred requests that it has taken and not answered."""

    title = f"SIGKILL with {IN_FLIGHT} in flight at each of three sinks: webhook, PagerDuty, Alertmanager"

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        self._kills = size.kills
        hooked, pager, alertmanager = ground.serve(_Hook()), ground.serve(_Pager()), ground.serve(_Alertmanager())
        self._servers: list[_Holding] = [hooked, pager, alertmanager]
        self.environ = {"PAGER": pager.secret, "AM": alertmanager.secret}
        more: dict[str, Any] = size.policy | LIMITLESS | {"concurrency": IN_FLIGHT, "timeout": "60s"}
        self.targets = [
            hook("webhook", hooked, size, **more),
            Target(
                chat(pager, "pagerduty") | {"key": "env:PAGER"} | more, pager.arrived, broken=lambda: pager.broken_rules
            ),
            Target(
                chat(alertmanager, "alertmanager") | {"token": "env:AM"} | more, alertmanager.arrived,
                broken=lambda: alertmanager.broken_rules,
            ),
        ]  # fmt: skip

    def begin(self) -> None:
        for server in self._servers:
            server.holding, server.held = True, 0

    def strike(self, ground: Ground) -> None:
        for left in reversed(range(self._kills)):
            until(lambda: all(one.held >= IN_FLIGHT for one in self._servers), 60, f"{IN_FLIGHT} in flight at each")
            ground.kill()
            self.begin()
            if not left:
                for server in self._servers:
                    server.holding = False
            ground.start()
            seen = len(ground.bystander.accepted)
            until(lambda: len(ground.bystander.accepted) > seen + 50, 60, "the good sink to go on")  # noqa: B023 - used now
