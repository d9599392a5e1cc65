"""What one sink writes to Kafka: the outcome of every attempt, commands for what failed for good, dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from prometheus_client import Histogram

from connectors.base import Item, Origin
from connectors.schedule import Settled
from streams import telemetry
from streams.codec.outputs import PLAIN, Wire
from streams.model import Action, Command, DeadReason, Delivery, Outcome, Reason, content_hash, position
from streams.model.dead import dead_letter
from streams.runtime.names import Names
from streams.runtime.points import at

_encode = msgspec.json.Encoder().encode
STAGES = (
    "event_to_alert", "alert_to_notification", "notification_to_sent", "sent_to_delivered", "event_to_delivered",
)  # fmt: skip
Headers = tuple[tuple[str, bytes | None], ...]


class SinkWriter:
    """Idempotent, acks=all. ``report`` and ``bury`` queue; only after ``flush`` may an offset be committed."""

    def __init__(
        self, sink: str, options: Mapping[str, Any], names: Names, count: Callable[[str], None], wire: Wire = PLAIN
    ) -> None:
        self._sink, self._names, self._count = sink, names, count
        self._wire = wire
        self._options = {
            **options,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
        }
        self._counted = {outcome: telemetry.DELIVERIES.labels(sink, outcome.value) for outcome in Outcome}
        self._timed: list[Histogram] = []  # of the stages, once there is something to tell
        self._producer: Producer | None = None
        self._failed: KafkaError | None = None

    def connect(self) -> None:
        self._producer = Producer(self._options)

    def report(self, settled: Settled, delivery: Delivery | None) -> None:
        """A record of the attempt; of what failed for good a dead letter, and of a notification a command to its alert.

        None stands for a record of another topic: the ledger is not told, or it would grow by being stored.
        """
        if delivery is None:
            self._count(settled.outcome.value)
            self._counted[settled.outcome].inc()
            if settled.outcome in (Outcome.REJECTED, Outcome.FAILED):
                self.bury(settled.item.origin, settled.error, DeadReason.FAILED, settled.item.raw)
            return
        at("attempted", sink=self._sink, key=delivery.notification_id, outcome=delivery.outcome.value)
        self._count(delivery.outcome.value)
        self._counted[delivery.outcome].inc()
        self._observe(_stages(settled, delivery))
        self._write("deliveries", delivery.alert_id, self._wire.write("deliveries", _encode(delivery)))
        if delivery.outcome not in (Outcome.REJECTED, Outcome.FAILED):
            return
        telemetry.log.warning("delivery failed", sink=self._sink, alert=delivery.alert_id, error=delivery.error)
        item = settled.item
        self.bury(
            item.origin, delivery.error, DeadReason.FAILED, item.raw, delivery.alert_id.encode("utf-8", "replace")
        )
        note = item.notification if isinstance(item, Item) else None
        if note is None:
            return
        command = Command(
            id=content_hash("delivery_failed", note.id),
            action=Action.DELIVERY_FAILED,
            alert_id=note.alert_id,
            tenant=note.tenant,
            by=f"deliver:{self._sink}",
            at=delivery.at,
            note=delivery.error,
            metadata={"told_at": note.at},
            notification_id=note.id,
            receiver=note.receiver,
        )
        self._write("alert-input", command.tenant, _encode(command))

    def bury(
        self,
        origin: Origin,
        error: BaseException | str,
        reason: DeadReason,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> None:
        """A dead letter for a record that this sink will never take."""
        self._count("buried")
        telemetry.DEAD.labels(self._sink, reason.value).inc()
        where = position(*origin)
        letter = dead_letter(
            stage=f"deliver:{self._sink}",
            origin=where,
            reason=reason,
            error=error,
            at=time.time_ns() // 1_000_000,
            value=value,
            key=key,
            headers=headers,
        )
        self._write("dead-letter", where, _encode(letter))

    def check(self) -> None:
        """Serve acknowledgements; raise if a record could not be written."""
        if self._producer is not None:
            self._producer.poll(0)
        if self._failed is not None:
            raise KafkaException(self._failed)

    def flush(self) -> None:
        """Everything written so far is on the brokers, or this raises."""
        if self._producer is not None and self._producer.flush(10):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "deliveries could not be written in 10 s"))
        self.check()

    def close(self) -> None:
        if self._producer is not None:
            self._producer.flush(5)

    def _observe(self, stages: tuple[int, ...]) -> None:
        if stages and not self._timed:  # looked up once: by their labels that costs as much as observing
            self._timed = [telemetry.STAGE_SECONDS.labels(stage, self._sink) for stage in STAGES]
        for histogram, ms in zip(self._timed, stages, strict=False):
            histogram.observe(max(0, ms) / 1000)

    def _write(self, topic: str, key: str, value: bytes) -> None:
        if self._producer is None:
            raise RuntimeError("not connected")
        while True:
            try:
                self._producer.produce(
                    self._names.topic(topic), value, key.encode("utf-8", "replace"), on_delivery=self._wrote
                )
                return
            except BufferError:  # full: Kafka is slow, and so are we then
                self._producer.poll(0.05)

    def _wrote(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed = error


def _stages(settled: Settled, delivery: Delivery) -> tuple[int, ...]:
    """Ms of each of STAGES, for what is told of for the first time; a re-drive comes late by intent."""
    note = settled.item.notification if isinstance(settled.item, Item) else None
    if delivery.outcome is not Outcome.DELIVERED or note is None or note.reason is not Reason.NEW or note.redriven:
        return ()
    event, created, sent = note.alert.event_time, note.alert.created_at, delivery.at - delivery.latency_ms
    return created - event, note.at - created, sent - note.at, delivery.at - sent, delivery.at - event
