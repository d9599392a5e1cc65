"""The source thread of one role: one consumer, one transactional producer, one loop.

identity  transactional.id = group.instance.id; init_transactions() before subscribe(), so that whatever a dead self
          left open is aborted before anything is read.
restore   assigned paused at an explicit offset; ``restore`` brings the state; then seek, resume, live.
failure   memory that ran ahead of the log is never continued with: abort, then exit, or restore what was touched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import groupby
from operator import attrgetter, itemgetter
from queue import SimpleQueue
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams import telemetry
from streams.codec.outputs import PLAIN, Wire
from streams.errors import LOST, MISMATCH
from streams.model import Batch, Control, Original, Output, Step
from streams.runtime import gauges, restore
from streams.runtime.agents import Agent
from streams.runtime.ending import FENCING, Ended, leave
from streams.runtime.lookout import Lookout, Sight
from streams.runtime.names import Names
from streams.runtime.points import at
from streams.runtime.stage import Input, Part, Stage
from streams.runtime.timing import STANDARD, Timing
from streams.runtime.transaction import Result, Transaction, until_done

_error, _topic, _partition = Message.error, Message.topic, Message.partition
_ticked = attrgetter("ticked")
_offset, _value, _timestamp, _second = Message.offset, Message.value, Message.timestamp, itemgetter(1)
Callback = Callable[[Consumer, list[TopicPartition]], None]
_STOOD_STILL = 1.0  # seconds between two turns of the loop
_EOF = KafkaError._PARTITION_EOF
_RESET = KafkaError._AUTO_OFFSET_RESET


def lateness(message: Message, now: float) -> float:
    """Seconds from the record's timestamp to ``now``; 0 where it has none, or is ahead."""
    stamp = _timestamp(message)[1]
    return max(now - stamp / 1000, 0.0) if stamp >= 0 else 0.0


class Source:
    """Runs on a thread of its own from ``start`` to ``stop``. Whatever it cannot go on from ends the process."""

    def __init__(
        self,
        stage: Stage,
        options: Mapping[str, Any],
        names: Names,
        worker: str,
        agent: Agent,
        control: Callable[[], Control],
        counts: Mapping[str, int],
        timing: Timing = STANDARD,
        wire: Wire = PLAIN,
    ) -> None:
        """``options``: how to reach Kafka. ``counts``: partitions of each input, by logical topic."""
        self.stage, self._names, self._agent, self._control, self._timing = stage, names, agent, control, timing
        self._options, self._worker, self._wire = dict(options), worker, wire
        self._identity = names.identity(stage.role, worker)
        self._group = names.group(stage.role)
        self._inputs: dict[str, Input] = {names.topic(entry.topic): entry for entry in stage.inputs}
        self._counts = {names.topic(topic): n for topic, n in counts.items()}
        self.parts: dict[tuple[str, int], Part] = {}
        self._restored: restore.Done = SimpleQueue()
        self._waiting: list[Part] = []  # restored, but control has not reached what they last used
        self._stopping = False
        self._late = 0.0  # seconds by which what is read is late, 0 where little waits
        self._rejoins = 0
        self._acted_on: Sight | None = None
        self._steps = 0
        self._housekept = self._doubtful = 0.0
        self.beat = time.monotonic()  #: last turn of the loop, for the watchdog
        self.progress = 0  #: records stepped, for the watchdog
        self.lag = 0  #: records behind, over all owned partitions
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=f"source-{stage.role}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch, commit, leave. Returns at once; wait for ``ended``."""
        self._stopping = True

    @property
    def running(self) -> bool:
        """Started, and not ended yet."""
        return self._thread.is_alive()

    @property
    def ready(self) -> bool:
        """Joined, and every assigned partition (possibly none) restored."""
        sight = self._lookout.sight if hasattr(self, "_lookout") else None
        return bool(sight and sight.joined) and all(part.live for part in list(self.parts.values()))

    # -- the loop ------------------------------------------------------------------------------------------------

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._leave(error)
        finally:
            self.ended.set()

    def _leave(self, error: BaseException) -> None:
        transaction: Transaction | None = getattr(self, "_transaction", None)
        leave(error, self.stage.role, transaction.abort if transaction else None)

    def _run(self) -> None:
        self._connect()
        while not self._stopping:
            self._turn()
        self._end()
        self._lookout.stop()
        self._consumer.close()

    def _connect(self) -> None:
        timing = self._timing
        producer = Producer(
            {
                **self._options,
                "transactional.id": self._identity,
                "linger.ms": 5,  # a commit waits for none of it
                "transaction.timeout.ms": int(timing.transaction * 1000),
                "retry.backoff.ms": 5,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._consumer = Consumer(
            {
                **self._options,
                "group.id": self._group,
                "group.instance.id": self._identity,
                "session.timeout.ms": int(timing.session * 1000),
                "heartbeat.interval.ms": 500,
                "partition.assignment.strategy": "cooperative-sticky",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 5,
                "fetch.max.bytes": 8 << 20,
                "queued.max.messages.kbytes": 65536,
            }
        )
        until_done(producer.init_transactions, 10)  # fences the dead self first
        self._transaction = Transaction(
            producer,
            self._names,
            self.stage.role,
            timing,
            self._wire,
        )
        at("started", role=self.stage.role)
        self._subscribe()
        self._lookout = Lookout(self._options, self._group, self._identity, list(self._inputs))

    def _turn(self) -> None:
        """Read, step what came, tick what is due, take what was restored, end the transaction when it is time."""
        began = time.monotonic()
        if began - self.beat > _STOOD_STILL:
            self._doubtful = began + 2 * _STOOD_STILL
        self.beat = began
        for name, messages in self._read().items():
            part = self.parts.get(name)
            if part is not None and part.live:  # a batch of a part that is not live is read again after its seek
                self._step(part, messages)
        self._tick_due()
        self._take_restored()
        if self._transaction.due(self._late):
            self._end()
        if self.beat - self._housekept > 1.0:
            self._housekept = self.beat
            self._housekeep()

    def _tick_due(self) -> None:
        """Tick what is due, what waited longest first; after ``ticking`` seconds what is read has its turn."""
        wall, control, began = time.time_ns() // 1_000_000, self._control().position, time.monotonic()
        for part in sorted(self.parts.values(), key=_ticked):
            if part.live and _is_due(part, wall, control):
                self._call(part, None)
                part.ticked = time.monotonic()
                if part.ticked > began + self._timing.ticking:
                    return

    def _read(self) -> dict[tuple[str, int], list[Message]]:
        """What came, by partition. Loops over events run in C here: this and the core are what an event costs."""
        messages = self._consumer.consume(self._timing.batch, 0.005)
        self._late = lateness(messages[-1], time.time()) if len(messages) > self._timing.batch // 4 else 0.0
        refused: list[tuple[Message, KafkaError]] = []
        if any(map(_error, messages)):
            both = [(message, message.error()) for message in messages]
            refused = [(message, error) for message, error in both if error is not None]
            messages = [message for message, error in both if error is None]
        batches: dict[tuple[str, int], list[Message]] = {}
        start = 0
        for name, run in groupby(zip(map(_topic, messages), map(_partition, messages), strict=True)):
            end = start + len(list(run))
            batches.setdefault(name, []).extend(messages[start:end])
            start = end
        for name in batches:
            if (part := self.parts.get(name)) is not None:
                part.at_end = part.drained = False
        for message, error in refused:  # behind the records: an EOF says that the partition has been read to its end
            behind = batches.get((message.topic(), message.partition()))
            if error.code() != _EOF or not behind or _offset(behind[-1]) < message.offset():  # else more came after it
                self._refused(message, error)
        return batches

    def _step(self, part: Part, messages: list[Message]) -> None:
        """One batch through the agent, its outputs into the open transaction."""

        def original(index: int) -> Original:
            message = messages[index]
            return Original(message.key(), tuple(message.headers() or ()))

        stamps = map(_second, map(_timestamp, messages))
        batch = Batch(list(zip(map(_offset, messages), map(_value, messages), stamps, strict=True)), original)
        self._steps += 1
        part.state.stopwatch = time.perf_counter_ns if self._steps % 64 == 0 else None
        self._call(part, batch)
        self.progress += len(messages)

    def _call(self, part: Part, batch: Batch | None) -> None:
        self._transaction.touch(part)
        position = part.state.position
        begin = position.next
        position.now = now = max(position.now, time.time_ns() // 1_000_000)
        control = self._control()
        # After a pause or an outage the end known from before is no end: what came meanwhile must be fetched first, or
        # the idle clock would run past it.
        known = self._doubtful <= self.beat > time.monotonic() - _STOOD_STILL
        at_end = part.at_end and batch is None and known
        outputs: list[Output] = self._agent.ask(part, batch, now, control, at_end).result(self._timing.answer)
        at("stepped", role=self.stage.role, part=part, batch=batch)
        position = part.state.position
        position.now, position.partitions = now, self._counts[part.topic]
        part.steps.append(Step(now, begin, position.next, position.ruleset, position.control, at_end))
        self._transaction.add(outputs, self.stage.urgent, stirred=part.state.stirred)
        at("output", role=self.stage.role, outputs=outputs)

    def _end(self) -> None:
        touched = list(self._transaction.touched.values())
        if self._transaction.end(self._consumer) is Result.OVERTAKEN:
            # Still a member: forget what was touched and is still ours, bring it back from the log.
            owned = [part for part in touched if self.parts.get(part.name) is part]
            self._consumer.pause([TopicPartition(*part.name) for part in owned])
            self._rebuild([part.name for part in owned])

    # -- errors of the consumer ----------------------------------------------------------------------------------

    def _refused(self, message: Message, error: KafkaError) -> None:
        part = self.parts.get((message.topic() or "", -1 if message.partition() is None else message.partition()))
        code = error.code()
        if code == _EOF:
            if part is not None and part.live:
                # Below the high watermark it is only the last stable offset: a transaction is open upstream.
                _, high = self._consumer.get_watermark_offsets(TopicPartition(*part.name), cached=True)
                part.at_end, part.drained = message.offset() >= high, True
            return
        if code == _RESET:
            if part is None or not part.live:
                return  # offset 0 of the paused assignment may be gone; restore decides where to begin
            raise Ended(f"{part}: offset {part.state.position.next} is out of range: {error.str()}", MISMATCH)
        if error.fatal() or code in FENCING or code == KafkaError._MAX_POLL_EXCEEDED:
            raise KafkaException(error)
        telemetry.log.warning("consumer", role=self.stage.role, error=error.str(), code=code)

    # -- the group; these callbacks run on this thread, inside consume() and close() -----------------------------

    def _subscribe(self, *more: str) -> None:
        self._consumer.subscribe(
            [*self._inputs, *more],
            on_assign=self._kept(self._assigned),
            on_revoke=self._kept(self._revoked),
            on_lost=self._kept(self._lost),
        )

    def _kept(self, callback: Callback) -> Callback:
        """Nothing leaves a callback: the client would raise it as something that is not even a BaseException."""

        def call(consumer: Consumer, tps: list[TopicPartition]) -> None:
            try:
                callback(consumer, tps)
            except BaseException as error:
                self._leave(error)

        return call

    def _assigned(self, consumer: Consumer, tps: list[TopicPartition]) -> None:
        if grown := [f"{tp.topic}/{tp.partition}" for tp in tps if tp.partition >= self._counts[tp.topic]]:
            raise Ended(f"partitions were added: {', '.join(grown)} (see `tocsin topics check`)", MISMATCH)
        # An explicit offset: without one seek() fails for good where nothing was ever committed.
        consumer.incremental_assign([TopicPartition(tp.topic, tp.partition, 0) for tp in tps])
        if tps:
            consumer.pause(tps)
        at("assigned", role=self.stage.role, tps=tps)
        self._rebuild([(tp.topic, tp.partition) for tp in tps])

    def _rebuild(self, names: list[tuple[str, int]]) -> None:
        fresh = []
        for topic, number in names:
            entry = self._inputs[topic]
            part = Part(entry, topic, number, entry.make(number))
            self.parts[part.name] = part
            fresh.append(part)
        if fresh:
            restore.start(fresh, self._options, self._names, self._group, self._restored)

    def _revoked(self, consumer: Consumer, tps: list[TopicPartition]) -> None:
        at("revoking", role=self.stage.role)
        self._end()
        for tp in tps:
            if (part := self.parts.pop((tp.topic, tp.partition), None)) is not None:
                gauges.forget(part)
        consumer.incremental_unassign(tps)

    def _lost(self, consumer: Consumer, tps: list[TopicPartition]) -> None:
        raise Ended(f"lost {', '.join(f'{tp.topic}/{tp.partition}' for tp in tps)}", LOST)

    def _take_restored(self) -> None:
        control = self._control().position
        while not self._restored.empty():
            answer = self._restored.get()
            if not isinstance(answer, restore.Failed):
                self._waiting.append(answer)
            elif any(self.parts.get(part.name) is part for part in answer.parts):
                raise answer.error
            else:  # all were revoked meanwhile: their new owner has written what this restore did not expect
                telemetry.log.info("restore given up", parts=[str(part) for part in answer.parts])
        for part in self._waiting[:]:
            if self.parts.get(part.name) is not part:  # revoked while it was being restored
                self._waiting.remove(part)
            elif part.state.position.control <= control:  # a worker that lacks the control state in force waits
                self._waiting.remove(part)
                self._go_live(part)

    def _go_live(self, part: Part) -> None:
        position = part.state.position
        if position.partitions not in (0, self._counts[part.topic]):
            raise Ended(
                f"{part.topic} has {self._counts[part.topic]} partitions, but the state was made with "
                f"{position.partitions}: keys have moved between partitions",
                MISMATCH,
            )
        tp = TopicPartition(part.topic, part.number, position.committed)
        self._consumer.seek(tp)
        self._consumer.resume([tp])
        # The leader's thread of the client may sleep for up to a second before it sees that: a question wakes it,
        # whose answer nobody waits for.
        with suppress(KafkaException):
            self._consumer.get_watermark_offsets(tp, 0.001)
        part.live = True
        position.partitions = self._counts[part.topic]
        self._transaction.touch(part)  # proves the membership, and writes a first position
        took = time.monotonic() - part.asked
        telemetry.RESTORE_SECONDS.labels(part.input.topic, str(part.number)).set(took)
        telemetry.log.info("restored", part=str(part), position=position.committed, seconds=round(took, 2))
        at("live", role=self.stage.role, part=part)

    # -- once a second -------------------------------------------------------------------------------------------

    def _housekeep(self) -> None:
        self.lag = gauges.show(self.stage.role, self.parts.values(), self._consumer)
        if (sight := self._lookout.sight) is not None:
            if grown := {t: n for t, n in sight.counts.items() if n != self._counts[t]}:
                raise Ended(
                    f"partitions were added under a running worker: {grown}, expected "
                    f"{ {t: self._counts[t] for t in grown} } (see `tocsin topics check`)",
                    MISMATCH,
                )
            if (
                sight.orphans
                and sight.first
                and sight is not self._acted_on
                and all(p.live for p in self.parts.values())
            ):
                self._rejoins += 1
                self._acted_on = sight
                telemetry.log.warning("orphaned partitions; rejoining", parts=sorted(sight.orphans))
                at("rejoin", role=self.stage.role, orphans=sight.orphans)
                # A regex that matches nothing: joins again, and gives nothing up.
                self._subscribe(f"^{self._group}-rejoin-{self._rejoins}$")


def _is_due(part: Part, wall: int, control: int) -> bool:
    """Whether time has something to do, or a control state came that a quiet partition has not seen."""
    due = part.state.due()
    return (due is not None and due <= wall) or part.state.position.control < control
