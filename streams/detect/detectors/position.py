"""Positions against their limits, long and short alike.

The heuristic is the position limit of exchanges and of MiFID II (Directive 2014/65/EU, Art. 57), told before it is
reached: a limit that is told when it is passed is told too late to trade out of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.measured import number, positive, rounded


class PositionLimit:
    """Fires where ``|position|`` in percent of its limit reaches a higher one of ``levels``; clears below ``clear``.

    Settings: ``levels`` (80, 90, 100 %), ``clear`` (75 %), ``position`` and ``limit``, the names of the fields, and
    ``short_limit``, the limit of short positions where an event has one of its own. An event older than the key's last
    does not count; one without a number, or with a limit that is not above zero, neither.
    State: ``[time of the last event, levels reached]``.
    """

    keeps = "7d"
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        levels = [number(level) for level in settings.get("levels", (80, 90, 100))]
        self._levels = sorted(level for level in levels if level is not None)
        clear = number(settings.get("clear", 75))
        if not self._levels or len(self._levels) != len(levels) or clear is None or not 0 < clear <= self._levels[0]:
            raise ValueError("levels must be numbers, and clear one above 0 and not above the first of them")
        self._clear = clear
        self._position = str(settings.get("position", "position"))
        self._limit = str(settings.get("limit", "max_position"))
        self._short = str(settings.get("short_limit", "max_short"))
        self.fields: Sequence[str] = (self._position, self._limit, self._short)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        last, held = state or (event.time, 0)
        position = number(event.fields.get(self._position))
        limit = positive(event.fields.get(self._limit))
        if position is not None and position < 0:
            limit = positive(event.fields.get(self._short)) or limit
        if event.time < last or position is None or limit is None:
            return state, ()
        percent = abs(position) * 100 / limit
        reached = sum(percent >= level for level in self._levels)
        detail = {"direction": "short" if position < 0 else "long"}
        if reached > held:
            threshold = rounded(self._levels[reached - 1])
            return [event.time, reached], [Found(rounded(percent), threshold, detail=detail)]
        if held and percent < self._clear:
            return [event.time, 0], [Found(rounded(percent), rounded(self._clear), detail=detail, clear=True)]
        return [event.time, held], ()
