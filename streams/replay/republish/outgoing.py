"""Records on their way to a topic again: those of all logs in the order in which they were written."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from streams.errors import TocsinError
from streams.model import Batch, Record, Source, position
from streams.replay.files import event_time_of
from streams.replay.logs import Log, TopicLog
from streams.replay.republish.shift import Headers, Shift, Unmovable

#: The header of every record that is written again: where it was. No producer of events writes one.
MARKER: Final = "tocsin-replayed-from"
#: What a client may hold of one partition, KiB: there is a client for each.
_QUEUED: Final = 4_096
_FAR: Final = 600_000  #: ms
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict)
Shifts = Mapping[str, Shift]  #: by the name of the source


class Outgoing(NamedTuple):
    """``at``: ms, when it was written, which paces it. ``stamp``: the time to write on the record; None: now, as any
    producer does. ``log``: which of the logs it comes from; ``following``: the offset behind it there.
    """

    at: int
    log: int
    following: int
    partition: int | None  #: where it stood; None: of a file
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    stamp: int | None


@contextmanager
def outgoing(logs: Sequence[Log], shifts: Shifts, by: int) -> Iterator[Iterator[Outgoing]]:
    """Everything in ``logs``, each in its own order, those of all by time. A few thousand records are in memory."""
    with ExitStack() as stack:
        streams = [_records(number, log, shifts[log.source.name], by, stack) for number, log in enumerate(logs)]
        yield heapq.merge(*streams, key=lambda one: (one.at, one.log))


class Ending(NamedTuple):
    """When the last record of a log was written, and how far the time of its last event lies from that, ms: far where
    history was written to a topic.
    """

    written: int
    ahead: int


def ending(log: Log) -> Ending | None:
    """None where a log has no records. A file is read through for it; its records stand at their events' times."""
    if not isinstance(log, TopicLog):
        with log.open() as opened:
            last = max((row[2] for chunk in opened.chunks for row in _rows(chunk)), default=None)
            return None if last is None else Ending(last, 0)
    step = 100  # the last offsets may hold no records: transaction markers, gaps of compaction
    while True:
        tail = replace(log, begin=max(log.begin, log.end - step))
        with tail.open() as opened:
            rows = [row for chunk in opened.chunks for row in _rows(chunk)]
        if rows:
            times = (event_time_of(value or b"", log.source.mapping) for _, value, _ in rows)
            last = max(at for _, _, at in rows)
            return Ending(last, _latest(sorted(own for own in times if own is not None), last) - last)
        if tail.begin == log.begin:
            return None
        step *= 100


def _latest(times: list[int], otherwise: int) -> int:
    """The last of sorted times; of a hundred one that is far ahead of all others is a clock that is wrong."""
    if not times:
        return otherwise
    usual = times[-1 - len(times) // 100]
    return times[-1] if times[-1] - usual < _FAR else usual


def _rows(chunk: list[Record] | Batch) -> list[Record]:
    return chunk.records if isinstance(chunk, Batch) else chunk


def _records(number: int, log: Log, shift: Shift, by: int, stack: ExitStack) -> Iterator[Outgoing]:
    if isinstance(log, TopicLog):
        log = replace(log, options={**log.options, "queued.max.messages.kbytes": _QUEUED})
    opened = stack.enter_context(log.open())
    of_topic, reached = isinstance(log, TopicLog), 0
    where = opened.locate or (lambda offset: position(log.source.topic, opened.partition, offset))
    for chunk in opened.chunks:
        batch = chunk if isinstance(chunk, Batch) else Batch(chunk)
        for index, (offset, value, at) in enumerate(batch.records):
            reached = max(reached, at)
            key, headers = batch.original(index)
            try:
                shifted = None if value is None else shift.of(value, key, headers)
            except Unmovable as error:
                raise TocsinError(
                    f"{where(offset)} cannot be shifted: {error}", "--times keep, or a --mapping that fits it"
                ) from None
            yield Outgoing(
                reached, number, offset + 1, opened.partition if of_topic else None,
                key if of_topic else _key(log.source, value),
                None if shifted is None else shifted.value,
                _marked(headers if shifted is None else shifted.headers, where(offset)),
                None if shifted is not None and shifted.own else _stamp(at, by),
            )  # fmt: skip


def _stamp(at: int, by: int) -> int:
    """The record's time, which is the event's: shifted, but never into the future, where brokers refuse it."""
    return min(at + by, time.time_ns() // 1_000_000) if by else at


def _marked(headers: Headers, where: str) -> list[tuple[str, bytes | None]]:
    return [*(header for header in headers if header[0] != MARKER), (MARKER, where.encode())]


def _key(source: Source, value: bytes | None) -> bytes | None:
    """The key that decides where an event of a file stands; None for what is no event, or has none of the fields."""
    read: Callable[[bytes], dict[str, object]] = source.mapping or _decode.decode
    try:
        event = read(value or b"")
    except (ValueError, RecursionError):
        return None
    found = [event.get(field) for field in source.partition_by]
    return _encode(found) if any(one is not None for one in found) else None
