"""Times of which nobody said how they are written: the unit by the size of the number, else RFC 3339 and its kin."""

from __future__ import annotations

import re
from typing import Any

from streams.codec.times import converter, rfc3339

_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_NO_ZONE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[Tt \-](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?: ?(?:UTC|Z|z))?", re.ASCII)
#: Below each bound a number is of that unit: seconds until the year 5138, milliseconds from 1973 on, and so forth.
_UNITS = (
    (10**11, converter("epoch_s")),
    (10**14, converter("epoch_ms")),
    (10**17, converter("epoch_us")),
    (10**30, converter("epoch_ns")),
)


def any_time(value: Any) -> int:
    """Milliseconds since the epoch. Text without a zone is UTC. Raises ValueError for what is no time."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            if match := _NO_ZONE.fullmatch(text):
                year, month, day, clock = match.groups()
                text = f"{year}-{month}-{day}T{clock}{':00' if clock.count(':') == 1 else ''}Z"
            return rfc3339(text)
        value = text
        size = abs(float(text))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        size = abs(value)
    else:
        raise ValueError(f"{str(value)[:60]!r} is not a time")
    for bound, convert in _UNITS:
        if size < bound:
            return convert(value)
    raise ValueError(f"{str(value)[:60]} is not a time of any unit")
