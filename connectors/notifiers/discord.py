"""Discord: an embed through a channel's webhook.

It takes no idempotency key; what was sent is remembered, and a crash in between shows a message twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from yarl import URL

from connectors.base import Delivered, Item, Result, Retry
from connectors.clip import as_markdown, fit, length
from connectors.context import SinkContext
from connectors.message import Message, message_of
from connectors.posting import Answer, Poster, seconds_ms, unexpected
from connectors.remembered import Remembered
from connectors.settings import Block
from connectors.wording import Texts, Wording, read_texts

_TITLE, _DESCRIPTION, _FIELDS, _NAME, _VALUE, _FOOTER, _TOTAL = 256, 4096, 25, 256, 1024, 300, 6000


class DiscordConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``url``: a reference to the webhook's address."""

    url: str
    label: str = ""
    texts: Texts = Texts()
    allow_private: bool = False


def read_config(block: Block) -> DiscordConfig:
    return DiscordConfig(
        url=block.secret("url"),
        label=block.text("label", ""),
        texts=read_texts(block),
        allow_private=block.flag("allow_private", False),
    )


class Discord:
    """One channel."""

    def __init__(self, config: DiscordConfig, context: SinkContext) -> None:
        self._config = config
        self._wording = Wording(config.texts, as_markdown)
        self._poster = Poster(context, config.allow_private)
        self._remembered = Remembered(context)
        self._url = ""

    async def open(self) -> None:
        url = self._poster.secret_url(self._config.url)
        self._url = str(URL(url).update_query(wait="true"))  # or Discord says nothing of a message it did not keep
        self._remembered.open()
        await self._poster.open()

    async def close(self) -> None:
        self._remembered.close()
        await self._poster.close()

    def preview(self, item: Item) -> dict[str, Any]:
        """The message that would be sent. Nobody is mentioned by it, whatever the alert holds."""
        embed = self._embed(item, message_of(item, self._config.label))
        return {"embeds": [embed], "allowed_mentions": {"parse": []}}

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        return [await self._one(item) for item in batch]

    async def _one(self, item: Item) -> Result:
        if (reference := self._remembered.sent(item.key)) is not None:
            return Delivered(reference)
        answer = await self._poster.send(self._url, self.preview(item))
        if isinstance(answer, Retry):
            return answer
        result = said(answer)
        if isinstance(result, Delivered):
            self._remembered.keep(item.key, result.reference)
        return result

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
            name, value = fit(fact.name, _NAME, as_markdown) or "—", fit(fact.value, _VALUE, as_markdown) or "—"
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
