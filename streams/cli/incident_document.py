"""The post-incident document: what is known of an incident, and questions that only people can answer."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors.notifiers.console import plain, why
from connectors.times import duration, for_people, rfc3339
from streams.cli.incident_timeline import Story

#: What nobody but people knows.
QUESTIONS = (
    "What was the cause, and how is it known?",
    "Who was affected, how, and for how long?",
    "What was tried, what helped, and what did not?",
    "What would have shown it sooner? Which alert was missing, late, or ignored?",
    "Which of these alerts were noise, and which rule is to change for that?",
    "What is done so that it does not happen again: by whom, until when?",
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, text below it, and a table with its head in the first row; a list is a table of one column."""

    title: str
    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    items: Sequence[str] = ()


def sections(story: Story) -> list[Section]:
    """The document, before it is written in a format. All text is as it was: whoever writes it escapes it."""
    incident, alerts = story.incident, story.alerts
    times = story.times()
    facts = [
        ("Incident", incident.id), ("Tenant", incident.tenant), ("Severity", incident.severity.value),
        ("Phase", incident.phase), ("Status", incident.status.value), ("Opened", str(rfc3339(incident.created_at))),
        ("Resolved", _closed(incident.resolved_at, incident.resolved_by)), ("Assignee", incident.assignee),
        ("Alerts", str(len(alerts))), ("Findings", str(sum(alert.count for alert in alerts))),
        ("Time to detect", _time(times["to_detect_ms"])), ("Time to acknowledge", _time(times["to_acknowledge_ms"])),
        ("Time to resolve", _time(times["to_resolve_ms"])), ("Disposition", incident.disposition.replace("_", " ")),
        ("Missed targets", ", ".join(incident.breached)),
    ]  # fmt: skip
    resolution = incident.resolution
    said = " ".join(filter(None, (resolution.notes, resolution.action))) if resolution else ""
    names = {alert.id: f"{number}" for number, alert in enumerate(alerts, 1)}
    timeline = [
        (str(rfc3339(one.at)), names.get(one.alert_id, "incident"), one.by, one.what) for one in story.timeline()
    ]
    members = [
        (names[a.id], str(rfc3339(a.created_at)), a.severity.value, a.status.value, a.title, a.rule, why(a), a.id)
        for a in alerts
    ]
    return [
        Section(incident.title, said or incident.description, [("", ""), *(fact for fact in facts if fact[1])]),
        Section("Timeline", "", [("When", "Alert", "By", "What"), *timeline]),
        Section("Alerts", "", [("", "Opened", "Severity", "Status", "Title", "Rule", "Why", "Id"), *members]),
        Section("Evidence", "The first and the last events of each alert.", _evidence(story, names)),
        Section("Open questions", "", items=QUESTIONS),
    ]


def _evidence(story: Story, names: dict[str, str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("Alert", "When", "Position", "Event")]
    for alert in story.alerts:
        found = {one.position: one for one in (*alert.last, *alert.first)}
        for one in sorted(found.values(), key=lambda one: one.event_time):
            event = plain(one.event, 300) if one.event else ""
            rows.append((names[alert.id], str(rfc3339(one.event_time)), one.position, event))
    return rows


def markdown(parts: Sequence[Section]) -> str:
    """For a wiki or a repository. What events say cannot become markup."""
    lines: list[str] = []
    for number, part in enumerate(parts):
        lines += [f"{'#' if number == 0 else '##'} {_md(part.title)}", ""]
        if part.text:
            lines += [_md(part.text), ""]
        if part.rows:
            head, *rows = part.rows
            lines += [_row(head), _row(["---"] * len(head), raw=True), *(_row(row) for row in rows), ""]
        for item in part.items:
            lines += [f"### {_md(item)}", "", "…", ""]
    return "\n".join(lines)


def page(parts: Sequence[Section]) -> str:
    """A page by itself, for a browser or a mail. What events say cannot become markup."""
    body: list[str] = []
    for number, part in enumerate(parts):
        level = "h1" if number == 0 else "h2"
        body.append(f"<{level}>{_html(part.title)}</{level}>")
        if part.text:
            body.append(f"<p>{_html(part.text)}</p>")
        if part.rows:
            head, *rows = part.rows
            body += [
                "<table>",
                *([_cells(head, "th")] if any(head) else []),
                *(_cells(row, "td") for row in rows),
                "</table>",
            ]
        body += [f"<h3>{_html(item)}</h3><p>…</p>" for item in part.items]
    style = (
        "body{font:16px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse}td,th{border-bottom:1px solid #ccc;padding:.2em .6em;text-align:left;"
        "vertical-align:top;overflow-wrap:anywhere}"
    )
    head = f'<meta charset="utf-8"><title>{_html(parts[0].title)}</title><style>{style}</style>'
    return "\n".join(("<!doctype html>", f"<html><head>{head}</head>", "<body>", *body, "</body></html>", ""))


def document(story: Story) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "incident": for_people(msgspec.to_builtins(story.incident)), "times": story.times(),
        "timeline": [
            {"at": rfc3339(one.at), "alert_id": one.alert_id, "by": one.by, "what": one.what}
            for one in story.timeline()
        ],
        "alerts": [for_people(msgspec.to_builtins(alert)) for alert in story.alerts],
        "open_questions": list(QUESTIONS),
    }  # fmt: skip


def _md(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", plain(text, 4_000))


def _row(cells: Sequence[str], raw: bool = False) -> str:
    return "| " + " | ".join(cells if raw else map(_md, cells)) + " |"


def _html(text: str) -> str:
    return html.escape(plain(text, 4_000))


def _cells(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_html(cell)}</{tag}>" for cell in cells) + "</tr>"


def _time(ms: int | None) -> str:
    return "" if ms is None else duration(ms)


def _closed(at: int | None, by: str) -> str:
    return "" if at is None else f"{rfc3339(at)} by {by}"
