"""Times as logs of hosts write them, to ms since the epoch: with a year or without, with a zone or (UTC) without."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from streams.codec.times import LAST_MS, rfc3339

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,20}))?(?: ?(Z|z|[+-]\d\d:?\d\d)| ?UTC)?", re.ASCII
)
_BSD = re.compile(
    r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: (\d{4}))?", re.ASCII
)
_NUMBER = re.compile(r"\d{9,20}(?:\.\d{1,9})?", re.ASCII)
#: Seconds, milli-, micro- and nanoseconds are told by their size: each reaches from 1970 to beyond the year 5000.
_UNITS = ((10**11, 1_000, 1), (10**14, 1, 1), (10**17, 1, 1_000), (10**20, 1, 1_000_000))
_DAY = 86_400_000


class Month(NamedTuple):
    """The first of twelve months."""

    year: int
    number: int

    @classmethod
    def of(cls, text: str) -> Month:
        """``2015`` or ``2015-12``. Raises ValueError."""
        match = re.fullmatch(r"(19[7-9]\d|[2-9]\d{3})(?:-(0[1-9]|1[0-2]))?", text, re.ASCII)
        if match is None:
            raise ValueError(f"{text[:40]!r} is no year and no month: write 2015 or 2015-12")
        return cls(int(match[1]), int(match[2] or 1))


class Yearless(NamedTuple):
    """``Dec 10 06:55:46``."""

    month: int
    day: int
    after: int  #: ms since midnight

    def of_year(self, year: int) -> int | None:
        """That moment of the year, UTC; None where it has none (the 29th of February)."""
        try:
            midnight = datetime(year, self.month, self.day, tzinfo=UTC)
        except ValueError:
            return None
        return (midnight - _EPOCH) // timedelta(milliseconds=1) + self.after


def instant(time: Yearless, first: Month) -> int | None:
    """The moment inside the twelve months that begin with ``first``; None where that year has none."""
    return time.of_year(first.year + (time.month < first.number))


def nearest(time: Yearless, known: int) -> int | None:
    """The last such moment that is not more than a day after ``known``: a line is shipped after it was written."""
    year = (_EPOCH + timedelta(milliseconds=known)).year
    found = [at for one in (year + 1, year, year - 1) if (at := time.of_year(one)) is not None and at <= known + _DAY]
    return max(found, default=None)


def moment(value: Any) -> int | Yearless:
    """The time that a value writes down. Raises ValueError for what is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no time")
    text = value.strip()
    if _NUMBER.fullmatch(text):
        whole, _, part = text.partition(".")
        for limit, times, over in _UNITS:
            if int(whole) < limit:
                ms = int(whole) * times // over + (int(f"{part:0<3.3}") if part and times == 1_000 else 0)
                return _checked(ms, text)
    if (iso := _ISO.fullmatch(text)) is not None:
        day, clock, part, zone = iso.groups()
        zone = (zone or "Z").upper()
        return rfc3339(f"{day}T{clock}.{part or 0}{zone if zone == 'Z' or ':' in zone else f'{zone[:3]}:{zone[3:]}'}")
    if (bsd := _BSD.fullmatch(text)) is not None and bsd[1] in _MONTHS:
        month, day, early, hour, minute, second, part, late = bsd.groups()
        if int(hour) > 23 or int(minute) > 59 or int(second) > 60 or not 1 <= int(day) <= 31:
            raise ValueError(f"{text!r} is not a time that exists")
        after = ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 1_000 + int(f"{part or '0':0<3.3}")
        time = Yearless(_MONTHS.index(month) + 1, int(day), after)
        year = early or late
        if year is None:
            return time
        if (at := time.of_year(int(year))) is not None:
            return _checked(at, text)
    raise ValueError(f"{text[:60]!r} is not a time")


def _checked(ms: int, text: str) -> int:
    if not 0 <= ms <= LAST_MS:
        raise ValueError(f"{text[:40]!r} is not between the years 1970 and 9999")
    return ms
