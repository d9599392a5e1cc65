"""Alerts as a terminal shows them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import evidence, plain, why
from connectors.times import for_people, rfc3339
from streams.model import Alert

COLOURS = {"critical": "bold white on red", "high": "red", "medium": "yellow", "low": "cyan", "info": "blue"}
_BARS = "▁▂▃▄▅▆▇█"


def console() -> Console:
    """As wide as the terminal; into a pipe or a file wide enough to keep the lines whole."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def lines(alerts: Sequence[Alert]) -> None:
    """One JSON object a line."""
    for alert in alerts:
        click.echo(msgspec.json.encode(for_people(msgspec.to_builtins(alert))))


def table(alerts: Sequence[Alert]) -> Table:
    """One line for each."""
    shown = Table("id", "created", "severity", "status", "tenant", "title", "count", "assignee", box=box.SIMPLE_HEAD)
    for alert in alerts:
        status = alert.status.value + (f" ({alert.suppressed[0].stage})" if alert.suppressed else "")
        shown.add_row(
            Text(plain(alert.id, 12)),
            str(rfc3339(alert.created_at))[:19],
            Text(alert.severity.value, style=COLOURS[alert.severity.value]),
            status,
            Text(plain(alert.tenant, 40)),
            Text(plain(alert.title, 120)),
            str(alert.count),
            Text(plain(alert.assignee, 40)),
        )
    return shown


def facts(alert: Alert, where: str) -> list[tuple[str, Text]]:
    """Name and text of everything worth a line."""
    word = f" ({plain(alert.severity_word, 40)})" if alert.severity_word != alert.severity.value else ""
    resolution = alert.resolution
    found: list[tuple[str, str]] = [
        ("id", alert.id),
        ("title", alert.title),
        ("what", alert.description),
        ("severity", alert.severity.value + word),
        ("status", f"{alert.status.value}, version {alert.version}: {alert.why}"),
        ("phase", alert.phase),
        ("tenant", alert.tenant),
        ("key", " · ".join(f"{name} {plain(value, 120)}" for name, value in alert.key.items())),
        ("why", why(alert)),
        ("values", series(alert)),
        ("rule", f"{alert.rule} version {alert.rule_version}, rule set {alert.ruleset}"),
        ("events", f"{rfc3339(alert.event_time)} to {rfc3339(alert.last_event_time)}: {evidence(alert)}"),
        ("opened", str(rfc3339(alert.created_at))),
        ("assignee", alert.assignee),
        ("acknowledged", _who(alert.acknowledged_at, alert.acknowledged_by)),
        ("snoozed until", str(rfc3339(alert.snoozed_until)) if alert.snoozed_until is not None else ""),
        ("closed", _who(alert.resolved_at, alert.resolved_by)),
        ("resolution", " · ".join(filter(None, (resolution.notes, resolution.action))) if resolution else ""),
        ("disposition", alert.disposition.replace("_", " ") + (f" of {alert.duplicate_of}" * bool(alert.duplicate_of))),
        ("incident", alert.incident),
        ("alerts", _members(alert)),
        *(("not told", suppression(one)) for one in map(msgspec.to_builtins, alert.suppressed)),
        ("hidden", f"{alert.hidden} notification{'s' * (alert.hidden != 1)}" if alert.hidden else ""),
        ("told", ", ".join(alert.told)),
        ("missed targets", ", ".join(alert.breached)),
        ("level", str(alert.escalation_level or "")),
        ("not reached", ", ".join(alert.notification_failed)),
        ("runbook", alert.runbook),
        ("deal", alert.deal_id),
        ("tags", ", ".join(alert.tags)),
        ("metadata", plain(alert.metadata) if alert.metadata else ""),
        *(("history", change(one)) for one in alert.history),
        *((f"note by {plain(note.get('by', ''), 60)}", str(note.get("text", ""))) for note in alert.notes),
        ("position", where),
    ]
    return [(name, Text(plain(text, 2000))) for name, text in found if text]


def suppression(one: Mapping[str, Any]) -> str:
    """``silence night since 2024-… until 2024-…``."""
    until = f" until {rfc3339(one['until'])}" if one.get("until") is not None else ""
    return f"{one['stage']} {one['by']} since {rfc3339(one['since'])}{until}"


def change(one: Mapping[str, Any]) -> str:
    """``2024-… active → resolved by condition: clear``."""
    said = f": {one['why']}" if one.get("why") else ""
    by = one.get("by") or "findings"
    return f"{rfc3339(one.get('at', 0))} {one.get('from', '')} → {one.get('to', '')} by {by}{said}"


def series(alert: Alert) -> str:
    """The values over time as a line of bars, the last ones with the range they lie in."""
    found = alert.values.get("series")
    numbers: list[float] = []
    for point in found if isinstance(found, list) else ():
        try:
            numbers.append(float(point[1]))
        except (TypeError, ValueError, IndexError, KeyError, OverflowError):
            continue
    if len(numbers) < 2 or any(number - number != 0 for number in numbers):  # nan and infinities draw nothing
        return ""
    low, high = min(numbers), max(numbers)
    span = high - low or 1.0
    bars = "".join(_BARS[min(len(_BARS) - 1, int((number - low) / span * len(_BARS)))] for number in numbers)
    return f"{bars}  {low:g} to {high:g}, last {numbers[-1]:g}"


def _members(alert: Alert) -> str:
    if not alert.members:
        return ""
    total = alert.values.get("observed")
    more = f" and {total - len(alert.members)} more" if type(total) is int and total > len(alert.members) else ""
    return ", ".join(member[:12] for member in alert.members) + more


def _who(at: int | None, by: str) -> str:
    return f"{rfc3339(at)} by {by}" if at is not None else ""
