"""Times and durations as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Fields of the records of ``streams.model`` that hold integer milliseconds.
_TIMES = frozenset(
    {"at", "event_time", "last_event_time", "created_at", "updated_at", "acknowledged_at", "resolved_at",
     "snoozed_until", "since", "until"}
)  # fmt: skip


@lru_cache(maxsize=1024)  # a record says most of its times several times
def rfc3339(ms: int) -> str | int:
    """``2024-01-01T00:02:00.000Z``; a time outside the years 1 to 9999 stays the number it is."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return ms


def for_people(value: object) -> object:
    """A record's JSON with its times as RFC 3339. What users put in (key, values, metadata, events) is left alone."""
    if isinstance(value, (list, tuple)):
        return [for_people(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: rfc3339(inner) if name in _TIMES and type(inner) is int else _descend(name, inner)
        for name, inner in value.items()
    }


def _descend(name: str, inner: object) -> object:
    return for_people(inner) if name in {"first", "last", "notes", "alert", "history", "suppressed"} else inner


def duration(ms: int) -> str:
    """``10m``, ``90s``, ``1h30m``."""
    if ms < 1000:
        return f"{ms}ms"
    parts, left = [], ms // 1000
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
