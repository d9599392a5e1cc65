"""Alerts held against labels: what each rule found, what it should not have said, and how soon it spoke.

An alert is judged by where its evidence stands. It is *true* where that lies in an attack its rule should find, with
the tenant and key the label names; *false* where it lies in a near miss or look-alike of its rule, in nothing labelled,
or in its attack under another key; and *by-catch* where it lies in a scenario of another rule: neither true nor false.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from streams.detect.entries import kept_id
from streams.model import Alert
from streams.rules.chains import ALERTS
from streams.simulate.scene import Label, Nature

_SHOWN = 5  #: examples of what went wrong, for each rule
_encode = msgspec.json.Encoder(order="sorted").encode


class Verdict(StrEnum):
    """What an alert is."""

    TRUE = "true"
    NEAR_MISS = "near_miss"  #: its rule's, which is just short of it
    LOOK_ALIKE = "look_alike"  #: its rule's, which only resembles it
    WRONG_KEY = "wrong_key"  #: of its rule's attack, but about somebody else
    BACKGROUND = "background"  #: nothing labelled is in its evidence
    BY_CATCH = "by_catch"  #: another rule's scenario


FALSE = (Verdict.NEAR_MISS, Verdict.LOOK_ALIKE, Verdict.WRONG_KEY, Verdict.BACKGROUND)


@dataclass
class RuleScore:
    """The figures of one rule. ``waits`` are of attacks that were found, in the order of the labels."""

    rule: str
    attacks: int = 0
    found: int = 0
    near_misses: int = 0
    look_alikes: int = 0
    alerts: int = 0
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    #: From the completing event to the alert's, ms and events of the attack; and from its first event, ms.
    waits_ms: list[int] = field(default_factory=list)
    waits_events: list[int] = field(default_factory=list)
    since_first_ms: list[int] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  #: scenarios, the first few
    wrong: list[str] = field(default_factory=list)  #: false alerts, the first few
    caught: dict[str, int] = field(default_factory=dict)  #: scenario of by-catch -> alerts
    caught_harmless: int = 0  #: of the by-catch, that in look-alikes

    @property
    def true(self) -> int:
        return self.verdicts[Verdict.TRUE]

    @property
    def false(self) -> int:
        return sum(self.verdicts[verdict] for verdict in FALSE)

    @property
    def recall(self) -> float | None:
        """Of the attacks, how many were found; None where there were none."""
        return self.found / self.attacks if self.attacks else None

    @property
    def precision(self) -> float | None:
        """Of the alerts that are true or false, how many are true; None where there were none."""
        return self.true / (self.true + self.false) if self.true + self.false else None


def score(alerts: Iterable[Alert], labels: Iterable[Label], rules: Iterable[str]) -> dict[str, RuleScore]:
    """The figures by rule: of ``rules`` (those that were loaded) and of those that spoke.

    What labels say of other rules counts for nobody; their events are known nevertheless. A function of its arguments'
    content, whatever their order.
    """
    told = sorted(alerts, key=lambda alert: (alert.event_time, alert.id))
    known = sorted(labels, key=lambda label: (label.first_event_time, label.attack))
    names = {*rules, *(alert.rule for alert in told)}
    scores = {name: RuleScore(name) for name in sorted(names)}
    found: dict[str, Alert] = {}
    for alert, verdict, label in judged(told, known):
        one = scores[alert.rule]
        one.alerts += 1
        one.verdicts[verdict] += 1
        if verdict is Verdict.TRUE and label is not None:
            found.setdefault(label.attack, alert)
        elif verdict is Verdict.BY_CATCH and label is not None:
            one.caught[label.scenario] = one.caught.get(label.scenario, 0) + 1
            one.caught_harmless += label.nature is Nature.LOOK_ALIKE
        elif verdict in FALSE and len(one.wrong) < _SHOWN:
            one.wrong.append(f"{label.scenario if label else 'background'}: {alert.title}"[:200])
    for label in known:
        if label.rule in scores:
            _count(scores[label.rule], label, found.get(label.attack))
    return scores


def judged(alerts: Sequence[Alert], labels: Iterable[Label]) -> Iterator[tuple[Alert, Verdict, Label | None]]:
    """What each alert is, and the label that says so; None where nothing labelled is in its evidence."""
    places, by_id = _Places(labels), {alert.id: alert for alert in alerts}
    for alert in alerts:
        yield alert, *_verdict(alert, places.of(alert, by_id))


def about(alerts: Iterable[Alert], labels: Iterable[Label]) -> dict[str, set[str]]:
    """Which rules spoke about each scenario that was played: by the label's name, right or wrong."""
    told = list(alerts)
    places, by_id = _Places(labels), {alert.id: alert for alert in told}
    spoke: dict[str, set[str]] = {}
    for alert in told:
        for label in places.of(alert, by_id):
            spoke.setdefault(label.attack, set()).add(alert.rule)
    return spoke


def _verdict(alert: Alert, touched: Sequence[Label]) -> tuple[Verdict, Label | None]:
    own = [label for label in touched if label.rule == alert.rule]
    attacks = [label for label in own if label.nature is Nature.ATTACK]
    for label in attacks:
        if label.tenant == alert.tenant and _same(label.key, alert.key):
            return Verdict.TRUE, label
    for nature, verdict in ((Nature.NEAR_MISS, Verdict.NEAR_MISS), (Nature.LOOK_ALIKE, Verdict.LOOK_ALIKE)):
        for label in own:
            if label.nature is nature:
                return verdict, label
    if attacks:
        return Verdict.WRONG_KEY, attacks[0]
    return (Verdict.BY_CATCH, touched[0]) if touched else (Verdict.BACKGROUND, None)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _encode(dict(one)) == _encode(dict(other))


def _count(one: RuleScore, label: Label, alert: Alert | None) -> None:
    if label.nature is Nature.NEAR_MISS:
        one.near_misses += 1
    elif label.nature is Nature.LOOK_ALIKE:
        one.look_alikes += 1
    else:
        one.attacks += 1
        if alert is None:
            if len(one.missed) < _SHOWN:
                one.missed.append(label.scenario)
            return
        one.found += 1
        one.waits_ms.append(alert.event_time - label.completed_at)
        one.since_first_ms.append(alert.event_time - label.first_event_time)
        places = {name: n for n, event_id in enumerate(label.event_ids) for name in _names(event_id)}
        at = places.get(alert.first[-1].event_id) if alert.first else None
        if at is not None and label.completes in places:
            one.waits_events.append(at - places[label.completes])


class _Places:
    """Which scenario an event belongs to. An event is known by its id, or by what state keeps of it."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._labels: dict[str, Label] = {}
        for label in labels:
            for event_id in label.event_ids:
                for name in _names(event_id):
                    self._labels[name] = label

    def of(self, alert: Alert, by_id: Mapping[str, Alert]) -> list[Label]:
        """The scenarios in whose events the alert's evidence lies, in order; of alerts over alerts that of those."""
        found: dict[str, Label] = {}
        waiting, seen = [alert], {alert.id}
        while waiting:
            one = waiting.pop(0)
            for event_id in dict.fromkeys(evidence.event_id for evidence in (*one.first, *one.last)):
                if (label := self._labels.get(event_id)) is not None:
                    found.setdefault(label.attack, label)
                about = by_id.get(event_id.rpartition(":")[0]) if one.source == ALERTS else None
                if about is not None and about.id not in seen:
                    seen.add(about.id)
                    waiting.append(about)
        return list(found.values())


def _names(event_id: str) -> tuple[str, ...]:
    return event_id, kept_id(event_id, 0)


def added(parts: Iterable[Mapping[str, RuleScore]]) -> dict[str, RuleScore]:
    """The figures of several runs as one."""
    sums: dict[str, RuleScore] = {}
    for part in parts:
        for name, more in part.items():
            one = sums.setdefault(name, RuleScore(name))
            _add_up(one, more)
            for examples in ("missed", "wrong"):
                setattr(one, examples, [*getattr(one, examples), *getattr(more, examples)][:_SHOWN])
    return dict(sorted(sums.items()))


def total(scores: Iterable[RuleScore]) -> RuleScore:
    """The figures of several rules as of one without a name; examples of what went wrong stay with their rules."""
    found = RuleScore("")
    for one in scores:
        _add_up(found, one)
    return found


def _add_up(one: RuleScore, more: RuleScore) -> None:
    for count in ("attacks", "found", "near_misses", "look_alikes", "alerts", "caught_harmless"):
        setattr(one, count, getattr(one, count) + getattr(more, count))
    for waits in ("waits_ms", "waits_events", "since_first_ms"):
        getattr(one, waits).extend(getattr(more, waits))
    for table in ("verdicts", "caught"):
        _add(getattr(one, table), getattr(more, table))


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for name, n in more.items():
        into[name] = into.get(name, 0) + n


def quantile(values: Sequence[int], share: float) -> int | None:
    """The smallest value that is not exceeded by ``share`` of them; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
