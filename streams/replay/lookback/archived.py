"""What archives still hold of records that their topics have forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from connectors.base import SinkBroken
from connectors.storage.archive_care import partitions
from connectors.storage.archive_ranges import Broken
from connectors.storage.archive_reader import Piece, first_offset, stretch, with_key
from connectors.storage.archive_rows import Row
from connectors.storage.archive_store import Store
from streams.errors import TocsinError
from streams.model import Alert, Batch, Original, position
from streams.replay.files import CHUNK

_alert = msgspec.json.Decoder(Alert)


class Archives:
    """``stores`` by the names of their sinks. Topics go by their logical names. Raises TocsinError for an archive that
    is damaged or cannot be reached.
    """

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores
        self._parts: dict[tuple[str, int], tuple[str, int] | None] = {}
        self.problems: list[str] = []  #: what was asked for and is not there, each once

    def alert(self, alert_id: str) -> tuple[str, list[tuple[Alert, str]]]:
        """The archive that knows the alert of this whole id, and its versions with their positions; else none."""
        for name, store in self._stores.items():
            with _told(name):
                rows = [
                    row
                    for topic, partition in partitions(store)
                    if topic == "alerts"
                    for row in with_key(store, topic, partition, alert_id.encode())
                ]
                if rows:
                    versions = [
                        (_alert.decode(row.value), position(row.topic, row.partition, row.offset)) for row in rows
                    ]
                    return name, sorted(versions, key=lambda one: one[0].version)
        return "", []

    def begin(self, topic: str, partition: int) -> int | None:
        """The first offset that is archived of a partition; None where nothing is."""
        found = self._where(topic, partition)
        return None if found is None else found[1]

    def name(self, topic: str, partition: int) -> str:
        """The archive that holds a partition; empty: none does."""
        found = self._where(topic, partition)
        return "" if found is None else found[0]

    def batches(self, topic: str, partition: int, begin: int, end: int) -> Iterator[Batch]:
        """The records of [``begin``, ``end``) as a topic gives them, but for their headers, which are not archived.

        What is not there is noted among the ``problems``.
        """
        name, next_offset = self.name(topic, partition), begin
        if name:
            with _told(name):
                for piece in stretch(self._stores[name], topic, partition, begin, end):
                    self._miss(topic, partition, next_offset, piece.begin)
                    if not piece.whole:
                        where = f"{position(topic, partition, piece.begin)} to {piece.end - 1}"
                        self._note(f"of {where} the archive {name} keeps only evidence: what the others did is missing")
                    next_offset = piece.end
                    yield from _batches(piece)
        self._miss(topic, partition, next_offset, end)

    def record(self, topic: str, partition: int, offset: int) -> bytes | None:
        """The value of one record; None where it is not archived."""
        if not (name := self.name(topic, partition)):
            return None
        with _told(name):
            pieces = stretch(self._stores[name], topic, partition, offset, offset + 1)
            return next((row.value for piece in pieces for row in piece.rows), None)

    def _where(self, topic: str, partition: int) -> tuple[str, int] | None:
        """The archive that holds most of a partition, and from where on."""
        part = topic, partition
        if part not in self._parts:
            found = []
            for name, store in self._stores.items():
                with _told(name):
                    if (begin := first_offset(store, topic, partition)) is not None:
                        found.append((begin, name))
            self._parts[part] = next(((name, begin) for begin, name in sorted(found)), None)
        return self._parts[part]

    def _miss(self, topic: str, partition: int, begin: int, end: int) -> None:
        if begin < end:
            where = "and no archive holds them" if self._stores else "and no archive is configured"
            self._note(f"retention took {position(topic, partition, begin)} to {end - 1}, {where}: "
                       "what they did is missing")  # fmt: skip

    def _note(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)


def _batches(piece: Piece) -> Iterator[Batch]:
    for begin in range(0, len(piece.rows), CHUNK):
        yield _batch(piece.rows[begin : begin + CHUNK])


def _batch(rows: list[Row]) -> Batch:
    return Batch([(row.offset, row.value, row.at) for row in rows], lambda index: Original(rows[index].key, ()))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What an archive cannot be read for, as an error with its hint."""
    try:
        yield
    except (Broken, msgspec.DecodeError) as error:
        raise TocsinError(
            f"the archive {name} is damaged: {error}", f"`tocsin archive verify --sink {name}` tells all of it"
        ) from None
    except SinkBroken as error:
        raise TocsinError(f"the archive {name} cannot be used: {error.message}", error.hint) from None
    except OSError as error:
        raise TocsinError(f"the archive {name} cannot be read: {error}") from None
