"""Reading topics, or a stretch of them: assigned by hand, never a live group, only what was committed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.errors import ClusterError, ConfigError
from streams.model import Batch, Original, Record, position
from streams.replay.moments import parse_moment
from streams.runtime.waiting import watermarks

EARLIEST, LATEST = "earliest", "latest"
_FORMS = "offsets (100, or 0:100,1:250 by partition), RFC 3339 times, earliest or latest"
_CHUNK = 2_000
_TIMEOUT = 30.0
_PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)
_SILENCE = 60.0  #: s without a record or an end: the broker is gone


@dataclass(frozen=True, slots=True)
class Point:
    """One end of a stretch: ``earliest``, ``latest``, a time in ms, or offsets (of all partitions, or of some)."""

    word: str = ""
    time: int | None = None
    offset: int | None = None
    offsets: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TopicRange:
    """``topic`` as it is called on the cluster; from ``begin`` up to, but not including, ``end``."""

    topic: str
    begin: Point = Point(EARLIEST)
    end: Point = Point(LATEST)


def parse_point(text: str) -> Point:
    """One end, as written on the command line. Raises ConfigError."""
    if text in (EARLIEST, LATEST):
        return Point(text)
    if re.fullmatch(r"\d{1,18}", text):
        return Point(offset=int(text))
    if re.fullmatch(r"\d{1,9}:\d{1,18}(,\d{1,9}:\d{1,18})*", text):
        pairs = [part.split(":") for part in text.split(",")]
        return Point(offsets=tuple((int(partition), int(offset)) for partition, offset in pairs))
    try:
        return Point(time=parse_moment(text))
    except ConfigError as error:
        raise ConfigError(f"{error.message}, nor another place in a topic", f"use {_FORMS}") from None


def parse_range(text: str) -> TopicRange:
    """``TOPIC`` or ``TOPIC@FROM..TO``; either end may be left out. Raises ConfigError."""
    topic, at, stretch = text.partition("@")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic):
        raise ConfigError(f"{topic!r} is not a topic name")
    if not at:
        return TopicRange(topic)
    begin, dots, end = stretch.partition("..")
    if not dots:
        raise ConfigError(f"{stretch!r} is not a stretch of a topic", f"write FROM..TO: {_FORMS}")
    return TopicRange(topic, parse_point(begin or EARLIEST), parse_point(end or LATEST))


def consumer_of(options: Mapping[str, Any], isolation: str = "read_committed") -> Consumer:
    """A consumer that belongs to no group: it is assigned by hand and commits nothing."""
    return Consumer({
        **options,
        "group.id": "tocsin-replay-reads-only",  # a consumer must have one; it is never joined
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": isolation,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 50,
        "fetch.queue.backoff.ms": 5,
    })  # fmt: skip


class Topic:
    """A stretch of a topic, resolved to offsets: ``ranges`` is partition -> (first offset, end offset)."""

    def __init__(self, options: Mapping[str, Any], stretch: TopicRange) -> None:
        """Raises ClusterError for a topic or broker that is not there, ConfigError for offsets that are not."""
        self.topic = stretch.topic
        self.lows: dict[int, int] = {}  #: where what is still held begins, by partition
        self._consumer = consumer_of(options)
        try:
            self.ranges = {n: self._resolve(n, stretch) for n in partitions_of(self._consumer, stretch.topic)}
        except KafkaException as error:
            raise ClusterError(f"cannot read {stretch.topic}: {error.args[0].str()}") from None
        self._refuse_unknown(stretch)

    @property
    def size(self) -> int:
        """Offsets in the stretch; transaction markers among them are no records."""
        return sum(end - begin for begin, end in self.ranges.values())

    def messages(self, partition: int) -> Iterator[list[Message]]:
        """The committed messages of one partition, in offset order."""
        begin, end = self.ranges[partition]
        if begin < end:
            yield from read(self._consumer, self.topic, partition, begin, end)

    def chunks(self, partition: int) -> Iterator[list[Record]]:
        """The same as records."""
        for messages in self.messages(partition):
            yield records(messages)

    def batches(self, partition: int) -> Iterator[Batch]:
        """The same with keys and headers, for sources that join them to the value."""
        for messages in self.messages(partition):
            yield Batch(records(messages), originals(messages))

    def origin(self, partition: int) -> Callable[[int], str]:
        return lambda offset: position(self.topic, partition, offset)

    def close(self) -> None:
        self._consumer.close()

    def _resolve(self, partition: int, stretch: TopicRange) -> tuple[int, int]:
        low, high = watermarks(self._consumer, TopicPartition(self.topic, partition))
        self.lows[partition] = low
        begin, end = (self._offset(partition, point, low, high) for point in (stretch.begin, stretch.end))
        return max(begin, low), max(min(end, high), begin, low)

    def _offset(self, partition: int, point: Point, low: int, high: int) -> int:
        if point.offsets:
            return dict(point.offsets).get(partition, low)
        if point.offset is not None:
            return point.offset
        if point.time is None:
            return low if point.word == EARLIEST else high
        (found,) = self._consumer.offsets_for_times([TopicPartition(self.topic, partition, point.time)], _TIMEOUT)
        if found.error is not None:
            raise KafkaException(found.error)
        return high if found.offset in (OFFSET_END, -1) else int(found.offset)

    def _refuse_unknown(self, stretch: TopicRange) -> None:
        for partition, _ in (*stretch.begin.offsets, *stretch.end.offsets):
            if partition not in self.ranges:
                raise ConfigError(f"{self.topic} has no partition {partition}", f"it has 0 to {max(self.ranges)}")


def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """The numbers of a topic's partitions. Raises ClusterError where it is missing or no broker answers."""
    try:
        metadata = consumer.list_topics(topic, _TIMEOUT).topics.get(topic)
    except KafkaException as error:
        raise ClusterError(
            f"no broker answers: {error.args[0].str()}", "check the bootstrap servers and that Kafka is up"
        ) from None
    if metadata is None or metadata.error is not None or not metadata.partitions:
        reason = metadata.error.str() if metadata is not None and metadata.error is not None else "there is none"
        raise ClusterError(f"topic {topic}: {reason}", "list the topics of the cluster with `tocsin topics list`")
    return sorted(metadata.partitions)


def originals(messages: list[Message]) -> Callable[[int], Original]:
    """Key and headers, by the number of the message."""
    return lambda index: Original(messages[index].key(), tuple(messages[index].headers() or ()))


def records(messages: list[Message]) -> list[Record]:
    return [(m.offset() or 0, m.value(), max(m.timestamp()[1], 0)) for m in messages]


def read(consumer: Consumer, topic: str, partition: int, begin: int, end: int) -> Generator[list[Message], None, None]:
    """Messages of one partition in [begin, end), in chunks. Raises ClusterError for what cannot be read."""
    consumer.assign([TopicPartition(topic, partition, begin)])
    heard = time.monotonic()
    try:
        while True:
            found: list[Message] = []
            finished = False
            for message in consumer.consume(_CHUNK, 0.02):
                error, offset = message.error(), message.offset() or 0
                if error is None:
                    if offset < end:
                        found.append(message)
                    finished = finished or offset >= end - 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    finished = finished or offset >= end
                elif not error.retriable() and error.code() not in (
                    KafkaError._ALL_BROKERS_DOWN,
                    KafkaError._TRANSPORT,
                ):
                    raise ClusterError(
                        f"{topic}/{partition}: {error.str()}", "the records may have expired: narrow the range"
                    )
            if found:
                yield found
                heard = time.monotonic()
            if finished:
                return
            if time.monotonic() - heard > _SILENCE:
                raise ClusterError(
                    f"{topic}/{partition}: nothing came for {_SILENCE:.0f} s", "check that the brokers are up"
                )
    finally:
        consumer.unassign()
