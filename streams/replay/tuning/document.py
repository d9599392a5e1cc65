"""The report of a sweep as one document: a function of logs, rules, labels and settings, without a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from streams.model import Alert
from streams.model.severity import SEVERITIES
from streams.replay.backtest.document import input_document, span_of
from streams.replay.backtest.labelled import Labels
from streams.replay.logs import Log
from streams.replay.moments import rfc3339
from streams.replay.tuning.asked import Param
from streams.replay.tuning.curve import Point, Step, attacks, points
from streams.replay.tuning.plateau import TOLERANCE, Suggestion, steps, suggestion
from streams.replay.tuning.sweep import Swept
from streams.replay.tuning.variants import rule_of
from streams.simulate.scene import Label

FORMAT = 1
_FIGURES = ("attacks", "found", "true", "false", "unlabelled", "by_catch", "precision", "recall", "f1")


def report(
    logs: Sequence[Log], swept: Swept, rule_id: str, params: Sequence[Param], labels: Labels | None, command: str
) -> dict[str, Any]:
    """Everything that was found. ``logs`` in the order of ``swept.facts``, of which something was read.

    Raises ConfigError where no label matches.
    """
    span = span_of(swept.facts) or (0, 0)
    found = points(swept, rule_id, labels, span)
    now = next(point for point in found if point.variant.is_current)
    known, whole = attacks(labels, rule_id), swept.results[swept.base]
    chosen, rule = suggestion(found, params), rule_of(now.variant.ruleset, rule_id)
    return {
        "format": FORMAT,
        "command": command,
        "rule": {"id": rule_id, "version": rule.version, "title": rule.title, "kind": rule.detect.name},
        "params": [param.name for param in params],
        "inputs": [input_document(log, facts) for log, facts in zip(logs, swept.facts, strict=True)],
        "first_record": rfc3339(span[0]),
        "last_record": rfc3339(span[1]),
        "counts": {"events": whole.read, "invalid": whole.total("dead"), "late": whole.total("late")},
        "labels": None if labels is None else {"name": labels.name, "complete": labels.complete},
        "now": list(now.values),
        "points": [_point(point, now) for point in found],
        "steps": [_step(one, known) for one in steps(found, params)],
        "suggestion": None if chosen is None else _suggestion(chosen, known, rule_id),
        "why_none": _why_none(chosen, labels),
    }


def _point(point: Point, now: Point) -> dict[str, Any]:
    severities = Counter(alert.severity.value for alert in point.alerts)
    figures = point.figures
    return {
        "values": list(point.values), "asked": point.variant.asked, "is_current": point.variant.is_current,
        "alerts": len(point.alerts), "alerts_saved": len(now.alerts) - len(point.alerts),
        "notifications": point.notifications, "notifications_saved": now.notifications - point.notifications,
        "severity": {one.value: severities[one.value] for one in SEVERITIES if severities[one.value]},
        "labels": None if figures is None else {name: figures[name] for name in _FIGURES},
        "missed": None if figures is None else figures["attacks"] - figures["found"],
    }  # fmt: skip


def _step(one: Step, known: Mapping[str, Label]) -> dict[str, Any]:
    return {
        "from": list(one.before.values), "to": list(one.after.values),
        "attacks_lost": [_attack(name, known) for name in one.lost],
        "attacks_gained": [_attack(name, known) for name in one.gained],
        "false_alerts_saved": [_alert(alert) for alert in one.saved],
        "false_alerts_added": [_alert(alert) for alert in one.added],
        "alerts": len(one.after.alerts) - len(one.before.alerts),
        "notifications": one.after.notifications - one.before.notifications,
    }  # fmt: skip


def _attack(name: str, known: Mapping[str, Label]) -> dict[str, Any]:
    label = known[name]
    return {
        "attack": name, "scenario": label.scenario, "tenant": label.tenant, "key": label.key,
        "first_event_time": rfc3339(label.first_event_time),
    }  # fmt: skip


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.id, "tenant": alert.tenant, "key": alert.key, "event_time": rfc3339(alert.event_time),
        "title": alert.title,
    }  # fmt: skip


def _suggestion(chosen: Suggestion, known: Mapping[str, Label], rule_id: str) -> dict[str, Any]:
    point = chosen.point
    return {
        "values": list(point.values),
        "is_current": point.variant.is_current,
        "override": {"overrides": {rule_id: point.variant.override}},
        "plateau": [list(one.values) for one in chosen.plateau],
        "tolerance": TOLERANCE,
        "reaches_the_end": chosen.ends,
        "from_now": None if chosen.from_now is None else _step(chosen.from_now, known),
        "nearest": [_step(one, known) for one in chosen.nearest],
    }


def _why_none(chosen: Suggestion | None, labels: Labels | None) -> str | None:
    if chosen is not None:
        return None
    if labels is None:
        return "without labels nothing tells a true alert from a false one: --labels FILE"
    return "none of the settings found an attack that the labels name"
