"""The rules of the showcase find every injected attack, at the very event that completes it, and nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from streams.config import event_sources, load_config
from streams.model import Alert, Record
from streams.replay.runner import PartitionLog, Replayed, replay
from streams.rules.rule import RuleSet
from streams.simulate import Label, Simulated, generate
from tests.showcase import IDS, showcase

DAY = 1_704_067_200_000  # 2024-01-01T00:00:00Z
HOUR, MINUTE = 3_600_000, 60_000
CONFIG = load_config(None, {})
SOURCES = {source.name: source for source in event_sources(CONFIG)}


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return showcase()


def replayed(traffic: Iterable[Simulated], rules: RuleSet) -> Replayed:
    logs: dict[str, list[Record]] = {name: [] for name in SOURCES}
    for simulated in traffic:
        log = logs[simulated.source]
        log.append((len(log), msgspec.json.encode(simulated.event), simulated.event["event_time"]))
    return replay([PartitionLog(SOURCES[name], 0, [log]) for name, log in logs.items() if log], rules)


def named(rule: str, tenant: str, key: dict[str, Any]) -> tuple[str, str, str]:
    return rule, tenant, str(sorted(key.items()))


def check(alerts: list[Alert], labels: Iterable[Label]) -> None:
    """One alert for every attack; whatever else was said is about an event of one of them (an export at night)."""
    labels = list(labels)
    found: dict[tuple[str, str, str], list[Alert]] = defaultdict(list)
    for alert in alerts:
        found[named(alert.rule, alert.tenant, alert.key)].append(alert)
    for label in labels:
        told = found.pop(named(label.rule, label.tenant, label.key), [])
        assert [alert.first[-1].event_id for alert in told] == [label.completes], label
        assert told[0].first[-1].event_time == told[0].event_time
    attacked = {event_id for label in labels for event_id in label.event_ids}
    assert [
        alert.title for others in found.values() for alert in others if alert.first[-1].event_id not in attacked
    ] == []


@pytest.mark.parametrize(
    ("seed", "start", "duration", "rate"),
    [
        (1, DAY + 20 * HOUR, 12 * MINUTE, 60),
        (2, DAY + 12 * HOUR, 10 * MINUTE, 30),
        (3, DAY + 7 * HOUR + 58 * MINUTE, 4 * MINUTE, 20),  # over the end of the night
        (4, DAY + 17 * HOUR + 58 * MINUTE, 4 * MINUTE, 20),  # over its beginning
        (5, DAY + 12 * HOUR, 15_000, 2_000),  # as in the demo
        (6, DAY, 1_000, 50),
    ],
)
def test_every_attack_makes_its_one_alert(seed: int, start: int, duration: int, rate: float, rules: RuleSet) -> None:
    traffic = list(generate(seed, start, duration, rate))
    labels = {s.label.attack: s.label for s in traffic if s.label}
    result = replayed(traffic, rules)
    assert result.total("dead") == result.total("late") == result.total("duplicates") == 0
    check(result.alerts, labels.values())


def test_every_rule_of_the_showcase_is_attacked(rules: RuleSet) -> None:
    attacked = {s.label.rule for s in generate(1, DAY, 5_000, 1) if s.label}
    assert attacked == {rule.id for rule in rules.rules} == set(IDS)


@pytest.mark.parametrize(("seed", "start", "duration", "rate"), [(7, DAY, HOUR, 5), (8, DAY + 9 * HOUR, 20_000, 3_000)])
def test_the_background_alone_is_silent(seed: int, start: int, duration: int, rate: float, rules: RuleSet) -> None:
    background = [s for s in generate(seed, start, duration, rate) if s.label is None]
    result = replayed(background, rules)
    assert Counter(alert.rule for alert in result.alerts) == Counter()
    assert result.findings == 0
