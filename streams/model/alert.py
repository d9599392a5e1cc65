"""An alert: what people work with. Each change is a new version on the ``alerts`` topic."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from streams.model.severity import Severity


class Status(StrEnum):
    """Open: active, acknowledged. Closed: resolved, dismissed."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event that spoke for the alert. ``event`` is copied only for the first and last completing events."""

    position: str
    event_id: str
    event_time: int
    event: dict[str, Any] | None = None


class Resolution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What whoever closed it had to say."""

    notes: str = ""
    action: str = ""
    metadata: dict[str, Any] = {}


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``version`` starts at 1 and has no gaps. ``first`` and ``last``: evidence of the first and the last finding."""

    id: str
    version: int
    tenant: str
    rule: str
    rule_version: str
    ruleset: str
    severity: Severity
    severity_word: str
    type: str  #: security, compliance, performance, system or metrics
    title: str
    source: str
    status: Status
    key: dict[str, Any]
    values: dict[str, Any]  #: observed (latest), peak, threshold, within
    count: int  #: findings folded in
    event_time: int  #: of the event that opened it
    last_event_time: int
    created_at: int
    updated_at: int
    first: tuple[Evidence, ...]
    last: tuple[Evidence, ...]
    description: str = ""
    runbook: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    correlation_id: str = ""
    violation_type: str = ""
    deal_id: str = ""
    acknowledged_at: int | None = None
    acknowledged_by: str = ""
    resolved_at: int | None = None  #: also when dismissed
    resolved_by: str = ""
    resolution: Resolution | None = None
    notes: tuple[dict[str, Any], ...] = ()  #: {at, by, text}, never wiped
    escalation_level: int = 0
    notification_failed: tuple[str, ...] = ()  #: receivers that could not be reached for good
    why: str = ""  #: the named reason of this version (opened, folded, severity_raised, reopened, acknowledged, ...)
