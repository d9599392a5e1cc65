"""Telegram: a bot's message to a chat, in HTML. The alert's first message is kept up to date; others answer it.

It takes no idempotency key; what was sent is remembered, and a crash in between shows a message twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import as_html, fit, length
from connectors.context import SinkContext
from connectors.message import Message, message_of
from connectors.posting import Answer, Poster, read_base, seconds_ms, unexpected
from connectors.remembered import Earlier, Remembered
from connectors.settings import Block
from connectors.wording import Texts, Wording, read_texts

API = "https://api.telegram.org"
_TEXT = 4096
_GONE = ("message to edit not found", "message can't be edited", "message_id_invalid")


class TelegramConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``token``: a reference to the bot's. ``chat``: a number, or ``@channel``."""

    token: str
    chat: str
    api: str = API
    label: str = ""
    texts: Texts = Texts()
    allow_private: bool = False


def read_config(block: Block) -> TelegramConfig:
    chat = block.text("chat")
    if chat and not re.fullmatch(r"-?\d{1,20}|@[A-Za-z0-9_]{1,64}", chat, re.ASCII):
        block.problem("chat", 'must be a chat\'s number in quotes ("-1001234"), or @channel')
    return TelegramConfig(
        token=block.secret("token"),
        chat=chat,
        api=read_base(block, "api", API),
        label=block.text("label", ""),
        texts=read_texts(block),
        allow_private=block.flag("allow_private", False),
    )


class Telegram:
    """One chat."""

    def __init__(self, config: TelegramConfig, context: SinkContext) -> None:
        self._config, self._context = config, context
        self._wording = Wording(config.texts, as_html)
        self._poster = Poster(context, config.allow_private)
        self._remembered = Remembered(context)
        self._token = ""

    async def open(self) -> None:
        self._token = self._context.secrets.resolve(self._config.token)
        if not re.fullmatch(r"[A-Za-z0-9:_-]+", self._token):
            raise SinkBroken("the Telegram token must look like 123456:AbC-dEf")
        self._remembered.open()
        await self._poster.open()

    async def close(self) -> None:
        self._remembered.close()
        await self._poster.close()

    def preview(self, item: Item) -> dict[str, Any]:
        """The body of a first ``sendMessage``."""
        return self._body(item, message_of(item, self._config.label))

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        return [await self._one(item) for item in batch]

    async def _one(self, item: Item) -> Result:
        if (reference := self._remembered.sent(item.key)) is not None:
            return Delivered(reference)
        message = message_of(item, self._config.label)
        body = self._body(item, message)
        earlier = self._remembered.earlier(message.subject)
        if earlier is not None:  # the update first: it may be repeated
            updated = await self._call("editMessageText", {**body, "message_id": int(earlier.reference)})
            if isinstance(updated, Rejected) and any(gone in updated.reason.lower() for gone in _GONE):
                self._remembered.forget(message.subject)
                earlier = None
            elif not isinstance(updated, str) and "message is not modified" not in getattr(updated, "reason", ""):
                return updated
        if earlier is not None:
            body["reply_parameters"] = {"message_id": int(earlier.reference), "allow_sending_without_reply": True}
        posted = await self._call("sendMessage", body)
        if not isinstance(posted, str):
            return posted
        self._remembered.keep(item.key, posted, message.subject, earlier or Earlier(self._config.chat, posted))
        return Delivered(posted)

    async def _call(self, method: str, body: dict[str, Any]) -> str | Result:
        answer = await self._poster.send(f"{self._config.api}/bot{self._token}/{method}", body)
        return answer if isinstance(answer, Retry) else said(answer)

    def _body(self, item: Item, message: Message) -> dict[str, Any]:
        words = self._wording.words(item, message)
        marker = f"<i>{fit(words.failed, 300, as_html)}</i>\n" if words.failed else ""
        head = words.title if words.title is not None else f"<b>{fit(message.title, 256, as_html)}</b>"
        body: dict[str, Any] = {"chat_id": self._config.chat, "link_preview_options": {"is_disabled": True}}
        if words.body is not None:
            text = f"{head}\n{words.body}"
            if length(text) <= _TEXT:
                return {**body, "text": text, "parse_mode": "HTML"}
            plain = re.sub(r"<[^>]*>", "", text)  # cut HTML may be torn HTML: shown without it instead
            return {**body, "text": fit(plain, _TEXT)}
        if length(head) > 1000:
            head = fit(re.sub(r"<[^>]*>", "", head), 256, as_html)
        tail = f"\n<code>{fit(message.look, 300, as_html)}</code>"
        left = _TEXT - length(marker) - length(head) - length(tail) - 40
        text = fit(message.text, left * 2 // 3, as_html)
        left -= length(text)
        lines: list[str] = []
        for number, fact in enumerate(message.facts):
            line = f"\n<b>{fit(fact.name, 100, as_html)}</b>: {fit(fact.value, 400, as_html)}"
            left -= length(line)
            if left < 0:
                lines.append(f"\n… and {len(message.facts) - number} more")
                break
            lines.append(line)
        return {**body, "text": f"{marker}{head}\n{text}{''.join(lines)}{tail}", "parse_mode": "HTML"}


def said(answer: Answer) -> str | Result:
    """The message's number, or what became of it. 401: the token is wrong. 400 and 403 are about this chat."""
    document = answer.document
    if answer.status == 200 and document.get("ok") is True:
        result = document.get("result")
        return str(result.get("message_id", "")) if isinstance(result, dict) else ""
    if document.get("ok") is not False:
        return unexpected(answer)
    why = f"Telegram: {str(document.get('description', answer.status))[:200]}"
    code = document.get("error_code", answer.status)
    extra = document.get("parameters")
    if code == 429:
        after = seconds_ms(extra.get("retry_after")) if isinstance(extra, dict) else None
        return Retry(why, after_ms=answer.after_ms if after is None else after, everyone=True)
    if code in (401, 404):
        raise SinkBroken(why, "look at the bot's token")
    if not isinstance(code, int) or code >= 500:
        return Retry(why)
    if isinstance(extra, dict) and "migrate_to_chat_id" in extra:
        return Rejected(f'{why}; set chat: "{extra["migrate_to_chat_id"]}"')
    return Rejected(why)
