"""What each setting came to: a point of the curve; and what the step from one to the next would lose and save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.model import Alert
from streams.replay.backtest.difference import difference
from streams.replay.backtest.labelled import Labels, fared
from streams.replay.runner import Replayed
from streams.replay.scoring.score import FALSE, Verdict, judged
from streams.replay.tuning.asked import Value
from streams.replay.tuning.sweep import Swept
from streams.replay.tuning.variants import Variant
from streams.simulate.scene import Label


@dataclass(frozen=True)
class Point:
    """``notifications``: what the policy makes of the alerts, those of rules that feed this one among them.
    ``figures``: by the labels, as a backtest has them; None without. ``found``: attacks, by name; ``false``: ids.
    """

    variant: Variant
    alerts: list[Alert]
    notifications: int
    figures: dict[str, Any] | None
    found: frozenset[str]
    false: frozenset[str]

    @property
    def values(self) -> tuple[Value | None, ...]:
        return self.variant.values

    @property
    def f1(self) -> float | None:
        return None if self.figures is None else self.figures["f1"]


@dataclass(frozen=True)
class Step:
    """From one setting to the next. ``saved``: false alerts that are gone; ``added``: false ones that are new."""

    before: Point
    after: Point
    lost: tuple[str, ...]  #: attacks that are found before and not after, by name
    gained: tuple[str, ...]
    saved: tuple[Alert, ...]
    added: tuple[Alert, ...]


def points(swept: Swept, rule_id: str, labels: Labels | None, span: tuple[int, int]) -> list[Point]:
    """One for each setting. Raises ConfigError where no label matches."""
    return [
        _point(variant, result, rule_id, labels, span)
        for variant, result in zip(swept.variants, swept.results, strict=True)
    ]


def _point(variant: Variant, result: Replayed, rule_id: str, labels: Labels | None, span: tuple[int, int]) -> Point:
    own = [alert for alert in result.alerts if alert.rule == rule_id]
    if labels is None:
        return Point(variant, own, result.notifications, None, frozenset(), frozenset())
    figures = fared(own, labels, [rule_id], span)["all"]
    found, false = set(), set()
    for alert, verdict, label in judged(result.alerts, labels.labels):
        if alert.rule != rule_id:
            continue
        if verdict is Verdict.TRUE and label is not None:
            found.add(label.attack)
        elif verdict in FALSE and (labels.complete or verdict is not Verdict.BACKGROUND):
            false.add(alert.id)
    return Point(variant, own, result.notifications, figures, frozenset(found), frozenset(false))


def step(before: Point, after: Point) -> Step:
    """What another setting changes."""
    found = difference(before.alerts, after.alerts)
    return Step(
        before, after,
        tuple(sorted(before.found - after.found)), tuple(sorted(after.found - before.found)),
        tuple(alert for alert in found.gone if alert.id in before.false),
        tuple(alert for alert in found.new if alert.id in after.false),
    )  # fmt: skip


def attacks(labels: Labels | None, rule_id: str) -> dict[str, Label]:
    """The labels of the rule, by name."""
    return {label.attack: label for label in labels.labels if label.rule == rule_id} if labels is not None else {}


def in_order(found: Sequence[Point]) -> list[Point]:
    """Those that were asked for."""
    return [point for point in found if point.variant.asked]
