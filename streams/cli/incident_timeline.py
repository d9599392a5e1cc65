"""What happened in an incident, in order of time: read off the versions of its alerts and off what was told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from streams.alerts.figures import acknowledged_at
from streams.model import Alert, Notification


@dataclass(frozen=True, slots=True)
class Happened:
    """One line. ``what`` is of the incident itself or of the alert ``alert_id``."""

    at: int
    alert_id: str
    by: str
    what: str


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known. ``versions``: of the incident, oldest first; ``members``: of each alert likewise."""

    versions: Sequence[Alert]
    members: Mapping[str, Sequence[Alert]]
    notifications: Sequence[Notification]

    @property
    def incident(self) -> Alert:
        return self.versions[-1]

    @property
    def alerts(self) -> list[Alert]:
        """Its alerts as they stand now, by when they were opened."""
        return sorted((versions[-1] for versions in self.members.values()), key=lambda one: (one.created_at, one.id))

    def times(self) -> dict[str, int | None]:
        """In ms: from the first event to the first alert, to the first acknowledgement of any, to the end."""
        involved = [self.incident, *self.alerts]
        began = min(alert.created_at for alert in involved)
        seen = min((alert.event_time for alert in self.alerts), default=self.incident.event_time)
        taken = [at for alert in involved if (at := acknowledged_at(alert)) is not None]
        ended = self.incident.resolved_at
        return {
            "to_detect_ms": max(0, began - seen),
            "to_acknowledge_ms": max(0, min(taken) - began) if taken else None,
            "to_resolve_ms": max(0, ended - began) if ended is not None else None,
        }

    def timeline(self) -> list[Happened]:
        """Everything, in order of time; of one moment the incident last, as it follows from its alerts."""
        found = [*_of(self.versions, "incident opened")]
        for versions in self.members.values():
            found += _of(versions, "alert opened")
        found += _told(self.notifications)
        return sorted(found, key=lambda one: (one.at, one.alert_id == self.incident.id))


def _of(versions: Sequence[Alert], opened: str) -> Iterator[Happened]:
    first, last = versions[0], versions[-1]
    yield Happened(last.created_at, last.id, "", f"{opened}: {first.title} ({first.severity.value}, {first.rule})")
    for before, after in pairwise(versions):
        for what in _changes(before, after):
            yield Happened(after.updated_at, after.id, "", what)
    said: set[tuple[object, object]] = set()
    for change in last.history:
        why = str(change.get("why", ""))
        said.add((change.get("at"), change.get("by")))
        what = f"{change.get('from')} → {change.get('to')}" + (f": {why}" if why else "")
        if change.get("from") == change.get("to"):
            what = f"status update: {why}"
        yield Happened(int(change.get("at", 0)), last.id, str(change.get("by") or ""), what)
    for note in last.notes:
        text, place = str(note.get("text", "")), (note.get("at"), note.get("by"))
        if place not in said or len(text) > 200:  # else the change of status has said it already
            yield Happened(int(note.get("at", 0)), last.id, str(note.get("by", "")), f"note: {text}")


def _changes(before: Alert, after: Alert) -> Iterator[str]:
    if after.severity is not before.severity:
        yield f"became {after.severity.value}"
    if after.escalation_level > before.escalation_level:
        yield f"escalated to level {after.escalation_level}"
    for target in after.breached[len(before.breached) :]:
        yield f"missed its target to {target}"
    for receiver in after.notification_failed[len(before.notification_failed) :]:
        yield f"{receiver} could not be reached"
    if after.suppressed and not before.suppressed:
        yield f"not told: {after.suppressed[0].stage} {after.suppressed[0].by}"
    if before.suppressed and not after.suppressed:
        yield "nothing suppresses it any more"
    if after.assignee != before.assignee:
        yield f"assigned to {after.assignee}" if after.assignee else "assigned to nobody"
    if len(after.members) > len(before.members):
        yield f"{after.values.get('observed', len(after.members))} alerts stand in it"
    if after.incident != before.incident and not after.incident:
        yield "taken out of the incident"


def _told(notifications: Iterable[Notification]) -> Iterator[Happened]:
    for one in notifications:
        to = f" ({', '.join(one.to)})" if one.to else ""
        why = f": {one.why}" if one.why else ""
        marked = f"ESCALATED, level {one.escalation_level}: " if one.escalation_level else ""
        yield Happened(one.at, one.alert_id, "", f"{marked}{one.receiver}{to} told, {one.reason.value}{why}")
