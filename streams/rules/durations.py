"""Durations as people write them in rule files: ``30s``, ``10m``, ``1h30m``."""

from __future__ import annotations

import re
from typing import Any

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
_WHOLE = re.compile(r"(?:[0-9]{1,12}(?:ms|s|m|h|d|w)){1,6}")
#: How durations are written.
PATTERN = f"^{_WHOLE.pattern}$"
UNITS = tuple(_UNITS)

#: Ten years. A longer window or cooldown is a slip of the pen.
MAX_DURATION = 3_650 * 86_400_000


def parse_duration(value: Any) -> int:
    """Milliseconds of ``10m`` or ``1h30m`` (units ms, s, m, h, d, w). Raises ValueError that says what to write."""
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a duration: write a number with ms, s, m, h, d or w, such as 10m")
    total = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if total > MAX_DURATION:
        raise ValueError(f"{shown(value)} is longer than ten years")
    return total


def format_duration(ms: int) -> str:
    """The shortest text that ``parse_duration`` reads as ``ms``: ``90000`` is ``1m30s``."""
    if ms == 0:
        return "0s"
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        number, ms = divmod(ms, _UNITS[unit])
        if number:
            text += f"{number}{unit}"
    return text


def shown(value: Any) -> str:
    """``value`` for a message: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
