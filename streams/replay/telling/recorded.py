"""What a live ALERT was given: its partitions' records and ticks as the journal has them, and what it told then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from streams.codec.outputs import Wire
from streams.errors import ConfigError
from streams.model import Control, Step
from streams.replay.journal import PartKey, Stretch, read_control, read_journal
from streams.replay.moments import rfc3339
from streams.replay.telling.given import Given, Lane, Moment
from streams.replay.telling.heard import Told
from streams.replay.topics import consumer_of, partitions_of, read, records
from streams.runtime.control import ControlLog
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks

_INPUT = "alert-input"


class _Sent(msgspec.Struct):
    id: str
    at: int


_sent = msgspec.json.Decoder(_Sent)


@dataclass
class Recording:
    """``steps`` of each partition that can still be made: (journalled steps, how many partitions there are).

    ``sent``: when, by id, of all that stands on ``notifications``. ``notes``: what a person should know of it.
    """

    control: ControlLog
    steps: dict[int, list[Step]]
    partitions: int
    sent: dict[str, int]
    first: int  #: ms: of the first step of ALERT
    last: int  #: ms: of the last step of any stage
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Offsets to read."""
        return sum(steps[-1].end - steps[0].begin for steps in self.steps.values())

    def given(self, consumer: Consumer, names: Names, end: int) -> Given:
        """To be played while ``consumer`` is open."""
        topic = names.topic(_INPUT)
        lanes = [
            Lane(_moments(consumer, topic, number, steps), number, steps[0].begin, self.partitions)
            for number, steps in sorted(self.steps.items())
        ]
        return Given(lanes, end, ticked=True)


def recording(options: Mapping[str, Any], names: Names, wire: Wire) -> Recording:
    """All that the cluster still has. Raises ClusterError for what cannot be read, ConfigError for nothing."""
    consumer = consumer_of(options)
    try:
        sent = _sent_before(consumer, names, wire)  # before the journal: what is on it has its step there
        journal = read_journal(consumer, names)
        control = read_control(consumer, names)
        numbers = partitions_of(consumer, names.topic(_INPUT))
        lows = {n: watermarks(consumer, TopicPartition(names.topic(_INPUT), n))[0] for n in numbers}
    finally:
        consumer.close()
    steps, notes = _left(journal, lows)
    if not steps:
        raise ConfigError(
            "the journal has no step of ALERT whose records are still there: nothing can be told again",
            "a worker with the role alert writes it; `--alerts FILE` takes exported alerts instead",
        )
    first = min(some[0].now for some in steps.values())
    last = max(step.now for some in journal.values() for step in some[-1:])
    return Recording(control, steps, len(numbers), sent, first, last, notes)


def _left(
    journal: Mapping[PartKey, Sequence[Step]], lows: Mapping[int, int]
) -> tuple[dict[int, list[Step]], list[str]]:
    """The steps whose records are not gone, by partition; and what is gone."""
    left: dict[int, list[Step]] = {}
    notes = []
    for (stage, topic, number), steps in sorted(journal.items()):
        if stage != "alert" or topic != _INPUT or not steps:
            continue
        low = lows.get(number, 0)
        kept = [step for step in steps if step.begin >= low]
        if kept:
            left[number] = kept
        if low > steps[0].begin or steps[0].begin > 0:
            since = rfc3339(kept[0].now) if kept else "its end"
            notes.append(
                f"{_INPUT}/{number}: what came before {since} has expired, or no journal has it: "
                "alerts opened before are not known"
            )
    return left, notes


def _moments(consumer: Consumer, topic: str, number: int, steps: Sequence[Step]) -> Iterator[Moment]:
    with Stretch(consumer, topic, number, steps[0].begin, steps[-1].end) as stretch:
        for step in steps:
            messages = stretch.up_to(step.end) if step.begin < step.end else []
            yield Moment(step.now, records(messages), step.control, step.at_end)


def _sent_before(consumer: Consumer, names: Names, wire: Wire) -> dict[str, int]:
    found: dict[str, int] = {}
    topic = names.topic("notifications")
    for number in partitions_of(consumer, topic):
        low, high = watermarks(consumer, TopicPartition(topic, number))
        for messages in read(consumer, topic, number, low, high) if low < high else ():
            for message in messages:
                with suppress(ValueError):  # anybody may have written it; msgspec's errors are ValueErrors
                    one = _sent.decode(wire.json("notifications", message.value() or b""))
                    found[one.id] = one.at
    return found


# --- policies over a recording


def instead(
    was: Callable[[int], Control], records: Mapping[str, Mapping[str, Any]], *, alone: bool = False
) -> Callable[[int], Control]:
    """``records`` over what was in force at each position, from the beginning on; ``alone``: and nothing else."""
    made: dict[int, Control] = {}

    def at(position: int) -> Control:
        before = was(position)
        if before.position not in made:
            under = {} if alone else before.records
            made[before.position] = Control(before.position, before.ruleset, {**under, **_plain(records)})
        return made[before.position]

    return at


def _plain(records: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: dict(document) for name, document in records.items()}


# --- is it the same?


@dataclass(frozen=True, slots=True)
class Reproduced:
    """Of what was told in a range, by id: how many notifications the topic has, and how many came out again."""

    sent: int
    again: int
    missing: tuple[str, ...]  #: on the topic, but not told again
    extra: tuple[str, ...]  #: told again, but not on the topic

    def document(self) -> dict[str, Any]:
        return {
            "on_topic": self.sent, "again": self.again, "missing": list(self.missing), "extra": list(self.extra),
        }  # fmt: skip


def reproduced(sent: Mapping[str, int], told: Sequence[Told], begin: int, end: int) -> Reproduced:
    """``sent`` as a recording has it; what was told after the last of it may have come while that was read."""
    newest = max(sent.values(), default=0)
    wanted = {identity for identity, at in sent.items() if begin <= at < end}
    made = {one.id for one in told}
    extra = {one.id for one in told if one.at <= newest} - wanted
    return Reproduced(len(wanted), len(wanted & made), tuple(sorted(wanted - made)), tuple(sorted(extra)))
