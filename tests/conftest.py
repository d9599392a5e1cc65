"""Real servers for every test: started by the first test that asks, shared by all workers, gone with the session."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.local.guard import remove_data
from streams.local.kafka import LocalKafka
from streams.local.servers import VARIABLES, Server, provide, stop

_ROOT = "TOCSIN_TEST_SERVERS"  # where this session's servers are; inherited by xdist's workers
_PARENT = "TOCSIN_TEST_SESSION"  # the process whose end is the session's


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[_ROOT] = tempfile.mkdtemp(prefix="tocsin-test-")
        os.environ[_PARENT] = str(os.getpid())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    logs = Path(os.environ[_ROOT])
    if exitstatus and not hasattr(config, "workerinput") and any(logs.iterdir()):
        terminalreporter.write_line(f"logs of the servers: {logs}")
        config.stash[_keep] = True


_keep: pytest.StashKey[bool] = pytest.StashKey()


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _ROOT not in os.environ:
        return
    root = Path(os.environ.pop(_ROOT))
    for kind in VARIABLES:
        stop(kind, root, grace=0)
        remove_data(root / kind)
    if not config.stash.get(_keep, False):
        shutil.rmtree(root, ignore_errors=True)


def _server(kind: str) -> Server:
    return provide(kind, Path(os.environ[_ROOT]), parent=int(os.environ[_PARENT]))


@pytest.fixture(scope="session")
def kafka_server() -> Server:
    """The session's Kafka, with where it comes from."""
    return _server("kafka")


@pytest.fixture(scope="session")
def kafka(kafka_server: Server) -> str:
    """Bootstrap servers of the session's Kafka (one broker)."""
    return kafka_server.address


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of the session's PostgreSQL."""
    return _server("postgres").address


@pytest.fixture(scope="session")
def redis_url() -> str:
    """URL of the session's Redis."""
    return _server("redis").address


@pytest.fixture(scope="module")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """Three brokers of this module's own: kill and start them at will."""
    with LocalKafka(tmp_path_factory.mktemp("kafka-cluster"), brokers=3) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka_with_passwords(kafka_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a SASL_PLAINTEXT listener; see ``streams.local.kafka.SASL_USER``."""
    if kafka_server.sasl:
        yield kafka_server.sasl
    else:
        with LocalKafka(tmp_path_factory.mktemp("kafka-sasl"), sasl=True) as own:
            yield own.sasl_bootstrap


@pytest.fixture
def topics(kafka: str) -> Iterator[str]:
    """A topic prefix nobody else uses; the topics that carry it are removed afterwards."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    prefix = f"t{uuid.uuid4().hex[:10]}."
    yield prefix
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    try:
        mine = [name for name in admin.list_topics(timeout=5).topics if name.startswith(prefix)]
        for done in admin.delete_topics(mine).values() if mine else ():
            done.exception(10)
    except KafkaException:
        pass  # a broker that a test has hurt takes its topics along
