"""What a backtest reads, described so that any process can open it: a source's files, or a partition of a topic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import Message

from streams.model import Batch, Record, Source, position
from streams.replay.files import CHUNK, EventFile, Merged
from streams.replay.runner import PartitionLog
from streams.replay.topics import consumer_of, originals, read, records


@dataclass
class Facts:
    """What was read of one log. ``digest``: over the values in their order, each with a line's end behind it."""

    read: int = 0
    first: int | None = None  #: time of writing of the earliest record, ms; of a file's, the event's own
    last: int | None = None
    digest: str = ""


class Log(Protocol):
    """One partition, not yet opened."""

    @property
    def source(self) -> Source: ...

    @property
    def size(self) -> int:
        """About how many records it is."""

    @contextmanager
    def open(self) -> Iterator[PartitionLog]:
        """Its records in batches that are the same each time, however they come off the network."""

    def described(self) -> dict[str, Any]:
        """Where it stands, for reports."""

    def order(self) -> tuple[str, str, int]:
        """Its place among logs, whatever order they were named in."""


@dataclass(frozen=True, slots=True)
class FileLog:
    """The files of one source as one partition; of their events those in [``begin``, ``end``), ms."""

    source: Source
    files: tuple[EventFile, ...]
    begin: int | None = None
    end: int | None = None

    @property
    def size(self) -> int:
        return sum(file.ends for file in self.files)

    @contextmanager
    def open(self) -> Iterator[PartitionLog]:
        merged = Merged(self.files, self.source.mapping)
        yield PartitionLog(self.source, 0, filter(None, map(self._within, merged.chunks())), merged.origin)

    def _within(self, chunk: list[Record]) -> list[Record]:
        if self.begin is None and self.end is None:
            return chunk
        begin, end = self.begin or 0, self.end
        return [record for record in chunk if begin <= record[2] and (end is None or record[2] < end)]

    def described(self) -> dict[str, Any]:
        files = [{"path": str(file.path), "sha256": file.sha256, "bytes": file.size} for file in self.files]
        return {"source": self.source.name, "files": files, "begin": self.begin, "end": self.end}

    def order(self) -> tuple[str, str, int]:
        return self.source.name, "", 0


@dataclass(frozen=True, slots=True)
class TopicLog:
    """One partition of a topic in [``begin``, ``end``), offsets. ``own``: it is the source's own topic, so that
    positions are those of a live run. ``low``: where what the topic still holds begins.
    """

    source: Source
    topic: str
    partition: int
    begin: int
    end: int
    low: int
    own: bool
    options: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        return self.end - self.begin

    @contextmanager
    def open(self) -> Iterator[PartitionLog]:
        consumer = consumer_of(self.options)
        messages = read(consumer, self.topic, self.partition, self.begin, max(self.end, self.begin))
        try:
            batches = (Batch(records(chunk), originals(chunk)) for chunk in _even(messages if self.size > 0 else ()))
            yield PartitionLog(self.source, self.partition, batches, None if self.own else self._origin())
        finally:
            messages.close()  # before the consumer: who took only the first records leaves it in the middle
            consumer.close()

    def _origin(self) -> Callable[[int], str]:
        return lambda offset: position(self.topic, self.partition, offset)

    def described(self) -> dict[str, Any]:
        return {
            "source": self.source.name, "topic": self.topic, "partition": self.partition,
            "begin": self.begin, "end": self.end,
        }  # fmt: skip

    def order(self) -> tuple[str, str, int]:
        return self.source.name, self.topic, self.partition


def _even(chunks: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """The same in pieces of one size: what a batch holds must not depend on when the broker answered."""
    held: list[Message] = []
    for chunk in chunks:
        held += chunk
        while len(held) >= CHUNK:
            yield held[:CHUNK]
            held = held[CHUNK:]
    if held:
        yield held


def noted(chunks: Iterable[list[Record] | Batch], facts: Facts) -> Iterator[list[Record] | Batch]:
    """The same, with ``facts`` filled in by the end."""
    digest = hashlib.sha256()
    for chunk in chunks:
        rows = chunk.records if isinstance(chunk, Batch) else chunk
        digest.update(b"\n".join(value or b"" for _, value, _ in rows) + b"\n")
        facts.read += len(rows)
        stamps = [at for _, _, at in rows]
        facts.first = min(stamps) if facts.first is None else min(facts.first, *stamps)
        facts.last = max(stamps) if facts.last is None else max(facts.last, *stamps)
        yield chunk
    facts.digest = digest.hexdigest()


def span_of(facts: Iterable[Facts]) -> tuple[int, int] | None:
    """From the first record to the last, ms; None where there are none."""
    times = [(one.first, one.last) for one in facts if one.first is not None and one.last is not None]
    return (min(first for first, _ in times), max(last for _, last in times)) if times else None
