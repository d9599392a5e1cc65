"""The servers as containers, where a Docker engine answers. They are removed by ``stop``, or by the guard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from streams.local import kafka, postgres, process
from streams.local.distribution import KAFKA

IMAGES = {"kafka": f"apache/kafka:{KAFKA}", "postgres": "postgres:18", "redis": "redis:7"}


def answers() -> bool:
    """Whether there is a Docker engine to ask; quick where there is none."""
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    try:
        import docker

        docker.from_env(timeout=3).ping()
    except Exception:  # docker's errors have no common base; any of them means no
        return False
    return True


def start(kind: str, directory: Path) -> str:
    """Start a container, wait until it answers, write its id to ``container`` in ``directory``; returns the URL."""
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    testcontainers_config.ryuk_disabled = True  # its containers end with this process; ours are shared by several
    port = process.free_ports(1)[0]
    container = DockerContainer(IMAGES[kind])
    if kind == "kafka":
        url, ready = f"127.0.0.1:{port}", "Kafka Server started"
        container.with_bind_ports(port, port)
        for name, value in kafka.container_settings(port).items():
            container.with_env(name, value)
    elif kind == "postgres":
        url = f"postgresql://{postgres.USER}:{postgres.PASSWORD}@127.0.0.1:{port}/{postgres.DATABASE}"
        ready = "PostgreSQL init process complete"
        container.with_bind_ports(5432, port)
        container.with_env("POSTGRES_USER", postgres.USER).with_env("POSTGRES_PASSWORD", postgres.PASSWORD)
        container.with_env("POSTGRES_DB", postgres.DATABASE)
    else:
        url, ready = f"redis://127.0.0.1:{port}/0", "Ready to accept connections"
        container.with_bind_ports(6379, port)
    container.waiting_for(LogMessageWaitStrategy(ready).with_startup_timeout(120))
    container.start()
    (directory / "container").write_text(container.get_container_id())
    return url


def running(directory: Path) -> bool:
    """Whether the container of ``directory`` runs."""
    found = _docker("inspect", "-f", "{{.State.Running}}", _id(directory))
    return found.strip() == "true"


def stop(directory: Path) -> None:
    """Remove the container of ``directory``; its log is kept beside."""
    if name := _id(directory):
        (directory / "container.log").write_text(_docker("logs", name))
        _docker("rm", "-f", "-v", name)
        (directory / "container").unlink(missing_ok=True)


def _id(directory: Path) -> str:
    try:
        return (directory / "container").read_text().strip()
    except OSError:
        return ""


def _docker(*command: str) -> str:
    program = shutil.which("docker")
    if program is None or not command[-1]:
        return ""
    done = subprocess.run([program, *command], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode and command[0] == "rm":
        print(done.stderr.strip(), file=sys.stderr)
    return done.stdout + (done.stderr if command[0] == "logs" else "")
