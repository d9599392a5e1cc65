"""One transaction: outputs, one changelog record per dirty key, ``__position``, the journal and the offsets.

Every partition whose state is touched sends its position, timers included: the broker refuses it, and the whole
transaction with it, from a process that is no longer the partition's owner.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams import telemetry
from streams.codec.outputs import PLAIN, Wire
from streams.model import DeadReason, Output, Step
from streams.model.dead import dead_letter
from streams.runtime.ending import STALE
from streams.runtime.names import Names
from streams.runtime.points import at
from streams.runtime.stage import Part
from streams.runtime.timing import Timing
from streams.state.partition import POSITION

#: What the client accepts (its own default limit is 1,000,000 bytes), with room for key and headers.
MAX_VALUE = 990_000
#: Of the time by which a reader is late, how much a transaction may add to it.
_SHARE = 0.25


class JournalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a record on ``journal``: the steps of one partition in one transaction, in order."""

    stage: str
    topic: str  #: logical
    partition: int
    steps: tuple[Step, ...]


class Result(Enum):
    """How ``Transaction.end`` ended."""

    COMMITTED = "committed"
    OVERTAKEN = "overtaken"  #: a rebalance came in between; nothing was written, the state must be restored
    EMPTY = "empty"


def until_done(call: Callable[..., Any], *args: Any) -> Any:
    """A retriable error of a transaction repeats the same call; any other one is the caller's."""
    while True:
        try:
            return call(*args)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            at("retrying", error=error)


class Transaction:
    """The open transaction of one role. Not thread-safe: only the source thread uses it."""

    def __init__(self, producer: Producer, names: Names, role: str, timing: Timing, wire: Wire = PLAIN) -> None:
        self._producer, self._names, self._role, self._timing, self._wire = producer, names, role, timing, wire
        self.touched: dict[tuple[str, int], Part] = {}
        self.open = self._urgent = self._stirred = False
        self._began = self._ended = self._took = 0.0
        self._encode = msgspec.json.Encoder().encode

    def touch(self, part: Part) -> None:
        if not self.open:
            self._producer.begin_transaction()
            self.open, self._began = True, time.monotonic()
        self.touched[part.name] = part

    def add(self, outputs: list[Output], urgent: frozenset[str], *, stirred: bool = True) -> None:
        """Take what a step gave; ``stirred``: it may have changed more than the position."""
        self._stirred |= stirred
        for output in outputs:
            if len(output.value) > MAX_VALUE:
                output = self._instead(output, f"of {len(output.value)} bytes", "is too large to produce")
            elif output.topic in self._wire.encoders:
                output = self._written(output)
            self._put(self._names.topic(output.topic), output.key, output.value, output.partition)
            if output.topic in urgent:
                self._urgent = True

    def due(self, late: float) -> bool:
        """Whether it is time to end it. ``late``: seconds by which what is read is late, 0 where little waits."""
        if not self.open:
            return False
        now, timing = time.monotonic(), self._timing
        patience = min(late * _SHARE, timing.longest)
        if not self._urgent:
            return now >= self._began + max(timing.linger if self._stirred else timing.calm, patience)
        after = self._ended + max(timing.pause, min(timing.factor * self._took, timing.spread))
        return now >= max(after, self._began + patience)

    def end(self, consumer: Consumer) -> Result:
        """Write what was touched, send the positions, commit. Raises what is neither retriable nor a rebalance."""
        if not self.open:
            return Result.EMPTY
        began = time.monotonic()
        for part in self.touched.values():
            self._write(part)
        at("produced", role=self._role, touched=self.touched)
        positions = [TopicPartition(p.topic, p.number, p.state.position.committed) for p in self.touched.values()]
        try:
            until_done(self._producer.send_offsets_to_transaction, positions, consumer.consumer_group_metadata(), 10)
        except KafkaException as error:
            if error.args[0].code() not in STALE:
                raise
            telemetry.log.info(
                "overtaken by a rebalance", role=self._role, parts=[str(p) for p in self.touched.values()]
            )
            # This producer goes on: what an abort purges in flight would be a gap in its sequence numbers.
            self._producer.flush(5)
            self.abort(10)
            at("overtaken", role=self._role)
            return Result.OVERTAKEN
        at("sent", role=self._role, touched=self.touched)
        until_done(self._producer.commit_transaction, 10)
        for part in self.touched.values():
            part.steps.clear()
        self._forget()
        self._ended = time.monotonic()
        self._took = self._ended - began
        telemetry.COMMIT_SECONDS.labels(self._role).observe(self._took)
        telemetry.TRANSACTIONS.labels(self._role, "committed").inc()
        at("committed", role=self._role, took=self._took)
        return Result.COMMITTED

    def abort(self, timeout: float = 5) -> None:
        """Nothing of it was. The states it touched have run ahead of the log: the caller drops them."""
        if self.open:
            self._producer.abort_transaction(timeout)
            telemetry.TRANSACTIONS.labels(self._role, "aborted").inc()
        self._forget()

    def _forget(self) -> None:
        self.touched, self.open, self._urgent, self._stirred = {}, False, False, False

    def _write(self, part: Part) -> None:
        changelog = self._names.changelog(part.input.table)
        produce, number = self._producer.produce, part.number
        for key, value in part.state.changes():
            if value is not None and len(value) > MAX_VALUE:  # too large to keep: evicted, counted
                telemetry.OVERSIZE.labels(part.input.table).inc()
                part.state.unload(key)
                value = None
            try:
                produce(changelog, value, key, number)  # the short way: one for each dirty key
            except (BufferError, KafkaException):
                self._put(changelog, key, value, number)
        self._put(changelog, POSITION, self._encode(part.state.position), part.number)
        if part.steps:
            record = JournalRecord(
                stage=self._role, topic=part.input.topic, partition=part.number, steps=tuple(part.steps)
            )
            name = f"{self._role}/{part.input.topic}/{part.number}".encode()
            self._put(self._names.topic("journal"), name, self._encode(record), None)

    def _written(self, output: Output) -> Output:
        try:
            return output._replace(value=self._wire.write(output.topic, output.value))
        except ValueError as error:  # the stage must not stand still for one record
            return self._instead(output, "", f"does not fit its schema: {str(error)[:200]}")

    def _instead(self, output: Output, what: str, why: str) -> Output:
        """In its stead, a dead letter with the beginning, the size and the hash."""
        telemetry.OVERSIZE.labels(output.topic).inc()
        digest = hashlib.sha256(output.key).hexdigest()[:16]
        letter = dead_letter(
            stage=self._role,
            origin=f"{output.topic}:{digest}",
            reason=DeadReason.FAILED,
            error=" ".join(filter(None, ("output", what, "for", output.topic, why))),
            at=time.time_ns() // 1_000_000,
            value=output.value,
            key=output.key,
        )
        return Output("dead-letter", output.key, self._encode(letter))

    def _put(self, topic: str, key: bytes, value: bytes | None, partition: int | None) -> None:
        place = {} if partition is None else {"partition": partition}
        while True:
            try:
                self._producer.produce(topic, value, key, **place)
                return
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._QUEUE_FULL:
                    raise
                self._producer.poll(0.05)
