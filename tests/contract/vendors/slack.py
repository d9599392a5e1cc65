"""Slack: incoming webhooks and the Web API's chat.postMessage and chat.update."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.contract.vendors.server import Vendor, keys_in, over

_COLOURS = {"#36a64f", "#ffa500", "#ff6600", "#ff0000", "#9e9e9e"}


@dataclass
class SlackWebhook(Vendor):
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: 200 and ``ok``."""

    secret: str = "/services/T000/B000/XXXX"

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        if request.path != self.secret:
            return web.Response(status=404, text="no_service")
        if problem := _message(document):
            self.broken_rules.append(problem)
            return web.Response(status=400, text="invalid_payload")
        self.bodies.append(document)
        return web.Response(text="ok")


@dataclass
class SlackBot(Vendor):
    """``messages``: ts -> what stands there now, replies included. Errors are 200 with ``ok: false``."""

    secret: str = "xoxb-000-secret"
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    channel: str = "C0123456789"

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        def no(error: str) -> web.StreamResponse:
            self.broken_rules.append(error)
            return web.json_response({"ok": False, "error": error})

        if request.headers.get("authorization") != f"Bearer {self.secret}":
            return no("invalid_auth")
        method = request.path.removeprefix("/")
        if document.get("channel") not in ("#alerts", self.channel):
            return no("channel_not_found")
        if problem := _message(document):
            return no(problem)
        if method == "chat.update":
            if document.get("ts") not in self.messages:
                return web.json_response({"ok": False, "error": "message_not_found"})
            if document["channel"] != self.channel:
                return no("channel_not_found")  # an update takes the id, not the name
            self.messages[document["ts"]] = document
            ts = document["ts"]
        elif method == "chat.postMessage":
            if "thread_ts" in document and document["thread_ts"] not in self.messages:
                return no("thread_not_found")
            ts = f"17000000{len(self.messages):02d}.000100"
            self.messages[ts] = document
            self.bodies.append(document)
        else:
            return no("unknown_method")
        self.methods.append(method)
        return web.json_response({"ok": True, "channel": self.channel, "ts": ts})

    def arrived(self) -> list[str]:
        return [key for body in self.messages.values() for key in keys_in(body)]


def _message(document: dict[str, Any]) -> str:
    attachments = document.get("attachments", [])
    if not document.get("text") and not attachments:
        return "no_text"
    if over(40_000, document.get("text", "")):
        return "msg_too_long"
    if len(attachments) > 100:
        return "too_many_attachments"
    texts = [document.get("text", "")]
    for attachment in attachments:
        if attachment.get("color") not in _COLOURS or not attachment.get("fallback"):
            return "invalid_attachment"
        if over(3000 + 400, attachment.get("text", "")) or len(attachment.get("fields", [])) > 20:
            return "attachment too long"
        texts += [attachment.get("text", ""), attachment.get("title", ""), attachment.get("footer", "")]
        texts += [part for one in attachment.get("fields", []) for part in (one["title"], one["value"])]
        for block in attachment.get("blocks", []):
            if block["type"] != "actions" or not 1 <= len(block["elements"]) <= 25:
                return "invalid_blocks"
            for button in block["elements"]:
                if over(75, button["text"]["text"]) or over(2000, button["value"]) or over(255, button["action_id"]):
                    return "invalid_blocks"
                json.loads(button["value"])
    if any(re.search(r"[<>]|&(?!(amp|lt|gt);)", text) for text in texts):
        return "unescaped control characters"  # ours: a link or mention came through
    return ""
