"""Server processes: started apart from the terminal, named by a pid file, found again and stopped later.

A server's command line carries the path of its directory, which is how a pid file is told from a pid that the
system has since given to somebody else.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.errors import TocsinError

_children: dict[int, subprocess.Popen[bytes]] = {}  # ours, so that they can be reaped


def free_ports(n: int, taken: Sequence[int] = ()) -> list[int]:
    """``n`` ports of 127.0.0.1 nobody listens on, below the range that outgoing connections use."""
    ports: list[int] = []
    for _ in range(2000):
        port = random.randint(20_000, 32_000)
        if port not in ports and port not in taken and is_free(port):
            ports.append(port)
            if len(ports) == n:
                return ports
    raise TocsinError("no free port between 20000 and 32000 on 127.0.0.1", "stop some servers: `tocsin local down`")


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on ``port``."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def start(
    directory: Path, name: str, command: Sequence[str], env: Mapping[str, str] | None = None, user: int | None = None
) -> int:
    """Start ``command`` in its own session, its output appended to ``name.log``, its pid in ``name.pid``."""
    with open(directory / f"{name}.log", "ab") as log:
        try:
            child = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory,
                start_new_session=True, env={**os.environ, **(env or {})}, user=user, group=user,
                extra_groups=None if user is None else [],
            )  # fmt: skip
        except OSError as error:
            raise TocsinError(f"cannot start {name}: {error}", f"is {command[0]} there and executable?") from error
    (directory / f"{name}.pid").write_text(f"{child.pid}\n")
    _children[child.pid] = child
    return child.pid


def running(directory: Path, name: str) -> int | None:
    """The pid of the server that ``name.pid`` in ``directory`` names, if it is alive and really that server."""
    try:
        pid = int((directory / f"{name}.pid").read_text())
    except (OSError, ValueError):
        return None
    child = _children.get(pid)
    if child is not None:
        return pid if child.poll() is None else None
    for _ in range(5):
        line = command_line(pid)
        if line:
            return pid if str(directory) in line else None
        time.sleep(0.005)  # in the middle of its exec there is none for a moment
    return None


def command_line(pid: int) -> str:
    """The command line of a live process, else nothing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout


def stop(directory: Path, name: str, grace: float = 10.0, first: signal.Signals = signal.SIGTERM) -> None:
    """Ask the server to stop, and kill it after ``grace`` seconds (at once if 0). No error if it isn't running."""
    pid = running(directory, name)
    if pid is not None:
        send(pid, first if grace else signal.SIGKILL)
        until = time.monotonic() + grace
        while running(directory, name) is not None and time.monotonic() < until:
            time.sleep(0.02)
        if running(directory, name) is not None:
            send(pid, signal.SIGKILL)
            until = time.monotonic() + 10
            while running(directory, name) is not None and time.monotonic() < until:
                time.sleep(0.02)
        _children.pop(pid, None)
    (directory / f"{name}.pid").unlink(missing_ok=True)


def send(pid: int, which: signal.Signals) -> None:
    """Signal a process; no error if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, which)


def wait_for_port(directory: Path, name: str, port: int, seconds: float) -> None:
    """Until the server listens; a TocsinError with the end of its log if it ends or takes longer."""
    until = time.monotonic() + seconds
    while not accepts(port):
        if running(directory, name) is None:
            raise TocsinError(f"{name} ended while it started.\n{log_tail(directory, name)}", _where(directory, name))
        if time.monotonic() > until:
            raise TocsinError(
                f"{name} does not listen on port {port} after {seconds:.0f} s.\n{log_tail(directory, name)}",
                _where(directory, name),
            )
        time.sleep(0.03)


def log_tail(directory: Path, name: str, lines: int = 15) -> str:
    """The end of the server's log, indented."""
    try:
        text = (directory / f"{name}.log").read_text(errors="replace")
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line[:300]}" for line in text.splitlines()[-lines:]) or "  (the log is empty)"


def _where(directory: Path, name: str) -> str:
    return f"the whole log: {directory / f'{name}.log'}"


def guard(directory: Path, parent: int | None = None, *, remove_data: bool = False) -> None:
    """Stop every server under ``directory`` once process ``parent`` (this one) is gone, however it went."""
    script, flags = Path(__file__).with_name("guard.py"), ["--remove-data"] if remove_data else []
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), str(parent or os.getpid()), str(directory), *flags],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    _children[child.pid] = child  # kept, so that Python does not complain about a child nobody waited for
