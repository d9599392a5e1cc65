"""Our own alerts as events, for rules over alerts: each version of an alert is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.codec.outputs import Wire
from streams.model.decode import decode_full


def alert_envelope(alert: dict[str, Any]) -> dict[str, Any]:
    """The alert with what makes it an event: ``event_id`` (id and version), ``event_time`` (of the last event it saw)
    and ``action``, the reason of this version: ``opened``, ``folded``, ``severity_raised``, ``acknowledged``, ….
    """
    identity, version = alert.get("id"), alert.get("version")
    return {
        **alert,
        "event_id": alert.get("event_id") or f"{identity}:{version}",
        "event_time": alert.get("last_event_time", alert.get("event_time")),
        "action": alert.get("why", alert.get("action")),
    }


def alerts(wire: Wire) -> Callable[[bytes], dict[str, Any]]:
    """The mapping of the source ``alerts``; reads what ``wire`` reads."""
    return lambda raw: alert_envelope(decode_full(wire.json("alerts", raw)))
