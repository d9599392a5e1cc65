"""Asking alerts from one process: who hears which answer, and what a refused record means. Kafka itself is not asked."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.errors import ClusterError
from streams.model import Action, Command
from streams.runtime.asking import Asking, TooLarge
from streams.runtime.names import Names

COMMAND = Command(id="c1", action=Action.ACKNOWLEDGE, alert_id="a", tenant="acme", by="ada", at=1)


class Written:
    """A producer that has everything on the brokers at once, or refuses it."""

    def __init__(self, raises: Exception | None = None, error: KafkaError | None = None) -> None:
        self.raises, self.error = raises, error

    def produce(self, *_: Any, on_delivery: Any) -> None:
        if self.raises is not None:
            raise self.raises
        on_delivery(self.error, self)

    def partition(self) -> int:
        return 0

    offset = partition


class Said:
    """A record of ``operations``."""

    def __init__(self, **fields: Any) -> None:
        self.raw = msgspec.json.encode(fields)

    def error(self) -> None:
        return None

    def value(self) -> bytes:
        return self.raw


def asking(producer: Written) -> Asking:
    made = Asking({}, Names("app", "t."))
    made._producer = producer  # type: ignore[assignment]
    made._hearing.set()
    return made


async def test_a_command_that_is_sent_again_while_the_first_waits_is_answered_to_both() -> None:
    """A proxy that repeats a request with the same Idempotency-Key; the second is refused as a duplicate later."""
    one = asking(Written())
    both = [asyncio.create_task(one.ask(COMMAND, 2)) for _ in range(2)]
    await asyncio.sleep(0.05)
    answer = {"command_id": "c1", "alert_id": "a", "tenant": "acme", "action": "acknowledge", "by": "ada", "at": 5}
    one._heard(Said(**answer, outcome="applied", asked_at=1))
    assert [found.outcome.value for found in await asyncio.gather(*both) if found] == ["applied", "applied"]
    one._heard(Said(**answer, outcome="refused", reason="duplicate", asked_at=1))
    assert one._waiting == {}


async def test_who_gave_up_waiting_is_forgotten() -> None:
    one = asking(Written())
    assert await one.ask(COMMAND, 0.01) is None
    assert one._waiting == {}


@pytest.mark.parametrize("where", ["raises", "error"])  # by the client, or by the broker
@pytest.mark.parametrize(
    ("code", "is_too_large"), [(KafkaError.MSG_SIZE_TOO_LARGE, True), (KafkaError._MSG_TIMED_OUT, False)]
)
async def test_a_record_that_is_too_large_is_told_from_one_that_may_go_later(
    where: str, code: int, is_too_large: bool
) -> None:
    error = KafkaError(code)
    one = asking(Written(**{where: KafkaException(error) if where == "raises" else error}))
    with pytest.raises(ClusterError) as told:
        await one.produce("audit.events", b"x", None)
    assert isinstance(told.value, TooLarge) is is_too_large
