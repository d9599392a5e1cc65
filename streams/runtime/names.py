"""What things are called on the cluster, and who this worker is."""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from streams.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Names:
    """Names on the cluster. ``prefix`` goes before every topic, ``app`` before groups, identities and changelogs."""

    app: str = "tocsin"
    prefix: str = ""

    def topic(self, logical: str) -> str:
        return self.prefix + logical

    def logical(self, topic: str) -> str:
        return topic[len(self.prefix) :]

    def changelog(self, table: str) -> str:
        return f"{self.prefix}{self.app}-{table}-changelog"

    def group(self, role: str) -> str:
        return f"{self.prefix}{self.app}-{role}"

    def identity(self, role: str, worker: str) -> str:
        """Both ``transactional.id`` and ``group.instance.id``: a restarted worker fences its dead self."""
        return f"{self.prefix}{self.app}-{role}-{worker}"


_held: list[int] = []  # descriptors of locks, open as long as the process lives


def worker_id(explicit: str | None, data_dir: Path, hostname: str) -> str:
    """This worker's stable id: as configured, else a StatefulSet's ordinal, else the first free lock in ``data_dir``.

    A stable id is what lets a restarted worker take its partitions back in a second or two.
    """
    if explicit:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", explicit):
            raise ConfigError(f"worker id {explicit!r} is not usable", "use letters, digits, dot, dash and underscore")
        return explicit
    if "KUBERNETES_SERVICE_HOST" in os.environ and (ordinal := re.search(r"-(\d+)$", hostname)):
        return ordinal[1]
    data_dir.mkdir(parents=True, exist_ok=True)
    for number in range(1000):
        descriptor = os.open(data_dir / f"worker-{number}.lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        _held.append(descriptor)
        return f"{hostname}-{number}"
    raise ConfigError(f"no free worker lock in {data_dir}", "set worker_id, or remove stale worker-*.lock files")
