"""How a worker ends when it must: abort what is open, say why, and leave with a status that tells what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from confluent_kafka import KafkaError, KafkaException

from streams import telemetry
from streams.errors import FAILED, FENCED, LOST, MISMATCH, TocsinError

FENCING = frozenset({KafkaError._FENCED, KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError.PRODUCER_FENCED})
#: A live member, one generation behind: a rebalance overtook its transaction.
STALE = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS})


class Ended(Exception):
    """Leave with ``status``; ``args[0]`` says why."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


def status_of(error: BaseException) -> int:
    if isinstance(error, Ended):
        return error.status
    if isinstance(error, TocsinError):
        return error.status if error.status == MISMATCH else FAILED
    if isinstance(error, KafkaException):
        code = error.args[0].code()
        if code in FENCING:
            return FENCED
        if code == KafkaError.UNKNOWN_MEMBER_ID:
            return LOST
        if code == KafkaError._AUTO_OFFSET_RESET:
            return MISMATCH
    return FAILED


def leave(error: BaseException, role: str, abort: Callable[[], None] | None = None) -> NoReturn:
    """End the process at once. ``abort`` is tried first, so that nobody waits for the transaction's timeout."""
    status = status_of(error)
    hint = getattr(error, "hint", "")
    expected = isinstance(error, (Ended, TocsinError, KafkaException))
    telemetry.log.error(
        "worker ends",
        role=role,
        status=status,
        error=f"{type(error).__name__}: {error}"[:1000],
        **({"hint": hint} if hint else {}),
        **({} if expected else {"exc_info": error}),
    )
    if abort is not None and status != FENCED:
        with suppress(KafkaException):
            abort()
    sys.stderr.flush()
    os._exit(status)
