"""What a client must wait out: leaders and coordinators that move, brokers that restart."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

#: A leader is moving, or a broker restarts: ask again.
MOVING = frozenset({
    KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.BROKER_NOT_AVAILABLE, KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.OFFSET_NOT_AVAILABLE,
})  # fmt: skip


def watermarks(consumer: Consumer, tp: TopicPartition, patience: float = 60.0) -> tuple[int, int]:
    """(low, high) of a partition; waits for a leader up to ``patience`` seconds. Raises KafkaException."""
    end = time.monotonic() + patience
    while True:
        try:
            low, high = consumer.get_watermark_offsets(tp, 10)
            return low, high
        except KafkaException as error:
            if error.args[0].code() not in MOVING or time.monotonic() > end:
                raise
            time.sleep(0.1)
