"""A prefix of its own on the session's Kafka, ``tocsin`` with a configuration for it, and live workers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from streams.runtime.names import Names

ROOT = Path(__file__).parents[2]
SOURCES = ("audit.events", "trade.events", "chain.events", "metric.events")


def environ() -> dict[str, str]:
    """Without what would override a configuration file."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "KAFKA_"))}


def eventually(look: Callable[[], Any], seconds: float = 60.0, what: str = "it") -> Any:
    """What ``look`` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Kept(NamedTuple):
    """A committed record; ``position`` as everywhere in Tocsin, without the prefix."""

    position: str
    key: bytes | None
    value: bytes | None

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.value or b"null"))


class Worker:
    """A process of ``tocsin run``. Its log is a file beside the configuration."""

    def __init__(self, place: Place, name: str, module: str, *args: str) -> None:
        self.place, self.log = place, place.folder / f"worker.{name}.log"
        self.log.unlink(missing_ok=True)
        command = [sys.executable, "-m", module, "--config", str(place.config), "run", "--port", "0", *args]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**environ(), "PYTHONPATH": str(ROOT)}, stdout=out, stderr=out
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages."""
        port = re.search(r"serving.* port=(\d+)", self.text)
        assert port, self.text
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Samples by name and labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of ``name`` that have all of ``labels``; -1 where there is none."""
        wanted = labels.items()
        found = [value for (other, have), value in self.metrics().items() if other == name and wanted <= have]
        return sum(found) if found else -1

    def ready(self, seconds: float = 90) -> Worker:
        """Wait until it is ready and has all partitions of every role it runs with here."""

        def is_ready() -> bool:
            assert self.process.poll() is None, f"status {self.process.returncode}\n{self.text}"
            if "serving" not in self.text:
                return False
            status, body = self.get("/readyz")
            health = json.loads(body)
            owned = {role: len(health[role]["detail"]["partitions"]) for role in ("detect", "alert") if role in health}
            sinks = [sink["state"] for sink in health.get("deliver", {"detail": {}})["detail"].values()]
            wanted = {"detect": 6 * self.place.partitions, "alert": self.place.partitions}
            return status == 200 and owned.items() <= wanted.items() and set(sinks) <= {"up"}

        try:
            eventually(is_ready, seconds, "the worker to be ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None
        return self

    def end(self, signum: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Its exit status after the signal."""
        self.process.send_signal(signum)
        return self.process.wait(seconds)


class Place:
    """Topics under ``prefix``, and everything else under ``folder``. ``more`` goes into the configuration."""

    def __init__(self, kafka: str, prefix: str, folder: Path, *, partitions: int = 2, **more: Any) -> None:
        self.options: dict[str, Any] = {"bootstrap.servers": kafka, "log_level": 2}
        self.prefix, self.folder, self.partitions = prefix, folder, partitions
        self.names = Names("e", prefix)
        self.config = folder / "tocsin.yaml"
        self.workers: list[Worker] = []
        self.settings: dict[str, Any] = {
            "kafka": {"bootstrap_servers": kafka}, "app": "e", "topic_prefix": prefix, "data_dir": str(folder / "data"),
        }  # fmt: skip
        self.configure(**more)

    def configure(self, **more: Any) -> None:
        self.settings |= more
        self.config.write_text(yaml.safe_dump(self.settings))

    def tocsin(self, *args: str, status: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """One call of the command line; it never shows a traceback."""
        command = [sys.executable, "-m", "streams.cli", "--config", str(self.config), *args]
        done = subprocess.run(
            command, cwd=ROOT, env=environ() | env, capture_output=True, text=True, timeout=150, check=False
        )
        said = f"{args}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert status is None or done.returncode == status, said
        assert "Traceback" not in done.stderr, said
        return done

    def create_topics(self) -> Place:
        self.tocsin("topics", "create", "--partitions", str(self.partitions))
        return self

    def start(self, name: str = "0", *args: str, module: str = "streams.cli") -> Worker:
        worker = Worker(self, f"{name}-{len(self.workers)}", module, "--worker-id", name, *args)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        """End the workers, remove the topics."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait(10)
        admin = AdminClient(self.options)
        mine = [name for name in admin.list_topics(timeout=10).topics if name.startswith(self.prefix)]
        for done in admin.delete_topics(mine).values() if mine else ():
            done.exception(10)

    # -- records -------------------------------------------------------------------------------------------------

    @contextmanager
    def producing(self, **more: Any) -> Iterator[Callable[..., list[str]]]:
        """``send(topic, value, key=None, …)`` gives a list that will hold the record's position, or the refusal."""
        producer = Producer({**self.options, "partitioner": "murmur2_random", "linger.ms": 0, **more})

        def send(topic: str, value: bytes | None, key: bytes | None = None, **place: Any) -> list[str]:
            where: list[str] = []

            def told(error: KafkaError | None, message: Any) -> None:
                where.append(error.name() if error else f"{topic}/{message.partition()}/{message.offset()}")

            while True:
                try:
                    producer.produce(self.names.topic(topic), value, key, on_delivery=told, **place)
                    return where
                except BufferError:
                    producer.poll(0.1)
                except KafkaException as error:  # refused before it was sent
                    return [error.args[0].name()]

        yield send
        assert producer.flush(60) == 0

    def read(self, topic: str) -> list[Kept]:
        """Every committed record of a topic up to its present end."""
        name = self.names.topic(topic)
        consumer = Consumer({
            **self.options, "group.id": "e2e-reader", "isolation.level": "read_committed", "enable.auto.commit": False,
            "enable.partition.eof": True, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
        })  # fmt: skip
        try:
            numbers = consumer.list_topics(name, 10).topics[name].partitions
            consumer.assign([TopicPartition(name, number, 0) for number in numbers])
            found, left, end = [], set(numbers), time.monotonic() + 60
            while left:
                assert time.monotonic() < end, f"{topic}: partitions {left} were never read to the end"
                for message in consumer.consume(1000, 0.2):
                    if (error := message.error()) is None:
                        at = f"{topic}/{message.partition()}/{message.offset()}"
                        found.append(Kept(at, message.key(), message.value()))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        left.discard(message.partition())
                    else:
                        raise KafkaException(error)
            return found
        finally:
            consumer.close()

    def documents(self, topic: str) -> list[dict[str, Any]]:
        return [record.json for record in self.read(topic)]

    def last_alerts(self) -> dict[str, dict[str, Any]]:
        """The last version of each alert, by id; versions have no gaps and none is written twice."""
        last: dict[str, dict[str, Any]] = {}
        for alert in self.documents("alerts"):
            before = last.get(alert["id"], {"version": 0})
            assert alert["version"] == before["version"] + 1, (before, alert)
            last[alert["id"]] = alert
        return last
