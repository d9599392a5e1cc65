"""The notification that ``tocsin notify`` shows or sends: from a file as other commands print it, or a sample."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from connectors.base import Item, Origin
from streams.errors import ConfigError
from streams.model import Alert, Evidence, Notification, Reason, Severity, Status, content_hash

_LARGEST = 16 * 1024 * 1024
_TIMES = frozenset({
    "at", "event_time", "last_event_time", "created_at", "updated_at", "acknowledged_at", "resolved_at",
    "snoozed_until", "since", "until",
})  # fmt: skip
_OURS = frozenset({"alert", "first", "last", "suppressed", "notes", "history"})


def item_from(file: Path, receiver: str, reason: Reason | None, now: int) -> Item:
    """The notification in ``file``, or one about the alert in it (as ``tocsin alerts show --json`` prints it).

    Raises ConfigError where the file holds neither.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(_LARGEST + 1)
        document = _in_ms(json.loads(raw)) if len(raw) <= _LARGEST else None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{file} is not one JSON object", "`tocsin alerts show ID --json` prints one")
    try:
        if "alert" in document:
            note = msgspec.convert(document, Notification)
            note = msgspec.structs.replace(note, receiver=receiver, reason=reason or note.reason)
        else:
            alert = msgspec.convert(document, Alert)
            note = _about(alert, receiver, reason or Reason.NEW, now)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file} holds no alert: {error}", "`tocsin alerts show ID --json` prints one") from None
    return _item(note)


def sample(receiver: str, now: int) -> Item:
    """An alert that says of itself that it is a test, of the least severity; each its own."""
    seen = Evidence(position="test/0/0", event_id="test", event_time=now)
    alert = Alert(
        id=content_hash("notify-test", receiver, str(now)), version=1, tenant="tocsin", rule="tocsin.test",
        rule_version="0" * 16, ruleset="0" * 16, severity=Severity.INFO, severity_word="info", type="system",
        title=f"Test of the sink {receiver}", source="tocsin", status=Status.ACTIVE, key={}, values={}, count=1,
        event_time=now, last_event_time=now, created_at=now, updated_at=now, first=(seen,), last=(seen,), why="test",
    )  # fmt: skip
    return _item(_about(alert, receiver, Reason.TEST, now))


def example(receiver: str, reason: Reason, now: int) -> Item:
    """An alert with something of everything, for whoever has none yet."""
    event = {"type": "deal.failed", "account": "desk-1", "deal_id": "D-4711", "step": "swap", "error": "slippage > 2 %"}
    seen = Evidence(position="trade.events/0/4711", event_id="example", event_time=now, event=event)
    alert = Alert(
        id=content_hash("notify-example"), version=1, tenant="example", rule="trade.deal-failure",
        rule_version="0" * 16, ruleset="0" * 16, severity=Severity.CRITICAL, severity_word="critical", type="system",
        title="Deal D-4711 failed at swap: slippage > 2 %", source="trade", status=Status.ACTIVE,
        key={"account": "desk-1", "deal_id": "D-4711"}, values={}, count=1, event_time=now, last_event_time=now,
        created_at=now, updated_at=now, first=(seen,), last=(seen,), deal_id="D-4711", violation_type="deal_failure",
        metadata={"step": "swap", "error": "slippage > 2 %"}, runbook="runbooks/deal-failure.md", why="opened",
    )  # fmt: skip
    return _item(_about(alert, receiver, reason, now))


def closed(item: Item, now: int) -> Item:
    """The same alert, resolved: for vendors that would go on paging for a test."""
    alert = msgspec.structs.replace(
        item.alert, version=item.alert.version + 1, status=Status.RESOLVED, resolved_at=now, updated_at=now
    )
    assert item.notification is not None
    return _item(_about(alert, item.notification.receiver, Reason.RESOLVED, now))


def _about(alert: Alert, receiver: str, reason: Reason, now: int) -> Notification:
    return Notification(
        id=content_hash("notify", alert.id, receiver, reason.value, str(alert.version), str(now)),
        alert_id=alert.id, tenant=alert.tenant, receiver=receiver, reason=reason, at=now, alert=alert,
        escalation_level=max(1, alert.escalation_level) if reason is Reason.ESCALATED else 0,
    )  # fmt: skip


def _item(note: Notification) -> Item:
    return Item(note.id, note.alert, Origin("notifications", 0, 0), msgspec.json.encode(note), note)


def _in_ms(value: Any) -> Any:
    """Times as people write them back to milliseconds; what events brought is left alone."""
    if isinstance(value, list):
        return [_in_ms(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {name: _field(name, inner) for name, inner in value.items()}


def _field(name: str, inner: Any) -> Any:
    if name in _TIMES and isinstance(inner, str):
        return round(datetime.fromisoformat(inner).timestamp() * 1000)
    return _in_ms(inner) if name in _OURS else inner
