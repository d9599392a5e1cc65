"""A message as Slack shows it: an attachment in the severity's colour, with its fields, and the buttons under it."""

from __future__ import annotations

import json
from typing import Any

from connectors.base import Item
from connectors.clip import as_slack, fit
from connectors.message import Message
from connectors.wording import Wording
from streams.model import Status

TEXT = 3000
_TITLE, _FIELDS, _FIELD, _VALUE = 256, 20, 1000, 2000


def attachment(item: Item, message: Message, wording: Wording) -> dict[str, Any]:
    """The message in the severity's colour, with its fields."""
    words = wording.words(item, message)
    text = fit(words.body, TEXT) if words.body is not None else fit(message.text, TEXT, as_slack)
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
