"""Twilio's Messages and Calls (https://www.twilio.com/docs/usage/api): forms, basic auth, its limits and codes."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from aiohttp import web

from tests.contract.vendors.server import Behave, Vendor, over, saying_json

ACCOUNT = "AC" + "0123456789abcdef" * 2
OURS, THEIRS = "+15005550006", "+14155550100"


@dataclass
class _Twilio(Vendor):
    """``refuse``: number -> (status, code, message)."""

    secret: str = "hush-token-0123456789"
    refuse: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.requests += 1
        if self.behave is not None and (answer := await self.behave(request, self.requests)) is not None:
            return answer
        if request.method != "POST" or request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return self._no(400, 20001, "not a POST of a form")
        pairs = parse_qsl(raw.decode("ascii"), strict_parsing=True, errors="strict")
        form = dict(pairs)
        if len(form) != len(pairs):
            return self._no(400, 20001, "a field stands twice")
        return self.take(request, form, raw)

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        login = base64.b64encode(f"{ACCOUNT}:{self.secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {login}":
            return self._no(401, 20003, "Authenticate")
        if request.path != f"/2010-04-01/Accounts/{ACCOUNT}/{self.resource}.json":
            return self._no(404, 20404, "The requested resource was not found")
        to = document.get("To", "")
        if to in self.refuse:
            status, code, message = self.refuse[to]
            return web.json_response({"code": code, "message": message, "status": status}, status=status)
        if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
            return self._no(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if problem := self.problem(document):
            return self._no(400, *problem)
        self.bodies.append(document)
        sid = f"{self.prefix}{len(self.bodies):032x}"
        return web.json_response({"sid": sid, "status": "queued", "error_code": None}, status=201)

    def _no(self, status: int, code: int, message: str) -> web.StreamResponse:
        self.broken_rules.append(message)
        return web.json_response({"code": code, "message": message, "status": status}, status=status)

    resource, prefix = "", ""

    def problem(self, form: dict[str, str]) -> tuple[int, str] | None:
        raise NotImplementedError


@dataclass
class TwilioSms(_Twilio):
    resource, prefix = "Messages", "SM"

    def problem(self, form: dict[str, str]) -> tuple[int, str] | None:
        if ("From" in form) == ("MessagingServiceSid" in form):
            return 21603, "A 'From' phone number is required"
        if not form.get("Body", "").strip():
            return 21602, "Message body is required."
        if over(1600, form["Body"]):
            return 21617, "The concatenated message body exceeds the 1600 character limit"
        return None


@dataclass
class TwilioPhone(_Twilio):
    resource, prefix = "Calls", "CA"
    heard: list[str] = field(default_factory=list)

    def problem(self, form: dict[str, str]) -> tuple[int, str] | None:
        if form.get("From") != OURS:
            return 21210, "'From' phone number not verified"
        if len(form.get("Twiml", "x" * 4001)) > 4000:
            return 21218, "Twiml is missing or longer than 4000 characters"
        try:
            document = ElementTree.fromstring(form["Twiml"])
        except ElementTree.ParseError as error:
            return 12100, f"Document parse failure: {error}"
        if document.tag != "Response" or [one.tag for one in document] != ["Say", "Pause", "Say"]:
            return 12200, f"Schema validation: {[one.tag for one in document]}"
        if any(len(one) for one in document) or document[0].text != document[2].text:
            return 12200, "markup inside of what is said"
        self.heard.append(document[0].text or "")
        return None

    def arrived(self) -> list[str]:
        """By the end of the alert's id, which is all that is said of it."""
        return [f"n{int(re.findall(r'ending in (.*)[.]', one)[-1].replace(' ', ''), 16)}-1" for one in self.heard]


def refusing(status: int, code: int, message: str = "because", **headers: str) -> Behave:
    return saying_json(status, {"code": code, "message": message, "status": status}, **headers)
