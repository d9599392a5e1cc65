"""Where a fault is played: topics of its own, the DELIVER role in a process that can be killed, servers on a thread."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.testing import SECRET, Receiver, sample_notification
from streams.model import Notification
from tests.integration.test_redrive import Place
from tests.serving import Serving

BYSTANDER = "bystander"
_FIRST_OF_BYSTANDER = 900_000_000


class Ground(Place):
    """``start`` and ``kill`` the worker as often as a fault wants. A good sink is beside every bad one."""

    def __init__(self, kafka: str, prefix: str, data_dir: Path) -> None:
        super().__init__(kafka, prefix, data_dir)
        self._serving = Serving()
        self.serve, self.on_loop = self._serving.serve, self._serving.on_loop
        self._admin = AdminClient(self.options)
        self._worker: subprocess.Popen[bytes] | None = None
        self._sinks: list[dict[str, Any]] = []
        self._environ: dict[str, str] = {}
        self._calling = threading.Event()
        self._leaving: list[Callable[[], object]] = []
        self._further = count(800_000_000, 1000)
        self.bystander = self.serve(Receiver())

    # -- servers -------------------------------------------------------------------------------------------------

    def leave(self, do: Callable[[], object]) -> None:
        """At ``close``, when the worker is gone."""
        self._leaving.append(do)

    def close(self) -> None:
        self._calling.clear()
        self._end(signal.SIGKILL)
        for leave in reversed(self._leaving):
            leave()
        self._serving.close()

    # -- the worker ----------------------------------------------------------------------------------------------

    def configure(self, sinks: list[dict[str, Any]], **environ: str) -> None:
        """What the worker is started with, besides the bystander."""
        good = {"name": BYSTANDER, "type": "webhook", "url": self.bystander.url, "secret": "env:HOOK"}
        self._sinks = [good | {"allow_private": True}, *sinks]
        self._environ = {"HOOK": SECRET, **environ}

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.integration.delivering", self.kafka, self.prefix, str(self.data_dir)]
        with (self.data_dir / "worker.log").open("ab") as out:
            self._worker = subprocess.Popen(
                [*command, json.dumps(self._sinks), "", "0"], env=os.environ | self._environ, stdout=out, stderr=out
            )

    def kill(self) -> None:
        """SIGKILL, and it is gone."""
        assert self._end(signal.SIGKILL) == -signal.SIGKILL

    def stop(self) -> None:
        """SIGTERM: it finishes what is under way, commits, and ends with 0."""
        assert self._end(signal.SIGTERM) == 0

    def _end(self, signum: int) -> int:
        worker, self._worker = self._worker, None
        if worker is None:
            return 0
        worker.send_signal(signum)
        try:
            return worker.wait(30)
        finally:
            worker.kill()

    @property
    def said(self) -> str:
        """What the worker has logged."""
        return (self.data_dir / "worker.log").read_text(errors="replace")

    # -- traffic -------------------------------------------------------------------------------------------------

    def tell(self, notes: Iterator[Notification]) -> None:
        """Queue them all before the first is sent: the servers, on a thread beside us, then have all the time."""
        producer = Producer({**self.options, "partitioner": "murmur2_random", "linger.ms": 200})
        topic = self.prefix + "notifications"
        for one in notes:
            producer.produce(topic, msgspec.json.encode(one), one.alert_id.encode())
        assert producer.flush(60) == 0

    @contextmanager
    def calling(self, per_second: float = 50) -> Iterator[None]:
        """A steady stream of notifications for the bystander, each with the time it was sent."""
        self._calling.set()
        thread = threading.Thread(target=self._call, args=(1 / per_second,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._calling.clear()
            thread.join(10)

    def _call(self, pause: float) -> None:
        number = _FIRST_OF_BYSTANDER
        while self._calling.is_set():
            self.notify(note(number, BYSTANDER))
            number += 1
            time.sleep(pause)

    def further(self) -> int:
        """The number of an alert that nobody has told of, nor of the next thousand."""
        return next(self._further)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        name = self.prefix + topic
        return [TopicPartition(name, number) for number in self._admin.list_topics(name, 10).topics[name].partitions]

    def end_of(self, topic: str) -> int:
        """How many records the topic has had."""
        asked = {tp: OffsetSpec.latest() for tp in self._partitions(topic)}
        return sum(found.result(10).offset for found in self._admin.list_offsets(asked).values())

    def committed(self, sink: str, topic: str = "notifications") -> int:
        """As of the bench, without a consumer for each look."""
        group = self.names.group(f"deliver-{sink}")
        asked = ConsumerGroupTopicPartitions(group, self._partitions(topic))
        (found,) = self._admin.list_consumer_group_offsets([asked]).values()
        offsets = [tp.offset for tp in found.result(10).topic_partitions]
        return -1 if min(offsets) < 0 else sum(offsets)


def note(number: int, receiver: str, version: int = 1) -> Notification:
    """Caused now: the ledger tells how long it took from here."""
    return msgspec.structs.replace(
        sample_notification(number, receiver, version=version), at=time.time_ns() // 1_000_000
    )
