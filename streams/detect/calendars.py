"""Hours, days, weeks and months of a wall clock as stretches of event time, ms. Exact over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOUR, DAY = 3_600_000, 86_400_000

#: What windows can be aligned to, and how long each can be at most: clocks are set back by up to a day.
LONGEST = {"hour": HOUR, "day": 2 * DAY, "week": 8 * DAY, "month": 32 * DAY}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
#: The Gregorian calendar repeats itself after 400 years, week-days included.
_ERA = 146_097 * DAY
_LAST_ERA = 7_600 * 365 * DAY  # near the end of the year 9999 no date can be moved to another zone


class Bucket(NamedTuple):
    """``start <= t < end``, ms."""

    start: int
    end: int


def bucket(align: str, zone: ZoneInfo, at: int) -> Bucket:
    """The hour, day, week (from Monday) or month of the zone's wall clock that ``at`` lies in.

    All of them together cover all time, and none overlap: a repeated hour is two hours, a day may have 23 or 25. Where
    the clocks jump by other than whole hours, an hour ends with the jump.
    """
    if at > _LAST_ERA:
        start, end = bucket(align, zone, at - _ERA)
        return Bucket(start + _ERA, end + _ERA)
    if align == "hour":
        return _hour(zone, at)
    local = _local(zone, at)
    first = _first(align, date(local.year, local.month, local.day))
    found = Bucket(_begins(zone, first), _begins(zone, _after(align, first)))
    while at < found.start:  # clocks set back over midnight: the new day had begun already, or not yet
        first = _first(align, first - timedelta(days=1))
        found = Bucket(_begins(zone, first), found.start)
    while at >= found.end:
        first = _after(align, first)
        found = Bucket(found.end, _begins(zone, _after(align, first)))
    return found


def _first(align: str, day: date) -> date:
    """The first day of the day, week or month that ``day`` is in."""
    if align == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if align == "month" else day


def _after(align: str, first: date) -> date:
    """The first day of the next one."""
    if align == "month":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if align == "week" else 1)


@lru_cache(maxsize=4_096)
def _begins(zone: ZoneInfo, day: date) -> int:
    """The first moment at which the clock shows ``day`` or later."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    at = (midnight.astimezone(UTC) - _EPOCH) // _MS
    if _local(zone, at).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return at
    return _jump(zone, at - DAY, at)  # no clock ever showed this midnight


def _hour(zone: ZoneInfo, at: int) -> Bucket:
    phase = _phase(zone, at)
    start = at - (at + phase) % HOUR
    end = start + HOUR
    if _phase(zone, start) != phase:
        start = _jump(zone, start, at)
    if _phase(zone, end - 1) != phase:
        end = _jump(zone, at, end)
    return Bucket(start, end)


def _phase(zone: ZoneInfo, at: int) -> int:
    """What the zone's clock shows past the hour when UTC shows a full one, ms."""
    return _offset(zone, at) % HOUR


def _jump(zone: ZoneInfo, before: int, after: int) -> int:
    """The first moment after ``before``, up to ``after``, with the offset that ``after`` has; one change lies there."""
    offset = _offset(zone, after)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(zone: ZoneInfo, at: int) -> int:
    offset = _local(zone, at).utcoffset()
    return 0 if offset is None else offset // _MS


def _local(zone: ZoneInfo, at: int) -> datetime:
    return (_EPOCH + at * _MS).astimezone(zone)
