"""How a rule set fared by labels: those of a simulation, or what people said alerts were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import ConfigError
from streams.model import Alert, Disposition
from streams.replay.scoring.score import RuleScore, Verdict, quantile, score, total
from streams.replay.scoring.truth import read_labels
from streams.simulate.scene import Label, Nature


class _Said(msgspec.Struct, kw_only=True):
    """A line of ``tocsin alerts labels``."""

    alert_id: str
    rule: str
    tenant: str
    key: dict[str, Any]
    disposition: Disposition
    event_ids: list[str]
    first_event_time: int
    last_event_time: int


@dataclass(frozen=True, slots=True)
class Labels:
    """``complete``: what no label names is known to be harmless, as in a simulation; people label only some alerts."""

    name: str
    labels: list[Label]
    complete: bool


#: What a person's word makes of an alert. A duplicate tells nothing about the rule.
_NATURES = {
    Disposition.TRUE_POSITIVE: Nature.ATTACK,
    Disposition.FALSE_POSITIVE: Nature.LOOK_ALIKE,
    Disposition.BENIGN: Nature.LOOK_ALIKE,
    Disposition.EXPECTED: Nature.LOOK_ALIKE,
}
_said = msgspec.json.Decoder(_Said)


def labels_of(path: Path) -> Labels:
    """As ``tocsin alerts labels`` or ``tocsin simulate --truth`` writes them. Raises ConfigError with the line."""
    try:
        lines = [(number, line) for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not lines:
        raise ConfigError(f"{path} holds no label", "`tocsin alerts labels` and `tocsin simulate --truth` write some")
    if b'"disposition"' not in lines[0][1]:
        return Labels(path.name, read_labels(path), complete=True)
    return Labels(path.name, list(filter(None, (_label(path, *line) for line in lines))), complete=False)


def _label(path: Path, number: int, line: bytes) -> Label | None:
    try:
        said = _said.decode(line)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}:{number}: {error}", "a line is as `tocsin alerts labels` writes it") from None
    nature = _NATURES.get(said.disposition)
    if nature is None:
        return None
    return Label(
        attack=said.alert_id, scenario=said.disposition.value, rule=said.rule, source="", tenant=said.tenant,
        key=said.key, first_event_time=said.first_event_time, event_ids=tuple(said.event_ids), completes="",
        nature=nature, completed_at=said.first_event_time,
    )  # fmt: skip


def fared(alerts: Sequence[Alert], labels: Labels, rules: Iterable[str], span: tuple[int, int]) -> dict[str, Any]:
    """Figures of all rules and of each. Labels of other rules, or from outside of ``span`` (ms), count for nobody.

    Raises ConfigError where that leaves none: their recall of nothing would look like success.
    """
    names = set(rules)
    loaded = [label for label in labels.labels if label.rule in names]
    within = [label for label in loaded if span[0] <= label.first_event_time <= span[1]]
    if not within:
        reason = "their times lie outside of what was read" if loaded else "their rules are not among those loaded"
        raise ConfigError(f"none of the {len(labels.labels)} labels of {labels.name} matches: {reason}")
    others = [label for label in labels.labels if label.rule not in names]  # what is found in those is by-catch
    scores = score(alerts, [*within, *others], names)
    told = [one for one in scores.values() if one.alerts or one.attacks or one.near_misses or one.look_alikes]
    return {
        "labels": len(labels.labels), "matching": len(within), "complete": labels.complete,
        "all": _figures(total(told), labels.complete),
        "rules": {one.rule: _figures(one, labels.complete) for one in told},
    }  # fmt: skip


def _figures(one: RuleScore, complete: bool) -> dict[str, Any]:
    unlabelled = one.verdicts[Verdict.BACKGROUND]
    false = one.false if complete else one.false - unlabelled
    precision = one.true / (one.true + false) if one.true + false else None
    recall = one.recall
    figures = {
        "attacks": one.attacks, "found": one.found, "near_misses": one.near_misses, "look_alikes": one.look_alikes,
        "alerts": one.alerts, "true": one.true, "false": false, "unlabelled": 0 if complete else unlabelled,
        "by_catch": one.verdicts[Verdict.BY_CATCH],
        "precision": _rounded(precision), "recall": _rounded(recall), "f1": _rounded(_f1(precision, recall)),
        "since_first_event_ms": _spread(one.since_first_ms), "missed": one.missed, "wrong": one.wrong,
    }  # fmt: skip
    if complete:  # people do not say which event was the one
        figures["since_completing_event_ms"] = _spread(one.waits_ms)
    return figures


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _spread(values: Sequence[int]) -> Mapping[str, int | None]:
    return {"p50": quantile(values, 0.5), "p95": quantile(values, 0.95), "max": max(values, default=None)}
