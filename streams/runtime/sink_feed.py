"""The Kafka half of one sink: records in, runner, ``deliveries`` and commands out, offsets behind what is finished.

All calls of the consumer are made on one thread of its own, one after the other; the runner lives on the event loop.
What an attempt led to is on the brokers (flushed) before the offset behind it is committed, so a kill at any point
sends again at most, with the same idempotency key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.base import Origin, Work, as_record, decode_item, partition_lane
from connectors.context import SinkContext
from connectors.offsets import Commit
from connectors.registry import SinkConfig
from connectors.runner import Runner
from connectors.shared_rate import RedisTokens
from streams import telemetry
from streams.codec.outputs import PLAIN, RECORDS, Wire
from streams.model import DeadReason
from streams.runtime.ending import STALE
from streams.runtime.names import Names
from streams.runtime.points import at
from streams.runtime.sink_writer import SinkWriter
from streams.runtime.waiting import watermarks

_COMMIT_EVERY_S = 0.1
_RELEASE_S = 3.0
_REFUSED_S = 60.0
_LOOKUP_S = 10.0
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


class SinkFeed:
    """One life of a sink, from joining its group to leaving it. ``run`` raises whatever ended it."""

    def __init__(
        self,
        config: SinkConfig,
        context: SinkContext,
        options: Mapping[str, Any],
        names: Names,
        worker: str,
        count: Callable[[str], None],
        wire: Wire = PLAIN,
    ) -> None:
        self._wire = wire
        self._config, self._names = config, names
        self._context = replace(context, owns=lambda *name: name in self._owned)
        self._topics = {names.topic(logical): logical for logical in config.topics}
        self._source = config.topics[0]
        role = f"deliver-{config.name}"
        self._consumer_options = {
            **options,
            "group.id": names.group(role),
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
        self._writer = SinkWriter(config.name, options, names, count, wire)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-{config.name}")
        self._owned: set[tuple[str, int]] = set()
        self._committed: dict[tuple[str, int], Commit] = {}
        self._resumed: list[tuple[str, int, Commit]] = []  # handed from the Kafka thread to the loop
        self._paused = False
        self._broken: Exception | None = None
        self._tried_at = 0.0
        self._refused_since: float | None = None
        self._stop_after: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.error = ""  #: of Kafka, while it lasts
        self.joined = False  #: the group has given it its partitions (possibly none)
        self.runner: Runner | None = None

    def stop(self, timeout: float) -> None:
        """From any thread: end ``run``, giving calls under way ``timeout`` seconds."""
        self._stop_after = timeout

    async def run(self) -> None:
        """Until ``stop``, or until Kafka fails."""
        self._loop = asyncio.get_running_loop()
        config, secrets = self._config, self._context.secrets
        rate = config.policy.rate
        runner = self.runner = Runner(
            config.name,
            lambda: config.make(self._context),
            config.policy,
            self._writer.report,
            secrets.redact,
            tokens=RedisTokens(rate, self._consumer_options["group.id"], secrets) if rate and rate.shared else None,
        )
        running: asyncio.Task[None] | None = None
        try:
            await self._on_kafka(self._connect)
            running = asyncio.create_task(runner.run())
            while self._stop_after is None:
                commit = self._due(time.monotonic())
                messages = await self._on_kafka(self._turn, commit, runner.schedule.full, runner.schedule.roomy)
                self._resume(runner)
                for message in messages:
                    self._accept(message)
                telemetry.SINK_UP.labels(config.name).set(runner.is_open and not runner.schedule.breaker.open)
                if running.done():
                    running.result()
            await runner.stop(self._stop_after)
            await self._on_kafka(self._commit, runner.schedule.offsets.committable())
        finally:
            await self._end(runner, running)

    async def _end(self, runner: Runner, running: asyncio.Task[None] | None) -> None:
        with suppress(Exception):
            await runner.stop(0)
        if running is not None:
            running.cancel()
            await asyncio.wait({running}, timeout=5)
        with suppress(Exception):
            await asyncio.wait_for(self._on_kafka(self._disconnect), 15)
        self._pool.shutdown(wait=False)

    async def _on_kafka(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    # On the event loop.

    def _resume(self, runner: Runner) -> None:
        for topic, partition, commit in self._resumed:
            runner.schedule.offsets.resume(topic, partition, commit)
        self._resumed.clear()

    def _accept(self, message: Message) -> None:
        assert self.runner is not None
        origin = Origin(self._topics[message.topic() or ""], message.partition() or 0, message.offset() or 0)
        if (origin.topic, origin.partition) not in self._owned:
            return
        value = message.value()
        try:
            if value is None:
                raise ValueError("a record without a value")
            item = self._read(message, value, origin)
        except (ValueError, RecursionError) as error:
            reason = DeadReason.TOMBSTONE if value is None else DeadReason.MALFORMED
            headers = tuple(cast("list[tuple[str, bytes | None]]", message.headers() or []))
            self._writer.bury(origin, error, reason, value, message.key(), headers)
            self.runner.skip(origin)
            return
        if item is None:
            self.runner.skip(origin)
        else:
            self.runner.offer(item)

    def _read(self, message: Message, value: bytes, origin: Origin) -> Work | None:
        if origin.topic != self._source:
            raw = self._wire.json(origin.topic, value) if origin.topic in RECORDS else value
            return as_record(raw, origin, message.timestamp()[1], cast("bytes | None", message.key()))
        item = decode_item(self._config.kind, self._config.name, self._wire.json(self._source, value), origin)
        if item is not None and self._config.by_partition:
            return replace(item, lane=partition_lane(origin))
        return item

    def _due(self, now: float) -> dict[tuple[str, int], Commit]:
        """Offsets to commit now."""
        assert self.runner is not None
        if now - self._tried_at < _COMMIT_EVERY_S:
            return {}
        ready = self.runner.schedule.offsets.committable()
        return {name: commit for name, commit in ready.items() if self._committed.get(name) != commit}

    # On the Kafka thread.

    def _name(self, tp: TopicPartition) -> tuple[str, int]:
        return self._topics[tp.topic], tp.partition

    def _connect(self) -> None:
        self._writer.connect()
        self._consumer = Consumer(self._consumer_options)
        self._consumer.subscribe(
            list(self._topics),
            on_assign=self._kept(self._assigned),
            on_revoke=self._kept(self._revoked),
            on_lost=self._kept(self._lost),
        )

    def _kept(self, callback: Rebalanced) -> Rebalanced:
        """What a callback raises is kept for ``_turn`` to raise.

        A KafkaException that leaves a callback comes out of ``poll`` as a bare KafkaError, which is no exception at
        all: not even ``except BaseException`` stops it, and it takes the thread with it.
        """

        def call(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            try:
                callback(consumer, partitions)
            except Exception as error:
                self._broken = error

        return call

    def _disconnect(self) -> None:
        if hasattr(self, "_consumer"):
            self._consumer.close()
        self._writer.close()

    def _turn(self, commit: dict[tuple[str, int], Commit], full: bool, roomy: bool) -> list[Message]:
        """One round: commit, pause or resume, fetch. Returns at the first record, or after 50 ms."""
        if commit:
            self._commit(commit)
        self._writer.check()
        if full and not self._paused:
            self._paused = True
            self._consumer.pause(self._consumer.assignment())
        elif roomy and self._paused:
            self._paused = False
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

    def _commit(self, ready: dict[tuple[str, int], Commit]) -> None:
        """Commit offsets, once everything written before them is on the brokers."""
        ready = {
            name: commit
            for name, commit in ready.items()
            if name in self._owned and self._committed.get(name) != commit
        }
        if not ready:
            return
        topic = self._names.topic
        due = [TopicPartition(topic(name[0]), name[1], commit.offset, commit.note) for name, commit in ready.items()]
        self._tried_at = time.monotonic()
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
                self._committed[name] = ready[name]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = self._starts(consumer, partitions)
        consumer.incremental_assign(starts)
        self._owned |= {self._name(tp) for tp in starts}
        if self._paused and starts:
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
            if tp.offset != OFFSET_INVALID:
                self._committed[self._name(tp)] = commit = Commit(tp.offset, tp.metadata or "")
                self._resumed.append((*self._name(tp), commit))
            else:
                low, high = watermarks(consumer, TopicPartition(tp.topic, tp.partition), _LOOKUP_S)
                tp = TopicPartition(tp.topic, tp.partition, low if self._config.start == "earliest" else high)
                fresh.append(tp)
            starts.append(TopicPartition(tp.topic, tp.partition, tp.offset))
        if fresh:
            with suppress(KafkaException):  # refused in mid-rebalance: the first regular commit says it again
                consumer.commit(offsets=fresh, asynchronous=False)
                self._committed |= {self._name(tp): Commit(tp.offset) for tp in fresh}
        return starts

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [self._name(tp) for tp in partitions]
        with suppress(Exception):  # not in time, or the generation is over: the new owner sends it again, same key
            self._commit(self._on_loop(names, _RELEASE_S))
        self._forget(consumer, partitions, names)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = [self._name(tp) for tp in partitions]
        with suppress(Exception):
            self._on_loop(names, 0)
        self._forget(consumer, partitions, names)

    def _forget(self, consumer: Consumer, partitions: list[TopicPartition], names: list[tuple[str, int]]) -> None:
        self._owned -= set(names)
        for name in names:
            self._committed.pop(name, None)
        with suppress(KafkaException):  # closing: librdkafka has done it
            consumer.incremental_unassign(partitions)

    def _on_loop(self, names: list[tuple[str, int]], timeout: float) -> dict[tuple[str, int], Commit]:
        """On the loop: let calls of these partitions end, then forget them; what may be committed of them."""
        assert self._loop is not None

        async def release() -> dict[tuple[str, int], Commit]:
            assert self.runner is not None
            await asyncio.gather(*(self.runner.release(*name, timeout) for name in names))
            ready = self.runner.schedule.offsets.committable()
            for name in names:
                self.runner.schedule.forget(*name)
            return {name: ready[name] for name in names if name in ready}

        return asyncio.run_coroutine_threadsafe(release(), self._loop).result(timeout + 2)
