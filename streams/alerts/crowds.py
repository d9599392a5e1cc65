"""Many alerts at once: a storm of one rule is told as one, and alerts of one entity make an incident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams.model import Alert, Finding, FindingKind, Severity, content_hash
from streams.rules.block import Block, paths

#: Rules that ALERT itself speaks under.
STORM, INCIDENT = "tocsin.storm", "tocsin.incident"
_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class StormCap:
    """Of a rule and tenant at most ``alerts`` are told in ``within`` ms; the others are counted in one alert."""

    alerts: int = 50
    within: int = 10 * _MINUTE


@dataclass(frozen=True, slots=True)
class Grouping:
    """Open alerts that agree in the first label of ``by`` that they have, opened within ``within`` ms of each other,
    make an incident from ``at_least`` on.
    """

    by: tuple[str, ...]
    within: int = 30 * _MINUTE
    at_least: int = 2


def parse_storm(raw: Any) -> StormCap:
    """``{alerts: 50, within: 10m}``. Raises BlockErrors."""
    block = Block(raw)
    cap = StormCap(
        block.integer("alerts", 50, least=1, most=10_000), block.duration("within", 10 * _MINUTE, least=1_000)
    )
    block.check()
    return cap


def parse_grouping(raw: Any) -> Grouping:
    """``{by: [correlation_id, key.actor], within: 30m, at_least: 2}``. Raises BlockErrors."""
    block = Block(raw)
    grouping = Grouping(
        block.read("by", paths),
        block.duration("within", 30 * _MINUTE, least=1_000),
        block.integer("at_least", 2, least=2, most=1_000),
    )
    if grouping.by == ():
        block.problem("by", "names no label")
    block.check()
    return grouping


def storm_finding(alert: Alert, told: int, cap: StormCap, now: int) -> Finding:
    """That a rule has more to say than is told. ``told``: how many were told before. One alert a storm."""
    key = {"rule": alert.rule}
    return _finding(
        STORM, alert, key, now, severity=alert.severity,
        title=f"{alert.rule} has opened more than {told} alerts within {cap.within // _MINUTE} minutes",
        description="Those beyond are listed and counted, but not told one by one. Look at the rule, or at what broke.",
        threshold=cap.alerts, cooldown=cap.within, within=cap.within, observed=None,
    )  # fmt: skip


def incident_finding(alert: Alert, entity: str, severity: Severity, word: str, grouping: Grouping, now: int) -> Finding:
    """That several alerts are about one entity. It counts no member: they join it afterwards."""
    path, _, value = entity.partition("=")
    return _finding(
        INCIDENT, alert, {path: value}, now, severity=severity, severity_word=word, title=f"alerts about {value}",
        description="Opened close together, and about the same; each stays an alert of its own.",
        threshold=grouping.at_least, cooldown=0, within=grouping.within, observed=None, fold="until_resolved",
    )  # fmt: skip


def _finding(
    rule: str, alert: Alert, key: dict[str, Any], now: int, *, severity: Severity, severity_word: str = "", **more: Any
) -> Finding:
    identity = content_hash(rule, alert.tenant, key, alert.id, now)
    return Finding(
        id=content_hash("finding", identity), kind=FindingKind.FIRE, rule=rule, rule_version="", ruleset=alert.ruleset,
        tenant=alert.tenant, key=key, alert_id=identity, source=alert.source, event_time=now,
        position=alert.first[-1].position if alert.first else "", severity=severity,
        severity_word=severity_word or severity.value, type=alert.type, evidence=(),
        correlation_id=alert.correlation_id, **more,
    )  # fmt: skip
