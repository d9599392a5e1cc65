"""How alerts fared: counts, times to detect, acknowledge and resolve, missed targets, and what they were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from streams.alerts.case import OPEN
from streams.model import Alert, Disposition, Status

#: Rules under which ALERT speaks of alerts; they would count things twice.
OWN = "tocsin."


@dataclass(slots=True)
class Figures:
    """Of a group of alerts. Times in ms, one for each alert of which it is known."""

    alerts: int = 0
    open: int = 0
    findings: int = 0
    hidden: int = 0  #: notifications that were not sent because something suppressed them
    reached: int = 0  #: alerts of which somebody was told
    escalated: int = 0  #: alerts that stand above level 0, or did when they were closed
    detect: list[int] = field(default_factory=list)  #: from the completing event to the alert
    acknowledge: list[int] = field(default_factory=list)  #: from the alert to the first acknowledgement
    resolve: list[int] = field(default_factory=list)  #: from the alert to its last closing
    breached: Counter[str] = field(default_factory=Counter)
    dispositions: Counter[str] = field(default_factory=Counter)

    def take(self, alert: Alert) -> None:
        """One more alert, as it stands now."""
        self.alerts += 1
        self.open += alert.status in OPEN
        self.findings += alert.count
        self.hidden += alert.hidden
        self.reached += bool(alert.told)
        self.escalated += alert.escalation_level > 0
        self.detect.append(max(0, alert.created_at - alert.event_time))
        if (acknowledged := acknowledged_at(alert)) is not None:
            self.acknowledge.append(max(0, acknowledged - alert.created_at))
        if alert.status not in OPEN and alert.resolved_at is not None:
            self.resolve.append(max(0, alert.resolved_at - alert.created_at))
        self.breached.update(alert.breached)
        if alert.disposition:
            self.dispositions[alert.disposition] += 1

    @property
    def false_positive_share(self) -> float | None:
        """Of the alerts that somebody has labelled; duplicates say nothing of a rule and do not count."""
        labelled = sum(self.dispositions.values()) - self.dispositions[Disposition.DUPLICATE]
        return self.dispositions[Disposition.FALSE_POSITIVE] / labelled if labelled > 0 else None

    def document(self) -> dict[str, Any]:
        """As JSON; times in ms."""
        share = self.false_positive_share
        return {
            "alerts": self.alerts, "open": self.open, "closed": self.alerts - self.open, "findings": self.findings,
            "told": self.reached, "hidden_notifications": self.hidden, "escalated": self.escalated,
            "mttd_ms": spread(self.detect), "mtta_ms": spread(self.acknowledge), "mttr_ms": spread(self.resolve),
            "breached": dict(sorted(self.breached.items())), "dispositions": dict(sorted(self.dispositions.items())),
            "false_positive_share": None if share is None else round(share, 4),
        }  # fmt: skip


BY: dict[str, Callable[[Alert], str]] = {
    "rule": lambda alert: alert.rule,
    "severity": lambda alert: alert.severity.value,
    "tenant": lambda alert: alert.tenant,
    "assignee": lambda alert: alert.assignee,
}


def figures(alerts: Iterable[Alert], by: str) -> tuple[Figures, dict[str, Figures]]:
    """Of all, and of each group, those with the most alerts first. Incidents, storms and reminders are left out."""
    whole, groups, name = Figures(), defaultdict[str, Figures](Figures), BY[by]
    for alert in alerts:
        if not alert.rule.startswith(OWN):
            whole.take(alert)
            groups[name(alert)].take(alert)
    return whole, dict(sorted(groups.items(), key=lambda item: (-item[1].alerts, item[0])))


def acknowledged_at(alert: Alert) -> int | None:
    """When somebody first took it in hand, also if that was taken back."""
    for change in alert.history:
        if change.get("to") == Status.ACKNOWLEDGED and isinstance(at := change.get("at"), int):
            return at
    return alert.acknowledged_at


def spread(times: list[int]) -> dict[str, int] | None:
    """Mean, median and 90th percentile (the nearest rank) of how many; None of none."""
    if not times:
        return None
    ordered = sorted(times)
    median, most = (ordered[-(-len(ordered) * share // 100) - 1] for share in (50, 90))
    return {"mean": sum(ordered) // len(ordered), "p50": median, "p90": most, "of": len(ordered)}


def label(alert: Alert) -> dict[str, Any] | None:
    """What rules are scored by: what a person said this alert was, and the events it rests on; None: nobody did."""
    if not alert.disposition:
        return None
    events = list({one.event_id: one.position for one in (*alert.first, *alert.last)}.items())
    return {
        "alert_id": alert.id, "rule": alert.rule, "tenant": alert.tenant, "key": alert.key,
        "disposition": alert.disposition, "duplicate_of": alert.duplicate_of or None, "by": alert.resolved_by,
        "event_ids": [event_id for event_id, _ in events], "positions": [where for _, where in events],
        "first_event_time": min((one.event_time for one in alert.first), default=alert.event_time),
        "last_event_time": alert.last_event_time,
    }  # fmt: skip
