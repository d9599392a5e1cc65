"""Asking alerts many times from one process: one producer, and one reader of ``operations`` that hears the answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams import telemetry
from streams.errors import ClusterError
from streams.model import Command, Operation
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks

_operation = msgspec.json.Decoder(Operation).decode
_encode = msgspec.json.Encoder().encode
#: By the command's id, everybody who waits: the same request may be sent again before the first is answered.
_Answers = dict[str, list[tuple[asyncio.AbstractEventLoop, "asyncio.Future[Operation]"]]]


class TooLarge(ClusterError):
    """The brokers take no record of that size: sending it again is of no use."""


class Asking:
    """``ask`` and ``produce`` are called on event loops; ``start`` and ``stop`` from anywhere."""

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        self._options, self._names = dict(options), names
        self._waiting: _Answers = {}
        self._stopping = threading.Event()
        self._hearing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="asking", daemon=True)
        self._writing = threading.Thread(target=self._acknowledge, name="asking-written", daemon=True)
        self.error = ""  #: why no answers are heard at present

    def start(self) -> None:
        self._producer = Producer(
            {
                **self._options, "enable.idempotence": True, "acks": "all", "partitioner": "murmur2_random",
                "message.timeout.ms": 10_000, "linger.ms": 2,
            }
        )  # fmt: skip
        self._thread.start()
        self._writing.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in (self._thread, self._writing):
            if thread.is_alive():
                thread.join(5)

    @property
    def hears(self) -> bool:
        """Whether what is asked now is answered, if the ALERT stage runs."""
        return self._hearing.is_set() and self._thread.is_alive()

    async def ask(self, command: Command, seconds: float) -> Operation | None:
        """Write a command, and what became of it; None where nothing was heard in that time. Raises ClusterError."""
        loop = asyncio.get_running_loop()
        if not await asyncio.to_thread(self._hearing.wait, min(seconds, 5.0)):
            raise ClusterError(f"the answers cannot be read: {self.error or 'not yet connected'}")
        answer: asyncio.Future[Operation] = loop.create_future()
        self._waiting.setdefault(command.id, []).append((loop, answer))
        try:
            await self.produce("alert-input", _encode(command), command.tenant.encode())
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            return None
        finally:
            self._waiting[command.id].remove((loop, answer))
            if not self._waiting[command.id]:
                del self._waiting[command.id]

    async def produce(self, topic: str, value: bytes, key: bytes | None) -> str:
        """Write a record to a logical topic; its position once the brokers have it. Raises ClusterError, TooLarge."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[str] = loop.create_future()

        def wrote(error: Any, message: Message) -> None:
            where = f"{topic}/{message.partition()}/{message.offset()}" if error is None else ""
            loop.call_soon_threadsafe(_settle, written, where, error)

        try:
            self._producer.produce(self._names.topic(topic), value, key, on_delivery=wrote)
        except KafkaException as error:
            raise _failure(error.args[0]) from None
        except BufferError:
            raise ClusterError(f"cannot write to {topic}: too much is waiting already") from None
        return await written

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except Exception as error:  # whatever ends a reader, the next one begins at the end
                self.error = f"{type(error).__name__}: {error}"
                telemetry.log.warning("answers to commands cannot be read; trying again", error=self.error)
            self._hearing.clear()
            self._stopping.wait(1)

    def _acknowledge(self) -> None:
        """Tell what was written as soon as the brokers do."""
        while not self._stopping.is_set():
            self._producer.poll(0.1)
        self._producer.flush(4)

    def _follow(self) -> None:
        topic = self._names.topic("operations")
        consumer = Consumer(
            {
                **self._options, "group.id": f"{self._names.prefix}{self._names.app}-asking",
                "isolation.level": "read_committed", "enable.auto.commit": False, "auto.offset.reset": "latest",
                "fetch.wait.max.ms": 50,
            }
        )  # fmt: skip
        try:
            numbers = consumer.list_topics(topic, 10).topics[topic].partitions
            parts = [TopicPartition(topic, number) for number in numbers]
            consumer.assign([TopicPartition(topic, tp.partition, watermarks(consumer, tp, 10)[1]) for tp in parts])
            self.error = ""
            self._hearing.set()
            while not self._stopping.is_set():
                if (message := consumer.poll(0.1)) is not None:
                    self._heard(message)
        finally:
            consumer.close()

    def _heard(self, message: Message) -> None:
        if (error := message.error()) is not None:
            if error.fatal() or not (error.retriable() or error.code() < 0):
                raise KafkaException(error)
            return
        try:
            operation = _operation(message.value() or b"")
        except (ValueError, RecursionError):
            return
        for loop, answer in tuple(self._waiting.get(operation.command_id, ())):
            loop.call_soon_threadsafe(_settle, answer, operation, None)


def _settle(future: asyncio.Future[Any], value: Any, error: Any) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(_failure(error))


def _failure(error: KafkaError) -> ClusterError:
    kind = TooLarge if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else ClusterError
    return kind(f"a record could not be written: {error.str()}")
