"""Alertmanager's API v2, as its OpenAPI document and its source have it: what it takes, and what stands there."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.contract.vendors.server import Vendor, keys_in

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass
class Alertmanager(Vendor):
    """``known``: what it was told last of each set of labels, in memory as with the real one."""

    secret: str = "hush-bearer-0123456789"
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    takes: bool = True

    def take(self, request: web.Request, document: Any, raw: bytes) -> web.StreamResponse:
        if request.path != "/api/v2/alerts" or request.headers.get("authorization") != f"Bearer {self.secret}":
            return self.broke("another path, or not allowed", 401)
        if not isinstance(document, list):
            return self.broke("no list")
        if problem := next(filter(None, map(_problem, document)), ""):
            return self.broke(problem)
        for alert in document:
            labels = {name: value for name, value in alert["labels"].items() if value}
            self.known[json.dumps(labels, sort_keys=True)] = alert | {"labels": labels}
            self.bodies.append(alert)
        return web.Response(status=200)

    def active(self) -> list[dict[str, Any]]:
        return [alert for alert in self.known.values() if _at(alert["endsAt"]) > time.time()]

    def arrived(self) -> list[str]:
        return [key for alert in self.known.values() for key in keys_in(alert)]


def _at(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()


def _problem(alert: dict[str, Any]) -> str:
    if not set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}:
        return "an unknown field"
    labels = alert.get("labels", {})
    if not any(labels.values()):
        return "at least one label pair required"
    for name, value in [*labels.items(), *alert.get("annotations", {}).items()]:
        if not _NAME.fullmatch(name) or not isinstance(value, str):
            return f"invalid label {name!r}"
    try:
        if _at(alert["startsAt"]) > _at(alert["endsAt"]):
            return "start time must be before end time"
    except ValueError:
        return "a time that is none"
    return "" if re.fullmatch(r"(https?://\S+)?", alert.get("generatorURL", "")) else "generatorURL"
