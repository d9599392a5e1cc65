"""Telegram's Bot API: sendMessage and editMessageText, with its HTML parsed as strictly as it does."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.contract.vendors.server import Vendor, keys_in, over

_TAGS = {"b", "i", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}


@dataclass
class Telegram(Vendor):
    secret: str = "123456:hush-token"
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)

    def take(self, request: web.Request, document: dict[str, Any], raw: bytes) -> web.StreamResponse:
        def no(code: int, description: str) -> web.StreamResponse:
            self.broken_rules.append(description)
            return _no(code, description)

        bot, _, method = request.path.removeprefix("/bot").partition("/")
        if bot != self.secret:
            return no(401, "Unauthorized")
        if document.get("chat_id") != "-1001":
            return no(400, "Bad Request: chat not found")
        text = document.get("text", "")
        if document.get("parse_mode") == "HTML":
            if problem := _broken(text):
                return no(400, f"Bad Request: can't parse entities: {problem}")
            text = html.unescape(re.sub(r"<[^>]*>", "", text))
        if not text.strip():
            return no(400, "Bad Request: message text is empty")
        if over(4096, text):
            return no(400, "Bad Request: message is too long")
        if method == "editMessageText":
            number = document["message_id"]
            if number not in self.messages:
                return _no(400, "Bad Request: message to edit not found")
            if self.messages[number]["text"] == document["text"]:
                return _no(400, "Bad Request: message is not modified")
        else:
            number = len(self.messages) + 1
            self.bodies.append(document)
        self.messages[number] = document
        self.methods.append(method)
        return web.json_response({"ok": True, "result": {"message_id": number}})

    def arrived(self) -> list[str]:
        return [key for body in self.messages.values() for key in keys_in(body)]


def _no(code: int, description: str) -> web.StreamResponse:
    return web.json_response({"ok": False, "error_code": code, "description": description}, status=code)


def _broken(text: str) -> str:
    """What Telegram refuses: tags that it does not know or that do not close, a lone sign."""
    stack: list[str] = []
    for sign in re.finditer(r"<(/?)([a-z-]*)[^<>]*(>?)|&(#\d+|#x[0-9a-f]+|amp|lt|gt|quot)?(;?)|>", text):
        if sign[0] == ">":
            continue
        if sign[0].startswith("&"):
            continue
        if sign[2] not in _TAGS or not sign[3]:
            return f"unsupported start tag {sign[2]!r}"
        if not sign[1]:
            stack.append(sign[2])
        elif not stack or stack.pop() != sign[2]:
            return "unmatched end tag"
    return "unclosed tag" if stack else ""
