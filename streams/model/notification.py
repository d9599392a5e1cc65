"""A notification: tell this receiver about this alert, for this reason. One record each on ``notifications``."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from streams.model.alert import Alert


class Reason(StrEnum):
    """Why somebody is told."""

    NEW = "new"
    GREW = "grew"  #: the group has more alerts than it was told of
    SEVERITY_RAISED = "severity_raised"
    REOPENED = "reopened"
    REPEATED = "repeated"  #: still unacknowledged
    ESCALATED = "escalated"  #: one level up: nobody took it in hand, or somebody asked for it
    BREACHED = "breached"  #: a response target was missed
    FALLBACK = "fallback"  #: another receiver could not be reached for good
    UPDATED = "updated"  #: of an incident: its handling has come further
    RESOLVED = "resolved"
    DIGEST = "digest"  #: a summary of many
    REMINDER = "reminder"  #: a silence ends soon, or a maintenance window begins
    TEST = "test"


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert of a group, as it stood when the group was told."""

    id: str
    title: str
    severity: str
    status: str
    reason: str  #: why this one is told


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told together. ``alerts``: the worst first, a hundred at the most; ``total``: how many there are."""

    id: str
    key: dict[str, str]  #: the labels they share
    alerts: tuple[Member, ...]
    total: int


class Notification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``id`` is the idempotency key: hash of (alert, receiver, reason, the alert's version that caused it); of a group,
    of (group, receiver, reason, when, the versions of the alerts it tells of).
    """

    id: str
    alert_id: str
    tenant: str
    receiver: str
    reason: Reason
    at: int
    alert: Alert  #: of a group the worst of those that are told
    route: str = ""  #: the way through the routing tree: ``root/payments``
    why: str = ""  #: in words: ``level 2 (engineering-lead) after 15m without acknowledgement``
    to: tuple[str, ...] = ()  #: people on call, where the receiver names a rotation
    escalation_level: int = 0  #: above 0 the message is marked ESCALATED
    group: Group | None = None
    redriven: str = ""  #: the re-drive that published it again, under the same id; empty: the first time

    @property
    def subject(self) -> str:
        """What it is about over all its messages, which keep their order: the group's id, or the alert's."""
        return self.group.id if self.group is not None else self.alert_id
