"""One life of a sink: records from Kafka to its runner, outcomes to Kafka, offsets behind what is finished.

All calls of the consumer (``streams.runtime.sink_source``) are made on one thread of its own, one after the other; the
runner lives on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from confluent_kafka import Message

from connectors.base import Origin, Work, as_record, decode_item, partition_lane
from connectors.context import SinkContext
from connectors.offsets import Commit
from connectors.registry import SinkConfig
from connectors.runner import Runner
from connectors.shared_rate import RedisTokens
from streams import telemetry
from streams.codec.outputs import PLAIN, RECORDS, Wire
from streams.model import DeadReason
from streams.runtime.names import Names
from streams.runtime.sink_source import SinkSource
from streams.runtime.sink_writer import SinkWriter

_COMMIT_EVERY_S = 0.1


class SinkFeed:
    """One life of a sink, from joining its group to leaving it. ``run`` raises whatever ended it."""

    def __init__(
        self,
        config: SinkConfig,
        context: SinkContext,
        options: Mapping[str, Any],
        names: Names,
        worker: str,
        count: Callable[[str], None],
        wire: Wire = PLAIN,
    ) -> None:
        self._wire = wire
        self._config = config
        self._context = replace(context, owns=lambda *name: name in self._kafka.owned)
        self._topics = {names.topic(logical): logical for logical in config.topics}
        self._source = config.topics[0]
        self._writer = SinkWriter(config.name, options, names, count, wire)
        self._kafka = SinkSource(config, options, names, worker, self._writer, self._on_loop)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-{config.name}")
        self._stop_after: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.runner: Runner | None = None

    @property
    def error(self) -> str:
        """Of Kafka, while it lasts."""
        return self._kafka.error

    @property
    def joined(self) -> bool:
        """The group has given it its partitions (possibly none)."""
        return self._kafka.joined

    def stop(self, timeout: float) -> None:
        """From any thread: end ``run``, giving calls under way ``timeout`` seconds."""
        self._stop_after = timeout

    async def run(self) -> None:
        """Until ``stop``, or until Kafka fails."""
        self._loop = asyncio.get_running_loop()
        config, secrets = self._config, self._context.secrets
        rate = config.policy.rate
        runner = self.runner = Runner(
            config.name,
            lambda: config.make(self._context),
            config.policy,
            self._writer.report,
            secrets.redact,
            tokens=RedisTokens(rate, self._kafka.group, secrets) if rate and rate.shared else None,
        )
        running: asyncio.Task[None] | None = None
        try:
            await self._on_kafka(self._connect)
            running = asyncio.create_task(runner.run())
            while self._stop_after is None:
                commit = self._due(time.monotonic())
                messages = await self._on_kafka(self._kafka.turn, commit, runner.schedule.full, runner.schedule.roomy)
                self._resume(runner)
                for message in messages:
                    self._accept(message)
                telemetry.SINK_UP.labels(config.name).set(runner.is_open and not runner.schedule.breaker.open)
                if running.done():
                    running.result()
            await runner.stop(self._stop_after)
            await self._on_kafka(self._kafka.commit, runner.committable())
        finally:
            await self._end(runner, running)

    async def _end(self, runner: Runner, running: asyncio.Task[None] | None) -> None:
        with suppress(Exception):
            await runner.stop(0)
        if running is not None:
            running.cancel()
            await asyncio.wait({running}, timeout=5)
        with suppress(Exception):
            await asyncio.wait_for(self._on_kafka(self._disconnect), 15)
        self._pool.shutdown(wait=False)

    async def _on_kafka(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _connect(self) -> None:
        self._writer.connect()
        self._kafka.connect()

    def _disconnect(self) -> None:
        self._kafka.close()
        self._writer.close()

    def _resume(self, runner: Runner) -> None:
        for topic, partition, commit in self._kafka.resumed:
            runner.schedule.offsets.resume(topic, partition, commit)
        self._kafka.resumed.clear()

    def _accept(self, message: Message) -> None:
        assert self.runner is not None
        origin = Origin(self._topics[message.topic() or ""], message.partition() or 0, message.offset() or 0)
        if (origin.topic, origin.partition) not in self._kafka.owned:
            return
        value = message.value()
        try:
            if value is None:
                raise ValueError("a record without a value")
            item = self._read(message, value, origin)
        except (ValueError, RecursionError) as error:
            reason = DeadReason.TOMBSTONE if value is None else DeadReason.MALFORMED
            headers = tuple(cast("list[tuple[str, bytes | None]]", message.headers() or []))
            self._writer.bury(origin, error, reason, value, message.key(), headers)
            self.runner.skip(origin)
            return
        if item is None:
            self.runner.skip(origin)
        else:
            self.runner.offer(item)

    def _read(self, message: Message, value: bytes, origin: Origin) -> Work | None:
        if origin.topic != self._source:
            raw = self._wire.json(origin.topic, value) if origin.topic in RECORDS else value
            return as_record(raw, origin, message.timestamp()[1], cast("bytes | None", message.key()))
        item = decode_item(self._config.kind, self._config.name, self._wire.json(self._source, value), origin)
        if item is not None and self._config.by_partition:
            return replace(item, lane=partition_lane(origin))
        return item

    def _due(self, now: float) -> dict[tuple[str, int], Commit]:
        """Offsets to commit now."""
        assert self.runner is not None
        if now - self._kafka.tried_at < _COMMIT_EVERY_S:
            return {}
        ready = self.runner.committable()
        return {name: commit for name, commit in ready.items() if self._kafka.committed.get(name) != commit}

    def _on_loop(self, names: list[tuple[str, int]], timeout: float) -> dict[tuple[str, int], Commit]:
        """On the loop: let calls of these partitions end, then forget them; what may be committed of them."""
        assert self._loop is not None

        async def release() -> dict[tuple[str, int], Commit]:
            assert self.runner is not None
            await asyncio.gather(*(self.runner.release(*name, timeout) for name in names))
            ready = self.runner.committable()
            for name in names:
                self.runner.schedule.forget(*name)
            return {name: ready[name] for name in names if name in ready}

        return asyncio.run_coroutine_threadsafe(release(), self._loop).result(timeout + 2)
