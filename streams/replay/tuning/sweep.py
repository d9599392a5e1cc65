"""A sweep: every setting of a rule over the same logs, of which each is read once, whatever the number of settings.

The result of each is that of a backtest with it, alert by alert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streams.model import Control, Source
from streams.replay.backtest.run import ordered
from streams.replay.controls import Controls
from streams.replay.forked import forked
from streams.replay.logs import Facts, Log, noted
from streams.replay.runner import Detected, Replayed, conclude, control_of
from streams.replay.tuning.asked import Param
from streams.replay.tuning.beside import beside
from streams.replay.tuning.hopped import narrowed, renamed, spoken_of
from streams.replay.tuning.loosest import loosest
from streams.replay.tuning.variants import Variant, rule_of
from streams.rules.chains import ALERTS
from streams.rules.rule import Rule, RuleSet
from streams.runtime.stages import program


@dataclass(frozen=True)
class Swept:
    """``results``: in the order of the variants. ``base``: the place of the one that saw every record: what it counted
    of late and refused ones holds for all.
    """

    variants: Sequence[Variant]
    results: list[Replayed]
    facts: list[Facts]  #: in the order of the logs
    base: int


def sweep(
    logs: Sequence[Log],
    rule_id: str,
    params: Sequence[Param],
    made: Sequence[Variant],
    policy: Mapping[str, Any] | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Swept:
    """Each of ``made`` over ``logs``. Raises TocsinError as a backtest does."""
    places = ordered(logs)
    controls = [control_of(variant.ruleset, policy) for variant in made]
    rule = rule_of(made[0].ruleset, rule_id)
    most = loosest(made, params, rule) if ALERTS not in rule.sources else None
    base = _longest(made, rule_id) if most is None else most
    together = all(_stays(rule, log.source) for log in places)
    chosen = controls if together else [controls[base]]
    for log in places:
        program(chosen[0].ruleset, log.source)  # children inherit what is compiled

    def detected(number: int, told: Callable[[int], None]) -> tuple[list[Detected], Facts]:
        return _detected(places[number], chosen, most if together else None, told)

    found = list(forked(len(places), detected, jobs, progress))
    facts = [one for _, one in found]
    if together:
        results = [
            conclude([parts[n] for parts, _ in found], Controls.throughout(control))
            for n, control in enumerate(controls)
        ]
    else:
        results = _concluded([parts[0] for parts, _ in found], controls, rule, base, known=most is not None)
    return Swept(made, results, facts, base)


def _longest(made: Sequence[Variant], rule_id: str) -> int:
    """The setting under which an event matters for the longest time: what it calls late, all do."""
    keeps = [getattr(rule_of(variant.ruleset, rule_id).detect, "keeps", 0) for variant in made]
    return keeps.index(max(keeps))


def _stays(rule: Rule, source: Source) -> bool:
    """Whether the rule is evaluated where its events are read. One over alerts is not."""
    return ALERTS not in rule.sources and rule.is_local(source.partition_by)


def _detected(
    log: Log, controls: Sequence[Control], most: int | None, told: Callable[[int], None]
) -> tuple[list[Detected], Facts]:  # fmt: skip
    facts = Facts()
    with log.open() as opened:
        opened = replace(opened, chunks=noted(opened.chunks, facts))
        shared = program(controls[0].ruleset, log.source)
        return beside(opened, controls, shared, most, told), facts


def _concluded(
    parts: Sequence[Detected], controls: Sequence[Control], rule: Rule, base: int, *, known: bool
) -> list[Replayed]:
    """Every setting over the copies that one of them has made. ``known``: it speaks of each key any other speaks of."""
    sets: list[RuleSet] = [control.ruleset for control in controls]
    first = conclude(parts, Controls.throughout(controls[base]))
    left = narrowed(parts, spoken_of(first, rule)) if known else parts
    return [
        first if number == base else conclude(renamed(left, sets[base], sets[number]), Controls.throughout(control))
        for number, control in enumerate(controls)
    ]
