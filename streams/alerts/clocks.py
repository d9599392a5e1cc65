"""What time does to an alert: snoozes end, reminders and levels come due, targets are missed, quiet resolves it."""

from __future__ import annotations

from collections import Counter

from streams.alerts.case import OPEN, Case, Why
from streams.alerts.lifecycle import Move, move
from streams.alerts.memory import Timer
from streams.alerts.policy import Policy
from streams.model import Reason, Status
from streams.route.escalation import Escalation

_ORDER = tuple(Timer)


def ring(case: Case, policy: Policy, now: int, counts: Counter[tuple[str, ...]]) -> None:
    """All of the case's timers that are due, each once."""
    for timer in _ORDER:
        if (due := case.timers.get(timer)) is None or due > now:
            continue
        del case.timers[timer]
        case.dirty = True
        if timer is Timer.SNOOZE:
            move(case, Move.WAKE, "snooze", now)
        elif timer is Timer.QUIET:
            move(case, Move.QUIET, "quiet", now)
        elif timer is Timer.REMIND:
            _remind(case, policy)
        elif timer is Timer.ESCALATE:
            case.asked = case.asked or "time"
        elif timer is Timer.RECHECK:
            case.release()
        else:
            _missed(case, timer, counts)


def _remind(case: Case, policy: Policy) -> None:
    """Say it again, one level up, if it is still to be said."""
    if _reminded(case, policy):
        case.escalation_level += 1
        case.changed(Why.REMINDED)
        case.notify(Reason.REPEATED)


def _missed(case: Case, timer: Timer, counts: Counter[tuple[str, ...]]) -> None:
    case.breached = (*case.breached, timer.value)
    case.changed(Why.BREACHED)
    case.notify(Reason.BREACHED)
    counts["breached", timer.value, case.severity.value] += 1


def wind(case: Case, policy: Policy, escalation: Escalation | None, now: int) -> None:
    """At the end of a step: the timers as the case now stands. What is hidden does not escalate: nobody was told."""
    timers = case.timers
    active = case.status is Status.ACTIVE
    if not active or escalation is not None:
        timers.pop(Timer.REMIND, None)
    elif case.restart:
        timers.pop(Timer.REMIND, None)
        if _reminded(case, policy):
            timers[Timer.REMIND] = now + policy.remind_after
    due = None
    if active and escalation is not None and not case.suppressed:
        due = escalation.due(case.escalation_level, case.began, case.leveled)
    _set(timers, Timer.ESCALATE, None if due is None else max(due, now + 1))
    if case.status not in OPEN:
        timers.clear()
        return
    opened = case.base.created_at
    _target(case, Timer.ACKNOWLEDGE, policy.targets.acknowledge.get(case.severity), opened, now)
    if case.acknowledged_at is not None:
        timers.pop(Timer.ACKNOWLEDGE, None)
    _target(case, Timer.RESOLVE, policy.targets.resolve.get(case.severity), opened, now)


def _target(case: Case, timer: Timer, limit: int | None, opened: int, now: int) -> None:
    """Due at the limit; one that lies behind already (the severity has risen) is due at once."""
    if limit is None or timer.value in case.breached:
        case.timers.pop(timer, None)
    else:
        case.timers[timer] = max(opened + limit, now + 1)


def _set(timers: dict[Timer, int], timer: Timer, due: int | None) -> None:
    if due is None:
        timers.pop(timer, None)
    else:
        timers[timer] = due


def _reminded(case: Case, policy: Policy) -> bool:
    return (
        case.status is Status.ACTIVE
        and case.severity in policy.remind_severities
        and case.escalation_level < policy.max_reminders
    )
