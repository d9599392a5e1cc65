"""What came out of a step, as lines that people read."""

from __future__ import annotations

from typing import Final

from streams.alerts.case import Why
from streams.model import Alert, Command, Finding, Notification, Operation, OperationOutcome, Reason, Status
from streams.simulate.night.tale import Kind, Line, Tale, moment

_SAID: Final = {
    Reason.NEW: "new", Reason.GREW: "the group has grown", Reason.SEVERITY_RAISED: "it got worse",
    Reason.REOPENED: "it is back", Reason.REPEATED: "still open, nobody has it in hand",
    Reason.BREACHED: "a response target was missed", Reason.FALLBACK: "another receiver failed",
    Reason.UPDATED: "the incident goes on", Reason.RESOLVED: "it is over, and they were told that it began",
    Reason.DIGEST: "digest", Reason.REMINDER: "reminder", Reason.ESCALATED: "escalated",
}  # fmt: skip
#: Reasons for which a receiver rings; of the others it takes note.
WAKING: Final = frozenset(Reason) - {Reason.RESOLVED, Reason.DIGEST, Reason.UPDATED}
_DONE: Final = {
    Why.ACKNOWLEDGED: "takes in hand", Why.RESOLVED: "resolves", Why.DISMISSED: "dismisses",
    Why.DELIVERY_FAILED: "reports a failed delivery of",
}  # fmt: skip
_BY_ITSELF: Final = {
    Why.RESOLVED: "its condition ended", Why.BREACHED: "nobody answered in time", Why.RELEASED: "nothing hides it now",
    Why.REOPENED: "its condition holds again",
}  # fmt: skip

_LONG: Final = 32  #: characters: an alert's id, which says nothing to people


class Narrator:
    """Writes lines into a tale."""

    def __init__(self, tale: Tale, loud: frozenset[str]) -> None:
        self._tale, self._loud = tale, loud

    def told(self, one: Notification) -> None:
        """A notification goes out."""
        alert, what = one.alert, one.alert.title
        if one.group is not None and one.group.total > 1:
            what = f"{one.group.total} alerts, the worst: {what}"
        why = one.why if one.reason in (Reason.ESCALATED, Reason.FALLBACK) else _SAID.get(one.reason, one.reason.value)
        self._add(
            one.at, Kind.TOLD, what, alert, why=f"{why}, by {one.route}" if one.route else why, who=one.receiver,
            to=", ".join(one.to), reason=one.reason.value, loud=one.receiver in self._loud and one.reason in WAKING,
        )  # fmt: skip

    def changed(
        self, alert: Alert, before: Alert | None, record: Finding | Command | None, told: list[Notification]
    ) -> None:
        """A version of an alert came out of a step in which ``told`` went out."""
        at, why = alert.updated_at, Why(alert.why)
        if alert.hidden > (before.hidden if before is not None else 0) and alert.suppressed:
            by = alert.suppressed[0]
            until = f" until {moment(by.until):%H:%M}" if by.until is not None else ""
            name = by.by if len(by.by) < _LONG else "of another alert"
            self._add(at, Kind.HIDDEN, alert.title, alert, why=f"{by.stage} {name}{until}", reason=by.stage)
        if isinstance(record, Command) and why in _DONE:
            text = record.note or (alert.disposition if why is Why.DISMISSED else "")
            failed = record.receiver if why is Why.DELIVERY_FAILED else ""
            what = f"{_DONE[why]} {alert.title}" + (f" to {failed}" if failed else "")
            self._add(at, Kind.PEOPLE, what, alert, why=text, who=record.by)
        elif why in _BY_ITSELF:
            self._add(at, Kind.ITSELF, alert.title, alert, why=_BY_ITSELF[why])
        elif why is Why.FOLDED and not told:
            self._add(at, Kind.QUIET, f"{alert.title}, {alert.count} times by now", alert, why=_quiet(alert))

    def refused(self, operation: Operation) -> None:
        """A command was refused; one that was applied shows on the alert."""
        if operation.outcome is OperationOutcome.REFUSED:
            what = f"{operation.action.value} was refused"
            self._tale.lines.append(Line(operation.at, Kind.PEOPLE, what, operation.reason, who=operation.by))

    def _add(
        self, at: int, kind: Kind, what: str, alert: Alert, *, why: str = "", who: str = "", to: str = "",
        reason: str = "", loud: bool = False,
    ) -> None:  # fmt: skip
        line = Line(at, kind, what, why, who, to, alert.id, alert.severity.value, reason, alert.rule, loud)
        self._tale.lines.append(line)


def _quiet(alert: Alert) -> str:
    if alert.status is Status.ACKNOWLEDGED:
        return f"{alert.acknowledged_by} has it in hand"
    if alert.status is Status.DISMISSED:
        return "it was dismissed"
    return "they know, and it is no worse"
