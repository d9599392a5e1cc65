"""A real Apache Kafka on this machine: one broker, or a cluster of three for fault tests."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.errors import TocsinError
from streams.local import process
from streams.local.distribution import class_path, java

SASL_USER, SASL_PASSWORD = "tocsin", "tocsin-secret"  # of the optional SASL/PLAIN listener

_quiet = logging.getLogger("tocsin.local.kafka")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False

# What both a single broker and a cluster use: small, quick to start, quick to notice a death.
_SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
    "log.retention.ms": "-1",  # of topics that say nothing: what is tried here is often older than a week
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "1",
    "offsets.topic.segment.bytes": "10485760",
    "transaction.state.log.segment.bytes": "10485760",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.cleaner.io.buffer.size": "131072",
    "log.cleaner.backoff.ms": "1000",
    "log.index.size.max.bytes": "1048576",
    "controlled.shutdown.max.retries": "1",
}
_UTF8 = {"LC_ALL": "C.UTF-8"}  # or Java cannot open a path that is not ASCII
_LOGGING = """status=warn
rootLogger.level=warn
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m (%c)%n
"""


def _escaped(value: str) -> str:
    """As Java reads properties: Latin-1, with escapes for all else."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
    return "".join(chr(code) if 31 < code < 127 else f"\\u{code:04x}" for code in codes)


def container_settings(port: int) -> dict[str, str]:
    """The same settings as environment variables of the image ``apache/kafka``, one broker, reached at ``port``."""
    settings = {
        **{key: value for key, value in _SETTINGS.items() if key != "sasl.enabled.mechanisms"},
        "node.id": "1",
        "controller.quorum.voters": "1@localhost:9093",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }
    return {"KAFKA_" + key.upper().replace(".", "_"): value for key, value in settings.items()}


class LocalKafka:
    """Brokers 1 … ``brokers`` (1 or 3) with data and logs under ``directory``, for ``start`` and ``stop`` or ``with``.

    Three brokers replicate three-fold and need two in sync. ``sasl`` adds a SASL/PLAIN listener. The directory keeps
    ports and data, so that a cluster that was stopped comes back as it was. Unless ``detached``, the brokers end with
    the process that started them, however that one ends.
    """

    def __init__(self, directory: Path, brokers: int = 1, *, sasl: bool = False, detached: bool = False) -> None:
        if brokers not in (1, 3):
            raise TocsinError(f"a local Kafka has 1 or 3 brokers, not {brokers}")
        if "," in str(directory.absolute()):
            raise TocsinError(f"Kafka cannot keep its data under a path with a comma: {directory}", "work elsewhere")
        self.directory = directory.absolute()
        self.brokers = brokers
        self.sasl = sasl
        self.detached = detached
        self._ports: dict[str, list[int]] = {}

    @property
    def bootstrap(self) -> str:
        """Addresses for ``bootstrap.servers``."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports["broker"])

    @property
    def sasl_bootstrap(self) -> str:
        """Addresses of the SASL_PLAINTEXT listeners; user and password are ``SASL_USER`` and ``SASL_PASSWORD``."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports["sasl"])

    def start(self, seconds: float = 60) -> Self:
        """Start what does not run yet, and wait until every broker answers. Raises TocsinError with the log's end."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.detached:
            process.guard(self.directory)
        for attempt in range(3):
            self._configure(fresh_ports=attempt > 0)
            try:
                for n in range(1, self.brokers + 1):
                    self._launch(n)
                for n in range(1, self.brokers + 1):
                    process.wait_for_port(self._home(n), "kafka", self._ports["broker"][n - 1], seconds)
                self._wait_until_ready(seconds)
            except TocsinError as error:
                self.stop(grace=0)
                if "Address already in use" not in error.message or attempt == 2:
                    raise
            else:
                return self
        raise AssertionError("unreachable")

    def stop(self, grace: float = 10.0) -> None:
        """Stop all brokers; with ``grace`` 0 at once, as data that nobody needs again allows."""
        self.stop_all(self.directory, grace)

    @staticmethod
    def stop_all(directory: Path, grace: float = 10.0) -> None:
        """Stop the brokers that were started under ``directory``."""
        homes = sorted(directory.absolute().glob("broker-*"))
        for home in homes:
            if grace and (pid := process.running(home, "kafka")):
                process.send(pid, signal.SIGTERM)  # all at once: a controlled shutdown waits for the others
        for home in homes:
            process.stop(home, "kafka", grace)

    def kill_broker(self, n: int) -> None:
        """SIGKILL broker ``n`` (from 1)."""
        process.stop(self._home(n), "kafka", grace=0)

    def stop_broker(self, n: int, grace: float = 30.0) -> None:
        """Stop broker ``n`` in good order: it hands its leaderships over first."""
        process.stop(self._home(n), "kafka", grace)

    def start_broker(self, n: int, seconds: float = 60) -> None:
        """Start broker ``n`` again, on its old port, and wait until all that run see each other."""
        self._launch(n)
        process.wait_for_port(self._home(n), "kafka", self._ports["broker"][n - 1], seconds)
        self._wait_until_ready(seconds)

    @property
    def running(self) -> list[int]:
        """Numbers of the brokers that run."""
        return [n for n in range(1, self.brokers + 1) if process.running(self._home(n), "kafka")]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(grace=0)

    def _home(self, n: int) -> Path:
        return self.directory / f"broker-{n}"

    def _configure(self, *, fresh_ports: bool) -> None:
        """Choose ports (those of last time if they are free or ours), and write what every broker reads."""
        state = self.directory / "cluster.json"
        known: Mapping[str, Any] = json.loads(state.read_text()) if state.exists() else {}
        if known and known["brokers"] != self.brokers:
            raise TocsinError(
                f"{self.directory} holds a cluster of {known['brokers']}, not {self.brokers}",
                "remove it (`tocsin local down --clean`) or use another directory",
            )
        roles = ("broker", "controller", "sasl")
        ports = {role: list(known["ports"][role]) for role in roles} if known else {}
        usable = all(process.is_free(ports[role][n - 1]) for role in roles for n in self._stopped()) if ports else False
        if fresh_ports or not usable:
            chosen = process.free_ports(3 * self.brokers)
            ports = {role: chosen[i :: len(roles)] for i, role in enumerate(roles)}
        cluster = known.get("cluster") or base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode().replace("-", "a")
        self._ports = ports
        state.write_text(json.dumps({"brokers": self.brokers, "cluster": cluster, "ports": ports}))
        for n in self._stopped():
            self._write_settings(n)
        self._format([n for n in self._stopped() if not (self._home(n) / "data" / "meta.properties").exists()], cluster)

    def _stopped(self) -> list[int]:
        return [n for n in range(1, self.brokers + 1) if not process.running(self._home(n), "kafka")]

    def _write_settings(self, n: int) -> None:
        home, ports = self._home(n), self._ports
        home.mkdir(exist_ok=True)
        listeners = {"PLAINTEXT": ports["broker"][n - 1]} | (
            {"SASL_PLAINTEXT": ports["sasl"][n - 1]} if self.sasl else {}
        )
        told = ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())
        replicas, in_sync = str(self.brokers), str(min(2, self.brokers))
        settings = {
            **_SETTINGS,
            "node.id": str(n),
            "controller.quorum.voters": ",".join(
                f"{i}@127.0.0.1:{port}" for i, port in enumerate(ports["controller"], start=1)
            ),
            "listeners": f"{told},CONTROLLER://127.0.0.1:{ports['controller'][n - 1]}",
            "advertised.listeners": told,
            "log.dirs": str(home / "data"),
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{SASL_USER}="{SASL_PASSWORD}";'
            ),
        }
        (home / "server.properties").write_text(
            "".join(f"{key}={_escaped(value)}\n" for key, value in settings.items())
        )
        (home / "log4j2.properties").write_text(_LOGGING)

    def _format(self, brokers: list[int], cluster: str) -> None:
        """Write the cluster's id into empty data directories, side by side."""
        running = []
        for n in brokers:
            command = [
                java(),
                "-XX:TieredStopAtLevel=1",
                *self._java(self._home(n)),
                "kafka.tools.StorageTool",
                "format",
                "-t",
                cluster,
            ]
            command += ["-c", str(self._home(n) / "server.properties")]
            running.append(
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **_UTF8}
                )
            )
        said = [tool.communicate()[0] for tool in running]
        if wrong := [text for text, tool in zip(said, running, strict=True) if tool.returncode]:
            raise TocsinError(
                f"cannot format the data of {self.directory}:\n{wrong[0][-2000:]}", "does java start at all?"
            )

    def _java(self, home: Path) -> list[str]:
        return [f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}", "-cp", class_path()]

    def _launch(self, n: int) -> None:
        home = self._home(n)
        if process.running(home, "kafka") is None:
            heap = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"]
            command = [java(), *heap, *self._java(home), "kafka.Kafka", str(home / "server.properties")]
            process.start(home, "kafka", command, env=_UTF8)

    def _wait_until_ready(self, seconds: float) -> None:
        """Until every running broker is known to the others and a topic could be made."""
        expected = len(self.running)
        until = time.monotonic() + seconds
        address = ",".join(f"127.0.0.1:{self._ports['broker'][n - 1]}" for n in self.running)
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.ms": 20}, logger=_quiet)
        while True:
            try:
                cluster = admin.list_topics(timeout=1)
                if len(cluster.brokers) >= expected and cluster.controller_id >= 0:
                    return
            except KafkaException:
                pass
            for n in range(1, self.brokers + 1):
                if len(self.running) < expected:
                    tail = process.log_tail(self._home(n), "kafka")
                    raise TocsinError(f"broker {n} of {self.directory} ended while it started.\n{tail}")
            if time.monotonic() > until:
                raise TocsinError(
                    f"Kafka in {self.directory} is not ready after {seconds:.0f} s", "see broker-*/kafka.log"
                )
            time.sleep(0.05)
