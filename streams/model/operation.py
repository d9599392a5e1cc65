"""An operation: what became of a command, or was done to a record by hand. One record for each."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class OperationOutcome(StrEnum):
    """Whether it was done."""

    APPLIED = "applied"
    REFUSED = "refused"


class Deed(StrEnum):
    """What was done: every ``Action`` of a command, and what is done to records on the log."""

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
    LINK = "link"
    PHASE = "phase"
    DELIVERY_FAILED = "delivery_failed"
    REDRIVE = "redrive"  #: a notification, or a dead letter's record, was published again
    DISCARD = "discard"  #: a dead letter was looked at, and needs nothing


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``reason`` names why it was refused (``streams.alerts.lifecycle.Refusal``); empty where it was applied, unless
    somebody gave one.
    """

    command_id: str
    alert_id: str  #: of a dead letter its position
    tenant: str
    action: Deed
    outcome: OperationOutcome
    by: str
    at: int  #: when it was decided
    asked_at: int  #: the command's own time
    reason: str = ""
