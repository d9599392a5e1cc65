"""A case: the working copy of one alert. Many findings change it in a step; one version comes out at its end."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from streams.model import Alert, Evidence, Reason, Resolution, Severity, Status

FINDINGS_KEPT: Final = 16  #: ids of the last findings counted, so that one told twice counts once
COMMANDS_KEPT: Final = 64  #: ids of the last commands applied, so that one given twice is applied once
OPEN: Final = frozenset({Status.ACTIVE, Status.ACKNOWLEDGED})
CLOSED: Final = frozenset(Status) - OPEN


class Why(StrEnum):
    """Named reasons of a version."""

    OPENED = "opened"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"
    RETRACTED = "retracted"
    REOPENED = "reopened"
    SEVERITY_RAISED = "severity_raised"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    REMINDED = "reminded"
    DELIVERY_FAILED = "delivery_failed"
    COMMENTED = "commented"
    FOLDED = "folded"


#: Which reason a version carries when a step had several: the most important one, of equals the latest.
_IMPORTANCE = {
    Why.OPENED: 7,
    Why.RESOLVED: 6, Why.DISMISSED: 6, Why.RETRACTED: 6, Why.REOPENED: 6,
    Why.SEVERITY_RAISED: 5,
    Why.ACKNOWLEDGED: 4, Why.UNACKNOWLEDGED: 4,
    Why.REMINDED: 3,
    Why.DELIVERY_FAILED: 2,
    Why.COMMENTED: 1,
    Why.FOLDED: 0,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Thread:
    """The alerts of one fold key, as (event time of the opening, alert id), oldest first."""

    all: list[tuple[int, str]] = field(default_factory=list)
    open: list[tuple[int, str]] = field(default_factory=list)  #: those nobody has closed


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that survives of a case: the alert and what only this stage needs. ``v`` is the format's version."""

    v: int
    alert: Alert
    findings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    remind_due: int | None = None


@dataclass(slots=True, eq=False)
class Case:
    """``base`` is the last version; the fields below it are as they will be in the next one."""

    base: Alert
    thread: Thread
    findings: dict[str, None]
    commands: dict[str, None]
    remind_due: int | None

    status: Status
    severity: Severity
    severity_word: str
    title: str
    description: str
    values: dict[str, Any]
    count: int
    last_event_time: int
    last: tuple[Evidence, ...]
    acknowledged_at: int | None
    acknowledged_by: str
    resolved_at: int | None
    resolved_by: str
    resolution: Resolution | None
    notes: tuple[dict[str, Any], ...]
    escalation_level: int
    notification_failed: tuple[str, ...]

    why: Why | None = None  #: of this step; None: the alert has not changed
    reasons: dict[Reason, None] = field(default_factory=dict)  #: to notify, in order of their last occurrence
    restart: bool = False  #: the reminder's time begins anew with this step
    dirty: bool = False  #: what is remembered has changed, the alert or only what stands beside it

    @classmethod
    def of(cls, alert: Alert, thread: Thread, memory: Memory | None = None) -> Case:
        """The case of ``alert``: as remembered, or a new one whose version 0 was never seen."""
        return cls(
            base=alert,
            thread=thread,
            findings=dict.fromkeys(memory.findings) if memory else {},
            commands=dict.fromkeys(memory.commands) if memory else {},
            remind_due=memory.remind_due if memory else None,
            status=alert.status,
            severity=alert.severity,
            severity_word=alert.severity_word,
            title=alert.title,
            description=alert.description,
            values=dict(alert.values),
            count=alert.count,
            last_event_time=alert.last_event_time,
            last=alert.last,
            acknowledged_at=alert.acknowledged_at,
            acknowledged_by=alert.acknowledged_by,
            resolved_at=alert.resolved_at,
            resolved_by=alert.resolved_by,
            resolution=alert.resolution,
            notes=alert.notes,
            escalation_level=alert.escalation_level,
            notification_failed=alert.notification_failed,
        )

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def changed(self, why: Why) -> None:
        """The alert has changed; the step's version will say so."""
        self.dirty = True
        if self.why is None or _IMPORTANCE[why] >= _IMPORTANCE[self.why]:
            self.why = why

    def notify(self, reason: Reason) -> None:
        """Those whom the alert reaches are told at the end of the step, and the reminder's time begins anew."""
        self.reasons.pop(reason, None)
        self.reasons[reason] = None
        self.restart = True

    def become(self, status: Status) -> None:
        """Change the status and keep the thread's list of open alerts right."""
        was_open, place = self.is_open, (self.base.event_time, self.base.id)
        self.status = status
        if self.is_open and not was_open:
            insort(self.thread.open, place)
        elif was_open and not self.is_open:
            del self.thread.open[bisect_left(self.thread.open, place)]

    def remember_finding(self, identity: str) -> None:
        _remember(self.findings, identity, FINDINGS_KEPT)
        self.dirty = True

    def remember_command(self, identity: str) -> None:
        _remember(self.commands, identity, COMMANDS_KEPT)
        self.dirty = True

    def finish(self, now: int) -> Alert:
        """The next version, and a case ready for the next step. Only where the alert has changed."""
        assert self.why is not None, "an alert that has not changed has no next version"
        self.base = msgspec.structs.replace(
            self.base,
            version=self.base.version + 1,
            updated_at=now,
            why=self.why.value,
            status=self.status,
            severity=self.severity,
            severity_word=self.severity_word,
            title=self.title,
            description=self.description,
            values=dict(self.values),
            count=self.count,
            last_event_time=self.last_event_time,
            last=self.last,
            acknowledged_at=self.acknowledged_at,
            acknowledged_by=self.acknowledged_by,
            resolved_at=self.resolved_at,
            resolved_by=self.resolved_by,
            resolution=self.resolution,
            notes=self.notes,
            escalation_level=self.escalation_level,
            notification_failed=self.notification_failed,
        )
        return self.base

    def without_events(self) -> Alert:
        """The last version without the copies of its events, which are too large to carry; their positions stay."""
        first, last = _bare(self.base.first), _bare(self.base.last)
        self.base, self.last = msgspec.structs.replace(self.base, first=first, last=last), last
        return self.base

    def rest(self) -> None:
        """The step is over."""
        self.why, self.reasons, self.restart, self.dirty = None, {}, False, False


def _remember(kept: dict[str, None], identity: str, limit: int) -> None:
    kept[identity] = None
    if len(kept) > limit:
        del kept[next(iter(kept))]


def _bare(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(msgspec.structs.replace(one, event=None) for one in evidence)
