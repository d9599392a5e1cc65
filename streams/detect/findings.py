"""From what a detector observed to a finding that ALERT can fold without knowing any rule."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import msgspec

from streams.detect.base import Observed, Ref
from streams.model import Evidence, Finding, FindingKind, Severity, alert_id, content_hash
from streams.rules.durations import format_duration
from streams.rules.rule import Rule
from streams.rules.template import MISSING, render
from streams.rules.values import read

#: The finding made where a rule raised.
ANALYSIS_FAILED = "tocsin.analysis-failed"
_FAILED_COOLDOWN = 3_600_000

#: Of an event in a finding, bytes: findings and alerts (with two events) stay far below a broker's limit.
MAX_EVENT = 100_000
_MAX_ID = 200

_encode = msgspec.json.Encoder().encode


class Completing(Protocol):
    """The event that completed a condition, through any hop. What a finding alone needs is worked out when asked."""

    @property
    def at(self) -> int:
        """Event time, ms."""

    @property
    def event_id(self) -> str:
        """Empty without one."""

    @property
    def tenant(self) -> str:
        """Its own, whatever the scope of the rule."""

    @property
    def raw(self) -> bytes:
        """The payload, for letters."""

    @property
    def position(self) -> str:
        """Where it came in first."""

    @property
    def from_record(self) -> bool:
        """Whether its time is the record's, for want of its own."""

    def document(self) -> dict[str, Any]:
        """The whole envelope, ``fitted``."""

    def locate(self, ref: Ref) -> str:
        """The position of an earlier event of the same key."""


def fitted(document: dict[str, Any]) -> dict[str, Any]:
    """The document, or of a very large one the fields that find room, marked ``_truncated`` with size and hash."""
    raw = _encode(document)
    if len(raw) <= MAX_EVENT:
        return document
    room, kept = MAX_EVENT // 2, {}
    for name, value in document.items():
        size = len(name) * 6 + len(_encode(value))
        if size <= min(room, MAX_EVENT // 20):
            kept[name] = value
            room -= size
    return {**kept, "_truncated": {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}}


def finding(
    rule: Rule, ruleset: str, tenant: str, key: tuple[Any, ...], seen: Observed, event: Completing, evicted: int
) -> Finding:
    """``key``: the values of ``rule.group_by``. Raises whatever a template or a document raises.

    A retraction is filed under the rule and key of the alert that it names; what it says of itself is ``rule``'s.
    """
    keyed = dict(zip(rule.group_by, key, strict=True))
    position = event.position if seen.about is None else event.locate(seen.about.ref)
    at = event.at if seen.about is None else seen.about.at
    target = seen.retracts
    document = event.document()
    words = {**keyed, **(seen.detail or {}), **_words(rule, seen)}
    metadata: dict[str, Any] = {**(seen.detail or {})}
    said = ((name, render(text, document, words)) for name, text in rule.metadata.items())
    metadata |= {name: text for name, text in said if text != MISSING}  # of what is not there nothing is said
    if target is not None:
        metadata["retracted_by"] = rule.id
    if event.from_record:
        metadata["event_time_source"] = "record"
    if rule.overridden:
        metadata["overridden"] = rule.overridden
    if rule.lists:
        metadata["lists"] = ", ".join(f"{name}@{content.version}" for name, content in sorted(rule.lists.items()))
    if evicted:
        metadata["state_evicted"] = evicted  # what this rule had to forget for want of room: it may have missed some
    severity, word = seen.severity or rule.severity.at(seen.value)
    correlation = document.get("correlation_id")
    return Finding(
        id=content_hash("finding", seen.kind, rule.id, rule.version, tenant, keyed, position, *(target or ())),
        kind=seen.kind,
        rule=rule.id if target is None else target.rule,
        rule_version=rule.version,
        ruleset=ruleset,
        tenant=tenant,
        key=keyed if target is None else dict(target.key),
        alert_id=alert_id(rule.id, tenant, keyed, position) if target is None else target.alert_id,
        source=rule.source,
        event_time=at if seen.at is None else seen.at,
        position=position,
        severity=severity,
        severity_word=word,
        type=rule.type,
        title=render(rule.title, document, words),
        description=render(rule.description, document, words) if rule.description else "",
        observed=seen.value,
        threshold=seen.threshold,
        within=rule.detect.within,
        cooldown=rule.cooldown,
        fold=rule.fold,
        fingerprint={path: _scalar(read(document, path)) for path in rule.fingerprint},
        throttle=(rule.throttle.every or 0) if rule.throttle is not None else 0,
        max_per_hour=(rule.throttle.per_hour or 0) if rule.throttle is not None else 0,
        resolve_after=rule.resolve_after,
        evidence=_evidence(seen, event, document),
        runbook=rule.runbook,
        tags=rule.tags,
        metadata=metadata,
        correlation_id=correlation[:_MAX_ID] if isinstance(correlation, str) else "",
        violation_type=rule.violation_type,
        deal_id=render(rule.deal_id, document, words) if rule.deal_id else "",
    )


def _scalar(value: Any) -> Any:
    """What a finding folds by: a scalar as it is, nothing as null, anything else by its hash."""
    if value is msgspec.UNSET:
        return None
    return content_hash("value", value) if isinstance(value, (dict, list)) else value


def analysis_failed(rule: Rule, ruleset: str, tenant: str, event: Completing, error: BaseException) -> Finding:
    """A rule raised on ``event``: something a person must look at, for it sees nothing any more."""
    keyed = {"rule": rule.id}
    return Finding(
        id=content_hash("finding", FindingKind.FIRE, ANALYSIS_FAILED, rule.version, tenant, keyed, event.position),
        kind=FindingKind.FIRE,
        rule=ANALYSIS_FAILED,
        rule_version=rule.version,
        ruleset=ruleset,
        tenant=tenant,
        key=keyed,
        alert_id=alert_id(ANALYSIS_FAILED, tenant, keyed, event.position),
        source=rule.source,
        event_time=event.at,
        position=event.position,
        severity=Severity.HIGH,
        severity_word=Severity.HIGH.value,
        type="system",
        title=f"Rule {rule.id} failed on an event",
        description=f"{type(error).__name__}: {error}"[:500],
        cooldown=_FAILED_COOLDOWN,
        evidence=(
            Evidence(
                position=event.position, event_id=(event.event_id or event.position)[:_MAX_ID], event_time=event.at
            ),
        ),
    )


#: What ``_words`` gives and the kinds' details, keys and fields stand beside; for the reference page.
WORDS = {
    "observed": "what was measured",
    "threshold": "what it was measured against",
    "value": "what was measured, for kinds without a window",
    "count": "what was measured, for kinds with a window",
    "within": "the length of that window",
}


def _words(rule: Rule, seen: Observed) -> dict[str, Any]:
    """What templates may say beyond the event's own fields."""
    if seen.value is None:
        return {}
    words = {"observed": seen.value, "threshold": seen.threshold}
    if rule.detect.within is None:
        return {**words, "value": seen.value}
    return {**words, "count": seen.value, "within": format_duration(rule.detect.within)}


def _evidence(seen: Observed, event: Completing, document: dict[str, Any]) -> tuple[Evidence, ...]:
    evidence = []
    for witness in seen.evidence:
        position = event.locate(witness.ref)
        completing = position == event.position
        evidence.append(
            Evidence(
                position=position,
                event_id=((event.event_id if completing else witness.event_id) or position)[:_MAX_ID],
                event_time=witness.at,
                event=document if completing else None,
            )
        )
    return tuple(evidence)
