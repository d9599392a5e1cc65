"""When people may be told: named intervals of days and hours, and lines of a crontab. Pure; moments in ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter  # type: ignore[import-untyped]

from streams.rules.active import Active, parse_active
from streams.rules.block import items, named
from streams.rules.durations import shown

MINUTE = 60_000
#: How closely the end of a mute time is looked for, and how far ahead.
_STEP, _AHEAD = 5 * MINUTE, 8 * 86_400_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Days and hours, of which any may hold."""

    name: str
    times: tuple[Active, ...]

    def covers(self, at: int) -> bool:
        """Whether the moment ``at`` lies in it."""
        return any(time.covers(at) for time in self.times)


def may_tell(intervals: Mapping[str, Interval], mute: Sequence[str], active: Sequence[str], at: int) -> bool:
    """Whether a node that is muted in ``mute`` and active in ``active`` (empty: always) may tell anybody at ``at``."""
    if any(intervals[name].covers(at) for name in mute):
        return False
    return not active or any(intervals[name].covers(at) for name in active)


def next_telling(intervals: Mapping[str, Interval], mute: Sequence[str], active: Sequence[str], at: int) -> int:
    """The first moment from ``at`` on in which it may, to the minute; eight days later where there is none before."""
    if may_tell(intervals, mute, active, at):
        return at
    moment = at // MINUTE * MINUTE
    while moment < at + _AHEAD:
        moment += _STEP
        if may_tell(intervals, mute, active, moment):
            earlier = moment - MINUTE
            while earlier > at and may_tell(intervals, mute, active, earlier):
                earlier -= MINUTE
            return max(earlier + MINUTE, at)
    return moment


def next_cron(line: str, timezone: str, after: int) -> int:
    """The first time of a crontab line strictly after ``after``, ms."""
    zone = ZoneInfo(timezone)
    begin = datetime.fromtimestamp(after / 1000, zone)
    return int(croniter(line, begin).get_next(datetime).timestamp() * 1000)


def parse_cron(line: Any) -> str:
    """A crontab line of five fields. Raises ValueError."""
    if not isinstance(line, str) or len(line.split()) != 5 or not croniter.is_valid(line):
        raise ValueError(f'takes a crontab line such as "0 8 * * mon", not {shown(line)}')
    return line


def parse_zone(name: Any) -> str:
    """The name of a time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ValueError, TypeError, LookupError, OSError):
        raise ValueError(f"takes a time zone such as Europe/Amsterdam, not {shown(name)}") from None
    return str(name)


def parse_intervals(raw: Any) -> dict[str, Interval]:
    """``{name: {days, hours, timezone}}``, or a list of such blocks. Raises BlockErrors."""
    return named(raw, _interval)


def _interval(name: str, raw: Any) -> Interval:
    times = items(raw, parse_active) if isinstance(raw, list) else (parse_active(raw),)
    if not times:
        raise ValueError("has no times")
    return Interval(name, times)
