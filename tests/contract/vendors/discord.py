"""Discord's webhooks (https://discord.com/developers/docs/resources/message#embed-object-embed-limits)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.contract.vendors.server import Vendor, live_markdown, over


@dataclass
class Discord(Vendor):
    secret: str = "/api/webhooks/123/hush-token"

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        if request.path != self.secret:
            return self.broke("Unknown Webhook", 404, code=10015)
        if request.query.get("wait") != "true":
            return self.broke("wait is not true: failures would go unseen")
        if document.get("allowed_mentions") != {"parse": []}:
            return self.broke("mentions are allowed")
        embeds = document.get("embeds", [])
        if not 1 <= len(embeds) <= 10:
            return self.broke("embeds")
        total = 0
        for embed in embeds:
            fields = embed.get("fields", [])
            if over(256, embed.get("title", "")) or over(4096, embed.get("description", "")) or len(fields) > 25:
                return self.broke("title, description or fields too long")
            for one in fields:
                if over(256, one["name"]) or over(1024, one["value"]) or not one["name"] or not one["value"]:
                    return self.broke("a field too long, or empty")
            if over(2048, embed["footer"]["text"]) or not 0 <= embed["color"] <= 0xFFFFFF:
                return self.broke("footer or color")
            texts = [embed.get("title", ""), embed.get("description", ""), embed["footer"]["text"]]
            texts += [part for one in fields for part in (one["name"], one["value"])]
            if found := next(filter(None, map(live_markdown, texts[1:2] + texts[3:])), ""):
                return self.broke(f"what an event brought is live: {found}")
            total += sum(len(text.encode("utf-16-le")) // 2 for text in texts)
        if total > 6000:
            return self.broke("more than 6000 characters")
        self.bodies.append(document)
        return web.json_response({"id": str(10**18 + len(self.bodies)), "channel_id": "1"})
