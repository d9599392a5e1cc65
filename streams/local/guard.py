"""Outlives the process that started servers, and stops them when it is gone, even after SIGKILL.

Run as a script, with the standard library alone: ``guard.py PARENT DIRECTORY [--remove-data]``. Ends when PARENT is
gone or the DIRECTORY is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def is_server(pid: int, directory: Path) -> bool:
    """Whether ``pid`` is still the server that was started in ``directory``."""
    if not alive(pid):
        return False
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        found = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
        line = found.stdout.decode(errors="replace")
    return str(directory) in line


def servers(directory: Path) -> list[int]:
    """Pids of the servers under ``directory`` that run."""
    found = []
    for file in directory.rglob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text().split()[0])
            if is_server(pid, file.parent):
                found.append(pid)
    return found


def stop(directory: Path, grace: float = 5.0) -> None:
    """SIGTERM, and SIGKILL for what is left after ``grace`` seconds."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for pid in servers(directory):
            with contextlib.suppress(OSError):
                os.kill(pid, signum)
        until = time.monotonic() + grace
        while servers(directory) and time.monotonic() < until:
            time.sleep(0.1)


def remove_containers(directory: Path) -> None:
    """Remove the containers whose ids stand in ``container`` files."""
    for file in directory.rglob("container"):
        with contextlib.suppress(OSError):
            subprocess.run(["docker", "rm", "-f", "-v", file.read_text().strip()], capture_output=True, check=False)


def remove_data(directory: Path) -> None:
    """Remove what the servers kept; their logs stay."""
    for data in (directory / "data", *directory.glob("broker-*/data")):
        shutil.rmtree(data.resolve(), ignore_errors=True)
        if data.is_symlink():
            data.unlink()


def main(parent: int, directory: Path, *, remove: bool) -> None:
    """Wait until ``parent`` is gone; then see that nothing of it is left."""
    while alive(parent):
        if not directory.exists():
            return
        time.sleep(0.5)
    stop(directory)
    remove_containers(directory)
    if remove:
        remove_data(directory)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), remove="--remove-data" in sys.argv[3:])
