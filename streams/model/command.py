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
    COMMENT = "comment"
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
    notification_id: str = ""  #: delivery_failed only
    receiver: str = ""  #: delivery_failed only
