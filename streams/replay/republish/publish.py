"""Producing what comes, no sooner than its time: every record acknowledged, or the first refusal raised."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.errors import ClusterError
from streams.replay.republish.outgoing import Outgoing

_FLUSH = 30.0  #: s
_LOOK = 256  #: records between two looks at what was acknowledged
_LONGEST = 0.2  #: s that are slept at a time


@dataclass
class Pace:
    """``speed`` times as fast as it was written; 0: as fast as it goes."""

    speed: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _first: int | None = None
    _began: float = 0.0

    def ahead(self, at: int) -> float:
        """How long there is to wait until the record written at ``at``, ms, is due; s."""
        if not self.speed:
            return 0.0
        if self._first is None:
            self._first, self._began = at, self.clock()
        return (at - self._first) / 1000 / self.speed - (self.clock() - self._began)


@dataclass
class Published:
    """What became of it so far. ``following``: by log, the offset behind the last record that was acknowledged."""

    acknowledged: int = 0
    following: dict[int, int] = field(default_factory=dict)
    largest_wait: float = 0.0  #: s by which it fell behind its pace


class Publisher:
    """One topic's. ``by_key``: the producer's partitioner decides; else a record stands where it stood."""

    def __init__(self, options: Mapping[str, Any], topic: str, *, by_key: bool) -> None:
        self._topic, self._by_key = topic, by_key
        self._refused: list[str] = []
        self.published = Published()
        self._producer = Producer({
            **options, "enable.idempotence": True, "acks": "all", "linger.ms": 5, "compression.type": "lz4",
            "partitioner": "murmur2_random", "queue.buffering.max.messages": 100_000,
            "queue.buffering.max.kbytes": 65_536, "message.timeout.ms": 30_000,
        })  # fmt: skip

    def publish(self, records: Iterable[Outgoing], pace: Pace, progress: Callable[[int], None]) -> Published:
        """All of it. However it ends, what was sent has been acknowledged or refused by then.

        Raises ClusterError on the first record that the broker refuses.
        """
        try:
            for number, one in enumerate(records):
                self._wait(one, pace, progress)
                self._produce(one)
                if number % _LOOK == 0:
                    self._look(progress)
        finally:
            left = self._producer.flush(_FLUSH)
        self._check()
        if left:
            raise ClusterError(
                f"{left} records were not acknowledged in {_FLUSH:.0f} s", "check that the brokers are up"
            )
        progress(self.published.acknowledged)
        return self.published

    def _wait(self, one: Outgoing, pace: Pace, progress: Callable[[int], None]) -> None:
        while (ahead := pace.ahead(one.at)) > 0.001:
            self._look(progress)
            pace.sleep(min(ahead, _LONGEST))
        self.published.largest_wait = max(self.published.largest_wait, -ahead)

    def _look(self, progress: Callable[[int], None]) -> None:
        self._producer.poll(0)
        self._check()
        progress(self.published.acknowledged)

    def _produce(self, one: Outgoing) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._refused.append(error.str())
            else:
                self.published.acknowledged += 1
                self.published.following[one.log] = one.following

        stamp = {} if one.stamp is None else {"timestamp": one.stamp}
        place = {} if self._by_key or one.partition is None else {"partition": one.partition}
        while True:
            try:
                self._producer.produce(
                    self._topic, one.value, one.key, headers=one.headers, on_delivery=delivered, **place, **stamp
                )
                return
            except BufferError:
                self._producer.poll(0.1)
                self._check()
            except KafkaException as error:
                raise ClusterError(f"cannot write to {self._topic}: {error.args[0].str()}") from None

    def _check(self) -> None:
        if self._refused:
            raise ClusterError(f"{self._topic}: a record was refused: {self._refused[0]}", "see `tocsin topics check`")
