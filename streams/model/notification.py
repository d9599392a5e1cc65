"""A notification: tell this receiver about this alert, for this reason. One record each on ``notifications``."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from streams.model.alert import Alert


class Reason(StrEnum):
    """Why somebody is told."""

    NEW = "new"
    SEVERITY_RAISED = "severity_raised"
    REOPENED = "reopened"
    REPEATED = "repeated"  #: still unacknowledged
    RESOLVED = "resolved"
    TEST = "test"


class Notification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``id`` is the idempotency key: hash of (alert, receiver, reason, the alert's version that caused it)."""

    id: str
    alert_id: str
    tenant: str
    receiver: str
    reason: Reason
    at: int
    alert: Alert
