"""Traffic on its way through the engine: kept on disk, one log a source, so that a million events need no memory."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import IO, Self

from streams.model import Record, Source
from streams.replay.files import CHUNK
from streams.replay.runner import PartitionLog


class Recorded:
    """Events as they are appended, in order of time. They are gone when it is left."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._files: dict[str, IO[bytes]] = {}
        self._times: dict[str, array[int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def append(self, source: str, at: int, value: bytes) -> None:
        """One event of ``source``, written at ``at`` ms. ``value`` is one line."""
        if source not in self._files:
            file = tempfile.TemporaryFile()  # noqa: SIM115  # the stack closes it
            self._files[source], self._times[source] = self._stack.enter_context(file), array("q")
        self._files[source].write(value + b"\n")
        self._times[source].append(at)

    def logs(self, sources: Mapping[str, Source]) -> list[PartitionLog]:
        """What was appended, a partition each, for those of ``sources`` that have events."""
        return [PartitionLog(sources[name], 0, self._chunks(name)) for name in sorted(self._files) if name in sources]

    def _chunks(self, name: str) -> Iterator[list[Record]]:
        file, chunk = self._files[name], list[Record]()
        file.seek(0)
        for offset, (at, line) in enumerate(zip(self._times[name], file, strict=True)):
            chunk.append((offset, line[:-1], at))
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def __len__(self) -> int:
        return sum(map(len, self._times.values()))
