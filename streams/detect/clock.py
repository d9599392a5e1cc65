"""Event time: how it is read from an event, and the watermark of a partition. Integer milliseconds throughout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from streams.detect.base import NEVER

#: 9999-12-31T23:59:59.999Z. Times before 1970 are refused too: they are a producer's zero or minus one.
MAX_TIME = 253_402_300_799_999

MAX_TENANT = 200
#: Stands for the tenant in the keys and findings of rules with ``scope: global``.
EVERY_TENANT = "*"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def event_time(value: Any, record_time: int) -> tuple[int, bool]:
    """The time of an event in ms, and whether it is the record's own for want of another (missing or null).

    Takes whole ms, or RFC 3339 with an offset. Raises ValueError for anything else and outside 1970..9999.
    """
    if value is msgspec.UNSET or value is None:
        if not 0 <= record_time <= MAX_TIME:
            raise ValueError("event_time is missing, and the record has no timestamp")
        return record_time, True
    if isinstance(value, str):
        ms = _rfc3339(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value != value or not -1 < value < MAX_TIME + 1:
            raise ValueError(f"event_time {value!r} is not in the years 1970 to 9999 (it is in milliseconds)")
        ms = int(value)
    else:
        raise ValueError(f"event_time must be milliseconds or RFC 3339, not {type(value).__name__}")
    if not 0 <= ms <= MAX_TIME:
        raise ValueError(f"event_time {value!r} is not in the years 1970 to 9999")
    return ms, False


def _rfc3339(text: str) -> int:
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise ValueError(f"event_time {text[:40]!r} is not RFC 3339") from error
    if moment.tzinfo is None:
        raise ValueError(f"event_time {text[:40]!r} has no UTC offset")
    return (moment - _EPOCH) // _MS


def tenant_of(value: Any, default: str) -> str:
    """The tenant an event names, or the source's default. Raises ValueError where it is not a plain name."""
    if value is msgspec.UNSET or value is None or value == "":
        return default
    if not isinstance(value, str):
        raise ValueError(f"tenant must be text, not {type(value).__name__}")
    if len(value) > MAX_TENANT or value == EVERY_TENANT:
        raise ValueError(f"tenant {value[:40]!r} is reserved or longer than {MAX_TENANT} characters")
    return value


def event_id_of(value: Any) -> str:
    """The id an event names, empty without one; a whole number is as good as text. Raises ValueError."""
    if value is msgspec.UNSET or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"event_id must be text or a whole number, not {type(value).__name__}")


@dataclass(slots=True)
class Watermark:
    """How far a partition has come in event time: the largest seen less the allowed disorder, or further by idleness.

    ``newest`` is the largest event time seen (skewed ones left out), ``floor`` what an idle tick reached.
    """

    max_disorder: int
    max_skew: int
    newest: int = NEVER
    floor: int = NEVER

    @property
    def mark(self) -> int:
        """The watermark, ms; far below zero while nothing is known. Never goes back."""
        mark = self.newest - self.max_disorder
        return mark if mark > self.floor else self.floor

    def reaching(self, mark: int) -> int:
        """The event time with which the watermark reaches ``mark``; far below zero where it has."""
        return NEVER if self.floor >= mark else mark + self.max_disorder

    def skewed(self, at: int, record_time: int) -> bool:
        """Whether an event is too far ahead of its record to be believed. A negative record time is unknown."""
        return record_time >= 0 and at > record_time + self.max_skew

    def idle(self, passed: int) -> None:
        """Nothing came for ``passed`` ms of processing time, and all there was has been read."""
        if self.newest != NEVER:
            self.floor = max(self.floor, self.newest + passed - self.max_disorder)
