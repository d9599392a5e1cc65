"""Escalation: what nobody takes in hand is told to the next level, and the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams.rules.block import Block, items, named, texts
from streams.rules.durations import format_duration

_MOST_LEVELS = 20


@dataclass(frozen=True, slots=True)
class Level:
    """Who is told, ``after`` ms without acknowledgement, and again every ``repeat`` ms (0: once)."""

    name: str
    after: int
    receivers: tuple[str, ...]
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Escalation:
    """Levels in order of time; level 1 is the first."""

    name: str
    levels: tuple[Level, ...]

    def due(self, level: int, began: int, last: int) -> int | None:
        """When the next one is told, having told ``level`` (0: nobody) at ``last``, the clock having begun at
        ``began``; None where that was all. The last level repeats, where it says so.
        """
        if level < len(self.levels):
            return began + self.levels[level].after
        repeat = self.levels[-1].repeat
        return last + repeat if repeat else None

    def at(self, level: int) -> Level:
        """The level, counted from 1; above the last, the last."""
        return self.levels[min(level, len(self.levels)) - 1]

    def why(self, level: int) -> str:
        """In words, for the notification."""
        told = self.at(level)
        return f"level {min(level, len(self.levels))} ({told.name}) after {format_duration(told.after)} unacknowledged"


def parse_escalations(raw: Any) -> dict[str, Escalation]:
    """``{name: {levels: [{name, after, notify, repeat}]}}``. Raises BlockErrors with all problems."""
    return named(raw, _escalation)


def _escalation(name: str, raw: Any) -> Escalation:
    block = Block(raw)
    levels = block.read("levels", _levels)
    block.check()
    return Escalation(name, levels)


def _levels(raw: Any) -> tuple[Level, ...]:
    if isinstance(raw, list) and not 0 < len(raw) <= _MOST_LEVELS:
        raise ValueError(f"takes 1 to {_MOST_LEVELS} levels, not {len(raw)}")
    before: list[Level] = []

    def level(item: Any) -> Level:
        block = Block(item)
        read = Level(
            name=block.text("name", f"L{len(before) + 1}"),
            after=block.duration("after"),
            receivers=block.read("notify", texts),
            repeat=block.duration("repeat", 0),
        )
        if read.receivers == ():
            block.problem("notify", "names nobody")
        if before and read.after is not None and read.after < before[-1].after:
            block.problem("after", "is before the level above: levels stand in order of time")
        block.check()
        before.append(read)
        return read

    return items(raw, level)
