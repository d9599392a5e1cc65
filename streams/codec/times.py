"""Times as foreign systems write them, to integer ms since the epoch. Exact: no binary fractions on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any

LAST_MS = 253_402_300_799_999  #: 9999-12-31T23:59:59.999Z; before the epoch and after this is no time of an event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d):(\d\d)(?:\.(\d{1,20}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_PER_SECOND = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000, "epoch_ns": 1_000_000_000}
#: What ``format`` may say, besides a strptime pattern.
FORMATS = ("rfc3339", *_PER_SECOND)

Convert = Callable[[Any], int]


def _shown(value: Any) -> str:
    if isinstance(value, (str, float)) or (isinstance(value, int) and abs(value) < 10**40):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return {dict: "an object", list: "an array", type(None): "null"}.get(type(value), "a huge number")


def _in_range(ms: int, value: Any) -> int:
    if not 0 <= ms <= LAST_MS:
        raise ValueError(f"{_shown(value)} is not between the years 1970 and 9999")
    return ms


def rfc3339(value: Any) -> int:
    """``2024-05-01T12:00:00.5+02:00``. Digits below the millisecond are dropped; a leap second is the next one."""
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is not an RFC 3339 time")
    date, clock, second, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}:00+00:00")
        if int(second) > 60 or (sign and (int(hours) > 23 or int(minutes) > 59)):
            raise ValueError("out of range")
    except ValueError:
        raise ValueError(f"{_shown(value)} is not a time that exists") from None
    ms = (moment - _EPOCH) // timedelta(milliseconds=1) + int(second) * 1_000 + int(f"{fraction or '0':0<3.3}")
    if sign:
        offset = (int(hours) * 60 + int(minutes)) * 60_000
        ms += offset if sign == "-" else -offset
    return _in_range(ms, value)


def _epoch(unit: str, value: Any) -> int:
    """A number, or a string holding one, in ``unit``; fractions of a millisecond are dropped."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{_shown(value)} is not a number of {unit}")
    if isinstance(value, int):
        return _in_range(value * 1_000 // _PER_SECOND[unit], value)
    if isinstance(value, float):
        # Beyond any time, NaN and infinity: not worth a conversion. repr() is the shortest text, what was written.
        number = Decimal(repr(value)) if 0 <= value < 1e21 else Decimal(-1)
    elif _NUMBER.fullmatch(value):
        number = Decimal(value)
    else:
        raise ValueError(f"{_shown(value)} is not a number of {unit}")
    return _in_range(int((number * 1_000 / _PER_SECOND[unit]).to_integral_value("ROUND_FLOOR")), value)


def _strptime(pattern: str, zone: tzinfo, value: Any) -> int:
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError(f"{_shown(value)} is not a time like {pattern!r}")
    try:
        moment = datetime.strptime(value, pattern)  # noqa: DTZ007  # the zone is set below
    except ValueError:
        raise ValueError(f"{_shown(value)} is not a time like {pattern!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return _in_range((moment - _EPOCH) // timedelta(milliseconds=1), value)


def _check_pattern(pattern: str) -> None:
    directives = set(re.findall(r"%(.)", pattern.replace("%%", "")))
    if bad := sorted(directives & set("ZcxX")):
        raise ValueError(f"%{bad[0]} depends on the machine's locale or zone: name the parts one by one")
    if not directives & set("yYG"):
        raise ValueError("the pattern has no year (%Y)")
    sample = datetime(2024, 11, 23, 12, 34, 56, 789_000, tzinfo=UTC)
    try:
        datetime.strptime(sample.strftime(pattern), pattern)  # noqa: DTZ007  # only tried
    except (ValueError, re.error) as error:
        raise ValueError(f"{_shown(pattern)} is not a strptime pattern: {error}") from None


def converter(name: str, zone: tzinfo = UTC) -> Convert:
    """The conversion for one ``format``. ``zone`` is for patterns that say none. Raises ValueError for an unusable one.

    A converter raises ValueError, with the value, for what it cannot read.
    """
    if name == "rfc3339":
        return rfc3339
    if name in _PER_SECOND:
        return lambda value: _epoch(name, value)
    if "%" not in name:
        raise ValueError(f"{_shown(name)} is no format: use {', '.join(FORMATS)} or a strptime pattern")
    _check_pattern(name)
    return partial(_strptime, name, zone)  # whose ``args`` tell the pattern
