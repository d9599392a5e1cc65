"""Slack: an incoming webhook, or a bot that keeps one message per alert up to date and answers in its thread.

Slack takes no idempotency key. What was sent is remembered (``connectors.remembered``); a crash between sending and
remembering shows a message twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import as_slack, fit
from connectors.context import SinkContext
from connectors.message import Message, message_of
from connectors.posting import Answer, Poster, read_base, unexpected
from connectors.remembered import Earlier, Remembered
from connectors.settings import Block
from connectors.wording import Texts, Wording, read_texts
from streams.model import Reason, Status

API = "https://slack.com/api"
_TITLE, _TEXT, _FIELDS, _FIELD, _VALUE = 256, 3000, 20, 1000, 2000
_AGAIN = frozenset({
    "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
    "team_added_to_org", "message_limit_exceeded",
})  # fmt: skip
_BROKEN = frozenset({
    "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission",
    "missing_scope", "org_login_required", "ekm_access_denied", "not_allowed_token_type",
})  # fmt: skip
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
#: What is shown in the channel too, and not only in the alert's thread.
_LOUD = frozenset({Reason.ESCALATED, Reason.SEVERITY_RAISED, Reason.REOPENED, Reason.BREACHED, Reason.FALLBACK})


class SlackConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` (of the webhook) or ``token`` (of the bot) with its ``channel``; both are references."""

    url: str = ""
    token: str = ""
    channel: str = ""
    api: str = API
    label: str = ""
    texts: Texts = Texts()
    buttons: bool = True
    allow_private: bool = False


def read_config(block: Block) -> SlackConfig:
    url, token = block.secret("url", ""), block.secret("token", "")
    channel = block.text("channel", "")
    if bool(url) == bool(token):
        block.problem("url", "give either url (an incoming webhook) or token and channel (a bot)")
    elif token and not channel:
        block.problem("channel", "a bot needs the channel it writes to")
    return SlackConfig(
        url=url,
        token=token,
        channel=channel,
        api=read_base(block, "api", API),
        label=block.text("label", ""),
        texts=read_texts(block),
        buttons=block.flag("buttons", True),
        allow_private=block.flag("allow_private", False),
    )


class Slack:
    """One channel."""

    def __init__(self, config: SlackConfig, context: SinkContext) -> None:
        self._config, self._context = config, context
        self._wording = Wording(config.texts, as_slack)
        self._poster = Poster(context, config.allow_private)
        self._remembered = Remembered(context)
        self._url = self._token = ""

    async def open(self) -> None:
        if self._config.token:
            self._token = self._context.secrets.resolve(self._config.token)
        else:
            self._url = self._poster.secret_url(self._config.url)
        self._remembered.open()
        await self._poster.open()

    async def close(self) -> None:
        self._remembered.close()
        await self._poster.close()

    def preview(self, item: Item) -> dict[str, Any]:
        """The body that would be sent for a first message."""
        return self._body(item, message_of(item, self._config.label))

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        return [await self._one(item) for item in batch]

    async def _one(self, item: Item) -> Result:
        if (reference := self._remembered.sent(item.key)) is not None:
            return Delivered(reference)
        message = message_of(item, self._config.label)
        body = self._body(item, message)
        if not self._token:
            answer = await self._poster.send(self._url, body)
            if isinstance(answer, Retry):
                return answer
            result = Delivered("ok") if answer.status == 200 and answer.said == "ok" else unexpected(answer)
        else:
            result = await self._talk(item, message, body)
        if isinstance(result, Delivered) and not self._token:
            self._remembered.keep(item.key, result.reference)
        return result

    async def _talk(self, item: Item, message: Message, body: dict[str, Any]) -> Result:
        """The alert's first message, or its update and a line in its thread; the update first: it may be repeated."""
        earlier = self._remembered.earlier(message.subject)
        if earlier is not None:
            updated = await self._call("chat.update", {**body, "channel": earlier.place, "ts": earlier.reference})
            if isinstance(updated, Rejected) and updated.reason.removeprefix("Slack: ") in _GONE:
                self._remembered.forget(message.subject)
                earlier = None
            elif not isinstance(updated, Earlier):
                return updated
        if earlier is not None:
            body = self._line(item, message) | {"channel": earlier.place, "thread_ts": earlier.reference}
            if item.notification and item.notification.reason in _LOUD:
                body["reply_broadcast"] = True
        posted = await self._call("chat.postMessage", body)
        if not isinstance(posted, Earlier):
            return posted
        reference = f"{posted.place}/{posted.reference}"
        self._remembered.keep(item.key, reference, message.subject, earlier or posted)
        return Delivered(reference)

    async def _call(self, method: str, body: dict[str, Any]) -> Earlier | Result:
        headers = {"authorization": f"Bearer {self._token}"}
        answer = await self._poster.send(f"{self._config.api}/{method}", body, headers)
        return answer if isinstance(answer, Retry) else said(answer)

    def _line(self, item: Item, message: Message) -> dict[str, Any]:
        """What stands in the thread."""
        text = fit(f"{message.title}\n{message.headline}\n{message.sentence}", _TEXT, as_slack)
        return {"text": text, "unfurl_links": False, "unfurl_media": False}

    def _body(self, item: Item, message: Message) -> dict[str, Any]:
        words = self._wording.words(item, message)
        own = words.body is not None
        text = fit(words.body, _TEXT) if words.body is not None else fit(message.text, _TEXT, as_slack)
        if words.failed:
            text = f"{fit(words.failed, 300, as_slack)}\n{text}"
        facts = message.facts
        fields = [
            {"title": fit(f.name, 100, as_slack), "value": fit(f.value, _FIELD, as_slack), "short": f.short}
            for f in facts[: _FIELDS - 1]
        ]
        if len(facts) >= _FIELDS:
            fields.append({"title": "…", "value": f"and {len(facts) - _FIELDS + 1} more", "short": True})
        attachment = {
            "color": message.colour,
            "fallback": fit(f"{message.title}: {message.headline}", 500, as_slack),
            "title": fit(words.title, _TITLE) if words.title else fit(message.title, _TITLE, as_slack),
            "text": text,
            "fields": fields,
            "footer": fit(message.look, 300, as_slack),
            "mrkdwn_in": ["text"] if own else [],  # nothing that an event brought is formatted
        }
        attachments: list[dict[str, Any]] = [attachment]
        body: dict[str, Any] = {"attachments": attachments}
        if self._config.token:
            body |= {"channel": self._config.channel, "unfurl_links": False, "unfurl_media": False}
            if buttons := self._buttons(item, message):
                attachments.append({"color": message.colour, "fallback": "Acknowledge, resolve", "blocks": [buttons]})
        return body

    def _buttons(self, item: Item, message: Message) -> dict[str, Any] | None:
        """For ``connectors.inbound.slack``; none where nothing is left to do, or the names would not fit."""
        value = json.dumps({"alert": item.alert.id, "tenant": item.alert.tenant}, separators=(",", ":"))
        if not self._config.buttons or message.closed or len(value) > _VALUE:
            return None
        wanted = ["acknowledge", "resolve"] if item.alert.status is not Status.ACKNOWLEDGED else ["resolve"]
        elements = [
            {
                "type": "button",
                "action_id": f"tocsin_{action}",
                "text": {"type": "plain_text", "text": action.capitalize()},
                "value": value,
            }
            for action in wanted
        ]
        return {"type": "actions", "elements": elements}


def said(answer: Answer) -> Earlier | Result:
    """What the Web API answered: where the message stands, or what became of it."""
    document = answer.document
    if answer.status == 429:
        return Retry("Slack: ratelimited", after_ms=answer.after_ms, everyone=True)
    if answer.status != 200 or not isinstance(document.get("ok"), bool):
        return unexpected(answer)
    if document["ok"]:
        return Earlier(str(document.get("channel", "")), str(document.get("ts", "")))
    error = str(document.get("error", "unknown"))[:100]
    if error in _AGAIN:
        after = answer.after_ms
        return Retry(f"Slack: {error}", after_ms=after, everyone=after is not None)
    if error in _BROKEN:
        raise SinkBroken(f"Slack refuses the bot: {error}", "look at the token and the scopes of the app (chat:write)")
    return Rejected(f"Slack: {error}")
