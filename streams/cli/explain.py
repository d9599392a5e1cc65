"""``tocsin explain``: why an alert is there, on which events, and why somebody was or was not told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import plain
from streams.cli.alert_display import COLOURS, console
from streams.cli.alert_lookup import desk, find
from streams.cli.archives import archives_of
from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.cli.printing import line
from streams.config import Config, event_sources
from streams.errors import ClusterError, TocsinError
from streams.model import Alert, Notification
from streams.replay.lookback.archived import Archives
from streams.replay.lookback.explain import Held, Rerun, events_of, held, rerun, why_not_told, why_severity
from streams.replay.moments import rfc3339
from streams.replay.rules.remembered import readable
from streams.rules.durations import format_duration

_SHOWN = 40


@click.command("explain")
@click.argument("alert_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(alert_id: str, as_json: bool) -> int:
    """Why an alert is there: its events by position, the state of its rule before and after, the threshold, the
    severity, and who was told of it or why nobody was.

    Runs the rule, in the version that opened it, over the events of its key again; exit status 1 where that does not
    open the same alert. What the topics do not hold any more, the alert and its events, is looked for in the archives
    of the configuration; there by the whole id. Events that are nowhere are shown as the alert has them.

    \b
    Examples:
      tocsin explain 3f9a02c1
      tocsin explain 3f9a02c1 --json
    """
    config = get_config()
    archives = archives_of(config)
    versions, where = _versions(config, alert_id, archives)
    alert = versions[-1]
    there, trace, notifications, problem = _looked(config, alert, archives)
    document = _document(versions, there, trace, notifications, archives)
    document["alert"]["read_in"] = where
    if problem:
        document["rerun"]["problem"] = problem
    if as_json:
        line(document)
    else:
        _print(document)
    return 0 if trace.reproduced or alert.rule.startswith("tocsin.") else 1


def _versions(config: Config, alert_id: str, archives: Archives) -> tuple[list[Alert], str]:
    """The versions of the alert, and where they stood. Raises TocsinError where nobody knows it."""
    try:
        return [one for one, _ in find(config, alert_id, history=True)], "storage or topic"
    except TocsinError:
        name, found = archives.alert(alert_id)
        if not found:
            raise
    return [one for one, _ in found], f"archive {name}"


def _looked(config: Config, alert: Alert, archives: Archives) -> tuple[Held | None, Rerun, list[Notification], str]:
    """What the cluster has to say; without one the alert speaks for itself."""
    try:
        admin(config)
        options, names, sources = kafka_options(config), names_of(config), event_sources(config)
        notifications = desk(config).notifications([alert.id])
        there = held(options, names, sources)
    except ClusterError as error:
        return None, Rerun(), [], f"Kafka could not be asked: {error.message}"
    if alert.rule.startswith("tocsin."):
        return there, Rerun(), notifications, "no rule opened it: the engine did, or a person"
    terminal = console()
    if not terminal.is_terminal:
        return there, rerun(options, names, sources, there, alert, archives), notifications, ""
    with terminal.status("running the rule again") as status:
        trace = rerun(
            options, names, sources, there, alert, archives, lambda n: status.update(f"{n:,} events read again")
        )
    return there, trace, notifications, ""


def _document(
    versions: list[Alert], there: Held | None, trace: Rerun, notifications: list[Notification], archives: Archives
) -> dict[str, Any]:
    alert = versions[-1]
    rule, values = trace.rule, alert.values
    opened = next((one for one in (trace.one.findings if trace.one else ()) if one.alert_id == alert.id), None)
    observed = opened.observed if opened is not None else values.get("observed")
    fired: dict[str, Any] = {"observed": observed, "threshold": values.get("threshold"), "peak": values.get("peak")}
    within = values.get("within")
    fired["within"] = format_duration(within) if isinstance(within, int) else None
    if rule is not None:
        fired["detect"] = {rule.detect.name: rule.detect.document()}
        fired["severity"] = why_severity(rule.severity, observed)
        if isinstance(peak := values.get("peak"), (int, float)) and peak != observed:
            fired["severity_at_peak"] = why_severity(rule.severity, peak)
    completing = alert.first[-1].position if alert.first else ""
    step = next((one for one in (trace.one.steps if trace.one else ()) if one.position == completing), None)
    table = trace.one.table if trace.one is not None else None
    return {
        "alert": {
            "id": alert.id, "version": alert.version, "title": alert.title, "tenant": alert.tenant, "key": alert.key,
            "rule": alert.rule, "rule_version": alert.rule_version, "ruleset": alert.ruleset,
            "severity": alert.severity.value, "status": alert.status.value, "count": alert.count,
        },
        "fired": fired,
        "events": events_of(alert, trace, there, archives),
        "state": {
            "before": readable(table, step.before) if step is not None and table is not None else None,
            "after": readable(table, step.after) if step is not None and table is not None else None,
        },
        "rerun": {
            "reproduced": trace.reproduced, "from": trace.begins, "read": trace.one.read if trace.one else 0,
            "of_this_key": trace.one.own if trace.one else 0, "problem": trace.problem,
            "from_archive": [
                {"archive": name, "partition": part, "begin": begin, "end": end}
                for part, (name, begin, end) in trace.archived.items()
            ],
        },
        "versions": [
            {"version": one.version, "at": rfc3339(one.updated_at), "why": one.why, "status": one.status.value,
             "severity": one.severity.value}
            for one in versions
        ],
        "told": [
            {"at": rfc3339(one.at), "receiver": one.receiver, "reason": one.reason.value, "why": one.why,
             "route": one.route}
            for one in notifications
        ],
        "not_told": why_not_told(alert, notifications, there),
    }  # fmt: skip


def _print(document: Mapping[str, Any]) -> None:
    out, alert, fired = console(), document["alert"], document["fired"]
    head = Text(f"{alert['severity']} ", style=COLOURS[alert["severity"]])
    out.print(head + Text(plain(alert["title"], 200)))
    facts = Table.grid(padding=(0, 2))
    key = ", ".join(f"{name}={value}" for name, value in alert["key"].items())
    for name, text in (
        ("alert", f"{alert['id']} version {alert['version']}, {alert['status']}, {alert['count']} findings"),
        ("read in", alert["read_in"]),
        ("rule", f"{alert['rule']} version {alert['rule_version']}, rule set {alert['ruleset']}"),
        ("key", f"{alert['tenant']}: {key}"),
        ("fired", f"observed {fired['observed']} against {fired['threshold']}"
                  + (f" within {fired['within']}" if fired["within"] else "")),
        ("severity", fired.get("severity", "")), ("at its peak", fired.get("severity_at_peak", "")),
    ):  # fmt: skip
        if text:
            facts.add_row(Text(name, style="dim"), Text(plain(text, 300)))
    out.print(facts)
    _events(document)
    for name in ("before", "after"):
        state = document["state"][name]
        out.print(Text(f"state {name}: ", style="dim") + Text(plain(_brief(state), 300)))
    again = document["rerun"]
    said = "the rule, run again, opens this alert" if again["reproduced"] else plain(again["problem"], 300)
    for part in again["from_archive"]:
        place = f"{part['partition']}/{part['begin']} to {part['end'] - 1}"
        out.print(Text(plain(f"{place} stand on their topic no more: read in the archive {part['archive']}", 300)))
    out.print(Text(f"{said} ({again['read']:,} events read, {again['of_this_key']:,} of this key)"))
    for one in document["told"]:
        words = f"told {one['receiver']} at {one['at']}: {one['reason']}" + (f", {one['why']}" if one["why"] else "")
        out.print(Text(plain(words, 300)))
    for text in document["not_told"]:
        out.print(Text(plain(f"not told: {text}", 300)))


def _events(document: Mapping[str, Any]) -> None:
    events = document["events"]
    table = Table("", "event time", "position", "event id", "stands on", "found", box=None, header_style="dim")
    for event in events[-_SHOWN:]:
        found = ", ".join(f"{one['kind']} {one['observed']} ({one['severity']})" for one in event["findings"])
        cells = (event["event_time"], event["position"], event["event_id"], event["on"], found)
        table.add_row("►" if event["completing"] else "", *(Text(plain(cell, 120)) for cell in cells))
    out = console()
    if len(events) > _SHOWN:
        out.print(Text(f"{len(events) - _SHOWN} earlier events are in --json", style="dim"))
    out.print(table)


def _brief(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return "nothing remembered"
    return ", ".join(f"{name} {value}" for name, value in state.items() if name != "raw" and value is not None)
