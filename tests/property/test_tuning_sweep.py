"""A sweep is so many backtests: whatever the rule, the setting and the order of the events, alert for alert."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.model import Alert, Batch, Source
from streams.replay.backtest.run import backtest
from streams.replay.logs import Log
from streams.replay.runner import PartitionLog
from streams.replay.tuning.asked import parse_param
from streams.replay.tuning.sweep import sweep
from streams.replay.tuning.variants import concerned, variants
from streams.rules.lists import bind
from streams.rules.load import ruleset_from_documents
from streams.rules.overrides import overridden
from streams.rules.rule import RuleSet
from tests.detecting import BASE
from tests.everykind import AUDIT, BY_IP, LISTS, LOCAL, OVER_SOURCES, OVERRIDES, TRADE, made, river, trades

#: Every rule that has a setting, with settings that make a difference in the river.
SWEEPS = [
    ("match-dedup", ["detect.match.dedup=1s,5s,10s,1m"]),
    ("match", ["cooldown=0s,5s,1m"]),
    ("count", ["detect.count.at_least=1..8/2"]),
    ("count", ["detect.count.within=2s,8s,14s"]),
    ("count", ["detect.count.at_least=2..4", "detect.count.within=3s,8s,20s"]),
    ("count", ["severity.high=4..8/2"]),
    ("count", ["detect.count.at_least+severity.low=2,4"]),
    ("count-weight", ["detect.count.at_least=2..26/8"]),
    ("count-tumbling", ["detect.count.at_least=1..6/2"]),
    ("count-session", ["detect.count.at_least=2..5"]),
    ("count-session", ["detect.count.gap=1s,3s,6s"]),
    ("count-every", ["detect.count.at_least=2..6/2"]),
    ("count-below", ["detect.count.below=1..5/2"]),
    ("count-below-sliding", ["detect.count.below=1..5/2"]),
    ("distinct", ["detect.distinct.at_least=1..3"]),
    ("distinct", ["detect.distinct.within=2s,6s,20s"]),
    ("distinct-tumbling", ["detect.distinct.at_least=1..6/2"]),
    ("level", ["detect.level.above=4..9/1.25"]),
    ("absence", ["detect.absence.within=3s,5s,9s"]),
    ("absence-after", ["detect.absence.within=2s,4s,8s"]),
    ("change", ["detect.change.forget=5s,15s,1m"]),
    ("new-value", ["detect.new_value.learn=0s,4s,10s"]),
    ("spike", ["detect.spike.ratio=1.5,3"]),
    ("spike-z", ["detect.spike.z_score=0.5,1.5"]),
    ("average", ["detect.aggregate.above=4..8/2"]),
    ("p90", ["detect.aggregate.at_least=5..9/2"]),
    ("p90", ["detect.aggregate.min_events=1..5/2"]),
    ("aggregate-tumbling", ["detect.aggregate.below=3..19/8"]),
    ("rate", ["detect.aggregate.above=0.2..1/0.4"]),
    ("ratio", ["detect.ratio.above=20%..80%/30%"]),
    ("sequence", ["detect.sequence.within=4s,10s,20s"]),
    ("group", ["detect.group.within=3s,8s,20s"]),
    ("forecast", ["detect.forecast.reaches=9..13/2"]),
    ("listed", ["detect.count.at_least=1..4/1"]),
    ("budget", ["detect.count.at_least=1..4/1"]),
    ("exported", ["detect.count.at_least=2..5"]),
]
#: Over a key that is not the topic's, a sweep goes another way: once for each kind.
REKEYED = list({texts[0].split(".")[-2]: (name, texts) for name, texts in SWEEPS if "." in texts[0]}.values())
OVER_TWO = [
    ("audit-then-trade", ["detect.sequence.within=4s,12s,30s"]),
    ("login-or-trade", ["detect.group.within=3s,6s,15s"]),
    ("trades", ["detect.count.at_least=2..6/2"]),
]
ABOUT_ALERTS = made(
    "twice", {"count": {"at_least": 2, "within": "1m"}}, source="alerts", where={"rule": "match-dedup"},
    group_by=["type"], title="{type}", metadata={},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A log in memory, in batches of seven."""

    source: Source
    payloads: tuple[bytes | None, ...]
    partition: int = 0
    late: int = 3_600_000  #: the records' time after ``BASE``

    @property
    def size(self) -> int:
        return len(self.payloads)

    @contextmanager
    def open(self) -> Iterator[PartitionLog]:
        yield PartitionLog(self.source, self.partition, self._chunks())

    def _chunks(self) -> Iterator[Batch]:
        records = [(n, value, BASE + self.late + n) for n, value in enumerate(self.payloads)]
        for begin in range(0, len(records), 7):
            chunk = records[begin : begin + 7]
            yield Batch(chunk)

    def described(self) -> dict[str, Any]:
        return {}

    def order(self) -> tuple[str, str, int]:
        return self.source.name, "", self.partition


def ready(ruleset: RuleSet) -> RuleSet:
    return bind(ruleset, LISTS)


def rules(*more: dict[str, Any]) -> RuleSet:
    written = ruleset_from_documents((*LOCAL, *OVER_SOURCES, *more), KINDS)
    return overridden(written, OVERRIDES, KINDS, TUNABLE)


def told(alerts: list[Alert], rule_id: str) -> list[Alert]:
    return [alert for alert in alerts if alert.rule == rule_id]


def agrees(rule_id: str, params: list[str], logs: Sequence[Log], ruleset: RuleSet) -> int:
    """Holds a sweep to backtests; how many different answers there were."""
    asked = [parse_param(text) for text in params]
    tried = variants(concerned(ruleset, rule_id), rule_id, asked, ready)
    swept = sweep(logs, rule_id, asked, tried)
    answers = set()
    for variant, result in zip(tried, swept.results, strict=True):
        (ran,) = backtest(logs, [variant.ruleset])
        assert told(result.alerts, rule_id) == told(ran.result.alerts, rule_id), variant.values
        assert result.notifications == ran.result.notifications
        assert result.read == ran.result.read
        answers.add(tuple((alert.id, alert.count) for alert in told(result.alerts, rule_id)))
    (ran,) = backtest(logs, [tried[swept.base].ruleset])
    assert swept.results[swept.base].counts == ran.result.counts  # late, refused and all
    return len(answers)


def _named(of: object) -> str:
    return "-".join(of) if isinstance(of, list) else of.partition_by[1] if isinstance(of, Source) else str(of)


@pytest.mark.parametrize(
    ("rule_id", "params", "source"),
    [*((name, texts, AUDIT) for name, texts in SWEEPS), *((name, texts, BY_IP) for name, texts in REKEYED)],
    ids=_named,
)
def test_each_setting_says_what_a_backtest_with_it_says(rule_id: str, params: list[str], source: Source) -> None:
    rnd = random.Random(f"{rule_id}{params}")
    payloads = [*river(rnd, 110), b"{torn", None, b'{"event_time": "soon"}']
    rnd.shuffle(payloads[-40:])
    assert agrees(rule_id, params, [Held(source, tuple(payloads))], rules()) > 0


@pytest.mark.parametrize(("rule_id", "params"), OVER_TWO, ids=[name for name, _ in OVER_TWO])
def test_rules_over_two_sources_too(rule_id: str, params: list[str]) -> None:
    rnd = random.Random(rule_id)
    logs = [Held(AUDIT, tuple(river(rnd, 150))), Held(TRADE, tuple(trades(rnd, 120)))]
    logs = [log for log in logs if concerned(rules(), rule_id).reading(log.source.name)]
    assert agrees(rule_id, params, logs, rules()) > 1


def test_rules_over_alerts_too_with_what_feeds_them() -> None:
    ruleset = rules(ABOUT_ALERTS)
    assert {rule.id for rule in concerned(ruleset, "twice").rules} == {"twice", "match-dedup"}
    logs = [Held(AUDIT, tuple(river(random.Random(5), 200)))]
    assert agrees("twice", ["detect.count.at_least=1..5"], logs, ruleset) > 2


@pytest.mark.parametrize("seed", range(3))
def test_what_is_loosest_hides_nothing_whatever_comes(seed: int) -> None:
    """Many keys, of which the loosest setting speaks of some, and two partitions, one of skewed records."""
    rnd = random.Random(seed)
    actors = [f"a{n}" for n in range(12)]
    logs = [
        Held(AUDIT, tuple(river(rnd, 150, actors=actors)), partition=0),
        Held(AUDIT, tuple(river(rnd, 150, actors=actors)), partition=1, late=-3_600_000),
    ]
    for rule_id, params in (
        ("count", ["detect.count.at_least=2..6/2"]),
        ("count", ["detect.count.within=1s,4s,15s"]),
        ("count-weight", ["detect.count.within=1s,4s,15s"]),
        ("distinct", ["detect.distinct.within=1s,3s,9s"]),
        ("distinct", ["detect.distinct.at_least=2..3"]),
        ("level", ["detect.level.above=5..9/2"]),
        ("average", ["detect.aggregate.above=5..9/2"]),
        ("ratio", ["detect.ratio.above=50%..90%/20%"]),
    ):
        agrees(rule_id, params, [replace(log) for log in logs], rules())
