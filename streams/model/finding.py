"""A finding: one rule, one key, one moment at which the rule's condition was seen to hold, or to end."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from streams.model.alert import Evidence
from streams.model.severity import Severity


class FindingKind(StrEnum):
    """What was seen."""

    FIRE = "fire"
    CLEAR = "clear"  #: the condition ended; what it opened resolves
    RETRACT = "retract"  #: the condition never held (an orphaned block)


class Finding(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="finding", omit_defaults=True):
    """Self-contained: ALERT needs no rule set to fold it.

    ``id`` names (kind, rule, rule_version, tenant, key, position); ``alert_id`` is the alert this finding
    opens if it opens one. ``position`` is the completing event's origin, through any hop.
    """

    id: str
    kind: FindingKind
    rule: str
    rule_version: str
    ruleset: str
    tenant: str
    key: dict[str, Any]
    alert_id: str
    source: str
    event_time: int
    position: str
    severity: Severity
    severity_word: str
    type: str
    title: str
    description: str = ""
    observed: Any = None  #: the value that was held against ``threshold``
    threshold: Any = None
    within: int | None = None  #: ms
    cooldown: int = 0  #: ms of event time, counted from the alert's opening
    fold: str = "cooldown"  #: or "until_resolved"
    evidence: tuple[Evidence, ...] = ()  #: first events of the window and the completing one, oldest first
    fingerprint: dict[str, Any] = {}  #: what the rule adds to the key for folding
    throttle: int = 0  #: at most one alert of the rule in so long, ms; 0: no such limit
    max_per_hour: int = 0  #: at most so many alerts of the rule an hour; 0: no such limit
    resolve_after: int = 0  #: an alert without findings for so long resolves by itself, ms; 0: it does not
    runbook: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    correlation_id: str = ""
    violation_type: str = ""
    deal_id: str = ""
