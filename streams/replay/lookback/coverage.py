"""Which offsets were evaluated by which rules, as the journal says; and what was not, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import TopicPartition

from streams.model import Control, Source, Step
from streams.replay.journal import PartKey, read_control, read_journal
from streams.replay.topics import consumer_of, partitions_of
from streams.rules.rule import Rule, RuleSet
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks

Range = tuple[int, int]  #: offsets from, and up to but not including
InForce = Callable[[int], bool]  #: whether something was in force at a control position


class Why(StrEnum):
    """Why offsets are not covered."""

    UNREAD = "unread"  #: no worker ever read the partition
    BEFORE_JOURNAL = "before_journal"  #: the topic holds records from before the journal's first step
    SKIPPED = "skipped"  #: the journal goes on further than it had come
    RETENTION = "retention"  #: they were evaluated, and cannot be replayed: the topic holds them no more
    NOT_IN_FORCE = "not_in_force"  #: they were read, and a rule that is in force now was not then
    LOST = "lost"  #: retention took them before they were evaluated
    LAG = "lag"  #: not yet evaluated; no gap while a worker runs


@dataclass(frozen=True, slots=True)
class Stretch:
    """Offsets that were evaluated by one rule set. ``rules``: how many of its rules read the source."""

    begin: int
    end: int
    ruleset: str
    rules: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that were not, or cannot be evaluated again. ``rules``: which; none: all."""

    why: Why
    begin: int
    end: int
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Covered:
    """One partition of one source. ``low`` and ``high``: what the topic holds now."""

    topic: str
    partition: int
    low: int
    high: int
    stretches: tuple[Stretch, ...]
    gaps: tuple[Gap, ...]


def runs(steps: Iterable[Step], in_force: InForce) -> list[Range]:
    """The offsets stepped while ``in_force``, without a break where the journal has none."""
    found: list[Range] = []
    broken = True
    for step in steps:
        if not in_force(step.control):
            broken = True
        elif found and not broken and found[-1][1] == step.begin:
            found[-1] = found[-1][0], step.end
        else:
            found.append((step.begin, step.end))
            broken = False
    return [(begin, end) for begin, end in found if begin < end]


def stretches(steps: Iterable[Step], rules_of: Callable[[int], RuleSet], source: str) -> tuple[Stretch, ...]:
    """What was evaluated by which rule set; a tick evaluates nothing."""
    found: list[Stretch] = []
    for step in steps:
        if step.begin == step.end:
            continue
        if found and found[-1].ruleset == step.ruleset and found[-1].end == step.begin:
            last = found.pop()
            found.append(Stretch(last.begin, step.end, last.ruleset, last.rules))
        else:
            rules = len(rules_of(step.control).reading(source))
            found.append(Stretch(step.begin, step.end, step.ruleset, rules))
    return tuple(found)


def gaps(
    steps: Sequence[Step], low: int, high: int, now: Sequence[Rule], ruled: Callable[[Rule], InForce]
) -> list[Gap]:
    """What is not covered of a partition that holds [low, high). ``now``: the rules that should be in force."""
    if not steps:
        return [Gap(Why.UNREAD, low, high)] if low < high else []
    first, last = steps[0].begin, steps[-1].end
    found = [Gap(Why.BEFORE_JOURNAL, low, first), Gap(Why.RETENTION, first, min(low, last))]
    end = first
    for step in steps:
        if step.begin > end:
            found.append(Gap(Why.SKIPPED, end, step.begin))
        end = max(end, step.end)
    found += _unruled(steps, low, now, ruled)
    found.append(Gap(Why.LOST, last, low))
    found.append(Gap(Why.LAG, max(last, low), high))
    return [gap for gap in found if gap.begin < gap.end]


def _unruled(steps: Sequence[Step], low: int, now: Sequence[Rule], ruled: Callable[[Rule], InForce]) -> Iterator[Gap]:
    """What was read while a rule was not in force, of what is still there; rules with the same lack together."""
    lacking: dict[Range, list[str]] = {}
    read = [step for step in steps if step.begin < step.end]
    for rule in now:
        in_force = ruled(rule)
        for begin, end in runs(read, lambda position, in_force=in_force: not in_force(position)):  # type: ignore[misc]
            lacking.setdefault((max(begin, low), end), []).append(rule.id)
    for (begin, end), rules in sorted(lacking.items()):
        yield Gap(Why.NOT_IN_FORCE, begin, end, tuple(sorted(rules)))


def covered(
    options: Mapping[str, Any], names: Names, sources: Sequence[Source], only: Sequence[str] = ()
) -> list[Covered]:
    """Every partition of every source. ``only``: ids of the rules to ask about; none: all that are in force.

    Raises ClusterError for what cannot be read.
    """
    consumer = consumer_of(options)
    try:
        steps = read_journal(consumer, names)
        log = read_control(consumer, names)
        found = []
        for source in sources:
            now = [rule for rule in log.current.ruleset.reading(source.name) if not only or rule.id in only]
            for partition in partitions_of(consumer, names.topic(source.topic)):
                low, high = watermarks(consumer, TopicPartition(names.topic(source.topic), partition))
                taken = steps.get(_key(source, partition), [])
                ruled = _Ruled(log.at)
                found.append(
                    Covered(
                        source.topic,
                        partition,
                        low,
                        high,
                        stretches(taken, lambda position: log.at(position).ruleset, source.name),
                        tuple(gaps(taken, low, high, now, ruled)),
                    )
                )
        return found
    finally:
        consumer.close()


def _key(source: Source, partition: int) -> PartKey:
    return "detect", source.topic, partition


class _Ruled:
    """Whether a rule was in force, as it means now, at a control position; each position looked up once."""

    def __init__(self, at: Callable[[int], Control]) -> None:
        self._at = at
        self._refs: dict[int, frozenset[str]] = {}

    def __call__(self, rule: Rule) -> InForce:
        return lambda position: rule.ref in self._known(position)

    def _known(self, position: int) -> frozenset[str]:
        if position not in self._refs:
            self._refs[position] = frozenset(rule.ref for rule in self._at(position).ruleset.in_force())
        return self._refs[position]
