"""A log that falls silent for longer than it ever was: an absence measured by the source's own habits.

MITRE ATT&CK T1562 (Impair Defenses): what is switched off sends no event that says so. A fixed limit is too short for
what is quiet at night and too long for what speaks every second, so the longest pause of the last weeks is the measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.rows import trim
from streams.rules.durations import parse_duration

_DAY, _DAYS = 86_400_000, 28


class FallsSilent:
    """Fires when nothing came for ``times`` the longest pause of the last 28 days, clears when something comes again.

    Settings: ``times`` (3), ``at_least`` (15m): never sooner, ``learn`` (7d): nothing fires so long after the first
    event, ``learn_events`` (100): nor before so many. The pause that was told is learned too: what pauses every week is
    told once. ``goodbye``: values of ``status`` with which a log that is taken out of service ends: after it silence is
    no finding. Value and threshold are seconds. Events older than the newest change nothing. The state is one number
    for each of 28 days.
    """

    fields: Sequence[str] = ("status",)
    keeps: str | int = "30d"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._times = float(settings.get("times", 3))
        self._least = parse_duration(str(settings.get("at_least", "15m")))
        self._learn = parse_duration(str(settings.get("learn", "7d")))
        self._events = int(settings.get("learn_events", 100))
        self._goodbye = frozenset(str(one) for one in settings.get("goodbye", ()))
        if not self._times >= 1:
            raise ValueError("times is a number from 1 on")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        if state is None:
            state = {"first": event.time, "last": event.time, "events": 1, "pauses": [], "told": False, "gone": False}
            return state, ()
        state["events"] = min(state["events"] + 1, self._events)
        if event.time <= state["last"]:
            state["first"] = min(state["first"], event.time)
            return state, ()
        pause, day = event.time - state["last"], event.time // _DAY
        state["last"] = event.time
        status = event.fields.get("status")
        state["gone"] = isinstance(status, str) and status in self._goodbye
        pauses = state["pauses"]
        trim(pauses, day - _DAYS, _DAYS)
        if pauses and pauses[-1][0] == day:
            pauses[-1][1] = max(pauses[-1][1], pause)
        else:
            pauses.append([day, pause])
        if not state["told"]:
            return state, ()
        state["told"] = False
        return state, [Found(0, clear=True, detail={"silent_seconds": pause // 1000})]

    def due(self, state: Any) -> int | None:
        learned = state and state["events"] >= self._events and state["last"] - state["first"] >= self._learn
        return state["last"] + self._limit(state) if learned and not state["told"] and not state["gone"] else None

    def expire(self, state: Any, now: int) -> tuple[Any, Sequence[Found]]:
        state["told"] = True
        limit = self._limit(state) // 1000
        silent = (now - state["last"]) // 1000
        return state, [Found(silent, limit, detail={"silent_seconds": silent, "since": state["last"]})]

    def _limit(self, state: Mapping[str, Any]) -> int:
        longest = max((pause for _, pause in state["pauses"]), default=0)
        return max(self._least, int(longest * self._times))
