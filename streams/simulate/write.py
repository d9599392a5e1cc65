"""Where simulated traffic goes: files, one a source, or topics; and the truth about the attacks beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.errors import ClusterError, ConfigError
from streams.simulate.scene import Label, Simulated

_encode = msgspec.json.Encoder().encode
_FLUSH = 30.0


def encode(simulated: Simulated) -> bytes:
    """The event as its producer writes it."""
    return _encode(simulated.event)


def to_files(traffic: Iterable[Simulated], folder: Path) -> Iterator[Simulated]:
    """Write ``SOURCE.jsonl`` into ``folder``, and pass the events on. Raises ConfigError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files: dict[str, BinaryIO] = {}
            for simulated in traffic:
                file = files.get(simulated.source)
                if file is None:
                    path = folder / f"{simulated.source}.jsonl"
                    file = files[simulated.source] = stack.enter_context(path.open("wb"))
                file.write(_encode(simulated.event) + b"\n")
                yield simulated
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}") from None


def to_topics(
    traffic: Iterable[Simulated], options: Mapping[str, Any], topics: Mapping[str, str]
) -> Iterator[Simulated]:
    """Produce to ``topics`` (source -> topic on the cluster), and pass the events on.

    A record is never stamped with the past, which retention would delete at once, nor behind its own event's time.

    All records have been acknowledged when the iterator ends. Raises ClusterError on the first one that is refused.
    """
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    producer = Producer({
        **options, "enable.idempotence": True, "acks": "all", "linger.ms": 5, "compression.type": "lz4",
        "partitioner": "murmur2_random", "queue.buffering.max.messages": 200_000,
        "message.timeout.ms": 30_000,
    })  # fmt: skip

    def check() -> None:
        if refused:
            raise ClusterError(f"a record was refused: {refused[0].str()}", "run `tocsin topics check`")

    for n, simulated in enumerate(traffic):
        value = _encode(simulated.event)
        written = max(simulated.event["event_time"], time.time_ns() // 1_000_000)
        while True:
            try:
                producer.produce(
                    topics[simulated.source], value, simulated.key, timestamp=written, on_delivery=delivered
                )
                break
            except BufferError:
                producer.poll(0.1)
                check()
            except KafkaException as error:
                raise ClusterError(f"cannot produce: {error.args[0].str()}") from None
        if n % 256 == 0:
            producer.poll(0)
            check()
        yield simulated
    left = producer.flush(_FLUSH)
    check()
    if left:
        raise ClusterError(f"{left} records were not acknowledged in {_FLUSH:.0f} s", "check that the brokers are up")


def paced(
    traffic: Iterable[Simulated], start_ms: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[Simulated]:
    """Hold each event back until as much time has passed as lies between ``start_ms`` and its event time."""
    began = clock()
    for simulated in traffic:
        ahead = (simulated.event["event_time"] - start_ms) / 1000 - (clock() - began)
        if ahead > 0.002:
            time.sleep(ahead)
        yield simulated


def truth(labels: Iterable[Label]) -> Iterator[bytes]:
    """One JSON line a label, without the line's end."""
    return (_encode(label) for label in labels)
