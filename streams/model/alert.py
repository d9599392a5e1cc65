"""An alert: what people work with. Each change is a new version on the ``alerts`` topic."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from streams.model.severity import Severity


class Status(StrEnum):
    """Open: active, acknowledged, snoozed. Closed: resolved, dismissed."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"  #: nobody is told until ``snoozed_until``, then it is active again
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


class Disposition(StrEnum):
    """What a closed alert was, as people say: a label that rules are scored by."""

    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"
    BENIGN = "benign"  #: it did happen, and does no harm
    DUPLICATE = "duplicate"
    EXPECTED = "expected"


class Suppression(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why nobody is told at present. ``until``: when that ends by itself, if it is known."""

    stage: str  #: maintenance, silence, inhibition, dependency or throttle
    by: str  #: id of the window, the silence, the alert that inhibits or the parent; of throttle the named limit
    since: int
    until: int | None = None


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
    values: dict[str, Any]  #: observed (latest), peak, threshold, within, series ([[event time, observed], …])
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
    fingerprint: str = ""  #: what findings share that fold together: hash of rule, tenant, key, and what the rule adds
    assignee: str = ""
    snoozed_until: int | None = None
    disposition: str = ""  #: ``Disposition``
    duplicate_of: str = ""  #: another alert's id
    incident: str = ""  #: id of the incident it belongs to, which is an alert of the rule ``tocsin.incident``
    phase: str = ""  #: of an incident: triaged, investigating, mitigated or resolved
    members: tuple[str, ...] = ()  #: of an incident: ids of its alerts, oldest first, the first hundred
    suppressed: tuple[Suppression, ...] = ()  #: what holds at present
    hidden: int = 0  #: notifications that were not sent for that
    told: tuple[str, ...] = ()  #: receivers that were told of it
    breached: tuple[str, ...] = ()  #: response targets that were missed: acknowledge, resolve
    history: tuple[dict[str, Any], ...] = ()  #: changes of status: {at, by, from, to, why}, the last fifty
    escalation_level: int = 0
    notification_failed: tuple[str, ...] = ()  #: receivers that could not be reached for good
    why: str = ""  #: the named reason of this version (opened, folded, severity_raised, reopened, acknowledged, ...)
