"""Folding: a finding joins the alert it belongs to, or opens one."""

from __future__ import annotations

import re
from bisect import bisect_left
from decimal import Decimal
from enum import StrEnum
from typing import Any

from streams.alerts.book import Book, ThreadKey, fingerprint
from streams.alerts.case import Case, Thread, Why
from streams.alerts.crowds import INCIDENT
from streams.alerts.incidents import PHASES
from streams.alerts.lifecycle import Move, move
from streams.alerts.memory import Timer
from streams.model import Alert, Finding, FindingKind, Reason, Severity, Status, severity_rank

SERIES = 24  #: observed values kept, the latest
MAX_TITLE, MAX_DESCRIPTION = 1_000, 10_000  #: characters
_RANK = {severity: severity_rank(severity) for severity in Severity}
_DECIMAL = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?")


class Verdict(StrEnum):
    """What became of a finding."""

    OPENED = "opened"
    FOLDED = "folded"  #: joined an open alert
    RAISED = "raised"  #: the same, and made it worse: those it reaches are told
    REOPENED = "reopened"  #: joined a resolved alert inside its cooldown
    WITHIN_COOLDOWN = "within_cooldown"  #: joined a dismissed alert inside its cooldown: counted, nobody is told
    RESOLVED = "resolved"  #: the condition ended
    RETRACTED = "retracted"  #: the condition never held
    NOTHING_OPEN = "nothing_open"  #: an end or a retraction of what is not open
    DUPLICATE = "duplicate"  #: counted before


class ForeignAlert(ValueError):
    """A finding names an alert that belongs to another rule, tenant or key."""


def fold(book: Book, finding: Finding, now: int) -> Verdict:
    """Take one finding into the book. Raises ForeignAlert, and has then changed nothing."""
    key = fingerprint(finding.rule, finding.tenant, finding.key, finding.fingerprint)
    thread = book.threads.get(key)
    if finding.kind is FindingKind.FIRE:
        home = _home(thread, finding) if thread is not None else None
        if home is None:
            return _open(book, finding, key, thread, now)
        case = book.case(home)
        assert case is not None, "a thread lists what the book holds"
        return _join(case, finding, now)
    if finding.kind is FindingKind.RETRACT:
        return _retract(book, thread, finding, now)
    return _clear(book, thread, finding, now) if thread is not None and thread.open else Verdict.NOTHING_OPEN


def _home(thread: Thread, finding: Finding) -> str | None:
    """The alert this finding falls into: an open one where the rule folds until it is resolved; else the last one
    opened at or before it, else the first one opened after it, less than a cooldown away."""
    if finding.fold == "until_resolved" and thread.open:
        return thread.open[-1][1]
    places, at, cooldown = thread.all, finding.event_time, finding.cooldown
    after = bisect_left(places, (at + 1,))
    if after and at - places[after - 1][0] < cooldown:
        return places[after - 1][1]
    if after < len(places) and places[after][0] - at < cooldown:
        return places[after][1]
    return None


def _open(book: Book, finding: Finding, key: ThreadKey, thread: Thread | None, now: int) -> Verdict:
    if (known := book.case(finding.alert_id)) is not None:
        if known.thread is not thread:
            raise ForeignAlert("alert_id belongs to an alert of another rule, tenant or key")
        return Verdict.DUPLICATE  # the event that opened it, told again
    case = book.open(_first(finding, key, now), key)
    case.began = now
    if finding.rule == INCIDENT:
        case.phase = PHASES[0]
    _stays(case, finding, now)
    case.remember_finding(finding.id)
    case.changed(Why.OPENED)
    case.notify(Reason.NEW)
    return Verdict.OPENED


def _join(case: Case, finding: Finding, now: int) -> Verdict:
    if finding.id in case.findings:
        return Verdict.DUPLICATE
    case.remember_finding(finding.id)
    case.changed(Why.FOLDED)
    case.count += 1
    _stays(case, finding, now)
    values = case.values
    _series(values, finding)
    if finding.event_time >= case.last_event_time:
        case.last_event_time, case.last = finding.event_time, finding.evidence
        _put(values, "observed", finding.observed)
        _put(values, "threshold", finding.threshold)
        _put(values, "within", finding.within)
    raised = _RANK[finding.severity] > _RANK[case.severity]
    peaked = _worse(finding.observed, values.get("peak"), finding.threshold)
    if peaked:
        values["peak"] = finding.observed
    if raised:
        case.severity, case.severity_word = finding.severity, finding.severity_word
    if raised or peaked:
        case.title, case.description = finding.title[:MAX_TITLE], finding.description[:MAX_DESCRIPTION]
    if move(case, Move.REFIRE, "", now):
        return Verdict.REOPENED
    if not case.is_open:
        return Verdict.WITHIN_COOLDOWN
    if raised:
        case.changed(Why.SEVERITY_RAISED)
        if Reason.NEW not in case.reasons and Reason.REOPENED not in case.reasons:  # those say it already
            case.notify(Reason.SEVERITY_RAISED)
        return Verdict.RAISED
    return Verdict.FOLDED


def _stays(case: Case, finding: Finding, now: int) -> None:
    """The time without findings after which it resolves begins anew."""
    case.resolve_after, case.limits = finding.resolve_after, (finding.throttle, finding.max_per_hour)
    if finding.resolve_after:
        case.timers[Timer.QUIET] = now + finding.resolve_after


def _clear(book: Book, thread: Thread, finding: Finding, now: int) -> Verdict:
    """Whatever is open of the fold key resolves: the condition that opened it has ended."""
    verdict = Verdict.DUPLICATE
    for _, identity in tuple(thread.open):
        case = book.case(identity)
        assert case is not None, "a thread lists what the book holds"
        if finding.id in case.findings:
            continue
        case.remember_finding(finding.id)
        if finding.event_time >= case.last_event_time:
            case.last_event_time = finding.event_time
            _put(case.values, "observed", finding.observed)
        move(case, Move.CLEAR, "condition", now)
        verdict = Verdict.RESOLVED
    return verdict


def _retract(book: Book, thread: Thread | None, finding: Finding, now: int) -> Verdict:
    """The alert it names, if it is known, whether open or resolved; else the latest open one of the fold key."""
    named = book.case(finding.alert_id)
    if named is None or (named.base.rule, named.base.tenant) != (finding.rule, finding.tenant):
        if thread is None or not thread.open:
            return Verdict.NOTHING_OPEN
        named = book.case(thread.open[-1][1])
    assert named is not None, "a thread lists what the book holds"
    if finding.id in named.findings:
        return Verdict.DUPLICATE
    if not move(named, Move.RETRACT, "retracted", now):
        return Verdict.NOTHING_OPEN
    named.remember_finding(finding.id)
    return Verdict.RETRACTED


def _first(finding: Finding, key: ThreadKey, now: int) -> Alert:
    """Version 0 of the alert ``finding`` opens; the end of the step makes it version 1."""
    values: dict[str, Any] = {}
    _put(values, "observed", finding.observed)
    _put(values, "peak", finding.observed)
    _put(values, "threshold", finding.threshold)
    _put(values, "within", finding.within)
    _series(values, finding)
    return Alert(
        fingerprint=key,
        id=finding.alert_id,
        version=0,
        tenant=finding.tenant,
        rule=finding.rule,
        rule_version=finding.rule_version,
        ruleset=finding.ruleset,
        severity=finding.severity,
        severity_word=finding.severity_word,
        type=finding.type,
        title=finding.title[:MAX_TITLE],
        source=finding.source,
        status=Status.ACTIVE,
        key=finding.key,
        values=values,
        count=1,
        event_time=finding.event_time,
        last_event_time=finding.event_time,
        created_at=now,
        updated_at=now,
        first=finding.evidence,
        last=finding.evidence,
        description=finding.description[:MAX_DESCRIPTION],
        runbook=finding.runbook,
        tags=finding.tags,
        metadata=finding.metadata,
        correlation_id=finding.correlation_id,
        violation_type=finding.violation_type,
        deal_id=finding.deal_id,
    )


def _series(values: dict[str, Any], finding: Finding) -> None:
    """Numbers over time, in the order in which they were found."""
    if _number(finding.observed) is not None:
        values["series"] = [*values.get("series", ())[1 - SERIES :], [finding.event_time, finding.observed]]


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        values[name] = value


def _number(value: Any) -> int | float | Decimal | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _worse(observed: Any, peak: Any, threshold: Any) -> bool:
    """Whether ``observed`` lies further beyond the threshold than ``peak``, on the side on which it lies."""
    if observed is None:
        return False
    new, old, limit = _number(observed), _number(peak), _number(threshold)
    if new is None:
        return old is None  # words: the latest
    if old is None:
        return True
    if limit is not None and (new < limit or (new == limit and old < limit)):
        return new < old
    return new > old
