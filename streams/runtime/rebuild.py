"""Filling a storage from the topics again, beside the sink that may be writing to it: newer versions always win."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.base import Delivered, Kind, Origin, Rejected, Sink, Work, as_record, decode_item
from connectors.context import SinkContext
from connectors.registry import SinkConfig
from streams.codec.outputs import PLAIN, RECORDS, Wire
from streams.errors import TocsinError
from streams.runtime.names import Names

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0


@dataclass
class Rebuilt:
    """Records that the storage has now, and those that it or we refuse."""

    stored: int = 0
    refused: int = 0


def rebuild(
    config: SinkConfig, context: SinkContext, options: Mapping[str, Any], names: Names, wire: Wire = PLAIN,
    patience_s: float = 60.0, tell: Callable[[Rebuilt], None] = lambda _: None,
) -> Rebuilt:  # fmt: skip
    """Give a storage everything that stands on its topics now. No group's offsets are touched.

    Raises TocsinError where the storage takes nothing for ``patience_s``, KafkaException, SinkBroken.
    """
    consumer = Consumer(
        {
            **options, "group.id": names.group(f"rebuild-{config.name}"), "enable.auto.commit": False,
            "enable.partition.eof": True, "auto.offset.reset": "earliest", "isolation.level": "read_committed",
        }
    )  # fmt: skip
    try:
        return asyncio.run(_fill(consumer, config, context, names, wire, patience_s, tell))
    finally:
        consumer.close()


async def _fill(
    consumer: Consumer, config: SinkConfig, context: SinkContext, names: Names, wire: Wire, patience_s: float,
    tell: Callable[[Rebuilt], None],
) -> Rebuilt:  # fmt: skip
    done, topics = Rebuilt(), {names.topic(topic): topic for topic in config.topics}
    unread: set[tuple[str, int]] = set()
    for topic in topics:
        found = (await asyncio.to_thread(consumer.list_topics, topic, 15)).topics[topic]
        unread |= {(topic, number) for number in (found.partitions if found.error is None else ())}
    consumer.assign([TopicPartition(*name, 0) for name in sorted(unread)])
    sink = config.make(context)
    await sink.open()
    try:
        while unread:
            messages = await asyncio.to_thread(consumer.consume, config.policy.batch, 1.0)
            batch: list[Work] = []
            for message in messages:
                if (error := message.error()) is None:
                    work = _read(message, topics, config, wire)
                    done.refused += work is None
                    batch += () if work is None else (work,)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard((message.topic() or "", message.partition() or 0))
                elif not error.retriable():
                    raise KafkaException(error)
            if batch:
                await _store(sink, batch, done, patience_s)
                tell(done)
    finally:
        await sink.close()
    return done


def _read(message: Message, topics: Mapping[str, str], config: SinkConfig, wire: Wire) -> Work | None:
    """The item in a record; None for what is none: the sink itself has buried it."""
    origin = Origin(topics[message.topic() or ""], message.partition() or 0, message.offset() or 0)
    value = message.value()
    try:
        if value is None:
            return None
        raw = wire.json(origin.topic, value) if origin.topic in RECORDS else value
        if origin.topic != config.topics[0]:
            return as_record(raw, origin, message.timestamp()[1], None)
        return decode_item(Kind.STORAGE, config.name, raw, origin)
    except (ValueError, RecursionError):
        return None


async def _store(sink: Sink, batch: list[Work], done: Rebuilt, patience_s: float) -> None:
    wait, waited = _FIRST_WAIT_S, 0.0
    while batch:
        results = await sink.deliver(batch)  # type: ignore[arg-type]  # a sink with further topics takes records
        done.stored += sum(isinstance(result, Delivered) for result in results)
        done.refused += sum(isinstance(result, Rejected) for result in results)
        left = [
            (work, result.reason)
            for work, result in zip(batch, results, strict=True)
            if not isinstance(result, (Delivered, Rejected))
        ]
        if not left:
            return
        waited = waited + wait if len(left) == len(batch) else 0.0
        if waited > patience_s:
            raise TocsinError(f"the storage takes nothing: {left[0][1]}", "see that it runs, and call this again")
        await asyncio.sleep(wait)
        wait = min(_LONGEST_WAIT_S, wait * 2)
        batch = [work for work, _ in left]
