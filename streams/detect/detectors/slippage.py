"""An execution that cost more than a limit, or more than executions of its market usually do (see ``costs``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.costs import FIELDS, basis_points
from streams.detect.detectors.measured import number, rounded

_MAX_HISTORY = 1_000
#: Makes a median absolute deviation comparable to a standard deviation (Iglewicz and Hoaglin, 1993).
_NORMAL = 1.4826


class CostLimit:
    """Fires on each execution that cost at least ``at_least`` basis points.

    Settings: ``measure`` (slippage, or impact) and ``at_least``. Keeps nothing.
    """

    keeps = "1h"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._measure = _measure(settings)
        at_least = number(settings.get("at_least"))
        if at_least is None or at_least <= 0:
            raise ValueError("at_least must be a number above 0")
        self._least = at_least
        self.fields: Sequence[str] = FIELDS[self._measure]

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        cost = basis_points(self._measure, event.fields)
        if cost is None or cost < self._least:
            return None, ()
        return None, [Found(rounded(cost), rounded(self._least))]


class CostOutlier:
    """Fires on an execution that cost at least ``floor`` basis points and is an outlier among the key's last ones.

    An outlier lies ``deviations`` (8) median absolute deviations above the median of the last ``history`` (200)
    executions, and above ``times`` (3) the largest but one in fifty of them, so that a market with a fat tail is not
    told for having it. Nothing fires before ``learn`` (50) of them. An outlier enters the history cut to its limit:
    costs that stay high become usual. Settings: those, and ``measure``, ``floor`` (30). State: costs, newest last.
    """

    keeps = "30d"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._measure = _measure(settings)
        self.fields: Sequence[str] = FIELDS[self._measure]
        self._floor = float(settings.get("floor", 30))
        self._deviations, self._times = float(settings.get("deviations", 8)), float(settings.get("times", 3))
        self._history, self._learn = int(settings.get("history", 200)), int(settings.get("learn", 50))
        if not 10 <= self._learn <= self._history <= _MAX_HISTORY or min(self._floor, self._deviations) <= 0:
            raise ValueError(f"needs 10 <= learn <= history <= {_MAX_HISTORY}, and floor and deviations above 0")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        exact_cost = basis_points(self._measure, event.fields)
        if exact_cost is None:
            return state, ()
        cost, known = rounded(exact_cost, 3), list(state or [])
        if cost < self._floor or len(known) < self._learn:
            return [*known[-self._history + 1 :], cost], ()
        usual = median(known)
        deviation = _NORMAL * median(abs(one - usual) for one in known)
        tail = sorted(known)[-1 - len(known) // 50]
        limit = max(self._floor, usual + self._deviations * deviation, self._times * tail)
        after = [*known[-self._history + 1 :], min(cost, round(limit, 3))]
        if cost < limit:
            return after, ()
        return after, [Found(cost, round(limit, 2), detail={"usual": round(usual, 2), "known": len(known)})]


def _measure(settings: Mapping[str, Any]) -> str:
    measure = str(settings.get("measure", "slippage"))
    if measure not in FIELDS:
        raise ValueError(f"measure is one of {', '.join(FIELDS)}")
    return measure
