"""What a person is told about one notification, in words and before any vendor's markup.

Every text in a ``Message`` is clean (``connectors.clip``) and none is escaped: that is each notifier's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.base import Item
from connectors.clip import clean, one_line
from connectors.notifiers.console import observed
from connectors.notifiers.console import why as measured
from connectors.times import duration, rfc3339
from streams.model import Alert, Notification, Reason, Severity, Status

#: Green, orange, dark orange and red are what the teams are used to; grey for what needs nobody. What is over is green.
COLOURS = {
    Severity.CRITICAL: "#ff0000",
    Severity.HIGH: "#ff6600",
    Severity.MEDIUM: "#ffa500",
    Severity.LOW: "#36a64f",
    Severity.INFO: "#9e9e9e",
}
#: What every vendor takes as an address, and no markup takes as anything else.
_LINK = re.compile(r"https?://[A-Za-z0-9.:/?#%&=+,;~_-]{1,400}")
_CLOSED = (Status.RESOLVED, Status.DISMISSED)
#: Stands before the title, so that one sees it in the list of messages. ESCALATED stands before all of them.
_MARKS = {
    Reason.GREW: "GREW",
    Reason.SEVERITY_RAISED: "RAISED",
    Reason.REOPENED: "REOPENED",
    Reason.REPEATED: "STILL OPEN",
    Reason.BREACHED: "OVERDUE",
    Reason.FALLBACK: "FALLBACK",
    Reason.UPDATED: "UPDATE",
    Reason.RESOLVED: "RESOLVED",
    Reason.DIGEST: "DIGEST",
    Reason.REMINDER: "REMINDER",
    Reason.TEST: "TEST",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """``short``: two of them fit beside each other. ``link``: an address that the rule names, to be followed."""

    name: str
    value: str
    short: bool = True
    link: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """``subject`` names what it is about over all its messages: a group's or an alert's id."""

    subject: str
    title: str  #: ``ESCALATED: Security Alert: CRITICAL``
    headline: str  #: the alert's own title
    sentence: str  #: why one is told now
    description: str
    facts: tuple[Fact, ...]
    members: tuple[str, ...]  #: a line each, the worst first
    unlisted: int  #: members beyond those
    runbook: str
    link: str  #: the runbook, where it is a web address
    look: str  #: the command that shows more
    colour: str
    severity: Severity
    closed: bool
    at: str

    @property
    def text(self) -> str:
        """Headline, sentence, description and members as lines."""
        return "\n".join(part for part in (self.headline, self.details) if part)

    @property
    def details(self) -> str:
        """The text without the headline, for what shows that already."""
        parts = [self.sentence, self.description, *self.members]
        if self.unlisted:
            parts.append(f"… and {self.unlisted} more")
        return "\n".join(part for part in parts if part)


def message_of(item: Item, label: str = "") -> Message:
    """The message for ``item``. ``label`` stands before "Alert" in the title; without one the alert's type does."""
    alert, note = item.alert, item.notification
    group = note.group if note else None
    listed = group.alerts[:20] if group else ()
    closed = alert.status in _CLOSED and (group is None or all(m.status in _CLOSED for m in group.alerts))
    return Message(
        subject=note.subject if note else alert.id,
        title=_title(alert, note, label),
        headline=clean(alert.title, 1000),
        sentence=_sentence(alert, note),
        description=clean(alert.description) if alert.description else "",
        facts=tuple(_facts(alert, note)),
        members=tuple(
            f"• {one_line(m.severity, 20).upper()} {one_line(m.title, 160)} ({one_line(m.status, 20)})" for m in listed
        ),
        unlisted=group.total - len(listed) if group else 0,
        runbook=one_line(alert.runbook, 500),
        link=alert.runbook if _LINK.fullmatch(alert.runbook) else "",
        look=f"tocsin alerts show {one_line(alert.id, 80)}",
        colour=COLOURS[Severity.LOW if closed else alert.severity],
        severity=alert.severity,
        closed=closed,
        at=str(rfc3339(note.at if note else alert.updated_at)),
    )


def _title(alert: Alert, note: Notification | None, label: str) -> str:
    marks = []
    if note and (note.escalation_level > 0 or note.reason is Reason.ESCALATED):
        marks.append("ESCALATED")
    if note and (mark := _MARKS.get(note.reason)):
        marks.append(mark)
    kind = one_line(label or alert.type.replace("_", " ").title(), 40)
    shown = f"{' · '.join(marks)}: " if marks else ""
    return f"{shown}{kind} Alert: {alert.severity.value.upper()}"


def _sentence(alert: Alert, note: Notification | None) -> str:
    """One sentence that answers "why do I read this now?"."""
    if note is None:
        return ""
    why = one_line(note.why, 400)
    because = f": {why}" if why else ""
    age = duration(max(0, note.at - alert.created_at))
    count = note.group.total if note.group else 1
    many = f"{count} alert{'s' * (count != 1)}"
    match note.reason:
        case Reason.NEW:
            seen = observed(alert)
            fired = because or (f": {seen}" if seen else "")
            text = f"New: {many} that belong together" if count > 1 else f"New{fired}"
        case Reason.GREW:
            text = f"The group has grown to {many}"
        case Reason.SEVERITY_RAISED:
            text = f"Raised to {alert.severity.value}{because}"
        case Reason.REOPENED:
            text = f"It is back after it was closed{because}"
        case Reason.REPEATED:
            text = f"Still not acknowledged, {age} after it began"
        case Reason.ESCALATED:
            text = f"Escalated to level {max(1, note.escalation_level)}{because}"
        case Reason.BREACHED:
            targets = " and ".join(one_line(target, 20) for target in alert.breached) or "respond"
            text = f"Too late to {targets}: open for {age}"
        case Reason.FALLBACK:
            text = f"Told here because another receiver could not be reached{because}"
        case Reason.UPDATED:
            text = f"Handling: {one_line(alert.phase, 20) or 'went on'}{because}"
        case Reason.RESOLVED:
            text = _closed(alert, many if count > 1 else "")
        case Reason.DIGEST:
            text = f"A summary of {many}{because}"
        case Reason.REMINDER:
            text = f"Reminder{because}"
        case Reason.TEST:
            text = "This is a test of Tocsin; nothing has happened"
    return text if text.endswith((".", "…", "]")) else text + "."


def _closed(alert: Alert, many: str) -> str:
    verb = "Dismissed" if alert.status is Status.DISMISSED else "Resolved"
    by = f" by {one_line(alert.resolved_by, 80)}" if alert.resolved_by else ""
    notes = one_line(alert.resolution.notes, 300) if alert.resolution else ""
    return f"{verb}{f' ({many})' if many else ''}{by}{f': {notes}' if notes else ''}"


def _facts(alert: Alert, note: Notification | None) -> list[Fact]:
    facts = []
    if alert.deal_id:
        facts.append(Fact("Deal ID", one_line(alert.deal_id)))
    if alert.violation_type:
        facts.append(Fact("Violation Type", one_line(alert.violation_type)))
    facts.append(Fact("Timestamp", str(rfc3339(alert.event_time))))
    facts += [Fact(one_line(name, 80), _shown(value)) for name, value in list(alert.metadata.items())[:50]]
    word = alert.severity_word
    if word and word.lower() != alert.severity.value:
        facts.append(Fact("Severity", f"{alert.severity.value} ({one_line(word, 40)})"))
    key = " · ".join(f"{one_line(name, 60)} {one_line(value, 120)}" for name, value in list(alert.key.items())[:10])
    facts += [
        Fact("Tenant", one_line(alert.tenant, 100)),
        Fact("Key", key or "—"),
        Fact("Measured", one_line(measured(alert), 600), short=False),
    ]
    if note and note.to:
        facts.append(Fact("On call", ", ".join(one_line(person, 80) for person in note.to[:10])))
    if alert.status is not Status.ACTIVE:
        facts.append(Fact("Status", _stands(alert)))
    if alert.assignee:
        facts.append(Fact("Assignee", one_line(alert.assignee, 80)))
    if alert.incident:
        facts.append(Fact("Incident", one_line(alert.incident, 80)))
    if note and note.group:
        shared = ", ".join(f"{one_line(k, 60)}={one_line(v, 80)}" for k, v in list(note.group.key.items())[:10])
        facts.append(Fact("Group", shared or "—", short=False))
    if alert.runbook:
        link = bool(_LINK.fullmatch(alert.runbook))
        facts.append(Fact("Runbook", one_line(alert.runbook, 500), short=False, link=link))
    return facts


def _stands(alert: Alert) -> str:
    """``acknowledged by ada``."""
    by = {Status.ACKNOWLEDGED: alert.acknowledged_by, Status.SNOOZED: ""}.get(alert.status, alert.resolved_by)
    until = f" until {rfc3339(alert.snoozed_until)}" if alert.status is Status.SNOOZED and alert.snoozed_until else ""
    return f"{alert.status.value}{f' by {one_line(by, 80)}' if by else ''}{until}"


def _shown(value: object) -> str:
    """On one line; a list of texts and numbers without its brackets."""
    if isinstance(value, list) and value and all(isinstance(one, (str, int, float)) for one in value):
        return one_line(", ".join(one if isinstance(one, str) else clean(one) for one in value[:100]))
    return one_line(value)
