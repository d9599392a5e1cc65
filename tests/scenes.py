"""Playing one scenario of simulated traffic through the engine, alone with the shipped rule it is about."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from streams.detect.registry import KINDS
from streams.model import Alert, Record, Source
from streams.replay.runner import PartitionLog, replay
from streams.rules.load import load_rules
from streams.rules.rule import RuleSet
from streams.simulate.registry import DOMAINS
from streams.simulate.scene import Label, Scenario
from streams.simulate.traffic import label_of

PACKS = Path(__file__).parents[1] / "streams" / "packs"
#: A Thursday noon.
START = 1_709_208_000_000
_AFTER = 60 * 86_400_000  #: how much later the last event of a source comes, which lets all timers run


@cache
def shipped() -> RuleSet:
    """The packs, whole."""
    return load_rules([PACKS], KINDS)


def only(*ids: str) -> RuleSet:
    """Of the packs these rules. Raises LookupError for one that is not there."""
    rules = tuple(rule for rule in shipped().rules if rule.id in ids)
    if missing := set(ids) - {rule.id for rule in rules}:
        raise LookupError(f"no shipped rule is called {', '.join(sorted(missing))}")
    return RuleSet(rules)


def play(scenario: Scenario, source: str, seed: int, begin: int = START) -> tuple[Label, list[Alert]]:
    """What should come of the scenario, and what does. Raises AssertionError where an event dies on the way."""
    attack = scenario.plan(Random(seed), 1_000_000 + seed, begin, scenario.span)
    named = [
        (begin + offset, {**event, "event_id": f"e-{n}", "event_time": begin + offset})
        for n, (offset, event) in enumerate(attack.events)
    ]
    assert named == sorted(named, key=lambda one: one[0]), "the events of a scenario stand in order of time"
    alerts = replayed([event for _, event in named], source, only(scenario.rule, *scenario.beside))
    own = [alert for alert in alerts if alert.rule == scenario.rule]
    return label_of("attack", scenario, source, attack, named), own


def replayed(events: list[dict[str, Any]], source: str, rules: RuleSet) -> list[Alert]:
    """The alerts of ``rules`` over events that stand in order, each in the log of its ``source``, else of ``source``."""
    logs: dict[str, list[Record]] = defaultdict(list)
    last = max(event["event_time"] for event in events)
    for event in events:
        log = logs[event["source"] if event.get("source") in DOMAINS else source]
        log.append((len(log), msgspec.json.encode(event), event["event_time"]))
    for log in logs.values():
        after = last + _AFTER
        log.append((len(log), msgspec.json.encode({"event_time": after, "tenant": "nobody", "type": "nothing"}), after))
    parts = [
        PartitionLog(Source(name, f"{name}.events", DOMAINS[name]().partition_by), 0, [log])
        for name, log in logs.items()
        if rules.reading(name)
    ]
    result = replay(parts, rules)
    assert not result.refused, result.refused
    return result.alerts
