"""Microsoft Teams: an Adaptive Card to the webhook of a workflow ("When a Teams webhook request is received").

It takes no idempotency key; what was sent is remembered, and a crash in between shows a card twice.
"""

from __future__ import annotations

import re
from typing import Any

from connectors.base import Delivered, Item, Rejected, Result, Retry
from connectors.clip import as_markdown, fit
from connectors.message import Message
from connectors.notifiers.notifier import NotifierConfig, Remembering, read_common
from connectors.posting import Answer, encoded, unexpected
from connectors.settings import Block
from streams.model import Severity

_BYTES = 28 * 1024
_COLOURS = {
    Severity.CRITICAL: "attention",
    Severity.HIGH: "attention",
    Severity.MEDIUM: "warning",
    Severity.LOW: "good",
    Severity.INFO: "default",
}


class TeamsConfig(NotifierConfig, frozen=True, kw_only=True):
    """``url``: a reference to the webhook's address."""

    url: str


def read_config(block: Block) -> TeamsConfig:
    return TeamsConfig(url=block.secret("url"), **read_common(block))


class Teams(Remembering[TeamsConfig]):
    """One channel or chat."""

    escape = staticmethod(as_markdown)
    _url = ""

    async def open(self) -> None:
        self._url = self._poster.secret_url(self._config.url)
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The message that would be sent: at most 28 KB, whatever the alert holds."""
        message = self.message(item)
        body: dict[str, Any] = {}
        for text, facts, value in ((6000, 30, 600), (3000, 20, 200), (1000, 10, 100), (300, 5, 40)):
            body = self._message(item, message, text, facts, value)
            if len(encoded(body)) <= _BYTES:
                break
        return body

    async def _send(self, item: Item) -> Result:
        answer = await self._poster.send(self._url, self.preview(item))
        return answer if isinstance(answer, Retry) else said(answer)

    def _message(self, item: Item, message: Message, text: int, facts: int, value: int) -> dict[str, Any]:
        words = self._wording.words(item, message)
        title = fit(words.title, 256) if words.title else fit(message.title, 256, as_markdown)
        told = fit(words.body, text) if words.body is not None else fit(message.text, text, as_markdown)
        if words.failed:
            told = f"{fit(words.failed, 300, as_markdown)}\n{told}"
        told_of = [fact for fact in message.facts if not fact.link]  # that is the button
        listed = [
            {"title": fit(fact.name, 80, as_markdown), "value": fit(fact.value, value, as_markdown)}
            for fact in told_of[:facts]
        ]
        if len(told_of) > facts:
            listed.append({"title": "…", "value": f"and {len(told_of) - facts} more"})
        lines = told.replace("\n", "\n\n")  # a single break is none in a card
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": [
                {
                    "type": "TextBlock", "text": title, "weight": "Bolder", "size": "Large", "wrap": True,
                    "color": "good" if message.closed else _COLOURS[message.severity],
                },
                {"type": "TextBlock", "text": lines or " ", "wrap": True},
                {"type": "FactSet", "facts": listed},
                {"type": "TextBlock", "text": fit(message.look, 300, as_markdown), "isSubtle": True, "wrap": True},
            ],
        }  # fmt: skip
        if message.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": "Runbook", "url": message.link}]
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card,
        }  # fmt: skip
        return {"type": "message", "attachments": [attachment]}


def said(answer: Answer) -> Result:
    """2xx is accepted, unless its text tells of a failure behind it, as Teams' older webhooks do."""
    if 200 <= answer.status < 300 and (found := re.search(r"(?i)delivery failed|error", answer.said)):
        code = re.search(r"\b([45]\d\d)\b", answer.said)
        status = int(code[1]) if code else 500
        if status == 429:
            return Retry(f"Teams asks to wait: {answer.said}", after_ms=30_000, everyone=True)
        reason = f"Teams took it and failed ({found[0].lower()}): {answer.said}"
        return Rejected(reason) if 400 <= status < 500 and status != 408 else Retry(reason)
    if 200 <= answer.status < 300:
        return Delivered(f"HTTP {answer.status}")
    return unexpected(answer)
