"""When a rule looks: days and hours on a wall clock of its choosing, as a pure function of event time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from streams.rules.block import Block
from streams.rules.durations import shown
from streams.rules.option import Option

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: What stands in the block, for the reference page.
OPTIONS = (
    Option("days", "days", "every day", "of the week"),
    Option("hours", "hours", "the whole day", "from and up to, past midnight too; one of days and hours must be there"),
    Option("timezone", "zone", "UTC", "whose days and hours"),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 24 * 60
_HOURS = re.compile(r"([0-2][0-9]):([0-5][0-9])\s*-\s*([0-2][0-9]):([0-5][0-9])")
HOURS_PATTERN = f"^{_HOURS.pattern}$"
_ZONE = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*")


@dataclass(frozen=True, slots=True)
class Active:
    """Local minutes from ``start`` up to, not including, ``end``; past midnight where ``end`` is not after ``start``.

    Hours past midnight belong to the day on which they began: ``fri`` with 18:00-08:00 reaches into Saturday. A local
    hour that the clocks repeat is covered both times; one that they skip never comes.
    """

    days: tuple[int, ...]  #: 0 is Monday
    start: int
    end: int  #: up to 1440
    timezone: str
    _zone: ZoneInfo = field(compare=False, repr=False)

    def covers(self, at: int) -> bool:
        """Whether the moment ``at`` (ms since the epoch) lies in these days and hours."""
        moment = _EPOCH + timedelta(milliseconds=at)
        try:
            moment = moment.astimezone(self._zone)
        except OverflowError:
            pass  # within a day of the calendar's ends, where no zone can be applied, UTC is near enough
        minute, day = moment.hour * 60 + moment.minute, moment.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return day in self.days
        return minute < self.end and (day - 1) % 7 in self.days

    def document(self) -> dict[str, Any]:
        return {"days": list(self.days), "start": self.start, "end": self.end, "timezone": self.timezone}


def parse_active(raw: Any) -> Active:
    """An ``active`` block: ``{days: [mon, fri], hours: "18:00-08:00", timezone: Europe/Berlin}``, all optional.

    Raises ``BlockErrors``.
    """
    block = Block(raw)
    if isinstance(raw, dict) and not (block.has("days") or block.has("hours")):
        block.problem("", "names neither days nor hours")
    days = block.read("days", _days, tuple(range(7)))
    start, end = block.read("hours", _hours, (0, _DAY))
    name = block.text("timezone", "UTC")
    zone = block.read("timezone", parse_zone, ZoneInfo("UTC"))
    block.check()
    return Active(days, start, end, name, zone)


def _days(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(item in DAYS for item in value):
        raise ValueError(f"takes a list of {', '.join(DAYS)}, not {shown(value)}")
    return tuple(sorted({DAYS.index(item) for item in value}))


def _hours(value: Any) -> tuple[int, int]:
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'takes hours such as "18:00-08:00", not {shown(value)}')
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if start >= _DAY or end > _DAY:
        raise ValueError(f"{shown(value)} goes beyond 24:00")
    if start == end:
        raise ValueError(f"{shown(value)} is empty; the whole day is 00:00-24:00")
    return start, end


def parse_zone(value: Any) -> ZoneInfo:
    """A zone by its name. Raises ValueError."""
    if isinstance(value, str) and _ZONE.fullmatch(value):
        try:
            return ZoneInfo(value)
        except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
            pass
        except KeyError:
            pass
    raise ValueError(f"{shown(value)} is not a time zone such as Europe/Berlin")
