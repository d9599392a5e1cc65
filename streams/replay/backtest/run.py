"""A backtest: recorded logs through one rule set or several, each log in a process of its own where there are more.

What comes out is a function of the logs and the rules: not of how many processes there were, nor of their speed.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from streams.errors import ConfigError, TocsinError
from streams.model import Control
from streams.replay.backtest.kept import Kept, WorkFolder
from streams.replay.keeper import FORGETFUL
from streams.replay.logs import Facts, Log, noted
from streams.replay.runner import Detected, PartitionLog, Replayed, conclude, control_of, detect_log
from streams.rules.rule import RuleSet
from streams.runtime.stages import program

#: So often the parent looks how far its children are, s.
_LOOK = 0.2


@dataclass
class Ran:
    """One rule set over all logs. The result's timings are of sampled steps; no two runs share them."""

    ruleset: RuleSet
    result: Replayed
    facts: list[Facts]  #: in the order of the logs


@dataclass
class _Work:
    """What children find in their memory: nothing of it has to be pickled."""

    logs: Sequence[Log]
    controls: Sequence[Control]
    done: Any  #: shared numbers: records read, by task
    folder: WorkFolder | None  #: where the way through them is kept


_work: _Work | None = None
_Task = tuple[int, int]  #: rule set, log


def backtest(
    logs: Sequence[Log],
    rulesets: Sequence[RuleSet],
    policy: Mapping[str, Any] | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    folder: WorkFolder | None = None,
) -> list[Ran]:
    """Each of ``rulesets`` over ``logs``. ``progress`` is told how many records were read, over all rule sets. What
    ``folder`` has of the same backtest is not done again, and it keeps what is done; it must be of these very rules.

    Raises TocsinError where a child is killed, and whatever reading a log raises.
    """
    global _work
    ordered = sorted(logs, key=lambda log: log.order())
    controls = [control_of(ruleset, policy) for ruleset in rulesets]
    tasks = list(product(range(len(rulesets)), range(len(ordered))))
    for (_, log), control in product(enumerate(ordered), controls):
        program(control.ruleset, log.source)  # children inherit what is compiled
    _work = _Work(ordered, controls, _shared(len(tasks)), folder)
    try:
        made = dict(zip(tasks, _made(tasks, jobs, progress), strict=True))
    finally:
        done, _work = _work, None
    if progress is not None:
        progress(sum(done.done))
    ran = []
    for number, (ruleset, control) in enumerate(zip(rulesets, controls, strict=True)):
        parts = [made.pop((number, place)) for place in range(len(ordered))]
        result = conclude([part for part, _ in parts], control, time.perf_counter_ns)
        ran.append(Ran(ruleset, result, [facts for _, facts in parts]))
    return ran


def ordered(logs: Sequence[Log]) -> list[Log]:
    """The order in which ``Ran.facts`` tells of logs."""
    return sorted(logs, key=lambda log: log.order())


def _shared(n: int) -> Any:
    return multiprocessing.get_context("fork" if _forks() else None).Array("Q", max(n, 1), lock=False)


def _forks() -> bool:
    return sys.platform == "linux"


def _made(tasks: list[_Task], jobs: int, progress: Callable[[int], None] | None) -> Iterator[tuple[Detected, Facts]]:
    if min(jobs, len(tasks)) < 2 or not _forks():
        for number, task in enumerate(tasks):
            yield _detect(number, task, progress)
        return
    # Forked before there are threads or clients: rules and mappings hold functions, which do not pickle.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _die_with, (os.getpid(),)) as pool:
        coming = [pool.submit(_detect, number, task) for number, task in enumerate(tasks)]
        try:
            for future in coming:
                while not future.done():
                    with suppress(TimeoutError):
                        future.exception(_LOOK)
                    if progress is not None and _work is not None:
                        progress(sum(_work.done))
                yield future.result()
        except BrokenProcessPool:
            raise TocsinError(
                "a process of the backtest was killed, perhaps for want of memory", "try --jobs 1"
            ) from None
        except BaseException:
            for future in coming:
                future.cancel()
            raise


def _detect(number: int, task: _Task, progress: Callable[[int], None] | None = None) -> tuple[Detected, Facts]:
    """One log through DETECT under one rule set."""
    assert _work is not None
    work, (ruleset, place), facts = _work, task, Facts()

    def told(n: int) -> None:
        work.done[number] = n
        if progress is not None:
            progress(sum(work.done))

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
    log: PartitionLog, facts: Facts, control: Control, kept: Kept | None, told: Callable[[int], None]
) -> Detected:
    log = replace(log, chunks=noted(log.chunks, facts))
    made = detect_log(
        log, control, progress=told, watch=time.perf_counter_ns, keeper=FORGETFUL if kept is None else kept
    )
    if made.read != facts.read:
        raise ConfigError(
            f"{log.source.name}: {facts.read:,} records are there, where {made.read:,} had been read before",
            "the log has changed since this backtest was begun: name another folder",
        )
    return made


def _die_with(parent: int) -> None:
    """A pool's process does not outlive one that is killed: it would wait for work for ever."""
    death = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(death, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
