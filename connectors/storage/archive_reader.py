"""Reading what an archive holds: a stretch of a partition as it stood there, or what has a key. Changes nothing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from connectors.storage.archive_ranges import Broken, Manifest, folder, manifest_name, manifests, read_manifest
from connectors.storage.archive_rows import Row, decode, decode_keyed
from connectors.storage.archive_store import Store


class Piece(NamedTuple):
    """The rows of [``begin``, ``end``), in order. ``whole``: none of them has been pruned since."""

    begin: int
    end: int
    rows: list[Row]
    whole: bool


def first_offset(store: Store, topic: str, partition: int) -> int | None:
    """Where what was archived of a partition begins; None where nothing was. Raises OSError."""
    return next(iter(_begins(store, topic, partition)), None)


def stretch(store: Store, topic: str, partition: int, begin: int, end: int) -> Iterator[Piece]:
    """What is archived of [``begin``, ``end``), a range at a time; what is missing was not archived.

    Raises Broken, OSError.
    """
    begins = _begins(store, topic, partition)
    for number in begins[max(bisect_right(begins, begin) - 1, 0) :]:
        if number >= end or begin >= end:
            return
        manifest = read_manifest(store, manifest_name(topic, partition, number))
        if manifest.last < begin:
            continue
        yield Piece(
            max(begin, manifest.begin), min(end, manifest.last + 1),
            [row for row in _rows(store, manifest) if begin <= row.offset < end],
            not manifest.pruned and not any(file.kept for file in manifest.files),
        )  # fmt: skip


def with_key(store: Store, topic: str, partition: int, key: bytes) -> Iterator[Row]:
    """The rows of that key, in order. Reads every file of the partition. Raises Broken, OSError."""
    for manifest in manifests(store, topic, partition):
        yield from _rows(store, manifest, lambda name, data: decode_keyed(name, data, key))


def _begins(store: Store, topic: str, partition: int) -> list[int]:
    names = (name.rpartition("/")[2].removesuffix(".json") for name in store.names(folder(topic, partition)))
    return sorted(int(name) for name in names if name.isdecimal())


def _rows(store: Store, manifest: Manifest, decoded: Callable[[str, bytes], list[Row]] = decode) -> list[Row]:
    """The rows of a range, in order."""
    rows: list[Row] = []
    for file in manifest.files:
        data = store.read(file.name)
        if data is None:
            raise Broken(f"{file.name} is missing")
        try:
            rows += decoded(file.name, data)
        except ValueError as error:
            raise Broken(f"{file.name}: {error}") from None
    return sorted(rows, key=lambda row: row.offset)
