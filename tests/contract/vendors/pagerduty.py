"""PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/send-alert-event)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.contract.vendors.server import Vendor, over


@dataclass
class PagerDuty(Vendor):
    """``incidents``: dedup_key -> its status. What people see is one incident a key."""

    secret: str = "R0123456789ABCDEF0123456789ABCDE"
    incidents: dict[str, str] = field(default_factory=dict)

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        problem = self._check(document, raw)
        if problem:
            return self._invalid(problem)
        self.bodies.append(document)
        action, key = document["event_action"], document["dedup_key"]
        if action == "trigger" and self.incidents.get(key) != "acknowledged":
            self.incidents[key] = "triggered"
        elif action != "trigger" and key in self.incidents:
            self.incidents[key] = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        answer = {"status": "success", "message": "Event processed", "dedup_key": key}
        return web.json_response(answer, status=202)

    def _invalid(self, problem: str) -> web.StreamResponse:
        self.broken_rules.append(problem)
        return web.json_response(
            {"status": "invalid event", "message": "Event object is invalid", "errors": [problem]}, status=400
        )

    def _check(self, document: dict[str, Any], raw: bytes) -> str:
        if len(raw) > 512 * 1024:
            return "larger than 512 KB"
        if document.get("routing_key") != self.secret:
            return "Invalid routing key"
        if document.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            return "event_action"
        if not document.get("dedup_key") or over(255, document["dedup_key"]):
            return "dedup_key"
        payload = document.get("payload", {})
        if document["event_action"] == "trigger":
            if not payload.get("summary") or over(1024, payload["summary"]):
                return "summary"
            if not payload.get("source") or payload.get("severity") not in ("info", "warning", "error", "critical"):
                return "source or severity"
            if "timestamp" in payload and not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", payload["timestamp"]):
                return "timestamp"
            if not isinstance(payload.get("custom_details", {}), dict):
                return "custom_details"
        if any(not re.match(r"https?://", link.get("href", "")) for link in document.get("links", [])):
            return "links"
        return ""

    def arrived(self) -> list[str]:
        return [f"n{int(key, 16)}-1" for key in self.incidents]
