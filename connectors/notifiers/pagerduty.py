"""PagerDuty Events v2: trigger, acknowledge and resolve of one incident per alert.

``dedup_key`` is the alert's id (of a group the group's), so every notification about it, sent however often, comes
to the same incident.
"""

from __future__ import annotations

from typing import Any

from connectors.base import Delivered, Item, Result, Retry
from connectors.clip import fit, length
from connectors.message import Message
from connectors.notifiers.notifier import NotifierConfig, Posting, read_common
from connectors.posting import Answer, encoded, read_base, unexpected
from connectors.settings import Block
from streams.model import Severity, Status, content_hash

URL = "https://events.pagerduty.com/v2/enqueue"
SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    Severity.INFO: "info",
}
_SUMMARY, _KEY, _BYTES = 1024, 255, 512 * 1024


class PagerDutyConfig(NotifierConfig, frozen=True, kw_only=True):
    """``key``: a reference to the integration key. ``url``: of another region, such as Europe's."""

    key: str
    url: str = URL


def read_config(block: Block) -> PagerDutyConfig:
    return PagerDutyConfig(key=block.secret("key"), url=read_base(block, "url", URL), **read_common(block))


def dedup_key(subject: str) -> str:
    """The alert's id, or a hash of one that PagerDuty would not take."""
    return subject if subject and length(subject) <= _KEY else content_hash("dedup-key", subject)


def action_of(item: Item, message: Message) -> str:
    """A closed alert resolves, an acknowledged one acknowledges, everything else pages."""
    if message.closed:
        return "resolve"
    return "acknowledge" if item.alert.status is Status.ACKNOWLEDGED else "trigger"


class PagerDuty(Posting[PagerDutyConfig]):
    """One integration of one service."""

    _key = "***"

    async def open(self) -> None:
        self._key = self._context.secrets.resolve(self._config.key)
        await super().open()

    def preview(self, item: Item) -> dict[str, Any]:
        """The event that would be sent."""
        message = self.message(item)
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": action_of(item, message),
            "dedup_key": dedup_key(message.subject),
            "client": "Tocsin",
            "payload": self._payload(item, message),
        }
        if message.link:
            event["links"] = [{"href": message.link, "text": "Runbook"}]
        if len(encoded(event)) > _BYTES:
            event["payload"]["custom_details"] = {"More": message.look, "Cut": "the details were too large to send"}
        return event

    async def _one(self, item: Item) -> Result:
        answer = await self._poster.send(self._config.url, self.preview(item))
        return answer if isinstance(answer, Retry) else said(answer)

    def _payload(self, item: Item, message: Message) -> dict[str, Any]:
        words = self._wording.words(item, message)
        details: dict[str, str] = {}
        if words.failed:
            details["Template"] = words.failed
        details["Why now"] = message.sentence
        if words.body or message.description:
            details["Description"] = fit(words.body or message.description, 8000)
        rows = [(fact.name, fact.value) for fact in message.facts]
        rows += [(f"Alert {number}", member) for number, member in enumerate(message.members, 1)]
        rows += [("More alerts", str(message.unlisted))] if message.unlisted else []
        for name, value in [*rows, ("More", message.look)]:
            while name in details:
                name += "'"  # an event may bring a name of ours; none hides another
            details[name] = value
        payload: dict[str, Any] = {
            "summary": fit(words.title or f"{message.title} — {message.headline}", _SUMMARY),
            "source": fit(item.alert.source, 250) or "tocsin",
            "severity": SEVERITIES[message.severity],
            "component": fit(item.alert.rule, 250),
            "class": fit(item.alert.type, 250),
            "custom_details": details,
        }
        if message.at.endswith("Z"):  # a time outside the calendar is left to PagerDuty's own clock
            payload["timestamp"] = message.at
        return payload


def said(answer: Answer) -> Result:
    """202 and ``success``; 429 and 5xx are tried again, 400 never."""
    document = answer.document
    if answer.status == 202 and document.get("status") == "success":
        return Delivered(str(document.get("dedup_key", "")))
    if answer.status == 429:
        return Retry(f"PagerDuty asks to wait: {answer.said}", after_ms=answer.after_ms, everyone=True)
    return unexpected(answer)
