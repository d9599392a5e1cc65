"""A delivery: what happened to one attempt."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"  #: this attempt failed, another follows
    REJECTED = "rejected"  #: the receiver refused it for good
    FAILED = "failed"  #: the budget of attempts is spent


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt."""

    notification_id: str
    alert_id: str
    tenant: str
    sink: str
    attempt: int  #: from 1
    outcome: Outcome
    at: int
    latency_ms: int
    reference: str = ""  #: the receiver's own name for it
    error: str = ""  #: redacted
    reason: str = ""  #: why the receiver is told (``Reason``); of storage empty
    caused_at: int = 0  #: when the notification, or the alert's version, was made; 0: not known
    redriven: str = ""  #: the re-drive that made this attempt; empty: the first way
