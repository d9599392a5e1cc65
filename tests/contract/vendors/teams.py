"""A Teams workflow's webhook: an Adaptive Card in its envelope, 28 KB at the most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.contract.vendors.server import Vendor, live_markdown


@dataclass
class Teams(Vendor):
    secret: str = "/workflows/abc/triggers/manual/paths/invoke?sig=hush"

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        if request.path_qs != self.secret:
            return self.broke("DirectApiAuthorizationRequired", 401)
        if len(raw) > 28 * 1024:
            return self.broke("too large", 413)
        if document.get("type") != "message" or len(document.get("attachments", [])) != 1:
            return self.broke("the envelope")
        attachment = document["attachments"][0]
        card = attachment.get("content", {})
        if attachment.get("contentType") != "application/vnd.microsoft.card.adaptive":
            return self.broke("contentType")
        if card.get("type") != "AdaptiveCard" or card.get("version") not in ("1.2", "1.3", "1.4", "1.5"):
            return self.broke("not an Adaptive Card")
        for element in card["body"]:
            texts = [element.get("text", ""), *(text for fact in element.get("facts", []) for text in fact.values())]
            if found := next(filter(None, map(live_markdown, texts)), ""):
                return self.broke(f"what an event brought is live: {found}")
            if element["type"] == "TextBlock" and not element.get("text"):
                return self.broke("a TextBlock without text")
            if element["type"] == "FactSet" and not all({"title", "value"} <= set(f) for f in element["facts"]):
                return self.broke("a fact without title or value")
        self.bodies.append(document)
        return web.Response(status=202)
