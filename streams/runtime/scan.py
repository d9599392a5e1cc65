"""Reading a stretch of a topic for a person: from a time or an offset on, up to where it ends when reading begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition

from streams.errors import ClusterError
from streams.runtime.names import Names
from streams.runtime.reading import partitions, read
from streams.runtime.waiting import watermarks

#: A record's timestamp may lie this far behind the time its content tells: transactions wait, clocks differ.
_SLACK_MS = 300_000


class Stretch(NamedTuple):
    """Offsets ``first`` to ``last``, both included, of one partition."""

    partition: int
    first: int
    last: int


class Scan:
    """Reads topics by their logical names; nothing is committed, no group is joined."""

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        self._names = names
        self._options = {
            **options,
            "group.id": f"{names.prefix}{names.app}-scan",  # never joined: assigned by hand
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
        }

    def records(self, topic: str, since: int = 0, stretch: Stretch | None = None) -> Iterator[Message]:
        """Records written about ``since`` (ms) or later, or those of a stretch; by partition, in order.

        Raises ClusterError where there is no such topic or partition, KafkaException.
        """
        there, consumer = self._names.topic(topic), Consumer(self._options)
        try:
            numbers = partitions(consumer, there)
            if stretch is not None and stretch.partition not in numbers:
                raise ClusterError(f"{there} has no partition {stretch.partition}", f"it has {len(numbers)}, from 0 on")
            for number in numbers if stretch is None else [stretch.partition]:
                tp = TopicPartition(there, number)
                low, high = watermarks(consumer, tp)
                begin = _begin(consumer, tp, since, low, high) if stretch is None else max(low, stretch.first)
                yield from read(consumer, tp, begin, high if stretch is None else min(high, stretch.last + 1))
        finally:
            consumer.close()

    def one(self, topic: str, partition: int, offset: int) -> Message | None:
        """The record at a position; None where it is not retained, or is no committed record."""
        return next(self.records(topic, stretch=Stretch(partition, offset, offset)), None)


def parse_stretch(text: str) -> Stretch:
    """``3/100-250``: partition 3, offsets 100 to 250; ``3/100``: that one. Raises ValueError."""
    partition, _, offsets = text.partition("/")
    first, dash, last = offsets.partition("-")
    numbers = (partition, first, last if dash else first)
    if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
        raise ValueError(f"{text[:60]!r} is no range of offsets: write PARTITION/FIRST-LAST, such as 3/100-250")
    stretch = Stretch(*map(int, numbers))
    if stretch.first > stretch.last:
        raise ValueError(f"{text[:60]!r} ends before it begins")
    return stretch


def _begin(consumer: Consumer, tp: TopicPartition, since: int, low: int, high: int) -> int:
    if since <= _SLACK_MS:
        return low
    (found,) = consumer.offsets_for_times([TopicPartition(tp.topic, tp.partition, since - _SLACK_MS)], 10)
    return max(low, found.offset) if found.offset >= 0 else high
