"""Which windows are alike: those of the same hour of a day or of a week, by a wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

HOUR = 3_600_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Season(StrEnum):
    """What a window has in common with its like."""

    NONE = "none"
    HOUR_OF_DAY = "hour_of_day"
    HOUR_OF_WEEK = "hour_of_week"

    @property
    def every(self) -> int:
        """One window in how many is alike."""
        return {Season.NONE: 1, Season.HOUR_OF_DAY: 24, Season.HOUR_OF_WEEK: 168}[self]

    def slot(self, start: int, zone: ZoneInfo) -> int:
        """What windows that are alike have in common; ``start`` of a window, ms."""
        if self is Season.NONE:
            return 0
        hour = _hour_of_week(start, zone)
        return hour % 24 if self is Season.HOUR_OF_DAY else hour


@lru_cache(maxsize=20_000)
def _hour_of_week(start: int, zone: ZoneInfo) -> int:
    moment = _EPOCH + timedelta(milliseconds=start)
    try:
        moment = moment.astimezone(zone)
    except OverflowError:
        pass  # within a day of the calendar's ends, where no zone can be applied, UTC is near enough
    return moment.weekday() * 24 + moment.hour
