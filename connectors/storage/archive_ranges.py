"""Which offsets an archive holds. A range is there once its manifest is; a manifest is written once, or not at all.

    data/<topic>/class=…/day=…/tenant=…/<topic>-<partition>-<from>-<to>.parquet    what the manifests name
    ranges/<topic>/<partition>/<from>.json                                         one manifest a range
    ranges/<topic>/<partition>/open.json                                           what is being written

Data files come before their manifest, and ``open.json`` before them, so that what a killed writer left is known.
Whether it was killed or is only slow nobody can tell: what it began goes when another has claimed the range.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import msgspec

from connectors.storage.archive_rows import Place, Row, begins_at, decode, encode, file_name
from connectors.storage.archive_store import Store


class File(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """``sha256`` of its bytes. ``kept``: only evidence of alerts is left in it."""

    name: str
    rows: int
    bytes: int
    sha256: str
    class_: str
    day: str
    tenant: str
    kept: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename={"begin": "from", "last": "to"}):
    """Offsets ``begin`` to ``last``, both included; gaps in between are no records. ``pruned``: files that are gone."""

    topic: str
    partition: int
    begin: int
    last: int
    files: tuple[File, ...]
    pruned: int = 0


class Claimed(Exception):
    """Another writer has archived from this offset on."""


class Recreated(Exception):
    """The topic's records are not those that were archived under the same offsets."""


class Broken(Exception):
    """The archive does not hold what its manifests say."""


_manifest = msgspec.json.Decoder(Manifest)
_open = msgspec.json.Decoder(tuple[str, ...])


def folder(topic: str, partition: int) -> str:
    return f"ranges/{quote(topic, safe='')}/{partition}"


def manifest_name(topic: str, partition: int, begin: int) -> str:
    return f"{folder(topic, partition)}/{begin:020d}.json"


def read_manifest(store: Store, name: str) -> Manifest:
    """Raises Broken."""
    data = store.read(name)
    try:
        return _manifest.decode(data or b"")
    except ValueError as error:
        raise Broken(f"{name}: {error}") from None


def manifests(store: Store, topic: str, partition: int) -> Iterator[Manifest]:
    """In the order of offsets. Raises Broken."""
    for name in sorted(store.names(folder(topic, partition))):
        if not name.endswith("/open.json"):
            yield read_manifest(store, name)


class Ranges:
    """One partition's ranges, of one writer. Not for two threads."""

    def __init__(self, store: Store, topic: str, partition: int, format_: str) -> None:
        self._store, self.topic, self.partition, self._format = store, topic, partition, format_
        self._open = f"{folder(topic, partition)}/open.json"
        names = sorted(name for name in store.names(folder(topic, partition)) if name != self._open)
        self._last = read_manifest(store, names[-1]) if names else None
        self._compared = False
        self._begun = self._read_open()

    @property
    def next(self) -> int | None:
        """The offset behind the last archived one; None where nothing is archived."""
        return None if self._last is None else self._last.last + 1

    def _read_open(self) -> frozenset[str]:
        """What was begun, by whoever: archived, given up, or being written now."""
        data = self._store.read(self._open)
        try:
            return frozenset(_open.decode(data)) if data is not None else frozenset()
        except ValueError as error:
            raise Broken(f"{self._open}: {error}") from None

    def write(self, placed: Sequence[tuple[Place, Row]]) -> Manifest | None:
        """Archive what lies beyond; None where nothing does. Rows come in the order of their offsets.

        Raises Claimed, Recreated, Broken, OSError. Whatever it raises, either all is archived or nothing.
        """
        begin = self.next
        if begin is not None:
            self._compare([row for _, row in placed if row.offset < begin])
            placed = [(place, row) for place, row in placed if row.offset >= begin]
        if not placed:
            return None
        begin = placed[0][1].offset if begin is None else begin
        last = placed[-1][1].offset
        grouped: dict[Place, list[Row]] = {}
        for place, row in placed:
            grouped.setdefault(place, []).append(row)
        files, contents = [], {}
        for place, rows in sorted(grouped.items()):
            name = file_name(place, self.topic, self.partition, begin, last, self._format)
            contents[name] = data = encode(rows, self._format)
            files.append(described(name, place, rows, data))
        manifest = Manifest(topic=self.topic, partition=self.partition, begin=begin, last=last, files=tuple(files))
        rivals = {name for name in self._begun if begins_at(name, self.topic, self.partition, begin)} - contents.keys()
        self._store.replace(self._open, msgspec.json.encode((*contents, *sorted(rivals))))
        for name, data in contents.items():
            self._store.replace(name, data)
        claim = manifest_name(self.topic, self.partition, begin)
        if not self._store.create(claim, msgspec.json.encode(manifest)):
            theirs = {file.name: file.sha256 for file in read_manifest(self._store, claim).files}
            for file in files:
                if file.name not in theirs:
                    self._store.delete(file.name)
            raise Claimed(f"{self.topic}/{self.partition} from {begin} on is archived by somebody else")
        self._last = manifest
        for name in rivals:  # their manifest can be written no more
            self._store.delete(name)
        return manifest

    def _compare(self, rows: Sequence[Row]) -> None:
        """Hold the first record that is archived already against the archive: offsets begin anew in a new topic."""
        if not rows or self._compared:
            return
        known: dict[int, bytes] = {}
        whole = True
        for manifest in manifests(self._store, self.topic, self.partition):
            if manifest.begin <= rows[0].offset <= manifest.last:
                whole = not manifest.pruned and not any(file.kept for file in manifest.files)
                for file in manifest.files:
                    data = self._store.read(file.name)
                    if data is None:
                        raise Broken(f"{file.name} is missing")
                    known |= {row.offset: row.value for row in decode(file.name, data)}
        shared = [row for row in rows if row.offset in known]
        for row in shared:
            if known[row.offset] != row.value:
                raise Recreated(f"{self.topic}/{self.partition}/{row.offset} is another record than the archived one")
        if known and whole and not shared:
            raise Recreated(f"{self.topic}/{self.partition}/{rows[0].offset} was no record when it was archived")
        self._compared = True


def described(name: str, place: Place, rows: Sequence[Row], data: bytes, *, kept: bool = False) -> File:
    return File(
        name=name,
        rows=len(rows),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        class_=place.class_,
        day=place.day,
        tenant=place.tenant,
        kept=kept,
    )
