"""The Faust app: one channel and one agent a role. An agent translates; what anything means is decided in the core."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import faust
from faust.app.base import BootStrategy
from mode import CrashingSupervisor

from streams.model import Batch, Control, Output
from streams.runtime.stage import Part


class _NoKafka(BootStrategy):  # type: ignore[misc]  # faust is untyped
    """Faust's own Kafka client stays off: confluent-kafka does its work."""

    enable_kafka = False


class App(faust.App):  # type: ignore[misc]  # faust is untyped
    """Faust without its Kafka."""

    BootStrategy = _NoKafka


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of the core. ``batch`` None: a tick."""

    part: Part
    batch: Batch | None
    now: int
    control: Control
    at_end: bool
    answer: asyncio.Future[list[Output]]


class Agent:
    """The bridge between a role's source thread and its Faust agent."""

    def __init__(self, app: App, role: str) -> None:
        self._channel = app.channel(maxsize=8)
        self._loop: asyncio.AbstractEventLoop | None = None
        app.agent(self._channel, name=f"tocsin.{role}", supervisor_strategy=CrashingSupervisor)(_answer)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def ask(self, part: Part, batch: Batch | None, now: int, control: Control, at_end: bool) -> Future[list[Output]]:
        """Called from the source thread; the answer's wait is bounded by the caller."""
        assert self._loop is not None, "attach() comes first"
        return asyncio.run_coroutine_threadsafe(self._ask(part, batch, now, control, at_end), self._loop)

    async def _ask(self, part: Part, batch: Batch | None, now: int, control: Control, at_end: bool) -> list[Output]:
        answer: asyncio.Future[list[Output]] = asyncio.get_running_loop().create_future()
        ask = Ask(part, batch, now, control, at_end, answer)
        message = self._channel.as_future_message(value=ask, key_serializer="raw", value_serializer="raw")
        await self._channel.put(self._channel._future_message_to_event(message))
        return await answer


async def _answer(stream: Any) -> None:
    async for ask in stream:
        try:
            core = ask.part.input
            if ask.batch is not None:
                outputs = core.step(ask.part.state, ask.batch, ask.now, ask.control)
            else:
                outputs = core.tick(ask.part.state, ask.now, ask.control, at_end=ask.at_end)
            ask.answer.set_result(outputs)
        except BaseException as error:  # nothing leaves an agent's loop; the source thread decides
            ask.answer.set_exception(error)
