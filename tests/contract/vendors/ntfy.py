"""ntfy's publishing as JSON (https://docs.ntfy.sh/publish/#publish-as-json), with basic auth."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.contract.vendors.server import Vendor, over


@dataclass
class Ntfy(Vendor):
    """Reached through Apprise; ``secret`` is its address in Apprise's form."""

    pushed: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.secret = f"ntfy://phone:hush-password@{self.url.removeprefix('http://')}/alerts?mode=private"
        return self

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        login = "Basic " + base64.b64encode(b"phone:hush-password").decode()
        if request.headers.get("authorization") != login:
            return self.broke("unauthorized", 401, code=40101)
        if request.path != "/" or document.get("topic") != "alerts":
            return self.broke("topic invalid", code=40009)
        if over(4096, document.get("message")) or len(document["message"].encode()) > 4096:
            return self.broke("the message is longer than 4096 bytes: it would be a file", code=41301)
        if over(250, document.get("title", "")):
            return self.broke("title", code=40001)
        self.bodies.append(document)
        return web.json_response({"id": f"m{len(self.bodies)}", "event": "message", "topic": "alerts"})
