"""Looking after an archive: is it whole, what may go, what is in it.

Of an alert that is open its last version stays, however old. Evidence of an alert is kept as long as any version of
the alert is: of a file whose time is over just those rows are left. Pruning and an archive that is written to at the
same time do not disturb each other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

import msgspec

from connectors.storage.archive_ranges import (
    Broken,
    File,
    Manifest,
    described,
    folder,
    manifest_name,
    manifests,
    read_manifest,
)
from connectors.storage.archive_retention import Retention
from connectors.storage.archive_rows import Place, Row, decode, encode, end_of
from connectors.storage.archive_store import Store
from streams.alerts.case import OPEN
from streams.model import Status, position


class _Seen(msgspec.Struct):
    position: str


class _Version(msgspec.Struct):
    id: str
    version: int
    status: Status
    first: tuple[_Seen, ...] = ()
    last: tuple[_Seen, ...] = ()


_version = msgspec.json.Decoder(_Version)


def partitions(store: Store) -> list[tuple[str, int]]:
    """Every (topic, partition) that has been written to."""
    found = set()
    for name in store.names("ranges"):
        parts = name.split("/")
        if len(parts) == 4 and parts[2].isdigit():
            found.add((unquote(parts[1]), int(parts[2])))
    return sorted(found)


@dataclass
class Health:
    """``problems``: (object's name, what is wrong). ``orphans``: files that no manifest names."""

    files: int = 0
    rows: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


def verify(store: Store) -> Health:
    """Read everything: ranges join without a gap or an overlap, files are what their manifests say."""
    health, known = Health(), set()
    for topic, partition in partitions(store):
        before: Manifest | None = None
        names = [name for name in sorted(store.names(folder(topic, partition))) if not name.endswith("/open.json")]
        for name in names:
            try:
                manifest = read_manifest(store, name)
            except Broken as error:
                health.problems.append((name, str(error)))
                continue
            if before is not None and manifest.begin != before.last + 1:
                health.problems.append((name, f"begins at {manifest.begin}, the range before it ends at {before.last}"))
            before = manifest
            for file in manifest.files:
                known.add(file.name)
                if problem := _compared(store, manifest, file):
                    health.problems.append((file.name, problem))
                else:
                    health.files += 1
                    health.rows += file.rows
    health.orphans = sorted(name for name in store.names("data") if name not in known)
    return health


def _compared(store: Store, manifest: Manifest, file: File) -> str:
    """What is wrong with a file; empty where nothing is."""
    data = store.read(file.name)
    if data is None:
        return "is missing"
    if hashlib.sha256(data).hexdigest() != file.sha256:
        return "is not what was written: its hash differs"
    try:
        rows = decode(file.name, data)
    except ValueError as error:
        return str(error)
    if len(rows) != file.rows:
        return f"has {len(rows)} rows, its manifest says {file.rows}"
    offsets = [row.offset for row in rows]
    if len(set(offsets)) != len(offsets) or not all(manifest.begin <= offset <= manifest.last for offset in offsets):
        return "has offsets twice, or beyond its range"
    return ""


@dataclass
class Pruned:
    """``files`` and ``bytes`` that went; ``evidence``: rows kept for alerts out of files whose time is over."""

    files: int = 0
    bytes: int = 0
    evidence: int = 0
    by_class: Counter[str] = field(default_factory=Counter)


def prune(store: Store, retention: Retention, now: int, *, dry_run: bool = False) -> Pruned:
    """Remove what its class need not keep any longer. Raises Broken, OSError; what was begun is then gone on with."""
    done, needed = Pruned(), _needed(store, retention, now)
    for topic, partition in partitions(store):
        for manifest in manifests(store, topic, partition):
            over = [file for file in manifest.files if retention.ends(file.class_, end_of(file.day)) < now]
            looked = ((file.name, _left(store, file, needed)) for file in over)
            changes = {name: rows for name, rows in looked if rows is not None}
            if changes:
                _apply(store, manifest, changes, done, dry_run=dry_run)
    return done


def _needed(store: Store, retention: Retention, now: int) -> set[str]:
    """Positions that versions of alerts speak of which are to be kept, and of those versions that are kept for being
    the last of an open alert.
    """
    needed: set[str] = set()
    last: dict[str, tuple[int, bool, tuple[str, ...]]] = {}  # by alert: version, whether it is open, positions
    for topic, partition in partitions(store):
        for manifest in manifests(store, topic, partition) if topic == "alerts" else ():
            for file in manifest.files:
                stays = retention.ends(file.class_, end_of(file.day)) >= now
                for row in _rows(store, file):
                    alert = _version.decode(row.value)
                    seen = tuple(one.position for one in (*alert.first, *alert.last))
                    if stays:
                        needed.update(seen)
                    if alert.id not in last or last[alert.id][0] < alert.version:
                        own = position(topic, partition, row.offset)
                        last[alert.id] = alert.version, alert.status in OPEN, (own, *seen)
    needed.update(*(positions for _, is_open, positions in last.values() if is_open))
    return needed


def _rows(store: Store, file: File) -> list[Row]:
    data = store.read(file.name)
    if data is None:
        raise Broken(f"{file.name} is missing: nothing is pruned before the archive is whole")
    return decode(file.name, data)


def _left(store: Store, file: File, needed: set[str]) -> list[Row] | None:
    """The rows to keep of a file whose time is over; None where it stays as it is."""
    if file.kept and not needed:
        return []
    rows = _rows(store, file)
    left = [row for row in rows if position(row.topic, row.partition, row.offset) in needed]
    return None if len(left) == len(rows) else left


def _apply(store: Store, manifest: Manifest, changes: dict[str, list[Row]], done: Pruned, *, dry_run: bool) -> None:
    files: list[File] = []
    for file in manifest.files:
        rows = changes.get(file.name)
        if rows is None:
            files.append(file)
            continue
        done.files += 1
        done.bytes += file.bytes
        done.by_class[file.class_] += file.rows - len(rows)
        if rows:
            done.evidence += len(rows)
            place, format_ = Place(file.class_, file.day, file.tenant), _format(file.name)
            data = encode(rows, format_)
            suffix = ".parquet" if format_ == "parquet" else ".jsonl.gz"
            name = f"{file.name.removesuffix(suffix)}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}"
            files.append(described(name, place, rows, data, kept=True))
            if not dry_run:
                store.replace(name, data)
            done.bytes -= len(data)
    if dry_run:
        return
    gone = len(manifest.files) - len(files)
    after = msgspec.structs.replace(manifest, files=tuple(files), pruned=manifest.pruned + gone)
    store.replace(manifest_name(manifest.topic, manifest.partition, manifest.begin), msgspec.json.encode(after))
    for name in changes:  # behind the manifest: a kill in between leaves orphans, never a manifest without its file
        store.delete(name)


def _format(name: str) -> str:
    return "parquet" if name.endswith(".parquet") else "jsonl"


def remove_orphans(store: Store, orphans: Iterable[str], is_old: Callable[[str], bool]) -> int:
    """Remove files that no manifest names, as far as they are old: a writer may be about to name the others."""
    count = 0
    for name in orphans:
        if is_old(name):
            store.delete(name)
            count += 1
    return count


class Holding(msgspec.Struct, kw_only=True):
    """What an archive has of one topic and class. Days as ``2024-01-31``."""

    topic: str
    class_: str = msgspec.field(name="class")
    files: int = 0
    rows: int = 0
    bytes: int = 0
    first_day: str = "9999-12-31"
    last_day: str = "0001-01-01"


def holdings(store: Store) -> Iterator[Holding]:
    """By topic and class."""
    found: dict[tuple[str, str], Holding] = {}
    for topic, partition in partitions(store):
        for manifest in manifests(store, topic, partition):
            for file in manifest.files:
                one = found.setdefault((topic, file.class_), Holding(topic=topic, class_=file.class_))
                one.files += 1
                one.rows += file.rows
                one.bytes += file.bytes
                one.first_day, one.last_day = min(one.first_day, file.day), max(one.last_day, file.day)
    yield from (found[name] for name in sorted(found))
