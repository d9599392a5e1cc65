"""A command: what an operator, or the delivery stage, asks of an alert. It shares one log with the findings."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Action(StrEnum):
    """What is asked."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    SNOOZE = "snooze"
    REOPEN = "reopen"
    ASSIGN = "assign"
    COMMENT = "comment"
    TAG = "tag"
    UNTAG = "untag"
    ESCALATE = "escalate"
    LINK = "link"  #: to an incident; an empty target takes it out of the one it is in
    PHASE = "phase"  #: of an incident: where its handling stands, with a status update for those who watch it
    DELIVERY_FAILED = "delivery_failed"


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="command", omit_defaults=True):
    """``id`` makes it idempotent: a command seen twice is applied once."""

    id: str
    action: Action
    alert_id: str
    tenant: str
    by: str
    at: int
    note: str = ""
    resolution_action: str = ""
    metadata: dict[str, Any] = {}
    expected_version: int | None = None  #: refused where the alert has another one
    disposition: str = ""  #: resolve and dismiss
    until: int | None = None  #: snooze
    assignee: str = ""  #: assign; empty: nobody
    tags: tuple[str, ...] = ()  #: tag and untag
    target: str = ""  #: dismiss as a duplicate: the other alert; link: the incident; phase: the phase
    notification_id: str = ""  #: delivery_failed only
    receiver: str = ""  #: delivery_failed only
