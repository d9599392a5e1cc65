"""Times at human edges: RFC 3339 in and out, integer ms inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from streams.errors import ConfigError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999


def parse_moment(text: str) -> int:
    """Milliseconds of an RFC 3339 time with its zone. Raises ConfigError that says what to write."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time", "write it as 2024-01-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise ConfigError(f"the time {text!r} has no zone", "write it with Z or an offset: 2024-01-01T00:00:00Z")
    if moment < _EPOCH:
        raise ConfigError(f"the time {text!r} lies before 1970")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def rfc3339(ms: int) -> str:
    """UTC, to the millisecond: ``2024-01-01T00:00:00.000Z``. What is no time is shown as the nearest one."""
    moment = _EPOCH + timedelta(milliseconds=min(max(ms, 0), _LAST))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
