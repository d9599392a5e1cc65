"""A DELIVER role on a real Kafka, for tests: topics, producers, and what came out. Run as a module it is a worker."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.model import Alert, Notification
from streams.runtime import deliver, sink_source
from streams.runtime.names import Names

TOPICS = ("notifications", "alerts", "deliveries", "alert-input", "dead-letter")


class Bench:
    """``prefix`` makes the topics this test's own."""

    def __init__(self, kafka: str, prefix: str, data_dir: Path, partitions: int = 2) -> None:
        self.kafka, self.prefix, self.data_dir = kafka, prefix, data_dir
        self.options: dict[str, Any] = {"bootstrap.servers": kafka, "log_level": 0}
        self.names = Names("t", prefix)
        admin = AdminClient(self.options)
        for done in admin.create_topics([NewTopic(prefix + name, partitions, 1) for name in TOPICS]).values():
            done.result(20)
        self._producer = Producer({**self.options, "partitioner": "murmur2_random", "linger.ms": 0})

    def notify(self, *notes: Notification) -> None:
        for note in notes:
            self.send("notifications", note.alert_id.encode(), msgspec.json.encode(note))
        self.flush()

    def store(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.send("alerts", alert.id.encode(), msgspec.json.encode(alert))
        self.flush()

    def send(self, topic: str, key: bytes | None, value: bytes | None, **more: Any) -> None:
        self._producer.produce(self.prefix + topic, value, key, **more)

    def flush(self) -> None:
        assert self._producer.flush(20) == 0

    def read(self, topic: str) -> list[dict[str, Any]]:
        """Everything on a topic now, with the record's key as ``_key``."""
        consumer = Consumer(
            {**self.options, "group.id": "reader", "enable.partition.eof": True, "auto.offset.reset": "earliest"}
        )
        name = self.prefix + topic
        numbers = consumer.list_topics(name, 10).topics[name].partitions
        consumer.assign([TopicPartition(name, number, 0) for number in numbers])
        found, ended = [], 0
        while ended < len(numbers):
            message = consumer.poll(10)
            assert message is not None
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ended += 1
            else:
                found.append(json.loads(message.value() or b"null") | {"_key": (message.key() or b"").decode()})
        consumer.close()
        return found

    def committed(self, sink: str, topic: str = "notifications") -> int:
        """The sum of the sink's committed offsets; -1 where a partition has none."""
        consumer = Consumer({**self.options, "group.id": self.names.group(f"deliver-{sink}")})
        name = self.prefix + topic
        numbers = consumer.list_topics(name, 10).topics[name].partitions
        offsets = [tp.offset for tp in consumer.committed([TopicPartition(name, number) for number in numbers], 10)]
        consumer.close()
        return -1 if min(offsets) < 0 else sum(offsets)

    @contextmanager
    def role(self, *sinks: dict[str, Any], worker: str = "0", **environ: str) -> Iterator[deliver.DeliverRole]:
        role = deliver.DeliverRole(sinks, self.options, self.names, worker, data_dir=self.data_dir, environ=environ)
        role.start()
        try:
            yield role
        finally:
            role.stop(5)


def eventually(look: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What ``look`` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def up(role: deliver.DeliverRole, *names: str) -> None:
    """Wait until the sinks have their partitions."""
    try:
        eventually(lambda: all(role.health()[name]["state"] == "up" for name in names))
    except AssertionError:
        raise AssertionError(f"not up: {role.health()}") from None


def main() -> None:
    """A worker in its own process. It kills itself when the first sink passes a point for the ``nth`` time."""
    kafka, prefix, data_dir, sinks, kill_at, nth = sys.argv[1:7]
    first, passed = json.loads(sinks)[0]["name"], 0

    def at(point: str, **context: Any) -> None:
        nonlocal passed
        if point == kill_at and context["sink"] == first:
            passed += 1
            if passed == int(nth):
                os.kill(os.getpid(), signal.SIGKILL)

    vars(sink_source)["at"] = at
    options = {"bootstrap.servers": kafka, "log_level": 0}
    role = deliver.DeliverRole(json.loads(sinks), options, Names("t", prefix), "0", data_dir=Path(data_dir))
    role.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0 if role.stop(5) else 1))
    while True:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
