"""Reminders: what is bad enough and nobody has taken in hand is said again, a bounded number of times."""

from __future__ import annotations

from streams.alerts.case import Case, Why
from streams.alerts.policy import Policy
from streams.model import Reason, Status


def remind(case: Case, policy: Policy) -> bool:
    """Say it again, one level up, if it is still to be said."""
    case.remind_due, case.dirty = None, True
    if not _wanted(case, policy):
        return False
    case.escalation_level += 1
    case.changed(Why.REMINDED)
    case.notify(Reason.REPEATED)
    return True


def set_timer(case: Case, policy: Policy, now: int) -> None:
    """At the end of a step: ``remind_after`` from its notifications on, nothing once somebody has taken it in hand."""
    if case.status is not Status.ACTIVE:
        case.remind_due = None
    elif case.restart:
        case.remind_due = now + policy.remind_after if _wanted(case, policy) else None


def _wanted(case: Case, policy: Policy) -> bool:
    return (
        case.status is Status.ACTIVE
        and case.severity in policy.remind_severities
        and case.escalation_level < policy.max_reminders
    )
