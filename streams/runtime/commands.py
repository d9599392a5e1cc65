"""Asking something of an alert: find it on its topic, write the command, wait for what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from streams.codec.outputs import PLAIN, Wire
from streams.errors import ClusterError
from streams.model import Alert, Command, Finding, Notification, Operation, position
from streams.model.partitioner import partition_of
from streams.runtime.names import Names
from streams.runtime.reading import partitions, read
from streams.runtime.waiting import watermarks

_alert = msgspec.json.Decoder(Alert).decode
_operation = msgspec.json.Decoder(Operation).decode
_notification = msgspec.json.Decoder(Notification).decode


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
            number = partition_of(alert_id.encode(), len(partitions(consumer, topic)))
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
        return self.send_all([command], wait).get(command.id)

    def send_all(self, records: Sequence[Command | Finding], wait: float | None = None) -> dict[str, Operation]:
        """Write records, those of a tenant in this order. With ``wait`` (seconds): what became of the commands among
        them, by their ids; one of which nothing was heard in that time is not in it.
        """
        waiting = {record.id for record in records if isinstance(record, Command)}
        if wait is None or not waiting:
            self._write(records)
            return {}
        listener = self._listen("operations")
        try:
            self._write(records)
            return _heard(listener, waiting, wait)
        finally:
            listener.close()

    def send_until(self, finding: Finding, is_it: Callable[[Alert], bool], wait: float) -> Alert | None:
        """Write a finding, and wait (seconds) for the version of an alert that ``is_it``."""
        listener, end = self._listen("alerts"), time.monotonic() + wait
        try:
            self._write([finding])
            while (left := end - time.monotonic()) > 0:
                message = listener.poll(min(left, 0.5))
                alert = self._alert(message) if message is not None else None
                if alert is not None and is_it(alert):
                    return alert
        finally:
            listener.close()
        return None

    def alerts(self) -> dict[str, list[Alert]]:
        """Every retained version of every alert, oldest first, by alert id: reads the whole topic."""
        found: dict[str, dict[int, Alert]] = {}
        for message in self._all("alerts"):
            if (alert := self._alert(message)) is not None:
                found.setdefault(alert.id, {}).setdefault(alert.version, alert)
        return {identity: [versions[n] for n in sorted(versions)] for identity, versions in found.items()}

    def notifications(self, about: Collection[str]) -> list[Notification]:
        """What was told of these alerts, as far as it is retained, in order of time: reads the whole topic."""
        found: list[Notification] = []
        keys = {identity.encode() for identity in about}
        for message in self._all("notifications"):
            if message.key() in keys and (value := message.value()) is not None:
                try:
                    found.append(_notification(self._wire.json("notifications", value)))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
        return sorted(found, key=lambda one: (one.at, one.id))

    def _all(self, name: str) -> Iterator[Message]:
        topic, consumer = self._names.topic(name), self._reader()
        try:
            for number in partitions(consumer, topic):
                yield from _to_the_end(consumer, topic, number)
        finally:
            consumer.close()

    def _alert(self, message: Message) -> Alert | None:
        value = message.value()
        if message.error() is not None or value is None:
            return None
        try:
            return _alert(self._wire.json("alerts", value))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _write(self, records: Sequence[Command | Finding]) -> None:
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
        partitions(producer, topic)  # says at once that there is none, instead of trying for 10 s
        for record in records:
            producer.produce(
                topic,
                msgspec.json.encode(record),
                record.tenant.encode(),
                on_delivery=lambda error, _: failures.append(error) if error is not None else None,
            )
            producer.poll(0)
        if (unsent := producer.flush(15)) or failures:
            why = f": {failures[0].str()}" if failures else " within 15 s"
            how_many = f"{unsent + len(failures)} of {len(records)} commands" if len(records) > 1 else "the command"
            raise ClusterError(f"{how_many} could not be written to {topic}{why}", "run `tocsin topics check`")

    def _listen(self, name: str) -> Consumer:
        """A consumer that stands at the end of every partition of a topic, before anything is written."""
        topic = self._names.topic(name)
        consumer = self._reader()
        try:
            starts = []
            for number in partitions(consumer, topic):
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


def _to_the_end(consumer: Consumer, topic: str, number: int) -> Iterator[Message]:
    """All records of a partition up to where it ended when we began."""
    tp = TopicPartition(topic, number)
    return read(consumer, tp, *watermarks(consumer, tp))


def _is(value: bytes, alert_id: str) -> bool:
    try:
        return _id(value).id == alert_id
    except msgspec.DecodeError:
        return False


def _heard(consumer: Consumer, waiting: Collection[str], seconds: float) -> dict[str, Operation]:
    end, heard = time.monotonic() + seconds, dict[str, Operation]()
    while (left := end - time.monotonic()) > 0 and len(heard) < len(waiting):
        message = consumer.poll(min(left, 0.5))
        if message is None or message.error() is not None:
            continue
        try:
            operation = _operation(message.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if operation.command_id in waiting:
            heard.setdefault(operation.command_id, operation)
    return heard
