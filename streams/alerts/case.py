"""A case: the working copy of one alert. Many findings change it in a step; one version comes out at its end."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

import msgspec

from streams.alerts.memory import KeptAlert, Memory, Timer
from streams.model import Alert, Evidence, Reason, Resolution, Severity, Status, Suppression

FINDINGS_KEPT: Final = 16  #: ids of the last findings counted, so that one told twice counts once
COMMANDS_KEPT: Final = 64  #: ids of the last commands applied, so that one given twice is applied once
HISTORY_KEPT: Final = 50  #: changes of status
OPEN: Final = frozenset({Status.ACTIVE, Status.ACKNOWLEDGED, Status.SNOOZED})
CLOSED: Final = frozenset(Status) - OPEN


class Why(StrEnum):
    """Named reasons of a version."""

    OPENED = "opened"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"
    RETRACTED = "retracted"
    REOPENED = "reopened"
    ESCALATED = "escalated"
    BREACHED = "breached"  #: a response target was missed
    SEVERITY_RAISED = "severity_raised"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    SNOOZED = "snoozed"
    WOKEN = "woken"  #: a snooze has ended
    PHASED = "phased"  #: an incident is handled further
    REMINDED = "reminded"
    RELEASED = "released"  #: nothing suppresses it any more
    SUPPRESSED = "suppressed"
    ASSIGNED = "assigned"
    TAGGED = "tagged"
    LINKED = "linked"  #: to an incident, or from one
    GREW = "grew"  #: an incident has more alerts
    DELIVERY_FAILED = "delivery_failed"
    COMMENTED = "commented"
    FOLDED = "folded"


#: Which reason a version carries when a step had several: the most important one, of equals the latest.
_IMPORTANCE = {
    why: rank
    for rank, reasons in enumerate(reversed((
        (Why.OPENED,),
        (Why.RESOLVED, Why.DISMISSED, Why.RETRACTED, Why.REOPENED),
        (Why.ESCALATED, Why.BREACHED),
        (Why.SEVERITY_RAISED,),
        (Why.ACKNOWLEDGED, Why.UNACKNOWLEDGED, Why.SNOOZED, Why.WOKEN, Why.PHASED),
        (Why.REMINDED, Why.RELEASED, Why.GREW),
        (Why.SUPPRESSED, Why.ASSIGNED, Why.TAGGED, Why.LINKED),
        (Why.DELIVERY_FAILED,),
        (Why.COMMENTED,),
        (Why.FOLDED,),
    )))
    for why in reasons
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Thread:
    """The alerts of one fold key, as (event time of the opening, alert id), oldest first."""

    all: list[tuple[int, str]] = field(default_factory=list)
    open: list[tuple[int, str]] = field(default_factory=list)  #: those nobody has closed


#: Fields of an alert that change; a case has each of them as it will be in the next version.
CHANGING: Final = (
    "status", "severity", "severity_word", "title", "description", "values", "count", "last_event_time", "last", "tags",
    "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", "resolution", "notes", "assignee",
    "snoozed_until", "disposition", "duplicate_of", "incident", "phase", "members", "suppressed", "hidden", "told",
    "breached", "history", "escalation_level", "notification_failed",
)  # fmt: skip

_changing = attrgetter(*CHANGING)
_set = msgspec.structs.force_setattr  # of a copy that nobody has seen yet: a third of what ``replace`` takes


@dataclass(slots=True, eq=False)
class Case:
    """``base`` is the last version; the fields below it are as they will be in the next one."""

    base: Alert
    thread: Thread
    findings: dict[str, None]
    commands: dict[str, None]
    timers: dict[Timer, int]
    held: dict[Reason, None]  #: what nobody was told, because something suppresses it
    resolve_after: int  #: without findings for so long it resolves, ms; 0: it does not
    began: int  #: since when nobody has it in hand: the escalation's clock
    leveled: int  #: when the last level was told
    entity: str  #: what it is about, for incidents: ``key.actor=ada``
    heard: dict[str, None]  #: receivers that were told that it began, and not yet that it is over

    status: Status = Status.ACTIVE
    severity: Severity = Severity.INFO
    severity_word: str = ""
    title: str = ""
    description: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    last_event_time: int = 0
    last: tuple[Evidence, ...] = ()
    tags: tuple[str, ...] = ()
    acknowledged_at: int | None = None
    acknowledged_by: str = ""
    resolved_at: int | None = None
    resolved_by: str = ""
    resolution: Resolution | None = None
    notes: tuple[dict[str, Any], ...] = ()
    assignee: str = ""
    snoozed_until: int | None = None
    disposition: str = ""
    duplicate_of: str = ""
    incident: str = ""
    phase: str = ""
    members: tuple[str, ...] = ()
    suppressed: tuple[Suppression, ...] = ()
    hidden: int = 0
    told: tuple[str, ...] = ()
    breached: tuple[str, ...] = ()
    history: tuple[dict[str, Any], ...] = ()
    escalation_level: int = 0
    notification_failed: tuple[str, ...] = ()

    why: Why | None = None  #: of this step; None: the alert has not changed
    reasons: dict[Reason, None] = field(default_factory=dict)  #: to notify, in order of their last occurrence
    restart: bool = False  #: the reminder's time begins anew with this step
    asked: str = ""  #: who asked for an escalation in this step
    again: bool = False  #: what was held back is looked at again in this step
    limits: tuple[int, int] = (0, 0)  #: of its rule: at most one in so many ms, so many an hour; 0: none
    failed: tuple[str, ...] = ()  #: receivers that this step was told of: they could not be reached
    dirty: bool = False  #: what is remembered has changed, the alert or only what stands beside it

    @classmethod
    def of(cls, alert: Alert, thread: Thread, memory: Memory[KeptAlert] | None = None) -> Case:
        """The case of ``alert``: as remembered, or a new one whose version 0 was never seen."""
        case = cls(
            alert,
            thread,
            dict.fromkeys(memory.findings) if memory else {},
            dict.fromkeys(memory.commands) if memory else {},
            memory.timers if memory else {},
            dict.fromkeys(memory.held) if memory else {},
            memory.resolve_after if memory else 0,
            memory.began if memory else 0,
            memory.leveled if memory else 0,
            memory.entity if memory else "",
            dict.fromkeys(_heard(alert, memory)),
            *_changing(alert),
        )
        case.values = dict(alert.values)
        if memory:
            case.limits = memory.limits
        case.told = tuple(dict.fromkeys((*case.told, *case.heard)))
        return case

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def in_hand_since(self) -> int | None:
        """When somebody took it in hand, or put it off; None: nobody has."""
        if self.status not in (Status.ACKNOWLEDGED, Status.SNOOZED):
            return None
        return next((change["at"] for change in reversed(self.history) if change["to"] == self.status), 0)

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

    def release(self) -> None:
        """Nothing may suppress it any more: what was held back is to be told, if it still is to be."""
        self.again = self.dirty = True

    def become(self, status: Status, by: str, why: str, now: int) -> None:
        """Change the status, say so in the history, and keep the thread's list of open alerts right."""
        was_open, place = self.is_open, (self.base.event_time, self.base.id)
        change = {"at": now, "by": by, "from": self.status.value, "to": status.value, "why": why}
        self.history = (*self.history[1 - HISTORY_KEPT :], change)
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
        before, self.base = self.base, copy(self.base)
        for name, was, value in zip(CHANGING, _changing(before), _changing(self), strict=True):
            if value is not was:
                _set(self.base, name, value)
        _set(self.base, "values", dict(self.values))
        _set(self.base, "version", before.version + 1)
        _set(self.base, "updated_at", now)
        _set(self.base, "why", self.why.value)
        return self.base

    def without_events(self) -> Alert:
        """The last version without the copies of its events, which are too large to carry; their positions stay."""
        first, last = _bare(self.base.first), _bare(self.base.last)
        self.base, self.last = msgspec.structs.replace(self.base, first=first, last=last), last
        return self.base

    def rest(self) -> None:
        """The step is over."""
        self.why, self.reasons, self.restart, self.dirty = None, {}, False, False
        self.asked, self.failed, self.again = "", (), False


assert tuple(Case.__slots__)[11 : 11 + len(CHANGING)] == CHANGING, "a case is made of them in this order"


def _heard(alert: Alert, memory: Memory[KeptAlert] | None) -> tuple[str, ...]:
    """As remembered; before it was, everybody told of an open alert."""
    if memory is not None and memory.heard is not None:
        return memory.heard
    return alert.told if alert.status in OPEN else ()


def _remember(kept: dict[str, None], identity: str, limit: int) -> None:
    kept[identity] = None
    if len(kept) > limit:
        del kept[next(iter(kept))]


def _bare(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(msgspec.structs.replace(one, event=None) for one in evidence)
