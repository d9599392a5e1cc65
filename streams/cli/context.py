"""What commands share: the configuration, and Kafka with one clear message where it cannot be used."""

from __future__ import annotations

import getpass
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.errors import ClusterError, ConfigError

if TYPE_CHECKING:  # imported by who needs them: `tocsin --help` needs neither
    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient

    from streams.config import Config
    from streams.runtime.control import ControlReader
    from streams.runtime.names import Names

#: Where ``tocsin local up`` keeps its servers: in the working directory.
LOCAL = Path(".tocsin/local")

_quiet = logging.getLogger("tocsin.kafka")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


@dataclass
class Invocation:
    """One call of ``tocsin``: its global options. The configuration is read when first asked for."""

    config: Path | None = None
    debug: bool = False
    _loaded: Config | None = field(default=None, repr=False)

    def load(self) -> Config:
        """The configuration; where it names no Kafka, the one of ``tocsin local up`` if that runs."""
        if self._loaded is None:
            from streams.config import load_config

            self._loaded = load_config(self.config, os.environ, default_bootstrap=_local_kafka())
        return self._loaded


def _local_kafka() -> str | None:
    """The bootstrap servers of `tocsin local up`, if that runs here."""
    if not LOCAL.exists():
        return None
    from streams.local.servers import find

    local = find("kafka", LOCAL)
    return local.address if local else None


def get_config(ctx: click.Context | None = None) -> Config:
    """The configuration of the current command. Raises ConfigError with all its problems."""
    invocation = (ctx or click.get_current_context()).find_object(Invocation)
    return (invocation or Invocation()).load()


def names_of(config: Config) -> Names:
    """What things are called on the cluster."""
    from streams.runtime.names import Names

    return Names(app=config.app, prefix=config.topic_prefix)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def who(given: str | None) -> str:
    """Who asks: whom the command names, or the user."""
    return given or os.environ.get("USER") or getpass.getuser()


def kafka_options(config: Config) -> dict[str, Any]:
    """Options for any librdkafka client, secrets resolved. Raises ConfigError for a reference that leads nowhere."""
    from streams.config.references import resolved

    kafka = config.kafka
    options: dict[str, Any] = {"log_level": 2}  # what goes wrong is raised or called back; stderr is for people
    for name, value in kafka.client.items():
        options[name] = resolved(f"kafka.client.{name}", value)
    options["bootstrap.servers"] = kafka.bootstrap_servers
    if kafka.security_protocol != "PLAINTEXT":
        options["security.protocol"] = kafka.security_protocol
    if kafka.sasl is not None:
        options["sasl.mechanism"] = kafka.sasl.mechanism
        options["sasl.username"] = kafka.sasl.username
        options["sasl.password"] = resolved("kafka.sasl.password", kafka.sasl.password)
    return options


def admin(config: Config, seconds: float = 10) -> AdminClient:
    """An admin client whose cluster has answered. Raises ClusterError that tells unreachable from refused."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    seen: list[KafkaError] = []
    options = kafka_options(config)
    servers = config.kafka.bootstrap_servers
    try:
        client = AdminClient(
            {**options, "error_cb": seen.append, "socket.connection.setup.timeout.ms": 5000}, logger=_quiet
        )
    except (KafkaException, TypeError, ValueError) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) else error
        raise ConfigError(f"Kafka's client refuses its options: {said}", "correct kafka.client") from None
    until = time.monotonic() + seconds
    while True:
        try:
            client.list_topics(timeout=1)
        except KafkaException as error:
            client.poll(0.1)
            if verdict := _verdict(seen, servers):
                raise verdict from None
            if time.monotonic() > until:
                raise _unreachable(servers, [*seen, error.args[0]]) from None
        else:
            return client


@contextmanager
def control() -> Iterator[ControlReader]:
    """The control state of the cluster, read to its end and followed. Raises ClusterError."""
    from streams.runtime.control import ControlReader
    from streams.telemetry import configure_logging

    config = get_config()
    configure_logging("critical")  # what a worker would say of the records; stdout is the command's own
    admin(config)
    reader = ControlReader(kafka_options(config), names_of(config))
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


def _verdict(seen: list[KafkaError], servers: str) -> ClusterError | None:
    """What is clear without waiting longer."""
    from confluent_kafka import KafkaError

    for error in seen:
        if error.code() in {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}:
            return ClusterError(
                f"Kafka at {servers} refuses the credentials: {_cause(error)}",
                "check kafka.sasl (mechanism, username, password) and kafka.security_protocol",
            )
        if error.code() == KafkaError._SSL:
            return ClusterError(
                f"no TLS with Kafka at {servers}: {_cause(error)}",
                "check kafka.security_protocol, and ssl.ca.location under kafka.client",
            )
    if any(error.code() == KafkaError._ALL_BROKERS_DOWN for error in seen):
        return _unreachable(servers, seen)
    return None


def _unreachable(servers: str, seen: list[KafkaError]) -> ClusterError:
    from confluent_kafka import KafkaError

    causes = [_cause(error) for error in seen if error.code() != KafkaError._ALL_BROKERS_DOWN]
    why = f": {causes[0]}" if causes else ""
    if _accepts(servers):
        return ClusterError(
            f"something at {servers} accepts connections, but does not answer as the Kafka we expect{why}",
            "check kafka.security_protocol (a listener wants TLS, a login, or neither), and that the port is Kafka's",
        )
    return ClusterError(
        f"cannot reach Kafka at {servers}{why}",
        "check kafka.bootstrap_servers (or KAFKA_BOOTSTRAP_SERVERS); `tocsin local up` starts one here",
    )


def _accepts(servers: str) -> bool:
    """Whether any of the addresses takes a TCP connection."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition("://")[2].rpartition(":")
        try:
            socket.create_connection((host.strip("[]") or port, int(port) if host else 9092), 1).close()
        except (OSError, ValueError):
            continue
        return True
    return False


def _cause(error: KafkaError) -> str:
    """What librdkafka says, without the thread names and timings around it."""
    text: str = error.str()
    return re.sub(r"^(?:\S+: )?\S*:\d+/\S+: |^\S+:\d+/\S+: | \(after .*| \(.* in state .*", "", text)[:300]
