"""Slack: an incoming webhook, or a bot that keeps one message per alert up to date and answers in its thread.

Slack takes no idempotency key. What was sent is remembered (``connectors.remembered``); a crash between sending and
remembering shows a message twice.
"""

from __future__ import annotations

from typing import Any

from connectors.base import Delivered, Item, Rejected, Result, Retry, SinkBroken
from connectors.clip import as_slack, fit
from connectors.context import SinkContext
from connectors.message import Message
from connectors.notifiers.notifier import NotifierConfig, Remembering, Threaded, read_common
from connectors.notifiers.slack_message import TEXT, attachment, buttons
from connectors.posting import Answer, read_base, unexpected
from connectors.remembered import Earlier
from connectors.settings import Block
from streams.model import Reason

API = "https://slack.com/api"
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
        text = fit(f"{message.title}\n{message.headline}\n{message.sentence}", TEXT, as_slack)
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
