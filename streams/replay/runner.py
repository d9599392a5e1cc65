"""The whole flow over recorded events, without Kafka: DETECT, the hop of rekeyed rules, ALERT under a simulated clock.

A function of its input alone. Ids and counts are those of a live run over the same log; versions depend on where a
live run's batches lay, which only the journal knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from streams import pipeline
from streams.codec.alerts import alerts
from streams.codec.outputs import PLAIN
from streams.detect.base import NEVER
from streams.model import Alert, Batch, Control, DeadLetter, Output, Record, Source
from streams.replay.controls import Controls
from streams.replay.folding import fold
from streams.replay.hop import TIMED, Hop
from streams.replay.keeper import FORGETFUL, Keeper
from streams.replay.spool import Spool, Waiting, merged
from streams.rules.chains import ALERTS
from streams.rules.rule import RuleSet
from streams.runtime.garbage import looking_seldom
from streams.runtime.stages import program
from streams.state.alerts.inforce import POLICY
from streams.state.detect.arrived import Arrived
from streams.state.detect.detecting import DetectState

_dead = msgspec.json.Decoder(DeadLetter)
_SAMPLES = 10  #: refused records that are kept to be shown


class _When(msgspec.Struct):
    event_time: int


_when = msgspec.json.Decoder(_When)


@dataclass(frozen=True, slots=True)
class PartitionLog:
    """One partition to replay. ``locate`` tells the position of an offset where it is not the topic's own."""

    source: Source
    partition: int
    chunks: Iterable[list[Record] | Batch]
    locate: Callable[[int], str] | None = None


@dataclass
class Replayed:
    """``alerts``: the last version of each, by event time and id. ``refused`` and ``late``: the first few of them."""

    alerts: list[Alert] = field(default_factory=list)
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    read: int = 0
    findings: int = 0
    notifications: int = 0
    refused: list[DeadLetter] = field(default_factory=list)
    late: list[DeadLetter] = field(default_factory=list)
    timings: list[tuple[str, int]] = field(default_factory=list)  #: (rule, ns), where somebody watched
    found: list[Spool] = field(default_factory=list)  #: the findings, as ALERT took them

    def total(self, name: str) -> int:
        """How often the core counted ``name``, whatever the labels."""
        return sum(n for labels, n in self.counts.items() if labels[0] == name)


@dataclass
class Detected:
    """What DETECT made of one log. Pickles: another process may have made it."""

    topic: str
    partition: int
    findings: Spool = field(default_factory=Spool)
    copies: Spool = field(default_factory=Spool)  #: for rules of another key, where nobody took them
    taken: list[Arrived] = field(default_factory=list)  #: the same, where they need not be kept
    now: int = 0  #: the latest time read, ms
    mark: int = NEVER  #: how far its watermark came
    read: int = 0
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    refused: list[DeadLetter] = field(default_factory=list)
    late: list[DeadLetter] = field(default_factory=list)
    timings: list[tuple[str, int]] = field(default_factory=list)  #: (rule, ns) of sampled steps


def control_of(ruleset: RuleSet, policy: Mapping[str, Any] | None = None) -> Control:
    """The control state of a replay: these rules and this policy from beginning to end."""
    return Control(position=1, ruleset=ruleset, records={POLICY: dict(policy)} if policy else {})


@looking_seldom()
def replay(
    logs: Sequence[PartitionLog],
    ruleset: RuleSet,
    policy: Mapping[str, Any] | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Everything in ``logs`` through the engine. ``policy`` is a document; ``progress`` is told the records read."""
    controls = Controls.throughout(control_of(ruleset, policy))
    hop = _hop(controls.last)
    parts: list[Detected] = []
    before = 0
    for log in logs:
        parts.append(detect_log(log, controls, hop.put, _beyond(progress, before)))
        before += parts[-1].read
    return _concluded(parts, hop, controls)


def conclude(
    parts: Sequence[Detected],
    controls: Controls,
    watch: Callable[[], int] | None = None,
    commands: Sequence[Spool] = (),
    until: int = NEVER,
) -> Replayed:
    """What ``replay`` gives for the logs of which ``parts`` were made one by one, in their order. ``commands``: what
    people did meanwhile. Time passes for alerts up to the last finding, or to ``until`` (ms) if that is later.
    """
    hop = _hop(controls.last)
    hop.watch = watch
    for part in parts:
        for copy in part.taken:
            hop.put(copy)
        for waiting in part.copies:
            hop.take(waiting.value)
    return _concluded(parts, hop, controls, commands, until)


def _hop(control: Control) -> Hop:
    return Hop(control, later=frozenset(rule.id for rule in control.ruleset.reading(ALERTS) if len(rule.sources) > 1))


def _beyond(progress: Callable[[int], None] | None, before: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda n: progress(before + n)


def _concluded(
    parts: Sequence[Detected], hop: Hop, controls: Controls, commands: Sequence[Spool] = (), until: int = NEVER
) -> Replayed:
    result = Replayed()
    for part in parts:
        hop.clock = max(hop.clock, part.now)
        hop.came(part.topic, part.partition, part.mark)
        result.counts += part.counts
        result.read += part.read
        result.refused += part.refused[: _SAMPLES - len(result.refused)]
        result.late += part.late[: _SAMPLES - len(result.late)]
    spools = [part.findings for part in parts]
    spools.append(_rekeyed(hop, result))
    over_alerts = bool(controls.last.ruleset.reading(ALERTS))
    folded = fold(merged([*spools, *commands]), controls, until, versions=over_alerts)
    result.found = spools
    while over_alerts and (more := _about(folded.versions, controls, hop)).count != folded.about:
        # Rules that see alerts make alerts, which others may see; none sees its own, so this comes to an end.
        result.found = [*spools, more]
        folded = fold(merged([*result.found, *commands]), controls, until, versions=True, about=more.count)
    result.findings = sum(spool.count for spool in spools) + folded.about
    result.counts += folded.counts
    result.notifications = folded.notifications
    result.timings = [timing for part in parts for timing in part.timings] + hop.timings
    for output in folded.refused:
        _refuse(output, result)
    result.alerts = folded.alerts
    return result


def _about(versions: Sequence[tuple[int, bytes]], controls: Controls, events: Hop) -> Spool:
    """What rules over alerts find in them, and in what ``events`` holds for those that read both."""
    source = Source(ALERTS, "alerts", ("id",), mapping=alerts(PLAIN))
    hop = Hop(controls.last)
    hop.join(events)
    records: list[Record] = [(number, value, now) for number, (now, value) in enumerate(versions)]
    found = detect_log(PartitionLog(source, 0, [records] if records else []), controls, hop.put)
    hop.clock = max(hop.clock, found.now)
    hop.came(found.topic, found.partition, found.mark)
    for waiting in _rekeyed(hop, Replayed()):
        found.findings.add(waiting)
    return found.findings


def detect_log(
    log: PartitionLog,
    controls: Controls,
    hand: Callable[[Arrived], None] | None = None,
    progress: Callable[[int], None] | None = None,
    watch: Callable[[], int] | None = None,
    keeper: Keeper = FORGETFUL,
) -> Detected:
    """One partition through DETECT; its findings, in its order. ``hand`` takes the copies for rules of another key;
    they are kept without it. ``watch`` tells ns: for one record in so many the steps of rules are timed by it. What
    ``keeper`` has is not stepped again.
    """
    state = DetectState(log.source, log.partition, rekeyed_partitions=1, program=program, locate=log.locate)
    state.hand = hand
    made, rules = Detected(log.source.topic, log.partition), controls.of_rules()
    begin, now = keeper.begin(state, made)
    for number, chunk in enumerate(islice(log.chunks, begin, None), begin):
        whole = chunk if isinstance(chunk, Batch) else Batch(chunk)
        for batch, latest, control in rules.parted(whole, now):
            now = latest
            if watch is not None:
                timed, batch = _parted(batch, -(-len(batch.records) // TIMED))
                state.stopwatch = watch
                step(state, timed, now, control, made)
                state.stopwatch = None
            step(state, batch, now, control, made)
        if progress is not None:
            progress(made.read)
        made.timings += state.timings
        state.timings.clear()
        keeper.passed(number + 1, now, state, made)
    made.now, made.mark, made.counts = now, state.clock.mark, state.counts
    return made


def _parted(batch: Batch, first: int) -> tuple[Batch, Batch]:
    """The first records, and the others: what is timed takes the long way, so no whole batch does."""
    return Batch(batch.records[:first], batch.original), Batch(
        batch.records[first:], lambda index: batch.original(first + index)
    )


def step(state: DetectState, batch: Batch, now: int, control: Control, made: Detected) -> None:
    """One batch through DETECT, into ``made``. ``now``: the latest time read so far, ms."""
    for output in pipeline.detect(state, batch, now, control):
        if output.topic == "alert-input":
            made.findings.add(_waiting(output, now))
        elif output.topic != "rekeyed":
            _refuse(output, made)
        elif state.hand is None:  # else these are but watermarks, of which nobody has use: all copies come first
            made.copies.add(Waiting(now, output.key, output.value))
    made.read += len(batch.records)


def _rekeyed(hop: Hop, result: Replayed) -> Spool:
    spool = Spool()
    for output in hop.drain():
        if output.topic == "alert-input":
            spool.add(_waiting(output, hop.clock))
        else:
            _refuse(output, result)
    result.counts += hop.counts
    return spool


def _waiting(output: Output, latest: int) -> Waiting:
    """The simulated clock of a finding is its event's time, unless that is ahead of all that has been read."""
    at = _when.decode(output.value).event_time
    return Waiting(min(at, latest), output.key, output.value)


def _refuse(output: Output, result: Replayed | Detected) -> None:
    kept = {"dead-letter": result.refused, "late": result.late}.get(output.topic)
    if kept is not None and len(kept) < _SAMPLES:
        kept.append(_dead.decode(output.value))
