"""The report of a backtest as one document: a function of logs, rules and labels, without a clock or a duration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from streams.model import Alert, DeadLetter, Evidence
from streams.model.severity import SEVERITIES
from streams.replay.backtest.difference import Change, difference
from streams.replay.backtest.labelled import Labels, fared
from streams.replay.backtest.run import Ran
from streams.replay.logs import Facts, Log
from streams.replay.logs import span_of as span_of  # noqa: PLC0414  # others take it from here
from streams.replay.moments import rfc3339
from streams.replay.report import document as alert_document
from streams.replay.report import value_text
from streams.rules.rule import RuleSet

FORMAT = 1
_TOP = 20
_BARS = 60
#: Widths of a bar, ms: the narrowest by which all of the time is at most ``_BARS`` of them.
_WIDTHS = tuple(
    1000 * seconds
    for seconds in (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400, 364 * 86400)
)
_encode = msgspec.json.Encoder().encode


def report(
    logs: Sequence[Log], candidate: Ran, command: str, baseline: Ran | None = None, labels: Labels | None = None
) -> dict[str, Any]:
    """Everything that was found. ``logs`` in the order of ``candidate.facts``. Raises ConfigError as ``fared``."""
    alerts = candidate.result.alerts
    span = span_of(candidate.facts)
    counting = _counting(candidate.ruleset)
    made: dict[str, Any] = {
        "format": FORMAT,
        "command": command,
        "inputs": [input_document(log, facts) for log, facts in zip(logs, candidate.facts, strict=True)],
        "first_record": None if span is None else rfc3339(span[0]),
        "last_record": None if span is None else rfc3339(span[1]),
        "ruleset": candidate.ruleset.version,
        "rules": [_rule(rule) for rule in candidate.ruleset.rules if rule.enabled],
        "commands": None if candidate.commands is None else candidate.commands.described(),
        "counts": _counts(candidate),
        "by_rule": _by_rule(alerts),
        "by_severity": _worst_first(Counter(alert.severity.value for alert in alerts)),
        "over_time": _over_time(alerts, span),
        "top": _top(alerts),
        "refused": [_letter(letter) for letter in candidate.result.refused],
        "late": [_letter(letter) for letter in candidate.result.late],
        "alerts": [alert_document(alert, alert.rule in counting) for alert in alerts],
        "baseline": None if baseline is None else _compared(baseline, candidate),
        "labels": None,
    }
    if labels is not None and span is not None:
        rules = [rule.id for rule in candidate.ruleset.rules if rule.enabled]
        made["labels"] = fared(alerts, labels, rules, span)
        if baseline is not None:
            known = [rule.id for rule in baseline.ruleset.rules if rule.enabled]
            made["baseline"]["labels"] = fared(baseline.result.alerts, labels, {*rules, *known}, span)
    return made


def encoded(made: Mapping[str, Any]) -> bytes:
    """The document as bytes: the same for the same."""
    return msgspec.json.format(_encode(made), indent=1) + b"\n"


def costs(timings: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    """What steps of rules cost where they were timed, the dearest first. No part of the document: no two are alike."""
    sums: dict[str, list[int]] = {}
    for rule, ns in timings:
        one = sums.setdefault(rule, [0, 0])
        one[0] += 1
        one[1] += ns
    whole = sum(ns for _, ns in sums.values()) or 1
    rows = [
        {"rule": rule, "sampled": n, "mean_us": round(ns / n / 1000, 2), "share": round(ns / whole, 4)}
        for rule, (n, ns) in sums.items()
    ]
    return sorted(rows, key=lambda row: (-float(row["share"]), str(row["rule"])))


def _counting(ruleset: RuleSet) -> frozenset[str]:
    return frozenset(rule.id for rule in ruleset.rules if rule.detect.name in ("count", "distinct"))


def input_document(log: Log, facts: Facts) -> dict[str, Any]:
    """One log that was read: where it stands, how much it was, and its hash."""
    times = {
        "first_record": None if facts.first is None else rfc3339(facts.first),
        "last_record": None if facts.last is None else rfc3339(facts.last),
    }
    return {**log.described(), "records": facts.read, "records_sha256": facts.digest, **times}


def _rule(rule: Any) -> dict[str, Any]:
    severities = [word for _, _, word in rule.severity.rungs]
    return {"id": rule.id, "version": rule.version, "title": rule.title, "kind": rule.detect.name,
            "severity": severities, "overridden": rule.overridden}  # fmt: skip


def _counts(ran: Ran) -> dict[str, int]:
    result = ran.result
    return {
        "events": result.read, "invalid": result.total("dead"), "late": result.total("late"),
        "duplicates": result.total("duplicates"), "findings": result.findings, "alerts": len(result.alerts),
        "notifications": result.notifications,
    }  # fmt: skip


def _by_rule(alerts: Sequence[Alert]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in sorted({alert.rule for alert in alerts}):
        own = [alert for alert in alerts if alert.rule == rule]
        found[rule] = {
            "alerts": len(own), "findings": sum(alert.count for alert in own),
            "severity": _worst_first(Counter(alert.severity.value for alert in own)),
            "first": rfc3339(own[0].event_time), "last": rfc3339(own[-1].event_time),
        }  # fmt: skip
    return found


def _worst_first(counts: Mapping[str, int]) -> dict[str, int]:
    return {severity.value: counts[severity.value] for severity in SEVERITIES if counts.get(severity.value)}


def _over_time(alerts: Sequence[Alert], span: tuple[int, int] | None) -> dict[str, Any]:
    """Bars of alerts opened: every one from the first record's to the last's, by severity and by rule."""
    if span is None:
        return {"width_ms": 0, "bars": []}
    begin = min([span[0], *(alert.event_time for alert in alerts)])
    end = max([span[1], *(alert.event_time for alert in alerts)])
    width = next((width for width in _WIDTHS if end // width - begin // width < _BARS), (end - begin) // _BARS + 1)
    by_bar: dict[int, list[Alert]] = {}
    for alert in alerts:
        by_bar.setdefault(alert.event_time // width, []).append(alert)
    bars = []
    for number in range(begin // width, end // width + 1):
        own = by_bar.get(number, [])
        rules = Counter(alert.rule for alert in own)
        severities = _worst_first(Counter(alert.severity.value for alert in own))
        bars.append({"begin": rfc3339(number * width), "severity": severities, "rule": dict(sorted(rules.items()))})
    return {"width_ms": width, "bars": bars}


def _top(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    """Those about whom most was said: each part of a key, with its tenant."""
    said: Counter[tuple[str, str, str]] = Counter()
    rules: dict[tuple[str, str, str], set[str]] = {}
    for alert in alerts:
        for name, value in alert.key.items():
            entity = alert.tenant, name, value_text(value)
            said[entity] += 1
            rules.setdefault(entity, set()).add(alert.rule)
    first = sorted(said.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    return [
        {"tenant": entity[0], "name": entity[1], "value": entity[2], "alerts": n, "rules": sorted(rules[entity])}
        for entity, n in first
    ]


def _letter(letter: DeadLetter) -> dict[str, str]:
    return {"origin": letter.origin, "reason": str(letter.reason), "error": letter.error}


def _compared(baseline: Ran, candidate: Ran) -> dict[str, Any]:
    found = difference(baseline.result.alerts, candidate.result.alerts)
    before, after = _counting(baseline.ruleset), _counting(candidate.ruleset)
    versions = {rule.id: rule.version for rule in baseline.ruleset.rules if rule.enabled}
    fresh = {rule.id: rule.version for rule in candidate.ruleset.rules if rule.enabled}
    return {
        "ruleset": baseline.ruleset.version,
        "counts": _counts(baseline),
        "labels": None,
        "rules_added": sorted(fresh.keys() - versions.keys()),
        "rules_removed": sorted(versions.keys() - fresh.keys()),
        "rules_changed": sorted(name for name in fresh.keys() & versions.keys() if fresh[name] != versions[name]),
        "same": found.same,
        "new": [alert_document(alert, alert.rule in after) for alert in found.new],
        "gone": [alert_document(alert, alert.rule in before) for alert in found.gone],
        "changed": [_change(change, after) for change in found.changed],
    }


def _change(change: Change, counting: frozenset[str]) -> dict[str, Any]:
    return {
        **alert_document(change.after, change.after.rule in counting),
        "changes": {name: {"before": pair[0], "after": pair[1]} for name, pair in change.fields.items()},
        "events_gained": [_event(one) for one in change.gained],
        "events_lost": [_event(one) for one in change.lost],
    }


def _event(one: Evidence) -> dict[str, str]:
    return {"event_id": one.event_id, "position": one.position, "event_time": rfc3339(one.event_time)}
