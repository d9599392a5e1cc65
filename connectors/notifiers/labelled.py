"""An alert in Alertmanager's words: labels that name it, annotations that tell of it, when it began and ends."""

from __future__ import annotations

import re
from typing import Any

from connectors.base import Item
from connectors.clip import fit, one_line
from connectors.message import Message
from connectors.times import rfc3339
from connectors.wording import Words

_LABEL, _NOTE, _KEYS, _FACTS = 200, 8000, 10, 40


def alert_of(item: Item, message: Message, words: Words, now: int) -> dict[str, Any]:
    """``labels``, ``annotations``, ``startsAt`` and the address of the runbook; its end is the sender's to say.

    The labels are its name there: the same ones over its life, but for a severity that is raised. Of a group they are
    what its alerts share.
    """
    alert = {
        "labels": _labels(item, message),
        "annotations": _annotations(message, words),
        "startsAt": started(item, now),
    }
    if message.link:
        alert["generatorURL"] = message.link
    return alert


def started(item: Item, now: int) -> str:
    """Never in the future, whatever an event says of its time."""
    at = item.alert.event_time
    shown = rfc3339(min(at, now)) if at > 0 else None
    return shown if isinstance(shown, str) else str(rfc3339(now))


def _labels(item: Item, message: Message) -> dict[str, str]:
    alert = item.alert
    group = item.notification.group if item.notification else None
    own = alert.key if group is None else group.key
    labels = {_name(f"key_{name}"): _value(value) for name, value in list(own.items())[:_KEYS]}
    labels |= {
        "alertname": _value(alert.rule if group is None else group.key.get("rule", "group")),
        "severity": message.severity.value,
        "tenant": _value(alert.tenant),
        "tocsin_id": _value(message.subject),
    }
    if group is None:
        labels |= {"type": _value(alert.type), "source": _value(alert.source)}
    return {name: value for name, value in labels.items() if value}


def _name(text: str) -> str:
    """As Prometheus takes one: letters, digits and underscores."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", one_line(text, 100))


def _value(value: object) -> str:
    return fit(one_line(value, _LABEL), _LABEL)


def _annotations(message: Message, words: Words) -> dict[str, str]:
    found = {
        "summary": words.title if words.title is not None else f"{message.title} — {message.headline}",
        "description": words.body if words.body is not None else message.details or message.headline,
        "runbook": message.runbook,
        "more": message.look,
    }
    if words.failed:
        found["template_failed"] = words.failed
    for fact in message.facts[:_FACTS]:
        found.setdefault(_name(fact.name).lower(), fact.value)
    if len(message.facts) > _FACTS:
        found["facts_left_out"] = str(len(message.facts) - _FACTS)
    return {name: fit(text, _NOTE) for name, text in found.items() if name and text}
