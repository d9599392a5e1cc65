"""Asking something of an alert: find it on its topic, write the command, wait for what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.codec.outputs import PLAIN, Wire
from streams.errors import ClusterError
from streams.model import Alert, Command, Operation, position
from streams.model.partitioner import partition_of
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks

_alert = msgspec.json.Decoder(Alert).decode
_operation = msgspec.json.Decoder(Operation).decode


class _Id(msgspec.Struct):
    id: str


_id = msgspec.json.Decoder(_Id).decode


class Desk:
    """Short work on the cluster for a person: every method opens what it needs, and closes it."""

    def __init__(self, options: Mapping[str, Any], names: Names, wire: Wire = PLAIN) -> None:
        self._options, self._names, self._wire = dict(options), names, wire

    def versions(self, alert_id: str) -> list[tuple[Alert, str]]:
        """Every retained version of an alert, oldest first, with its position; reads its partition from the start."""
        topic = self._names.topic("alerts")
        found: dict[int, tuple[Alert, str]] = {}
        consumer = self._reader()
        try:
            number = partition_of(alert_id.encode(), _partitions(consumer, topic))
            needle = alert_id.encode()
            for message in _to_the_end(consumer, topic, number):
                value = message.value()
                if message.key() != needle or value is None:
                    continue
                value = self._wire.json("alerts", value)
                if _is(value, alert_id):
                    alert = _alert(value)
                    found.setdefault(alert.version, (alert, position("alerts", number, message.offset() or 0)))
        finally:
            consumer.close()
        return [found[version] for version in sorted(found)]

    def send(self, command: Command, wait: float | None = None) -> Operation | None:
        """Write a command. With ``wait`` (seconds): what became of it, None where nothing was heard in that time."""
        listener = self._listen() if wait is not None else None
        try:
            self._write(command)
            return None if listener is None or wait is None else _heard(listener, command.id, wait)
        finally:
            if listener is not None:
                listener.close()

    def _write(self, command: Command) -> None:
        topic, failures = self._names.topic("alert-input"), []
        producer = Producer(
            {
                **self._options,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "message.timeout.ms": 10_000,
            }
        )
        _partitions(producer, topic)  # says at once that there is none, instead of trying for 10 s
        producer.produce(
            topic,
            msgspec.json.encode(command),
            command.tenant.encode(),
            on_delivery=lambda error, _: failures.append(error) if error is not None else None,
        )
        if producer.flush(15) or failures:
            why = f": {failures[0].str()}" if failures else " within 15 s"
            raise ClusterError(f"the command could not be written to {topic}{why}", "run `tocsin topics check`")

    def _listen(self) -> Consumer:
        """A consumer that stands at the end of every partition of ``operations``, before the command is written."""
        topic = self._names.topic("operations")
        consumer = self._reader()
        try:
            starts = []
            for number in range(_partitions(consumer, topic)):
                high = watermarks(consumer, TopicPartition(topic, number))[1]
                starts.append(TopicPartition(topic, number, high))
            consumer.assign(starts)
        except BaseException:
            consumer.close()
            raise
        return consumer

    def _reader(self) -> Consumer:
        return Consumer(
            {
                **self._options,
                "group.id": f"{self._names.prefix}{self._names.app}-desk",  # never joined: assigned by hand
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )


def _partitions(client: Consumer | Producer, topic: str) -> int:
    try:
        found = client.list_topics(topic, 10).topics[topic]
    except KafkaException as error:
        raise ClusterError(f"cannot look up {topic}: {error.args[0].str()}") from None
    if found.error is not None or not found.partitions:
        raise ClusterError(f"there is no topic {topic}", "run `tocsin topics create`")
    return len(found.partitions)


def _to_the_end(consumer: Consumer, topic: str, number: int) -> Iterator[Message]:
    """All records of a partition up to where it ended when we began."""
    low, high = watermarks(consumer, TopicPartition(topic, number))
    if low >= high:
        return
    consumer.assign([TopicPartition(topic, number, low)])
    while True:
        messages = consumer.consume(5000, 0.2)
        for message in messages:
            error = message.error()
            if error is None:
                yield message
                if (message.offset() or 0) >= high - 1:
                    return
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            elif not error.retriable() and error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                raise KafkaException(error)


def _is(value: bytes, alert_id: str) -> bool:
    try:
        return _id(value).id == alert_id
    except msgspec.DecodeError:
        return False


def _heard(consumer: Consumer, command_id: str, seconds: float) -> Operation | None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        message = consumer.poll(min(left, 0.5))
        if message is None or message.error() is not None:
            continue
        try:
            operation = _operation(message.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if operation.command_id == command_id:
            return operation
    return None
