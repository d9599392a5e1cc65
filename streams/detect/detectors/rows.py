"""What a state keeps of single events: rows ``[time, …]``, oldest first."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

Row = list[Any]


def trim(rows: list[Row], oldest: int, most: int) -> list[Row]:
    """Drop what is of ``oldest`` or older, and the oldest beyond ``most``; gives back what was dropped."""
    if len(rows) <= most and (not rows or rows[0][0] > oldest):
        return []
    first = max(after(rows, oldest), len(rows) - most)
    gone = rows[:first]
    del rows[:first]
    return gone


def after(rows: list[Row], at: int) -> int:
    """The place of the first row that is younger than ``at``."""
    return bisect_left(rows, [at + 1])
