"""``/inbound/slack`` and ``/inbound/pagerduty/{tenant}``: vendors calling back, believed by their signature alone."""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiohttp import web

from connectors.inbound import pagerduty, slack
from connectors.inbound.signed import Refused
from streams import telemetry
from streams.api.answers import answer, refuse
from streams.api.request import Calls, now_ms
from streams.api.stored import Stored
from streams.model import Command
from streams.runtime.asking import Asking

_WAIT_S = 2.0  # Slack shows an error after three


class Inbound:
    """``slack``: the signing secret; ``pagerduty``: tenant -> secrets. What has no secret is not there: 404.

    Each command's id comes from the vendor's, so what is told twice is done once. A refused command is answered 200:
    the vendor has done its part, and would only repeat it.
    """

    def __init__(
        self, slack: str, pagerduty: Mapping[str, tuple[str, ...]], stored: Stored | None, asking: Asking, calls: Calls
    ) -> None:
        self._slack, self._pagerduty, self._stored, self._asking, self._calls = slack, pagerduty, stored, asking, calls

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/inbound/slack", self.of_slack),
            web.post("/inbound/pagerduty/{tenant}", self.of_pagerduty),
        ]

    async def of_slack(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        stamp, signature = headers.get("X-Slack-Request-Timestamp"), headers.get("X-Slack-Signature")
        self._believe(request, "slack", slack.verify(self._slack, stamp, signature, body, int(time.time())))
        try:
            commands = slack.commands(body, now_ms())
        except ValueError as error:
            refuse(400, "bad_body", str(error)[:200])
        return await self._done(commands)

    async def of_pagerduty(self, request: web.Request) -> web.Response:
        tenant, body = request.match_info["tenant"], await request.read()
        secrets = self._pagerduty.get(tenant, ())
        signature = request.headers.get("X-PagerDuty-Signature")
        self._believe(request, "pagerduty", pagerduty.verify(secrets, signature, body))
        try:
            asked: list[str] = []
            pagerduty.commands(body, asked.append, now_ms())  # which names it goes by
            known = {name: tenant for name in asked if await self._is_ours(tenant, name)}
            commands = pagerduty.commands(body, lambda name: (name, known[name]) if name in known else None, now_ms())
        except ValueError as error:
            refuse(400, "bad_body", str(error)[:200])
        return await self._done(commands)

    def _believe(self, request: web.Request, vendor: str, refused: Refused | None) -> None:
        if refused is not None:
            telemetry.log.warning("a call was not believed", vendor=vendor, reason=refused.value)
            self._calls.stranger(request)
            refuse(401, "unauthorized", "the signature is not right")

    async def _is_ours(self, tenant: str, name: str) -> bool:
        """Whether an alert of the tenant is called so. Without a storage its keys are believed: the ALERT stage
        refuses a command to what is not the tenant's.
        """
        return self._stored is None or await self._stored.one(tenant, name) is not None

    async def _done(self, commands: list[Command]) -> web.Response:
        outcomes = []
        for command in commands[:10]:
            operation = await self._asking.ask(command, _WAIT_S)
            outcomes.append({
                "action": command.action.value, "alert_id": command.alert_id,
                "outcome": operation.outcome.value if operation else "undecided",
                "reason": operation.reason if operation else "",
            })  # fmt: skip
        return answer({"commands": outcomes})
