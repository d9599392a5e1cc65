"""Slack: an incoming webhook, or a bot that keeps one message per alert up to date and answers in its thread.

Slack takes no idempotency key. What was sent is remembered (``connectors.remembered``); a crash between sending and
remembering shows a message twice.
"""

from __future__ import annotations

import json
from typing import Any

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import as_slack, fit
from connectors.context import SinkContext
from connectors.message import Message
from connectors.notifiers.notifier import NotifierConfig, Remembering, Threaded, read_common
from connectors.posting import Answer, read_base, unexpected
from connectors.remembered import Earlier
from connectors.settings import Block
from connectors.wording import Wording
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
_PLAIN = {"unfurl_links": False, "unfurl_media": False}
#: What is shown in the channel too, and not only in the alert's thread.
_LOUD = frozenset({Reason.ESCALATED, Reason.SEVERITY_RAISED, Reason.REOPENED, Reason.BREACHED, Reason.FALLBACK})


class SlackConfig(NotifierConfig, frozen=True, kw_only=True):
    """``url`` (of the webhook) or ``token`` (of the bot) with its ``channel``; both are references."""

    url: str = ""
    token: str = ""
    channel: str = ""
    api: str = API
    buttons: bool = True


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
        buttons=block.flag("buttons", True),
        **read_common(block),
    )


class SlackHook(Remembering[SlackConfig]):
    """An incoming webhook: one message a notification."""

    escape = staticmethod(as_slack)
    _url = ""

    async def open(self) -> None:
        self._url = self._poster.secret_url(self._config.url)
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The body that would be sent."""
        return {"attachments": [attachment(item, self.message(item), self._wording)]}

    async def _send(self, item: Item) -> Result:
        answer = await self._poster.send(self._url, self.preview(item))
        if isinstance(answer, Retry):
            return answer
        return Delivered("ok") if answer.status == 200 and answer.said == "ok" else unexpected(answer)


class SlackBot(Threaded[SlackConfig]):
    """A bot: one message an alert, updated, with buttons and a thread."""

    escape = staticmethod(as_slack)
    _token = ""

    async def open(self) -> None:
        self._token = self._context.secrets.resolve(self._config.token)
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The body that would be sent for a first message."""
        return self._body(item, self.message(item))

    async def _update(self, item: Item, message: Message, earlier: Earlier) -> Earlier | Result | None:
        body = {**self._body(item, message), "channel": earlier.place, "ts": earlier.reference}
        updated = await self._call("chat.update", body)
        gone = isinstance(updated, Rejected) and updated.reason.removeprefix("Slack: ") in _GONE
        return None if gone else updated

    async def _post(self, item: Item, message: Message, earlier: Earlier | None) -> Earlier | Result:
        if earlier is None:
            return await self._call("chat.postMessage", self._body(item, message))
        text = fit(f"{message.title}\n{message.headline}\n{message.sentence}", _TEXT, as_slack)
        body: dict[str, Any] = {"text": text, "channel": earlier.place, "thread_ts": earlier.reference} | _PLAIN
        if item.notification and item.notification.reason in _LOUD:
            body["reply_broadcast"] = True
        return await self._call("chat.postMessage", body)

    async def _call(self, method: str, body: dict[str, Any]) -> Earlier | Result:
        headers = {"authorization": f"Bearer {self._token}"}
        answer = await self._poster.send(f"{self._config.api}/{method}", body, headers)
        return answer if isinstance(answer, Retry) else said(answer)

    def _body(self, item: Item, message: Message) -> dict[str, Any]:
        attachments = [attachment(item, message, self._wording)]
        if self._config.buttons and (actions := buttons(item, message)):
            attachments.append({"color": message.colour, "fallback": "Acknowledge, resolve", "blocks": [actions]})
        return {"attachments": attachments, "channel": self._config.channel} | _PLAIN


def Slack(config: SlackConfig, context: SinkContext) -> SlackHook | SlackBot:  # noqa: N802 - stands for a class
    """One channel: written to as its configuration says."""
    return SlackBot(config, context) if config.token else SlackHook(config, context)


def attachment(item: Item, message: Message, wording: Wording) -> dict[str, Any]:
    """The message in the severity's colour, with its fields."""
    words = wording.words(item, message)
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
    found: dict[str, Any] = {
        "color": message.colour,
        "fallback": fit(f"{message.title}: {message.headline}", 500, as_slack),
        "title": fit(words.title, _TITLE) if words.title else fit(message.title, _TITLE, as_slack),
        "text": text,
        "fields": fields,
        "footer": fit(message.look, 300, as_slack),
        "mrkdwn_in": [] if words.body is None else ["text"],  # nothing that an event brought is formatted
    }
    if message.link:
        found["title_link"] = message.link
    if message.at.endswith("Z") and item.notification:
        found["ts"] = item.notification.at // 1000  # Slack shows it beside the footer, in the reader's own time
    return found


def buttons(item: Item, message: Message) -> dict[str, Any] | None:
    """For ``connectors.inbound.slack``; none where nothing is left to do, or the names would not fit."""
    value = json.dumps({"alert": item.alert.id, "tenant": item.alert.tenant}, separators=(",", ":"))
    if message.closed or len(value) > _VALUE:
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
