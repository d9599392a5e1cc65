"""When something recurs: RFC 5545 rules on the wall clock of a zone, with a cost that no rule can drive up.

Of RRULE: FREQ from YEARLY to HOURLY, INTERVAL, COUNT, UNTIL, WKST and the BY parts, but BYSECOND and several BYMINUTE.
``EXDATE`` lines take single occurrences, or whole days, out. 02:00 stays 02:00 when clocks change; a time that a change
skips is as much later, and of one that comes twice the first counts, as the RFC has it.

A rule is never counted up from its beginning: the search begins a period before what is asked for, in step with
INTERVAL, and ends after ``_PERIODS`` of them. A rule that has no time in its first so many is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil import rrule as rules  # type: ignore[import-untyped]

_FREQ: Final = {
    "YEARLY": rules.YEARLY, "MONTHLY": rules.MONTHLY, "WEEKLY": rules.WEEKLY, "DAILY": rules.DAILY,
    "HOURLY": rules.HOURLY,
}  # fmt: skip
#: Periods that are looked through, at the most: 50 years, 40, 11, 8 and one.
_PERIODS: Final = {
    rules.YEARLY: 50, rules.MONTHLY: 480, rules.WEEKLY: 600, rules.DAILY: 3_000, rules.HOURLY: 9_000
}  # fmt: skip
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_RANGES: Final = {
    "BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59), "BYSETPOS": (-366, 366),
}  # fmt: skip
_MAX_INTERVAL, _MAX_COUNT, _MAX_LINES, _MAX_LIST = 1_000, 1_000, 100, 100
_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_DATE = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = 253_370_764_800_000  #: the beginning of the year 9999, beyond which nothing is looked for
_BLOCK = 32 * 86_400_000  #: occurrences are found for so long at once, and kept


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``text``: RRULE and EXDATE lines; ``begins``: DTSTART, ms."""

    text: str
    begins: int
    timezone: str

    def last(self, now: int, since: int) -> int | None:
        """The latest occurrence at or before ``now`` that is after ``since``."""
        for block in range(now // _BLOCK, since // _BLOCK - 1, -1):
            times = _block(self, block)
            if (place := bisect_right(times, now)) and times[place - 1] > since:
                return times[place - 1]
            if place:
                return None
        return None

    def next(self, now: int) -> int | None:
        """The first occurrence strictly after ``now``; None: none that is looked for so far ahead."""
        rule, after = _rule(self), max(now, self.begins - 1)
        return next(_found(self, rule, after, after + rule.far), None)


def check(one: Recurrence) -> None:
    """Raises ValueError that says what is wrong with it."""
    rule = _rule(one)
    if next(_found(one, rule, one.begins - 1, one.begins + rule.far), None) is None:
        raise ValueError("never happens")


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """What was read of a text."""

    parts: dict[str, Any]  #: of ``dateutil.rrule.rrule``, without its beginning and end
    begins: datetime  #: local
    until: datetime | None  #: local
    days_out: frozenset[date]
    times_out: frozenset[datetime]
    far: int  #: ms that ``_PERIODS`` are


@lru_cache(maxsize=1_000)
def _rule(one: Recurrence) -> _Rule:
    zone = ZoneInfo(one.timezone)
    begins = _local(one.begins, zone)
    lines = [line.strip() for line in one.text.strip().splitlines() if line.strip()]
    if not lines or len(lines) > _MAX_LINES:
        raise ValueError(f"takes one RRULE and at most {_MAX_LINES - 1} EXDATE lines")
    days: set[date] = set()
    times: set[datetime] = set()
    rule = ""
    for line in lines:
        name, colon, rest = line.rpartition(":")
        name = name.upper() if colon else "RRULE"
        if name == "EXDATE":
            for text in rest.split(","):
                at, whole = _date(text.strip(), zone)
                if whole:
                    days.add(at.date())
                else:
                    times.add(at)
        elif name == "RRULE" and not rule:
            rule = rest
        else:
            raise ValueError(f"has a line that is neither its one RRULE nor EXDATE: {line[:60]!r}")
    if not rule:
        raise ValueError("has no RRULE line")
    parts, until, count = _parts(rule, begins, zone)
    far = _PERIODS[parts["freq"]] * parts["interval"] * _length(parts["freq"])
    if count:  # counted once, from the beginning; EXDATE does not lengthen it
        last = _end(begins, far)
        counted = list(islice(rules.rrule(dtstart=begins, until=last, **parts), count))
        if len(counted) < count:
            raise ValueError(f"COUNT={count} lies further ahead than is looked for: say UNTIL")
        until = counted[-1]
    return _Rule(parts, begins, until, frozenset(days), frozenset(times), far)


def _parts(text: str, begins: datetime, zone: ZoneInfo) -> tuple[dict[str, Any], datetime | None, int]:
    given: dict[str, str] = {}
    for item in text.upper().rstrip(";").split(";"):
        name, equals, value = item.strip().partition("=")
        if not equals or not value or name in given:
            raise ValueError(f"takes NAME=VALUE;…, each once, not {item[:40]!r}")
        given[name] = value
    if (freq := _FREQ.get(given.pop("FREQ", ""))) is None:
        raise ValueError(f"needs FREQ, one of {', '.join(_FREQ)}")
    count = _number("COUNT", given.pop("COUNT", "0"), 0, _MAX_COUNT)
    until = _until(given.pop("UNTIL", ""), zone)
    if count and until is not None:
        raise ValueError("says both COUNT and UNTIL")
    parts: dict[str, Any] = {
        "freq": freq,
        "interval": _number("INTERVAL", given.pop("INTERVAL", "1"), 1, _MAX_INTERVAL),
        "wkst": _weekday(given.pop("WKST", "MO")).weekday,
    }
    if "BYDAY" in given:
        parts["byweekday"] = [_weekday(day) for day in _listed("BYDAY", given.pop("BYDAY"))]
        if freq > rules.MONTHLY and any(day.n for day in parts["byweekday"]):
            raise ValueError("BYDAY takes numbers (2TU) only with YEARLY and MONTHLY")
    for name, (least, most) in _RANGES.items():
        if name in given:
            values = [_number(name, value, least, most) for value in _listed(name, given.pop(name))]
            if least < 0 and 0 in values:
                raise ValueError(f"{name} does not take 0")
            parts[name.lower()] = values
    if given:
        raise ValueError(f"has a part that is not known here: {next(iter(given))[:40]}")
    if len(parts.get("byminute", ())) > 1:
        raise ValueError("BYMINUTE takes one value: not more often than every hour")
    if "byweekno" in parts and freq != rules.YEARLY:
        raise ValueError("BYWEEKNO goes with YEARLY")
    return _said(parts, begins), until, count


def _said(parts: dict[str, Any], begins: datetime) -> dict[str, Any]:
    """What DTSTART says where the rule does not, said: so that the search may begin anywhere."""
    freq = parts["freq"]
    days = {"byweekno", "byyearday", "bymonthday", "byweekday"}
    if not days & parts.keys():
        if freq == rules.YEARLY:
            parts.setdefault("bymonth", [begins.month])
        if freq in (rules.YEARLY, rules.MONTHLY):
            parts["bymonthday"] = [begins.day]
        elif freq == rules.WEEKLY:
            parts["byweekday"] = [_weekday(_DAYS[begins.weekday()])]
    if freq != rules.HOURLY:
        parts.setdefault("byhour", [begins.hour])
    parts.setdefault("byminute", [begins.minute])
    parts["bysecond"] = [begins.second]
    return parts


@lru_cache(maxsize=4_096)
def _block(one: Recurrence, block: int) -> tuple[int, ...]:
    begin = block * _BLOCK
    return tuple(_found(one, _rule(one), begin - 1, begin + _BLOCK - 1))


def _found(one: Recurrence, rule: _Rule, after: int, end: int) -> Iterator[int]:
    """Occurrences after ``after`` and up to ``end``, ms, ascending."""
    zone, before = ZoneInfo(one.timezone), after
    low = max(_local(after, zone) - timedelta(days=1), rule.begins)
    high = _end(_local(end, zone), 86_400_000)
    high = high if rule.until is None else min(high, rule.until)
    if low > high:
        return
    for local in rules.rrule(dtstart=_aligned(rule, low), until=high, **rule.parts):
        at = int((local.replace(tzinfo=zone) - _EPOCH) / timedelta(milliseconds=1))
        if local < low or at <= before or local.date() in rule.days_out or local in rule.times_out:
            continue
        if at > end:
            return
        before = at
        yield at


def _aligned(rule: _Rule, low: datetime) -> datetime:
    """The beginning of a period, in step with INTERVAL, that lies at or before ``low`` with all of its week or month.

    The very first period begins where the rule does.
    """
    begins, freq, interval = rule.begins, rule.parts["freq"], rule.parts["interval"]
    if freq == rules.YEARLY:
        years = (low.year - 1 - begins.year) // interval * interval
        return datetime(begins.year + years, 1, 1) if years > 0 else begins  # noqa: DTZ001  # a wall clock
    if freq == rules.MONTHLY:
        months = ((low.year - begins.year) * 12 + low.month - 1 - begins.month) // interval * interval
        place = begins.year * 12 + begins.month - 1 + months
        return datetime(place // 12, place % 12 + 1, 1) if months > 0 else begins  # noqa: DTZ001  # a wall clock
    period = timedelta(milliseconds=_length(freq) * interval)
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    if freq == rules.WEEKLY:
        start = midnight - timedelta(days=(begins.weekday() - rule.parts["wkst"]) % 7)
    else:
        start = midnight if freq == rules.DAILY else begins.replace(minute=0, second=0, microsecond=0)
    periods = (low - start) // period - 1
    return start + periods * period if periods > 0 else begins


def _length(freq: int) -> int:
    """Of a period, ms, at the least."""
    return {rules.YEARLY: 365, rules.MONTHLY: 28, rules.WEEKLY: 7, rules.DAILY: 1}.get(
        freq, 0
    ) * 86_400_000 or 3_600_000


def _local(at: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=min(max(at, 0), _END))).astimezone(zone).replace(tzinfo=None, microsecond=0)


def _end(local: datetime, ms: int) -> datetime:
    try:
        return local + timedelta(milliseconds=ms)
    except OverflowError:
        return datetime.max  # noqa: DTZ901  # a wall clock


def _number(name: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise ValueError(f"{name} takes a number from {least} to {most}, not {text[:40]!r}")
    return int(text)


def _listed(name: str, text: str) -> list[str]:
    values = text.split(",")
    if len(values) > _MAX_LIST:
        raise ValueError(f"{name} has more than {_MAX_LIST} values")
    return values


def _weekday(text: str) -> Any:
    found = _DAY.fullmatch(text)
    number = int(found[1] or 0) if found else 0
    if found is None or (found[1] and number == 0) or abs(number) > 53:
        raise ValueError(f"takes days such as SU or 2TU, not {text[:40]!r}")
    return rules.weekday(_DAYS.index(found[2]), number or None)


def _until(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    at, whole = _date(text, zone)
    return at + timedelta(days=1, seconds=-1) if whole and at.year < 9999 else at


def _date(text: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """A date or a date with a time, on the clock of ``zone``; whether it is a whole day."""
    if (found := _DATE.fullmatch(text)) is not None:
        try:
            at = datetime.strptime(found[1] + (found[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007  # a wall clock
            return at if not found[3] else at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None), not found[2]
        except (ValueError, OverflowError):
            pass
    raise ValueError(f"takes a date such as 20261231 or 20261231T220000Z, not {text[:40]!r}")
