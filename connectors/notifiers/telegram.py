"""Telegram: a bot's message to a chat, in HTML. The alert's first message is kept up to date; others answer it.

It takes no idempotency key; what was sent is remembered, and a crash in between shows a message twice.
"""

from __future__ import annotations

import re
from typing import Any

from connectors.base import Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import as_html, fit, length
from connectors.message import Message
from connectors.notifiers.notifier import NotifierConfig, Threaded, read_common
from connectors.posting import Answer, read_base, seconds_ms, unexpected
from connectors.remembered import Earlier
from connectors.settings import Block

API = "https://api.telegram.org"
_TEXT = 4096
_GONE = ("message to edit not found", "message can't be edited", "message_id_invalid")


class TelegramConfig(NotifierConfig, frozen=True, kw_only=True):
    """``token``: a reference to the bot's. ``chat``: a number, or ``@channel``."""

    token: str
    chat: str
    api: str = API


def read_config(block: Block) -> TelegramConfig:
    chat = block.text("chat")
    if chat and not re.fullmatch(r"-?\d{1,20}|@[A-Za-z0-9_]{1,64}", chat, re.ASCII):
        block.problem("chat", 'must be a chat\'s number in quotes ("-1001234"), or @channel')
    token, api = block.secret("token"), read_base(block, "api", API)
    return TelegramConfig(token=token, chat=chat, api=api, **read_common(block))


class Telegram(Threaded[TelegramConfig]):
    """One chat."""

    escape = staticmethod(as_html)
    _token = ""

    async def open(self) -> None:
        self._token = self._context.secrets.resolve(self._config.token)
        if not re.fullmatch(r"[A-Za-z0-9:_-]+", self._token):
            raise SinkBroken("the Telegram token must look like 123456:AbC-dEf")
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The body of a first ``sendMessage``."""
        return self._body(item, self.message(item))

    async def _update(self, item: Item, message: Message, earlier: Earlier) -> Earlier | Result | None:
        body = {**self._body(item, message), "message_id": int(earlier.reference)}
        updated = await self._call("editMessageText", body)
        if not isinstance(updated, Rejected):
            return updated
        why = updated.reason.lower()
        if any(gone in why for gone in _GONE):
            return None
        return earlier if "message is not modified" in why else updated

    async def _post(self, item: Item, message: Message, earlier: Earlier | None) -> Earlier | Result:
        body = self._body(item, message)
        if earlier is not None:
            body["reply_parameters"] = {"message_id": int(earlier.reference), "allow_sending_without_reply": True}
        return await self._call("sendMessage", body)

    async def _call(self, method: str, body: dict[str, Any]) -> Earlier | Result:
        answer = await self._poster.send(f"{self._config.api}/bot{self._token}/{method}", body)
        if isinstance(answer, Retry):
            return answer
        found = said(answer)
        return Earlier(self._config.chat, found) if isinstance(found, str) else found

    def _reference(self, posted: Earlier) -> str:
        return posted.reference

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
        left = _TEXT - length(marker) - length(head) - length(tail) - 42
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
        return {**body, "text": f"{marker}{head}\n{text}\n{''.join(lines)}\n{tail}", "parse_mode": "HTML"}


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
