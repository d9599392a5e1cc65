"""Alerts of a replay, for programs (a JSON object a line) and for people (a table)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.model import Alert, Evidence, Notification
from streams.replay.moments import rfc3339
from streams.rules.rule import RuleSet

if TYPE_CHECKING:  # for who tests rules: it brings Kafka and the runtime
    from streams.replay.journal import JournalReplay

_COUNTING = ("count", "distinct")
_alert = msgspec.json.Decoder(Alert)
_notification = msgspec.json.Decoder(Notification)
_encode = msgspec.json.Encoder().encode


def document(alert: Alert, counting: bool) -> dict[str, Any]:
    """One alert. ``event_time`` is that of the event that completed the condition first.

    ``count`` (of a rule that counts) or ``value`` is the worst that was observed, ``findings`` how often it held; where
    nothing is observed (``match``) ``count`` is the number of events.
    """
    observed = alert.values.get("peak", alert.values.get("observed"))
    if observed is None:
        counting, observed = True, alert.count
    return {
        "alert_id": alert.id,
        "rule": alert.rule,
        "tenant": alert.tenant,
        "key": alert.key,
        "severity": alert.severity,
        "event_time": rfc3339(alert.event_time),
        "count" if counting else "value": observed,
        "evidence": [_evidence(evidence) for evidence in evidence_of(alert)],
        "title": alert.title,
        "type": alert.type,
        "source": alert.source,
        "status": alert.status,
        "rule_version": alert.rule_version,
        "last_event_time": rfc3339(alert.last_event_time),
        "findings": alert.count,
        "values": alert.values,
    }


def evidence_of(alert: Alert) -> list[Evidence]:
    """The events of the first and of the last finding, each once, in order of time."""
    found = {evidence.position: evidence for evidence in (*alert.first, *alert.last)}
    return sorted(found.values(), key=lambda evidence: evidence.event_time)


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "event_id": evidence.event_id,
        "position": evidence.position,
        "event_time": rfc3339(evidence.event_time),
    }


def json_lines(alerts: Iterable[Alert], ruleset: RuleSet) -> Iterator[bytes]:
    """One line an alert, without the line's end."""
    counting = {rule.id for rule in ruleset.rules if rule.detect.name in _COUNTING}
    for alert in alerts:
        yield _encode(document(alert, alert.rule in counting))


def last_versions(replayed: JournalReplay) -> list[Alert]:
    """The last version of each alert of a replayed journal, by event time and id."""
    last: dict[str, tuple[int, bytes]] = {}
    for (name, version), value in replayed.alerts.items():
        if name not in last or version > last[name][0]:
            last[name] = version, value
    alerts = (_alert.decode(value) for _, value in last.values())
    return sorted(alerts, key=lambda alert: (alert.event_time, alert.id))


def journal_lines(replayed: JournalReplay, alerts: Iterable[Alert]) -> Iterator[bytes]:
    """One line an alert: as ``json_lines``, with the version and the notifications there were."""
    sent: dict[str, list[Notification]] = defaultdict(list)
    for value in replayed.notifications.values():
        notification = _notification.decode(value)
        sent[notification.alert_id].append(notification)
    for alert in alerts:
        told = sorted(sent[alert.id], key=lambda one: (one.at, one.receiver, one.reason))
        yield _encode({
            **document(alert, counting=False),
            "version": alert.version,
            "created_at": rfc3339(alert.created_at),
            "updated_at": rfc3339(alert.updated_at),
            "notifications": [
                {"id": one.id, "receiver": one.receiver, "reason": one.reason, "at": rfc3339(one.at)} for one in told
            ],
        })  # fmt: skip


def console_for_tables() -> Console:
    """Standard output; as wide as rows need where it is no terminal, so that a line is a row for grep."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 500
    return console


def value_text(value: Any) -> str:
    """A value of a key for people: text as it is, anything else as JSON, so that true is not True."""
    return value if isinstance(value, str) else _encode(value).decode()


def print_table(alerts: Iterable[Alert], console: Console) -> None:
    """A row an alert, and where to look."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time", "severity", "rule", "tenant", "key", "what", "evidence"):
        table.add_column(name, overflow="fold")
    for alert in alerts:
        events = evidence_of(alert)
        where = (
            f"{events[-1].position} (+{len(events) - 1})" if len(events) > 1 else events[0].position if events else ""
        )
        key = " ".join(f"{name}={value_text(value)}" for name, value in alert.key.items())
        cells = (rfc3339(alert.event_time), alert.severity, alert.rule, alert.tenant, key, alert.title, where)
        table.add_row(*(escape(str(cell)) for cell in cells))
    console.print(table)
