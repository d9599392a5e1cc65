"""Hours of the week in which somebody is active, learned from their own events; what lies far from all of them.

The heuristic of user and entity behaviour analytics: a profile of the hours of the week for each account, as in E. S.
Gavai et al., "Supervised and Unsupervised Methods to Detect Insider Threat from Enterprise Social and Online Activity
Data" (2015), with logins outside of the usual hours as a feature. MITRE ATT&CK T1078 (Valid Accounts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.rules.durations import parse_duration

_HOUR, _HOURS, _WEEKS = 3_600_000, 168, 8
_MONDAY = 4 * 24  #: 1970 began on a Thursday: from there to a Monday
_OFTEN = 3


class OwnHours:
    """Fires on an event at an hour of the week that is far from every hour in which the key was active before.

    Settings: ``learn`` (14d): nothing fires so long after the first event; ``learn_days`` (8): nor before the key
    was active on so many days; ``tolerance`` (3): hours around that count as the same. An hour is usual where the
    key was active around it on the same day of any of the last 8 weeks, or on three other days among them; with
    ``weekends_apart`` (false) only on three of its kind, working days or weekend. Hours are those of UTC, whatever
    the clock on the wall: they are learned. Value: hours to the nearest hour of the week in which the key was
    active. Every event is learned, also one that fired; a late one too. The state is eight bits for each of 168
    hours.

    Somebody who comes at any hour has no hours of their own: nothing fires where the days that were as strange to the
    others, and one more, are above ``surprise`` (0.06) of all active days. (The share of what was seen once estimates
    the chance that the next is new: I. J. Good, "The population frequencies of species", Biometrika 1953.)
    """

    fields: Sequence[str] = ()
    keeps: str | int = "8w"
    version = "3"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._learn = parse_duration(str(settings.get("learn", "14d")))
        self._days = int(settings.get("learn_days", 8))
        self._around = int(settings.get("tolerance", 3))
        self._surprise = float(settings.get("surprise", 0.06))
        self._weekends_apart = settings.get("weekends_apart", False) is True
        if not 0 <= self._around < 12:
            raise ValueError("tolerance is a number of hours from 0 to 11")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        week, slot = divmod(event.time // _HOUR + _HOURS - _MONDAY, _HOURS)
        state = state or [event.time, week, [0] * _HOURS]
        first, newest, weeks = state
        if week > newest:
            shift = week - newest
            weeks[:] = [bits << shift & 255 if shift < _WEEKS else 0 for bits in weeks]
            state[1] = newest = week
        found: Sequence[Found] = ()
        ready = event.time - first >= self._learn and not self._is_usual(weeks, slot)
        if ready and _days(weeks) >= self._days and self._has_hours(weeks):
            found = [Found(_distance(weeks, slot), self._around, detail={"weekday": slot // 24, "hour": slot % 24})]
        if newest - week < _WEEKS:
            weeks[slot] |= 1 << (newest - week)
        if event.time < first:
            state[0] = event.time
        return state, found

    def _has_hours(self, weeks: list[int]) -> bool:
        """Whether the days resemble each other well enough to be surprised by another one."""
        strange = set()
        for day in range(7):
            for back in range(_WEEKS):
                hours = [slot for slot in range(day * 24, day * 24 + 24) if weeks[slot] >> back & 1]
                if hours:
                    others = weeks[:]
                    for slot in hours:
                        others[slot] &= ~(1 << back) & 255
                    if not all(self._is_usual(others, slot) for slot in hours):
                        strange.add((day, back))
        return len(strange) + 1 <= self._surprise * _days(weeks)

    def _is_usual(self, weeks: list[int], slot: int) -> bool:
        """Bits are weeks back; a neighbourhood is active in a week where any hour of it was."""
        if weeks[slot] or _active(weeks, slot, self._around):
            return True
        day, hour = divmod(slot, 24)
        alike = range(7) if not self._weekends_apart else range(5) if day < 5 else range(5, 7)
        others = (_active(weeks, other * 24 + hour, self._around) for other in alike if other != day)
        return sum(bits.bit_count() for bits in others) >= _OFTEN


def _active(weeks: list[int], slot: int, around: int) -> int:
    bits = 0
    for hour in range(slot - around, slot + around + 1):
        bits |= weeks[hour % _HOURS]
    return bits


def _days(weeks: list[int]) -> int:
    """On how many days of the last weeks there was anything."""
    days = 0
    for day in range(7):
        bits = 0
        for hour in weeks[day * 24 : day * 24 + 24]:
            bits |= hour
        days += bits.bit_count()
    return days


def _distance(weeks: list[int], slot: int) -> int:
    """Hours around the week to the nearest one that was active."""
    return min(min((slot - hour) % _HOURS, (hour - slot) % _HOURS) for hour in range(_HOURS) if weeks[hour])
