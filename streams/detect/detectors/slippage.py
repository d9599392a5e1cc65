"""An execution that cost more than a limit, or more than executions of its market usually do (see ``costs``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.costs import FIELDS, basis_points, nearly
from streams.detect.detectors.measured import number, rounded

_MAX_HISTORY = 1_000
#: How far the upper half of a normal distribution lies from its middle on average, in standard deviations.
_HALF_NORMAL = 0.7979
_LEAST = 0.1  #: basis points; what costs less costs nothing
_FAR = 100.0


class CostLimit:
    """Fires on each execution that cost at least ``at_least`` basis points.

    Settings: ``measure`` (slippage, or impact) and ``at_least``. Keeps nothing.
    """

    keeps = "1h"
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._measure = _measure(settings)
        at_least = number(settings.get("at_least"))
        if at_least is None or at_least <= 0:
            raise ValueError("at_least must be a number above 0")
        self._least, self._clearly_less = at_least, float(at_least) - max(float(at_least), 1.0) / 1_000_000
        self._nearly = nearly[self._measure]
        self.fields: Sequence[str] = FIELDS[self._measure]

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        about = self._nearly(event.fields)
        if about is None or about < self._clearly_less:
            return None, ()
        cost = basis_points(self._measure, event.fields)
        if cost is None or cost < self._least:
            return None, ()
        return None, [Found(rounded(cost), rounded(self._least))]


class CostOutlier:
    """Fires on an execution that cost at least ``floor`` basis points and is an outlier among the key's last ones.

    Costs are skewed, so an outlier is judged in logarithms and by the upper half alone, as in boxplots adjusted for
    skewness (Hubert and Vandervieren, 2008): it lies ``deviations`` (5) standard deviations above the median, as the
    mean distance of the upper half from it tells them. It is also ``times`` (2) the largest but one in fifty, so that a
    market where a few executions are dear is not told of each. Nothing fires before ``learn`` (100) of the last
    ``history`` (200) that cost anything. An outlier enters the history cut to its limit: costs that stay high become
    usual. Settings: those, ``measure`` and ``floor`` (30). State: the costs, newest last.
    """

    keeps = "30d"
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        measure = _measure(settings)
        self.fields: Sequence[str] = FIELDS[measure]
        self._nearly = nearly[measure]
        self._floor = float(settings.get("floor", 30))
        self._deviations, self._times = float(settings.get("deviations", 5)), float(settings.get("times", 2))
        self._history, self._learn = int(settings.get("history", 200)), int(settings.get("learn", 100))
        if not 40 <= self._learn <= self._history <= _MAX_HISTORY or min(self._floor, self._deviations) <= 0:
            raise ValueError(f"needs 40 <= learn <= history <= {_MAX_HISTORY}, floor and deviations above 0")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        about = self._nearly(event.fields)
        if about is None or (cost := rounded(about, 3)) < _LEAST:
            return state, ()
        known: list[float] = [] if state is None else state
        found: Sequence[Found] = ()
        if cost >= self._floor and len(known) >= self._learn:
            usual, limit = self._limits(sorted(known))
            if cost >= limit:
                found = [Found(cost, limit, detail={"usual": usual, "known": len(known)})]
                cost = limit
        known.append(cost)
        del known[: -self._history]
        return known, found

    def _limits(self, costs: list[float]) -> tuple[float, float]:
        """The median, and from where on a cost is an outlier among these, which are sorted."""
        usual, upper = costs[len(costs) // 2], costs[len(costs) // 2 :]
        deviation = sum(log(cost / usual) for cost in upper) / len(upper) / _HALF_NORMAL
        tail = self._times * costs[-1 - len(costs) // 50]
        beyond = usual * exp(min(self._deviations * deviation, _FAR))
        return usual, round(max(self._floor, tail, beyond), 3)


def _measure(settings: Mapping[str, Any]) -> str:
    measure = str(settings.get("measure", "slippage"))
    if measure not in FIELDS:
        raise ValueError(f"measure is one of {', '.join(FIELDS)}")
    return measure
