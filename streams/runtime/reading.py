"""Reading a partition up to where it ends: for commands, which join no group and commit nothing."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.errors import ClusterError
from streams.runtime.waiting import MOVING


def partitions(client: Consumer | Producer, topic: str) -> list[int]:
    """The numbers of a topic's partitions. Raises ClusterError where there is no such topic."""
    try:
        found = client.list_topics(topic, 10).topics[topic]
    except KafkaException as error:
        raise ClusterError(f"cannot look up {topic}: {error.args[0].str()}") from None
    if found.error is not None or not found.partitions:
        raise ClusterError(f"there is no topic {topic}", "run `tocsin topics create`")
    return sorted(found.partitions)


def read(consumer: Consumer, tp: TopicPartition, begin: int, end: int) -> Iterator[Message]:
    """What is committed from offset ``begin`` to before ``end``; the consumer tells the ends of partitions. Raises
    KafkaException.
    """
    if begin >= end:
        return
    consumer.assign([TopicPartition(tp.topic, tp.partition, begin)])
    while True:
        for message in consumer.consume(5000, 0.2):
            error = message.error()
            if error is None:
                if (offset := message.offset() or 0) >= end:
                    return
                yield message
                if offset == end - 1:
                    return
            elif error.code() == KafkaError._PARTITION_EOF:
                return  # behind it at most the marks of transactions, or what is not committed yet
            elif not error.retriable() and error.code() not in MOVING:
                raise KafkaException(error)
