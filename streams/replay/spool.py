"""Findings on their way from DETECT to ALERT: any number of them, on disk once they are many."""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_HEAD = struct.Struct("<qII")
_IN_MEMORY = 32 << 20  #: bytes a stream keeps before it goes to a temporary file


class Waiting(NamedTuple):
    """A record for ``alert-input``. ``at``: the simulated clock when it is stepped, ms."""

    at: int
    key: bytes
    value: bytes


class Spool:
    """What one partition produced, in its order. Written once, then read as often as is wanted."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - gone with the spool
        self.count = 0

    def add(self, waiting: Waiting) -> None:
        self._file.write(_HEAD.pack(waiting.at, len(waiting.key), len(waiting.value)))
        self._file.write(waiting.key)
        self._file.write(waiting.value)
        self.count += 1

    def since(self, begin: int) -> bytes:
        """What was added behind the first ``begin`` bytes."""
        self._file.seek(begin)
        return self._file.read()

    def extend(self, content: bytes, count: int) -> None:
        """Add ``count`` records, as ``since`` gave them."""
        self._file.write(content)
        self.count += count

    def __getstate__(self) -> tuple[int, bytes]:
        self._file.seek(0)
        return self.count, self._file.read()

    def __setstate__(self, state: tuple[int, bytes]) -> None:
        self.__init__()  # type: ignore[misc]  # a file cannot travel; what is in it can
        self.count, content = state
        self._file.write(content)

    def __iter__(self) -> Iterator[Waiting]:
        file = self._file
        file.seek(0)
        while head := file.read(_HEAD.size):
            at, key, value = _HEAD.unpack(head)
            yield Waiting(at, file.read(key), file.read(value))


def merged(spools: Sequence[Spool]) -> Iterator[Waiting]:
    """All streams by event time, each in its own order: all findings of one key stand in one stream."""
    return heapq.merge(*spools, key=lambda waiting: waiting.at)
