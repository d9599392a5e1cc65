"""The whole flow over recorded events, without Kafka: DETECT, the hop of rekeyed rules, ALERT under a simulated clock.

A function of its input alone. Ids and counts are those of a live run over the same log; versions depend on where a
live run's batches lay, which only the journal knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec

from streams import pipeline
from streams.codec.alerts import alerts
from streams.codec.outputs import PLAIN
from streams.model import Alert, Batch, Control, DeadLetter, Output, Record, Source
from streams.replay.hop import Hop
from streams.replay.spool import Spool, Waiting, merged
from streams.rules.chains import ALERTS
from streams.rules.rule import RuleSet
from streams.runtime.stages import program
from streams.state.alerting import POLICY, AlertState
from streams.state.detecting import DetectState

_alert = msgspec.json.Decoder(Alert)
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

    def total(self, name: str) -> int:
        """How often the core counted ``name``, whatever the labels."""
        return sum(n for labels, n in self.counts.items() if labels[0] == name)


def replay(
    logs: Sequence[PartitionLog],
    ruleset: RuleSet,
    policy: Mapping[str, Any] | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Everything in ``logs`` through the engine. ``policy`` is a document; ``progress`` is told the records read."""
    records = {POLICY: dict(policy)} if policy else {}
    control = Control(position=1, ruleset=ruleset, records=records)
    result = Replayed()
    over = ruleset.reading(ALERTS)
    hop = Hop(control, later=frozenset(rule.id for rule in over if len(rule.sources) > 1))
    spools = [_detect(log, control, hop, result, progress) for log in logs]
    spools.append(_rekeyed(hop, result))
    over_alerts = bool(over)
    folded = _alerts(merged(spools), control, versions=over_alerts)
    while over_alerts and (more := _about(folded.versions, control, hop)).count != folded.about:
        # Rules that see alerts make alerts, which others may see; none sees its own, so this comes to an end.
        folded = _alerts(merged([*spools, more]), control, versions=True, about=more.count)
    result.findings = sum(spool.count for spool in spools) + folded.about
    result.counts += folded.counts
    result.notifications = folded.notifications
    for output in folded.refused:
        _refuse(output, result)
    result.alerts = folded.alerts
    return result


@dataclass
class _Folded:
    """What ALERT made of the findings. ``versions``: of all alerts, where rules look at them; ``about``: how many
    findings of such rules were among its input.
    """

    alerts: list[Alert] = field(default_factory=list)
    versions: list[tuple[int, bytes]] = field(default_factory=list)
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    refused: list[Output] = field(default_factory=list)
    notifications: int = 0
    about: int = 0


def _about(versions: Sequence[tuple[int, bytes]], control: Control, events: Hop) -> Spool:
    """What rules over alerts find in them, and in what ``events`` holds for those that read both."""
    source = Source(ALERTS, "alerts", ("id",), mapping=alerts(PLAIN))
    hop, apart = Hop(control), Replayed()
    hop.join(events)
    records: list[Record] = [(number, value, now) for number, (now, value) in enumerate(versions)]
    spool = _detect(PartitionLog(source, 0, [records] if records else []), control, hop, apart, None)
    for waiting in _rekeyed(hop, apart):
        spool.add(waiting)
    return spool


def _detect(
    log: PartitionLog, control: Control, hop: Hop, result: Replayed, progress: Callable[[int], None] | None
) -> Spool:
    """One partition through DETECT; its findings, in its order."""
    state = DetectState(log.source, log.partition, rekeyed_partitions=1, program=program, locate=log.locate)
    state.loaded()
    spool, now = Spool(), 0
    for chunk in log.chunks:
        batch = chunk if isinstance(chunk, Batch) else Batch(chunk)
        records = batch.records
        now = max(now, *(record[2] for record in records))
        for output in pipeline.detect(state, batch, now, control):
            if output.topic == "alert-input":
                spool.add(_waiting(output, now))
            elif output.topic == "rekeyed":
                hop.take(output)
            else:
                _refuse(output, result)
        state.changes()  # nobody stores them
        result.read += len(records)
        if progress is not None:
            progress(result.read)
    hop.clock = max(hop.clock, now)
    hop.came(log.source.topic, log.partition, state.clock.mark)
    result.counts += state.counts
    return spool


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


def _refuse(output: Output, result: Replayed) -> None:
    kept = {"dead-letter": result.refused, "late": result.late}.get(output.topic)
    if kept is not None and len(kept) < _SAMPLES:
        kept.append(_dead.decode(output.value))


def _alerts(findings: Iterator[Waiting], control: Control, *, versions: bool, about: int = 0) -> _Folded:
    """ALERT over the findings. All of one moment are one step; timers run at their time in between."""
    state = AlertState(0)
    state.loaded()
    folded = _Folded(about=about)
    last: dict[bytes, bytes] = {}

    def take(outputs: Iterable[Output], now: int) -> None:
        for output in outputs:
            if output.topic == "alerts":
                last[output.key] = output.value
                if versions:
                    folded.versions.append((now, output.value))
            elif output.topic == "notifications":
                folded.notifications += 1
            else:
                folded.refused.append(output)
        state.changes()  # nobody stores them

    offset, clock = 0, 0
    for now, group in groupby(_clocked(findings), key=lambda waiting: waiting.at):
        for due in _due(state, clock, now):
            take(pipeline.alert_tick(state, due, control, at_end=False), due)
        records: list[Record] = [(offset + n, waiting.value, now) for n, waiting in enumerate(group)]
        take(pipeline.alert(state, Batch(records), now, control), now)
        offset, clock = offset + len(records), now
    folded.counts = state.counts
    decoded = (_alert.decode(value) for value in last.values())
    folded.alerts = sorted(decoded, key=lambda alert: (alert.event_time, alert.id))
    return folded


def _clocked(findings: Iterator[Waiting]) -> Iterator[Waiting]:
    """The clock never goes back."""
    clock = 0
    for waiting in findings:
        clock = max(clock, waiting.at)
        yield waiting._replace(at=clock)


def _due(state: AlertState, clock: int, until: int) -> Iterator[int]:
    """The times at which a timer is due before ``until``; a tick does part of what is due, so a time may come again."""
    while (due := state.due()) is not None and due <= until:
        yield max(due, clock)
