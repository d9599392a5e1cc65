"""Reading files of events: JSON lines, plain, gzip or Zstandard, and Parquet or Avro, of which a row is a line.

A file is one partition; its lines are its positions.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from streams.detect.clock import MAX_TIME, event_time
from streams.errors import ConfigError
from streams.model import Record, file_position
from streams.replay.columns import AVRO, PARQUET, ZSTD, records_as_lines, rows_as_lines, unpacked_zstd

#: A longer line is cut here, and so refused as malformed. Far beyond what a broker takes.
MAX_LINE = 16 * 1024 * 1024
CHUNK = 2_000  #: records a batch
#: A line whose time is further ahead than this of the lines that follow has a wrong clock (cf. Source.max_skew).
_AHEAD = 300_000
_LOOK = 16
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"

Mapping = Callable[[bytes], dict[str, Any]]


class Line(NamedTuple):
    """``at``: ms, the time at which the record would have been written, as well as it can be told."""

    at: int
    number: int  #: from 1, blank lines counted
    value: bytes


@dataclass(frozen=True, slots=True)
class EventFile:
    """A readable file of lines. ``sha256`` is that of the content, unpacked: a .gz and its plain twin are equal."""

    path: Path
    sha256: str
    size: int  #: bytes, unpacked
    ends: int = 0  #: how many lines end in it, blank ones counted: what there is to read, but perhaps for one

    def lines(self, mapping: Mapping | None = None) -> Iterator[Line]:
        """Every line that is not blank, in the file's order."""
        return _timed(_numbered(self.path), mapping)


def open_file(path: Path) -> EventFile:
    """Look at a file from its beginning to its end. Raises ConfigError where it is not one of lines of text."""
    digest, size, ends = hashlib.sha256(), 0, 0
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigError(f"{path} is not a regular file", "it has to be read twice: write it to a file first")
        with _unpacked(path) as stream:
            while block := stream.read(1 << 20):
                if size == 0:
                    _refuse_binary(path, block[:8192])
                digest.update(block)
                size += len(block)
                ends += block.count(b"\n")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder", "name a file of JSON lines; --source may be repeated") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(
            f"{path}: the gzip data is damaged or ends too early ({error})", "fetch the file again"
        ) from None
    except OSError as error:  # what pyarrow says of damaged data is one, too
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    return EventFile(path, digest.hexdigest(), size, ends)


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as start:
        magic = start.read(4)
    if magic[:2] == _GZIP:
        return gzip.open(path, "rb")  # type: ignore[return-value]  # a GzipFile reads alike
    if magic == ZSTD:
        return unpacked_zstd(path)
    if magic == AVRO:
        return records_as_lines(path)
    return rows_as_lines(path) if magic == PARQUET else path.open("rb")


def _refuse_binary(path: Path, beginning: bytes) -> None:
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path} is UTF-16", "convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
    if b"\0" in beginning:
        raise ConfigError(
            f"{path} is a binary file", "name a file of JSON lines (plain, gzip or zstd), of Parquet or Avro"
        )


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    with _unpacked(path) as stream:
        while line := stream.readline(MAX_LINE):
            number += 1
            whole = line.endswith(b"\n") or len(line) < MAX_LINE
            if number == 1 and line.startswith(_BOM):
                line = line[len(_BOM) :]
            line = line.strip(b" \t\r\n")
            while not whole:
                whole = (rest := stream.readline(MAX_LINE)).endswith(b"\n") or not rest
            if line:
                yield number, line


class _Time(msgspec.Struct):
    event_time: Any = None


_time = msgspec.json.Decoder(_Time)


def event_time_of(raw: bytes, mapping: Mapping | None) -> int | None:
    """The event's own time in ms; None where it has none that can be read."""
    try:
        found = _time.decode(raw).event_time if mapping is None else mapping(raw).get("event_time")
        return found if found.__class__ is int and 0 <= found <= MAX_TIME else event_time(found, -1)[0]
    except (ValueError, RecursionError):
        return None


def _timed(lines: Iterator[tuple[int, bytes]], mapping: Mapping | None) -> Iterator[Line]:
    """A file knows no time of writing: the event's own stands in, unless the lines after it tell that it is wrong.

    So one event of the year 2099 does not make everything behind it late, as it would not on a topic.
    """
    coming = ((number, raw, event_time_of(raw, mapping)) for number, raw in lines)
    window = deque(islice(coming, _LOOK + 1))
    known = sorted(at for _, _, at in window if at is not None)
    last = known[len(known) // 2] if known else 0  # what the first lines get if they carry none
    while window:
        number, raw, at = window.popleft()
        if at is not None:
            if at > last + _AHEAD and (following := sorted(time for _, _, time in window if time is not None)):
                usual = following[len(following) // 2]
                at = usual if at > usual + _AHEAD else at
            last = at
        yield Line(last, number, raw)
        window.extend(islice(coming, 1))


class Merged:
    """Files of one source as one partition: by time, each file's own order kept, ties in the order of the files.

    A record's offset is its place in the merged order; ``origin`` tells where it stood.
    """

    def __init__(self, files: Sequence[EventFile], mapping: Mapping | None = None) -> None:
        self._files, self._mapping = files, mapping
        self._places = array("Q")

    def chunks(self) -> Iterator[list[Record]]:
        """All records, in batches. To be called once."""
        streams = [self._placed(n) for n in range(len(self._files))]
        chunk: list[Record] = []
        for at, n, number, value in heapq.merge(*streams, key=lambda line: line[:2]):
            chunk.append((len(self._places), value, at))
            self._places.append(n << 40 | number)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _placed(self, n: int) -> Iterator[tuple[int, int, int, bytes]]:
        for at, number, value in self._files[n].lines(self._mapping):
            yield at, n, number, value

    def origin(self, offset: int) -> str:
        """The position of the record at ``offset``."""
        place = self._places[offset]
        return file_position(self._files[place >> 40].sha256, place & (1 << 40) - 1)
