"""The two stages of the pure core, as the runtime's inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from streams import pipeline, telemetry
from streams.detect.placement import Placement
from streams.model import Batch, Control, Output, Source
from streams.rules.compiled import compiled
from streams.rules.program import Program
from streams.rules.rule import RuleSet
from streams.runtime.stage import Input, Stage, StepFunction, TickFunction
from streams.state.alerts.alerting import AlertState
from streams.state.detect.detecting import DetectState
from streams.state.detect.rekeyed import RekeyedState
from streams.state.partition import PartitionState

Origins = Callable[[RuleSet], frozenset[tuple[str, int]]]


_programs: dict[tuple[str, str, int], Program] = {}
_PROGRAMS_KEPT = 64  # partitions hold on to the one they run


def program(ruleset: RuleSet, source: Source) -> Program:
    """The compiled program, shared by all partitions of a process."""
    # One name may come with several mappings. The program holds on to its own, so that no other gets its number.
    name = ruleset.identity, source.name, id(source.mapping)
    if name not in _programs:
        if len(_programs) >= _PROGRAMS_KEPT:
            del _programs[next(iter(_programs))]
        _programs[name] = compiled(ruleset, source)
    return _programs[name]


def origins(sources: Sequence[Source], counts: Mapping[str, int]) -> Origins:
    """Which partitions send copies to ``rekeyed``: all those of every source with a rule that is not local."""

    def of(ruleset: RuleSet) -> frozenset[tuple[str, int]]:
        return frozenset(
            (source.topic, number)
            for source in sources
            if any(not rule.is_local(source.partition_by) for rule in ruleset.reading(source.name))
            for number in range(counts[source.topic])
        )

    return of


def looking_where_keys_stand(source: Source) -> StepFunction:
    """DETECT's step, with a look at a few records: whether they stand where ``partition_by`` says."""
    step = cast(StepFunction, pipeline.detect)
    if not source.partition_by:
        return step
    placement = Placement(source)

    def looking(state: PartitionState, batch: Batch, now: int, control: Control) -> list[Output]:
        for misplaced in placement.sample(cast(DetectState, state).partition, batch):
            telemetry.MISPLACED.labels(source.name).inc()
            telemetry.log.warning(
                "equal keys in two partitions: rules over this source count too little", source=source.name,
                partition_by=list(source.partition_by), seen=str(misplaced),
                hint="let the producer key its records by these fields, or correct partition_by",
            )  # fmt: skip
        return step(state, batch, now, control)

    return looking


def detect_stage(sources: Sequence[Source], counts: Mapping[str, int], max_keys: int) -> Stage:
    """DETECT: every source topic, and what comes back over ``rekeyed``. ``counts``: partitions by logical topic."""

    def made(source: Source) -> Callable[[int], DetectState]:
        return lambda number: DetectState(
            source, number, rekeyed_partitions=counts["rekeyed"], program=program, max_keys=max_keys
        )

    inputs = [
        Input(
            topic=source.topic,
            table=f"detect-{source.topic}",
            make=made(source),
            step=looking_where_keys_stand(source),
            tick=cast(TickFunction, pipeline.detect_tick),
        )
        for source in sources
    ]
    rekeyed = Input(
        topic="rekeyed",
        table="detect-rekeyed",
        make=lambda number: RekeyedState(number, origins=origins(sources, counts), max_keys=max_keys),
        step=cast(StepFunction, pipeline.rekeyed),
        tick=cast(TickFunction, pipeline.rekeyed_tick),
    )
    return Stage("detect", (*inputs, rekeyed), urgent=frozenset({"alert-input"}))


def alert_stage() -> Stage:
    """ALERT: findings and commands, keyed by tenant."""
    entry = Input(
        topic="alert-input",
        table="alert",
        make=AlertState,
        step=cast(StepFunction, pipeline.alert),
        tick=cast(TickFunction, pipeline.alert_tick),
    )
    return Stage("alert", (entry,), urgent=frozenset({"alerts", "notifications", "operations"}))
