"""A time as a payload writes it, moved by whole minutes: in the same form and zone, with the same digits at its end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

MINUTE: Final = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = re.compile(r"(\d{4})(-?)(\d\d)(-?)(\d\d)([Tt \-])(\d\d):(\d\d)", re.ASCII)
_BSD = re.compile(r"([A-Z][a-z]{2})( {1,2}\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d)(:\d\d(?:\.\d+)?)(?: (\d{4}))?", re.ASCII)
_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,20})?(?:[eE]\+?\d{1,2})?", re.ASCII)
_UNITS = (1_000, 1, Decimal("0.001"), Decimal("0.000001"))  #: ms in a second, and on down
#: How far what is written may lie from the event's time to be it: the widest zone, and a second of rounding.
_ZONES, _ROUNDING = 15 * 3_600_000, 1_000


def moved_number(text: str, at: int, by: int) -> str | None:
    """A number that is the moment ``at``, ms, in any unit from seconds to nanoseconds; None for another one."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    for unit in _UNITS:
        if abs(number * unit - at) <= _ROUNDING:
            return f"{number + by / Decimal(unit):f}" if "." in text else f"{int(number + by / Decimal(unit))}"
    return None


def moved_text(text: str, at: int, by: int, patterns: Sequence[str] = ()) -> str | None:
    """A text that holds the moment ``at``: a number, a date with a time of day, or what one of ``patterns`` writes."""
    for pattern in patterns:
        if (found := _by_pattern(text, by, pattern)) is not None:
            return found
    if (found := moved_number(text, at, by)) is not None:
        return found
    for match in _ISO.finditer(text):
        year, dash, month, dash2, day, between, hour, minute = match.groups()
        then = _moved((year, month, day, hour, minute), at, by)
        if then is not None:
            new = f"{then:%Y}{dash}{then:%m}{dash2}{then:%d}{between}{then:%H:%M}"
            return text[: match.start()] + new + text[match.end() :]
    for match in _BSD.finditer(text):
        if match[1] in _MONTHS:
            return _moved_bsd(text, match, at, by)
    return None


def _moved_bsd(text: str, match: re.Match[str], at: int, by: int) -> str | None:
    """``Dec 10 2015 06:55:46``, ``Dec 10 06:55:46 2015`` or without a year, which is then that of ``at``."""
    name, day, early, hour, minute, second, late = match.groups()
    year = early or late or str((_EPOCH + timedelta(milliseconds=at)).year)
    then = _moved((year, str(_MONTHS.index(name) + 1), day.strip(), hour, minute), at, by)
    if then is None:
        return None
    padded = f"{then.day:>{len(day) - 1}}" if len(day) > 2 else str(then.day)
    parts = [_MONTHS[then.month - 1], padded, *([f"{then:%Y}"] if early else []), f"{then:%H:%M}{second}"]
    return text[: match.start()] + " ".join([*parts, *([f"{then:%Y}"] if late else [])]) + text[match.end() :]


def _moved(parts: Sequence[str], at: int, by: int) -> datetime | None:
    try:
        then = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[misc, arg-type]  # five numbers
        if abs((then - _EPOCH) // timedelta(milliseconds=1) - at) > _ZONES + MINUTE:
            return None
        return then + timedelta(milliseconds=by)
    except (ValueError, OverflowError):
        return None


def _by_pattern(text: str, by: int, pattern: str) -> str | None:
    try:
        then = datetime.strptime(text, pattern)  # noqa: DTZ007  # a zone it has comes along
        return (then + timedelta(milliseconds=by)).strftime(pattern)
    except (ValueError, OverflowError):
        return None
