"""``/api/v1/alerts/alerts``: list, look, acknowledge, resolve."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from aiohttp import web

from connectors.times import for_people
from streams.api.answers import answer, refuse
from streams.api.auth import ANY, Key, May
from streams.api.request import Calls, now_ms, query, read_json, tenant_of
from streams.api.stored import FILTERS, Stored
from streams.model import SEVERITIES, Action, Alert, Command, Disposition, OperationOutcome, Status, content_hash
from streams.runtime.asking import Asking

_PATH = "/api/v1/alerts/alerts"
_MOST, _FURTHEST = 1000, 1_000_000
_WAIT_S = 10.0
_WORDS = {
    "status": {status.value for status in Status},
    "severity": {severity.value for severity in SEVERITIES},
    "disposition": {one.value for one in Disposition},
}


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a command; all of it may be left out."""

    note: str = ""
    expected_version: int | None = None


class _Resolved(_Asked, forbid_unknown_fields=True):
    action: str = ""
    disposition: str = ""
    metadata: dict[str, Any] = {}


class Alerts:
    """Every answer is about the tenant of the key alone: another's alert is one that does not exist."""

    def __init__(self, stored: Stored | None, asking: Asking, calls: Calls) -> None:
        self._stored, self._asking, self._calls = stored, asking, calls

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self.list),
            web.get(_PATH + "/{id}", self.show),
            web.put(_PATH + "/{id}/acknowledge", self.acknowledge),
            web.put(_PATH + "/{id}/resolve", self.resolve),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Newest first. ``limit`` 1 to 1000, ``offset``, and filters by the columns of the storage."""
        key = self._calls.admit(request, May.READ)
        known = {name for name in FILTERS if name != "tenant"}
        given = query(request, known | {"limit", "offset", "tenant_id"})
        for name, words in _WORDS.items():
            if name in given and given[name] not in words:
                refuse(400, "bad_parameter", f"{name} is one of {', '.join(sorted(words))}")
        limit, offset = _number(given, "limit", 50, 1, _MOST), _number(given, "offset", 0, 0, _FURTHEST)
        wanted = {name: given[name] for name in known if name in given}
        found = await self._reading().newest(_read_as(request, key), limit + 1, offset, **wanted)
        more = offset + limit if len(found) > limit else None
        return answer({"alerts": [_shown(alert) for alert in found[:limit]], "limit": limit, "offset": offset,
                       "next_offset": more})  # fmt: skip

    async def show(self, request: web.Request) -> web.Response:
        key = self._calls.admit(request, May.READ)
        query(request, {"tenant_id"})
        return answer(_shown(await self._one(_read_as(request, key), request.match_info["id"])))

    async def acknowledge(self, request: web.Request) -> web.Response:
        key = self._calls.admit(request, May.WORK)
        asked = await read_json(request, _Asked)
        return await self._command(request, key, Action.ACKNOWLEDGE, note=asked.note,
                                   expected_version=asked.expected_version)  # fmt: skip

    async def resolve(self, request: web.Request) -> web.Response:
        key = self._calls.admit(request, May.WORK)
        asked = await read_json(request, _Resolved)
        return await self._command(
            request, key, Action.RESOLVE, note=asked.note, expected_version=asked.expected_version,
            resolution_action=asked.action, disposition=asked.disposition, metadata=asked.metadata,
        )  # fmt: skip

    async def _command(self, request: web.Request, key: Key, action: Action, **fields: Any) -> web.Response:
        """200 once it is done; 409 and the named refusal; 404; 504 where nobody decided in time.

        With a header ``Idempotency-Key`` a request sent twice is one command.
        """
        query(request, {"tenant_id"})
        identity, tenant = request.match_info["id"], _read_as(request, key)
        if tenant is None:  # a key to every tenant: the alert says whose it is
            tenant = (await self._one(None, identity)).tenant
        given = request.headers.get("Idempotency-Key", "")
        if len(given) > 500 or not given.isprintable():
            refuse(400, "bad_parameter", "an Idempotency-Key is at most 500 printable characters")
        command_id = content_hash("api", key.name, action.value, identity, given) if given else uuid.uuid4().hex
        command = Command(id=command_id, action=action, alert_id=identity, tenant=tenant, by=f"api:{key.name}",
                          at=now_ms(), **fields)  # fmt: skip
        operation = await self._asking.ask(command, _WAIT_S)
        if operation is None:
            refuse(504, "undecided", f"not decided within {_WAIT_S:g} s; it may still be: look at the alert again")
        if operation.outcome is OperationOutcome.REFUSED and not (given and operation.reason == "duplicate"):
            status = 404 if operation.reason == "unknown_alert" else 409
            refuse(status, operation.reason, f"{action.value} was refused: {operation.reason.replace('_', ' ')}")
        return answer({"id": identity, "action": action.value, "outcome": OperationOutcome.APPLIED.value,
                       "command_id": command_id, "at": for_people({"at": operation.at})["at"]})  # type: ignore[index]  # fmt: skip

    async def _one(self, tenant: str | None, identity: str) -> Alert:
        found = await self._reading().one(tenant, identity)
        if found is None:
            refuse(404, "unknown_alert", "there is no such alert")
        return found

    def _reading(self) -> Stored:
        if self._stored is None:
            refuse(503, "no_storage", "no storage is configured that alerts can be read from")
        return self._stored


def _read_as(request: web.Request, key: Key) -> str | None:
    """The tenant to look as; None for all, which only a key to every tenant can."""
    return tenant_of(request, key) if key.tenant != ANY or "tenant_id" in request.query else None


def _number(given: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        refuse(400, "bad_parameter", f"{name} is a whole number from {low} to {high}")
    return int(text)


def _shown(alert: Alert) -> Any:
    return for_people(msgspec.to_builtins(alert))
