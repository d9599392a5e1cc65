"""A live range, replayed as it was: the same steps with the same ``now``, rules, policy and batch boundaries.

The journal says what each transaction did to each partition; the source topics hold what it read. So every stage is run
again from its own recorded input, and what comes out must be what the live topics hold, byte for byte.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from streams.codec.outputs import Wire
from streams.config import event_sources, load_config, registry_of
from streams.errors import ClusterError, StateMismatch
from streams.model import Batch, Control, Original, Output, Source, Step
from streams.replay.compare import differences
from streams.replay.topics import consumer_of, partitions_of, read, records
from streams.runtime.control import ControlLog
from streams.runtime.names import Names
from streams.runtime.stage import Input
from streams.runtime.stages import alert_stage, detect_stage
from streams.runtime.transaction import MAX_VALUE, JournalRecord
from streams.runtime.waiting import watermarks
from streams.state.partition import PartitionState, Position

_record = msgspec.json.Decoder(JournalRecord)
_SHOWN = 50

Progress = Callable[[str, int], None]
PartKey = tuple[str, str, int]  #: stage, logical topic, partition


@dataclass
class JournalReplay:
    """What the replay made, by logical topic, in the order of each partition; and what was wrong.

    ``problems``: the journal cannot be replayed as it was (gaps, missing records, a rule set that is not in control).
    ``differences``: what the live topics hold differs from what the replay made.
    """

    outputs: dict[str, Counter[tuple[bytes, bytes]]] = field(default_factory=lambda: defaultdict(Counter))
    problems: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    steps: int = 0
    ticks: int = 0
    records: int = 0
    partitions: int = 0

    @property
    def alerts(self) -> dict[tuple[str, int], bytes]:
        """(alert id, version) -> the record."""
        return {name: value for value in self._values("alerts") for name in [_id_version(value)]}

    @property
    def notifications(self) -> dict[str, bytes]:
        """Notification id -> the record."""
        return {_id(value): value for value in self._values("notifications")}

    @property
    def findings(self) -> dict[str, bytes]:
        """Finding id -> the record."""
        return {_id(value): value for value in self._values("alert-input")}

    def _values(self, topic: str) -> Iterator[bytes]:
        return (value for _, value in self.outputs.get(topic, ()))

    def problem(self, text: str) -> None:
        if len(self.problems) < _SHOWN:
            self.problems.append(text)


class _Named(msgspec.Struct):
    id: str
    version: int = 0


_named = msgspec.json.Decoder(_Named)


def _id(value: bytes) -> str:
    return _named.decode(value).id


def _id_version(value: bytes) -> tuple[str, int]:
    named = _named.decode(value)
    return named.id, named.version


def replay_journal(
    options: Mapping[str, Any], prefix: str, app: str, config: Path | None = None, *, progress: Progress | None = None
) -> JournalReplay:
    """Replay everything the journal holds and compare it with the live topics. The oracle of the fault tests.

    ``config`` tells the sources (default: the shipped configuration). Raises ClusterError for what cannot be read.
    """
    names = Names(app=app, prefix=prefix)
    loaded = load_config(config, {})
    replay = replay_range(options, names, event_sources(loaded), max_keys=loaded.detect.max_keys, progress=progress)
    replay.differences = differences(replay.outputs, options, names, wire=Wire(registry_of(loaded)))
    return replay


def replay_range(
    options: Mapping[str, Any], names: Names, sources: Sequence[Source], *,
    max_keys: int = 1_000_000, progress: Progress | None = None,
) -> JournalReplay:  # fmt: skip
    """Replay everything the journal holds. Raises ClusterError for what cannot be read."""
    replay = JournalReplay()
    consumer = consumer_of(options)
    try:
        steps = read_journal(consumer, names)
        for partition in partitions_of(consumer, names.topic("journal")):
            low, _ = watermarks(consumer, TopicPartition(names.topic("journal"), partition))
            if low > 0:
                replay.problem(f"the beginning of the journal has expired (partition {partition} begins at {low})")
        control = read_control(consumer, names)
        topics = [*(source.topic for source in sources), "rekeyed", "alert-input"]
        counts = {topic: len(partitions_of(consumer, names.topic(topic))) for topic in topics}
        inputs = {
            (stage.role, entry.topic): entry
            for stage in (detect_stage(sources, counts, max_keys), alert_stage())
            for entry in stage.inputs
        }
        for key in sorted(steps):
            entry = inputs.get(key[:2])
            if entry is None:
                replay.problem(
                    f"the journal has steps of {key[0]} over {key[1]}, which the configuration does not know"
                )
                continue
            if progress is not None:
                progress(f"{key[1]}/{key[2]}", replay.records)
            _Partition(replay, consumer, names, control, entry, key, counts[entry.topic]).run(steps[key])
    finally:
        consumer.close()
    return replay


def read_journal(consumer: Consumer, names: Names) -> dict[PartKey, list[Step]]:
    """The steps of every partition of every stage, in the order in which they were committed."""
    steps: dict[PartKey, list[Step]] = defaultdict(list)
    for message in _everything(consumer, names.topic("journal")):
        if (value := message.value()) is None:
            continue
        try:
            record = _record.decode(value)
        except msgspec.MsgspecError as error:
            raise ClusterError(
                f"{message.topic()}/{message.partition()}/{message.offset()} is not a journal record: {error}"
            ) from None
        steps[record.stage, record.topic, record.partition].extend(record.steps)
    return dict(steps)


def read_control(consumer: Consumer, names: Names) -> ControlLog:
    """Every control state there has been."""
    log = ControlLog()
    for message in _everything(consumer, names.topic("control")):
        log.apply(message.offset() or 0, message.key(), message.value())
    return log


def _everything(consumer: Consumer, topic: str) -> Iterator[Message]:
    for partition in partitions_of(consumer, topic):
        low, high = watermarks(consumer, TopicPartition(topic, partition))
        if low < high:
            for messages in read(consumer, topic, partition, low, high):
                yield from messages


class _Partition:
    """One partition of one stage, from its first journalled step to its last."""

    def __init__(
        self, replay: JournalReplay, consumer: Consumer, names: Names, control: ControlLog, entry: Input, key: PartKey,
        partitions: int,
    ) -> None:  # fmt: skip
        self._replay, self._consumer, self._control, self._entry = replay, consumer, control, entry
        self._number, self._partitions = key[2], partitions
        self._topic = names.topic(entry.topic)
        self._name = f"{key[0]} {key[1]}/{key[2]}"
        self._told: set[str] = set()

    def run(self, steps: Sequence[Step]) -> None:
        state = self._entry.make(self._number)
        begin = steps[0].begin
        state.position = Position(committed=begin, next=begin, partitions=self._partitions)
        state.loaded()
        self._replay.partitions += 1
        with Stretch(self._consumer, self._topic, self._number, begin, steps[-1].end) as stretch:
            for step in steps:
                try:
                    self._step(state, step, stretch)
                except StateMismatch as error:
                    self._tell("state", error.message)
                    break
        self._replay.counts += state.counts

    def _step(self, state: PartitionState, step: Step, stretch: Stretch) -> None:
        position = state.position
        if step.begin != position.next:
            self._tell("gap", f"the journal goes on at {step.begin}, the step before it ended at {position.next}")
            position.next = position.committed = step.begin
        if step.now < position.now:
            self._tell("now", f"now goes back from {position.now} to {step.now}")
        control = self._control.at(step.control)
        if control.position != step.control or (control.ruleset.version != step.ruleset and step.control):
            self._tell("control", f"control has no rule set {step.ruleset} at position {step.control}")
        position.now = step.now
        for output in self._outputs(state, step, control, stretch):
            if len(output.value) <= MAX_VALUE:  # what is larger was replaced when it was produced
                self._replay.outputs[output.topic][output.key, output.value] += 1
        position = state.position
        position.now, position.partitions = step.now, self._partitions
        said = (position.next, position.ruleset, position.control)
        if said != (step.end, step.ruleset, step.control):
            self._tell(
                "end", f"the step from {step.begin} ended at {said}, live at {(step.end, step.ruleset, step.control)}"
            )
            position.next = step.end
        for key, value in state.changes():  # forgets them; what is too large was evicted when it was written
            if value is not None and len(value) > MAX_VALUE:
                state.unload(key)

    def _outputs(self, state: PartitionState, step: Step, control: Control, stretch: Stretch) -> Iterable[Output]:
        if step.begin == step.end:
            self._replay.ticks += 1
            return self._entry.tick(state, step.now, control, at_end=step.at_end)
        messages = stretch.up_to(step.end)
        if not messages:
            self._tell("records", f"the records from {step.begin} to {step.end} are gone")
        self._replay.steps += 1
        self._replay.records += len(messages)

        def original(index: int) -> Original:
            return Original(messages[index].key(), tuple(messages[index].headers() or ()))

        return self._entry.step(state, Batch(records(messages), original), step.now, control)

    def _tell(self, kind: str, text: str) -> None:
        """Each kind of problem once a partition: the first one is the cause."""
        if kind not in self._told:
            self._told.add(kind)
            self._replay.problem(f"{self._name}: {text}")


class Stretch:
    """The messages of a partition in [begin, end), handed out piece by piece."""

    def __init__(self, consumer: Consumer, topic: str, partition: int, begin: int, end: int) -> None:
        low, _ = watermarks(consumer, TopicPartition(topic, partition)) if begin < end else (begin, end)
        if low > begin:
            raise ClusterError(
                f"{topic}/{partition} begins at {low}, the journal at {begin}",
                "the records have expired: keep sources as long",
            )
        self._chunks = read(consumer, topic, partition, begin, end) if begin < end else iter(())
        self._read: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self._chunks, "close"):
            self._chunks.close()  # gives the consumer free

    def up_to(self, end: int) -> list[Message]:
        """The messages below ``end`` that have not been handed out."""
        while not self._read or (self._read[-1].offset() or 0) < end - 1:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._read += chunk
        cut = next((n for n, message in enumerate(self._read) if (message.offset() or 0) >= end), len(self._read))
        out, self._read = self._read[:cut], self._read[cut:]
        return out
