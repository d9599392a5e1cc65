"""Discord: an embed through a channel's webhook.

It takes no idempotency key; what was sent is remembered, and a crash in between shows a message twice.
"""

from __future__ import annotations

from typing import Any

from yarl import URL

from connectors.base import Delivered, Item, Result, Retry
from connectors.clip import as_markdown, fit, length
from connectors.message import Message
from connectors.notifiers.notifier import NotifierConfig, Remembering, read_common
from connectors.posting import Answer, seconds_ms, unexpected
from connectors.settings import Block

_TITLE, _DESCRIPTION, _FIELDS, _NAME, _VALUE, _FOOTER, _TOTAL = 256, 4096, 25, 256, 1024, 300, 6000


class DiscordConfig(NotifierConfig, frozen=True, kw_only=True):
    """``url``: a reference to the webhook's address."""

    url: str


def read_config(block: Block) -> DiscordConfig:
    return DiscordConfig(url=block.secret("url"), **read_common(block))


class Discord(Remembering[DiscordConfig]):
    """One channel."""

    escape = staticmethod(as_markdown)
    _url = ""

    async def open(self) -> None:
        url = self._poster.secret_url(self._config.url)
        self._url = str(URL(url).update_query(wait="true"))  # or Discord says nothing of a message it did not keep
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The message that would be sent. Nobody is mentioned by it, whatever the alert holds."""
        return {"embeds": [self._embed(item, self.message(item))], "allowed_mentions": {"parse": []}}

    async def _send(self, item: Item) -> Result:
        answer = await self._poster.send(self._url, self.preview(item))
        return answer if isinstance(answer, Retry) else said(answer)

    def _embed(self, item: Item, message: Message) -> dict[str, Any]:
        words = self._wording.words(item, message)
        title = fit(words.title, _TITLE) if words.title else fit(message.title, _TITLE, as_markdown)
        footer = fit(message.look, _FOOTER)
        marker = fit(words.failed, 300, as_markdown) + "\n" if words.failed else ""
        left = _TOTAL - length(title) - length(footer) - length(marker) - 40
        room = min(_DESCRIPTION - length(marker), left * 2 // 3)
        text = fit(words.body, room) if words.body is not None else fit(message.text, room, as_markdown)
        left -= length(text)
        fields: list[dict[str, Any]] = []
        for number, fact in enumerate(message.facts):
            shown = fact.value if fact.link else fit(fact.value, _VALUE, as_markdown)
            name, value = fit(fact.name, _NAME, as_markdown) or "—", shown or "—"
            left -= length(name) + length(value)
            if left < 0 or (len(fields) == _FIELDS - 1 and number < len(message.facts) - 1):
                fields.append({"name": "…", "value": f"and {len(message.facts) - number} more", "inline": True})
                break
            fields.append({"name": name, "value": value, "inline": fact.short})
        embed: dict[str, Any] = {
            "title": title,
            "description": marker + text,
            "color": int(message.colour[1:], 16),
            "fields": fields,
            "footer": {"text": footer},
        }
        if message.at.endswith("Z"):
            embed["timestamp"] = message.at
        return embed


def said(answer: Answer) -> Result:
    """200 with the message; how long to wait stands in the JSON of a 429."""
    document = answer.document
    if answer.status == 200 and document.get("id"):
        return Delivered(str(document["id"]))
    if answer.status == 429:
        after = seconds_ms(document.get("retry_after"))
        return Retry("Discord asks to wait", after_ms=answer.after_ms if after is None else after, everyone=True)
    return unexpected(answer)
