"""One way to a server for everybody: the address in the environment, else a container, else the server from pip.

``provide`` is idempotent and may be called by several processes at once; they get the same server.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from streams.local import docker, postgres, process, redis
from streams.local.distribution import locked
from streams.local.guard import remove_data
from streams.local.kafka import LocalKafka

#: What there is, and the environment variable that names one that already runs.
VARIABLES = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "postgres": "POSTGRES_URL", "redis": "REDIS_URL"}


@dataclass(frozen=True)
class Server:
    """``address`` is what its clients want (bootstrap servers, or a URL); ``origin`` environment, docker or pip."""

    kind: str
    address: str
    origin: str
    directory: str = ""  #: data and logs
    brokers: int = 1
    sasl: str = ""  #: bootstrap servers of the SASL/PLAIN listener, where there is one


def provide(
    kind: str, root: Path, *, brokers: int = 1, parent: int | None = None, environ: Mapping[str, str] = os.environ
) -> Server:
    """The server of that kind, started if need be under ``root``; it stays when this process ends.

    With ``parent`` it ends, and its data with it, when that process does. Raises TocsinError where it cannot start.
    """
    if address := environ.get(VARIABLES[kind]):
        return Server(kind, address, "environment")
    directory = root.absolute() / kind
    directory.mkdir(parents=True, exist_ok=True)
    with locked(root / f"{kind}.lock"):
        if found := _recorded(kind, root):
            return found
        if parent is not None:
            process.guard(directory, parent, remove_data=True)
        if brokers == 1 and docker.answers():
            try:
                return _record(root, Server(kind, docker.start(kind, directory), "docker", str(directory)))
            except Exception as error:  # an image that cannot be pulled, a full disk: pip is the way out
                docker.stop(directory)
                print(f"no {kind} from Docker ({type(error).__name__}: {str(error)[:200]}); taking the one from pip",
                      file=sys.stderr)  # fmt: skip
        if kind == "kafka":
            cluster = LocalKafka(directory, brokers, sasl=True, detached=True).start()
            server = Server(kind, cluster.bootstrap, "pip", str(directory), brokers, cluster.sasl_bootstrap)
        else:
            start = postgres.start if kind == "postgres" else redis.start
            server = Server(kind, start(directory), "pip", str(directory))
        return _record(root, server)


@contextmanager
def kafka(brokers: int = 1) -> Iterator[str]:
    """Bootstrap servers of a Kafka for one programme: it is gone when the block, or the process, ends."""
    with tempfile.TemporaryDirectory(prefix="tocsin-kafka-", ignore_cleanup_errors=True) as directory:
        server = provide("kafka", Path(directory), brokers=brokers, parent=os.getpid())
        try:
            yield server.address
        finally:
            stop("kafka", Path(directory), grace=0)


def find(kind: str, root: Path) -> Server | None:
    """The server that was started under ``root`` and runs, if any."""
    try:
        return _recorded(kind, root)
    except OSError:
        return None


def stop(kind: str, root: Path, grace: float = 10.0, *, clean: bool = False) -> bool:
    """Stop the server under ``root``; ``clean`` removes its data and logs too. Whether one was running."""
    directory = root.absolute() / kind
    if not directory.exists():
        return False
    with locked(root / f"{kind}.lock"):
        found = _recorded(kind, root)
        if (directory / "container").exists():
            docker.stop(directory)
        elif kind == "kafka":
            LocalKafka.stop_all(directory, grace)
        else:
            (postgres if kind == "postgres" else redis).stop(directory, grace)
        (directory / "server.json").unlink(missing_ok=True)
        if clean:
            remove_data(directory)  # PostgreSQL's may be elsewhere
            shutil.rmtree(directory, ignore_errors=True)
    return found is not None


def _record(root: Path, server: Server) -> Server:
    file = root.absolute() / server.kind / "server.json"
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(server)))
    part.replace(file)
    return server


def _recorded(kind: str, root: Path) -> Server | None:
    directory = root.absolute() / kind
    try:
        server = Server(**json.loads((directory / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if server.origin == "docker":
        return server if docker.running(directory) else None
    if kind == "kafka":
        homes = sorted(directory.glob("broker-*"))
        return server if homes and all(process.running(home, "kafka") for home in homes) else None
    return server if process.running(directory, kind) else None
