"""A backtest: recorded logs through one rule set or several, each log in a process of its own where there are more.

What comes out is a function of the logs and the rules: not of how many processes there were, nor of their speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from streams.detect.base import NEVER
from streams.errors import ConfigError
from streams.replay.backtest.commands import CommandLog, Commands
from streams.replay.backtest.kept import Kept, WorkFolder
from streams.replay.controls import Controls
from streams.replay.forked import forked
from streams.replay.keeper import FORGETFUL
from streams.replay.logs import Facts, Log, noted, span_of
from streams.replay.runner import Detected, PartitionLog, Replayed, conclude, control_of, detect_log
from streams.rules.rule import RuleSet
from streams.runtime.garbage import looking_seldom
from streams.runtime.stages import program
from streams.state.detect.arrived import Arrived


@dataclass
class Ran:
    """One rule set over all logs. The result's timings are of sampled steps; no two runs share them."""

    ruleset: RuleSet
    result: Replayed
    facts: list[Facts]  #: in the order of the logs
    controls: Controls  #: under which it ran
    commands: Commands | None = None  #: those that were taken in


@dataclass
class _Work:
    """What the tasks of a backtest are about."""

    logs: Sequence[Log]
    controls: Sequence[Controls]
    folder: WorkFolder | None  #: where the way through them is kept


_Task = tuple[int, int]  #: rule set, log


@looking_seldom()
def backtest(
    logs: Sequence[Log],
    rulesets: Sequence[RuleSet],
    policy: Mapping[str, Any] | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    folder: WorkFolder | None = None,
    commands: CommandLog | None = None,
    controls: Sequence[Controls] | None = None,
) -> list[Ran]:
    """Each of ``rulesets`` over ``logs``. ``progress`` is told how many records were read, over all rule sets. What
    ``folder`` has of the same backtest is not done again, and it keeps what is done; it must be of these very rules.
    ``commands``: what people did while the records were written is taken from there. ``controls``: for each rule set
    what was in force meanwhile, with those rules; without it they and ``policy`` are from beginning to end.

    Raises TocsinError where a child is killed, and whatever reading a log raises.
    """
    ordered = sorted(logs, key=lambda log: log.order())
    recorded = controls is not None
    if controls is None:
        controls = [Controls.throughout(control_of(ruleset, policy)) for ruleset in rulesets]
    tasks = list(product(range(len(rulesets)), range(len(ordered))))
    for log, one in product(ordered, controls):
        program(one.at(0).ruleset, log.source)  # children inherit what is compiled
    work = _Work(ordered, controls, folder)
    found = forked(len(tasks), lambda number, told: _detect(work, tasks[number], told), jobs, progress)
    ran = []
    for ruleset, one in zip(rulesets, controls, strict=True):
        own = list(islice(found, len(ordered)))  # the others go on meanwhile
        span = span_of(facts for _, facts in own)
        given = None if commands is None or span is None else commands.within(*span)
        parts = [part for part, _ in own]
        spools = [] if given is None else [given.spool]
        result = conclude(parts, one, time.perf_counter_ns, spools, _newest(ordered, parts) if recorded else NEVER)
        ran.append(Ran(ruleset, result, [facts for _, facts in own], one, given))
    return ran


def _newest(logs: Sequence[Log], parts: Sequence[Detected]) -> int:
    """The time of the last event of all, ms."""
    return max(part.mark + log.source.max_disorder for log, part in zip(logs, parts, strict=True))


def ordered(logs: Sequence[Log]) -> list[Log]:
    """The order in which ``Ran.facts`` tells of logs."""
    return sorted(logs, key=lambda log: log.order())


def _detect(work: _Work, task: _Task, told: Callable[[int], None]) -> tuple[Detected, Facts]:
    """One log through DETECT under one rule set."""
    (ruleset, place), facts = task, Facts()
    kept = None if work.folder is None else work.folder.kept(ruleset, place)
    log = work.logs[place]
    try:
        if kept is not None and (read := kept.finished) is not None:
            told(read.read)
            return kept.made(log.source.topic, log.order()[2]), read
        with log.open() as opened:
            made = _stepped(opened, facts, work.controls[ruleset], kept, told)
        if kept is not None:
            kept.finish(made, facts)
    finally:
        if kept is not None:
            kept.close()
    return made, facts


def _stepped(
    log: PartitionLog, facts: Facts, controls: Controls, kept: Kept | None, told: Callable[[int], None]
) -> Detected:
    log, taken = replace(log, chunks=noted(log.chunks, facts)), list[Arrived]()
    # What is kept has to be written; all else goes on as it is, to another process pickled.
    hand, keeper = (taken.append, FORGETFUL) if kept is None else (None, kept)
    made = detect_log(log, controls, hand, told, time.perf_counter_ns, keeper)
    made.taken = taken
    if made.read != facts.read:
        raise ConfigError(
            f"{log.source.name}: {facts.read:,} records are there, where {made.read:,} had been read before",
            "the log has changed since this backtest was begun: name another folder",
        )
    return made
