"""What the vendors have in common: an address, a log of what was taken, a list of the rules a sender broke."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Behave = Callable[[web.Request, int], Awaitable[web.StreamResponse | None]]


@dataclass
class Vendor:
    """``behave`` may answer instead; ``bodies`` are the documents that were taken, in order."""

    behave: Behave | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    requests: int = 0
    url: str = ""
    secret: str = ""  #: what the sink is to be given
    path: str = "/"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.requests += 1
        if self.behave is not None and (answer := await self.behave(request, self.requests)) is not None:
            return answer
        try:
            document = json.loads(raw.decode("utf-8"))
        except ValueError:
            return self.broke("the body is not JSON in UTF-8")
        if request.method != "POST" or not request.headers.get("content-type", "").startswith("application/json"):
            return self.broke("not a POST of application/json")
        return self.take(request, document, raw)

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        raise NotImplementedError

    def broke(self, rule: str, status: int = 400, **answer: Any) -> web.StreamResponse:
        self.broken_rules.append(rule)
        return web.json_response({"error": rule, "message": rule, **answer}, status=status)

    def arrived(self) -> list[str]:
        """The key of every message that people see, as often as they see it."""
        return [key for body in self.bodies for key in keys_in(body)]


def keys_in(body: object) -> list[str]:
    """Notifications of ``connectors.testing`` by the alert that the message tells how to look at."""
    found = re.findall(r"tocsin alerts show ([0-9a-f]{32})", json.dumps(body))
    return [f"n{int(one, 16)}-1" for one in dict.fromkeys(found)]


def live_markdown(text: str) -> str:
    """What markdown would make of ``text`` that nobody here writes: a link, an image, a mention, a bare address."""
    if re.fullmatch(r"https?://[A-Za-z0-9.:/?#%&=+,;~_-]+", text):
        return ""  # all of it, which leads where it says
    plain = re.sub(r"\\.", "", text)  # a sign with a backslash before it is only that sign
    found = re.search(r"\]\(|<(?:https?:|@|#|!)|@(?:everyone|here)|https?://", plain)
    return found[0] if found else ""


def over(limit: int, text: object) -> bool:
    """No text, or longer than ``limit`` UTF-16 units."""
    return not isinstance(text, str) or len(text.encode("utf-16-le")) // 2 > limit


def saying(status: int, text: str = "because", **headers: str) -> Behave:
    """Always this answer."""

    async def behave(_: web.Request, __: int) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return behave


def saying_json(status: int, document: object, **headers: str) -> Behave:
    return saying(status, json.dumps(document), **headers)
