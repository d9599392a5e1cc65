"""A sink's consumer: its place in the group, records in, offsets out. All of it is called on one thread.

What an attempt led to is on the brokers (flushed) before the offset behind it is committed, so a kill at any point
sends again at most, with the same idempotency key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.offsets import Commit
from connectors.registry import SinkConfig
from streams import telemetry
from streams.runtime.ending import STALE
from streams.runtime.names import Names
from streams.runtime.points import at
from streams.runtime.sink_pace import Move, Pace
from streams.runtime.sink_writer import SinkWriter
from streams.runtime.waiting import watermarks

_RELEASE_S = 3.0
_REFUSED_S = 60.0
_LOOKUP_S = 10.0
_BREATH_S = 0.01
#: A commit that failed so may be made again: a rebalance overtook us, or the coordinator moves or is slow.
_AGAIN = STALE | {
    KafkaError._WAIT_COORD, KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN,
    KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
}  # fmt: skip
Rebalanced = Callable[[Consumer, list[TopicPartition]], None]
#: Errors that librdkafka itself goes on trying after. A topic just made is unknown to some brokers for a moment.
_PASSING = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT,
        KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC,
    }
)  # fmt: skip


class SinkSource:
    """``release(partitions, seconds)``, on whichever thread that is its business: let their calls end, forget them, and
    say what may be committed of them. ``run`` of its owner goes on until a method raises.
    """

    def __init__(
        self,
        config: SinkConfig,
        options: Mapping[str, Any],
        names: Names,
        worker: str,
        writer: SinkWriter,
        release: Callable[[list[tuple[str, int]], float], dict[tuple[str, int], Commit]],
    ) -> None:
        self._config, self._names, self._writer, self._release = config, names, writer, release
        self._topics = {names.topic(logical): logical for logical in config.topics}
        role = f"deliver-{config.name}"
        self.group = names.group(role)
        self._options = {
            **options,
            "group.id": self.group,
            "group.instance.id": names.identity(role, worker),
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1000,
            "partition.assignment.strategy": "cooperative-sticky",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",  # only for offsets that have expired: a first start is written explicitly
            "fetch.queue.backoff.ms": 5,
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": 16_384,
        }
        self._pace = Pace()
        self._broken: Exception | None = None
        self._refused_since: float | None = None
        self.owned: set[tuple[str, int]] = set()
        self.committed: dict[tuple[str, int], Commit] = {}
        self.resumed: list[
            tuple[str, int, Commit]
        ] = []  #: where partitions that came begin; whoever reads it clears it
        self.tried_at = 0.0  #: when a commit was last begun
        self.error = ""  #: of Kafka, while it lasts
        self.joined = False  #: the group has given it its partitions (possibly none)

    def _name(self, tp: TopicPartition) -> tuple[str, int]:
        return self._topics[tp.topic], tp.partition

    def connect(self) -> None:
        self._consumer = Consumer(self._options)
        self._consumer.subscribe(
            list(self._topics),
            on_assign=self._kept(self._assigned),
            on_revoke=self._kept(self._revoked),
            on_lost=self._kept(self._lost),
        )

    def _kept(self, callback: Rebalanced) -> Rebalanced:
        """What a callback raises is kept for ``turn`` to raise.

        A KafkaException that leaves a callback comes out of ``poll`` as a bare KafkaError, which is no exception at
        all: not even ``except BaseException`` stops it, and it takes the thread with it.
        """

        def call(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            try:
                callback(consumer, partitions)
            except Exception as error:
                self._broken = error

        return call

    def close(self) -> None:
        if hasattr(self, "_consumer"):
            self._consumer.close()

    def turn(self, commit: dict[tuple[str, int], Commit], full: bool, roomy: bool) -> list[Message]:
        """One round: commit, fetch or wait. Returns at the first record, or after 50 ms."""
        if commit:
            self.commit(commit)
        self._writer.check()
        match self._pace.move(time.monotonic(), full, roomy):
            case Move.WAIT:
                time.sleep(_BREATH_S)
                return []
            case Move.PAUSE:
                self._consumer.pause(self._consumer.assignment())
            case Move.RESUME:
                self._consumer.resume(self._consumer.assignment())
        first = self._consumer.poll(0.05)
        messages = [] if first is None else [first, *self._consumer.consume(499, 0)]
        if self._broken is not None:
            raise self._broken
        return [message for message in messages if self._is_record(message)]

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            self.error = ""
            return True
        if error.retriable() or error.code() in _PASSING:
            self.error = error.str()
            telemetry.log.warning("kafka", sink=self._config.name, error=self.error)
            return False
        raise KafkaException(error)

    def commit(self, ready: dict[tuple[str, int], Commit]) -> None:
        """Commit offsets, once everything written before them is on the brokers."""
        ready = {
            name: commit for name, commit in ready.items() if name in self.owned and self.committed.get(name) != commit
        }
        if not ready:
            return
        topic = self._names.topic
        due = [TopicPartition(topic(name[0]), name[1], commit.offset, commit.note) for name, commit in ready.items()]
        self.tried_at = time.monotonic()
        self._writer.flush()
        at("commit?", sink=self._config.name)
        try:
            done = self._consumer.commit(offsets=due, asynchronous=False)
        except KafkaException as failure:
            error = failure.args[0]
            self._refused_since = self._refused_since or time.monotonic()
            if (error.code() in _AGAIN or error.retriable()) and time.monotonic() - self._refused_since < _REFUSED_S:
                return  # the next round tries again, unless on_revoke takes the partition away first
            raise
        self._refused_since = None
        for tp in done or ():
            if tp.error is None:
                name = self._name(tp)
                self.committed[name] = ready[name]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = self._starts(consumer, partitions)
        consumer.incremental_assign(starts)
        self.owned |= {self._name(tp) for tp in starts}
        if self._pace.paused and starts:
            consumer.pause(starts)
        self.joined, self.error = True, ""

    def _starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Where to begin: what was committed, or for a sink that never ran its ``start``, committed at once.

        Without that a sink that began at the end, and stopped before its first record, would begin at a later end.
        """
        if not partitions:
            return []
        starts, fresh = [], []
        for tp in consumer.committed(partitions, 10):
            if tp.error is not None:  # it may well have been committed: to begin anew would lose or repeat
                raise KafkaException(tp.error)
            if tp.offset != OFFSET_INVALID:
                self.committed[self._name(tp)] = commit = Commit(tp.offset, tp.metadata or "")
                self.resumed.append((*self._name(tp), commit))
            else:
                low, high = watermarks(consumer, TopicPartition(tp.topic, tp.partition), _LOOKUP_S)
                tp = TopicPartition(tp.topic, tp.partition, low if self._config.start == "earliest" else high)
                fresh.append(tp)
            starts.append(TopicPartition(tp.topic, tp.partition, tp.offset))
        if fresh:
            with suppress(KafkaException):  # refused in mid-rebalance: the first regular commit says it again
                consumer.commit(offsets=fresh, asynchronous=False)
                self.committed |= {self._name(tp): Commit(tp.offset) for tp in fresh}
        return starts

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [self._name(tp) for tp in partitions]
        with suppress(Exception):  # not in time, or the generation is over: the new owner sends it again, same key
            self.commit(self._release(names, _RELEASE_S))
        self._forget(consumer, partitions, names)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [self._name(tp) for tp in partitions]
        with suppress(Exception):
            self._release(names, 0)
        self._forget(consumer, partitions, names)

    def _forget(self, consumer: Consumer, partitions: list[TopicPartition], names: list[tuple[str, int]]) -> None:
        self.owned -= set(names)
        for name in names:
            self.committed.pop(name, None)
        with suppress(KafkaException):  # closing: librdkafka has done it
            consumer.incremental_unassign(partitions)
