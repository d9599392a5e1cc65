"""Disks that are full: small file systems of their own, which something else has filled, and what is stored on them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from pathlib import Path

from connectors.storage.archive_care import verify
from connectors.storage.archive_store import Folder
from tests.contract.stores import archived
from tests.faults.ground import Ground
from tests.faults.scene import Size, until
from tests.faults.stores import Postgres
from tests.faults.verdict import Target


class Disk:
    """A file system at ``folder``, gone with the ground; ``real`` is False where nobody may mount one."""

    def __init__(self, ground: Ground, folder: Path, size: Size) -> None:
        self.folder, self._ground = folder, ground
        folder.mkdir()
        options = f"size={32 + size.count // 50}m,mode=0755"
        command = ["mount", "-t", "tmpfs", "-o", options, "tocsin-faults", str(folder)]
        try:
            self.real = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            self.real = False
        if self.real:
            ground.leave(lambda: subprocess.run(["umount", "-l", str(folder)], check=False))

    def fill(self, leave: int) -> None:
        """All but ``leave`` bytes."""
        room = os.statvfs(self.folder)
        with (self.folder / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_bsize - leave)

    def free(self) -> None:
        (self.folder / "filler").unlink()


def refused(ground: Ground, sink: str, why: str) -> bool:
    """Whether an attempt of the sink's has failed so."""
    return any(why in one.get("error", "") for one in ground.read("deliveries") if one["sink"] == sink)


class FullDisk(Postgres):
    """PostgreSQL with its tables on a disk that is full; where nobody may mount one, a trigger says what it would."""

    title = "PostgreSQL's disk is full (ENOSPC), then there is room"

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        super().__init__(ground, size, first)
        home = (self.folder / "data").resolve()  # where the server may enter
        self._disk = Disk(ground, home / "disk", size)
        if self._disk.real:
            place, owner = self._disk.folder / "tables", home.stat().st_uid
            place.mkdir(mode=0o700)
            os.chown(place, owner, owner)
            self.ask(f"CREATE TABLESPACE small LOCATION '{place}'")
            self.ask("ALTER ROLE tocsin SET default_tablespace = 'small'")
        else:
            self.title = "PostgreSQL says that its disk is full (53100), then there is room"

    def begin(self) -> None:
        super().begin()
        if self._disk.real:
            self._disk.fill(self.size.count * 500)
        else:
            self.ask(
                "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS"
                "$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
            )
            self.ask("CREATE TRIGGER full BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION full()")

    def strike(self, ground: Ground) -> None:
        until(lambda: refused(ground, self.targets[0].name, "53100"), 60, "PostgreSQL to have no space")
        time.sleep(self.size.lasts)
        assert self.stored() < self.size.count
        if self._disk.real:
            self._disk.free()
        else:
            self.ask("DROP TRIGGER full ON alerts")


class FullFiles:
    """SQLite and an archive on a disk that is full."""

    title = "the disk of SQLite and of the archive is full (ENOSPC), then there is room"
    environ: dict[str, str] = {}  # noqa: RUF012 - none is ever added

    def __init__(self, ground: Ground, size: Size, first: int) -> None:
        self.size = size
        self._disk = Disk(ground, ground.data_dir / "small", size)
        if not self._disk.real:
            self.title = "no right to mount a small disk: SQLite and the archive on one that has room"
        self._db, self._archive = self._disk.folder / "alerts.db", Folder(self._disk.folder / "archive")
        archive = {
            "name": "archive",
            "type": "archive",
            "path": str(self._archive.root),
            "format": "jsonl",
            "every": "50ms",
        }
        sqlite = {"name": "sqlite", "type": "sqlite", "path": str(self._db), "batch": 100}
        self.targets = [
            Target(sqlite | size.storage, self._rows, self._newest),
            Target(archive | size.storage, self._documents, self._last, broken=self._unsound),
        ]

    def _ask(self, statement: str) -> list[tuple[str, int]]:
        with sqlite3.connect(self._db) as db:
            return db.execute(statement).fetchall()

    def _rows(self) -> list[str]:
        return [f"{a}:{v}" for a, v in self._ask("SELECT id, version FROM alert_versions")]

    def _newest(self) -> dict[str, int]:
        return dict(self._ask("SELECT id, version FROM alerts"))

    def _documents(self) -> list[str]:
        rows = [json.loads(row.value) for partition in range(2) for row in archived(self._archive, "alerts", partition)]
        return [f"{one['id']}:{one['version']}" for one in rows]

    def _last(self) -> dict[str, int]:
        return {key.partition(":")[0]: int(key.partition(":")[2]) for key in self._documents()}

    def _unsound(self) -> list[str]:
        found = verify(self._archive)
        return [*map(str, found.problems), *map(str, found.orphans)]

    def begin(self) -> None:
        until(self._db.exists, 30, "the sink to have made its file")
        if self._disk.real:
            self._disk.fill(self.size.count * 500)

    def strike(self, ground: Ground) -> None:
        if not self._disk.real:
            return
        until(lambda: refused(ground, "sqlite", "full"), 60, "SQLite to have no space")
        until(lambda: refused(ground, "archive", "No space"), 60, "the archive to have no space")
        time.sleep(self.size.lasts)
        self._disk.free()
