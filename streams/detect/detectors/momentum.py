"""Momentum ignition: a burst of trades that pushes the price, then out on those who followed."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

from streams.detect.base import NEVER
from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import EXECUTION_NEEDS, TRADE_FIELDS, better, fills_of, said_of
from streams.rules.durations import parse_duration

_MAX_FILLS = 128
_time = itemgetter(0)


class MomentumIgnition:
    """Fires where an account leaves at a gain what it had just built up in a burst that moved the price.

    A burst: ``fills`` fills or more on one side and none on the other, within ``burst``, each price no worse for the
    push than the one before, from first to last by ``move`` of the price. Leaving: fills on the other side less than
    ``leave`` after it, of ``unwound`` of its quantity, at a better average price. (Commission Delegated Regulation (EU)
    2016/522 Annex II Section 1: momentum ignition.) Observed: the move, in percent of the first price.

    Settings: ``fills`` 6, ``burst`` 30s, ``move`` 0.01, ``leave`` 2m, ``unwound`` 0.5. Key: account and instrument.
    Bounded: the last 128 fills, all within ``burst`` and ``leave``.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = EXECUTION_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._fills, self._burst = int(settings.get("fills", 6)), parse_duration(settings.get("burst", "30s"))
        self._move, self._unwound = float(settings.get("move", 0.01)), float(settings.get("unwound", 0.5))
        self._leave = parse_duration(settings.get("leave", "2m"))
        self.keeps = self._burst + self._leave

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        account = said_of(event.fields).account
        mine = [one for one in fills_of(event.fields) if one.party == account]
        if len(mine) != 1:  # not its own, or with itself
            return state, ()
        _, way, qty, price = mine[0]
        fills: list[list[Any]] = [] if state is None else state
        while fills and (len(fills) >= _MAX_FILLS or fills[0][0] <= event.time - self.keeps):
            del fills[0]
        insort(fills, [event.time, way, qty, price], key=_time)
        found = self._judged(fills, event.time, way) if len(fills) > self._fills else None
        if found is None:
            return fills, ()
        return [], [found]

    def _judged(self, fills: list[list[Any]], now: int, way: str) -> Found | None:
        """What was built up the other way before, and left in this one by now."""
        burst: list[list[Any]] = []
        out: list[list[Any]] = []
        end, among = now, NEVER  #: of the burst; and when it went this way before that, last
        for one in reversed(fills):
            at = one[0]
            if one[1] != way and at <= now:
                end = end if burst else at
                if at <= end - self._burst or now - end >= self._leave:
                    break
                burst.append(one)
            elif one[1] == way and (not burst or at >= end):
                out.append(one)
            elif one[1] == way:
                if len(burst) < self._fills:  # too few, or some of both
                    return None
                among = max(among, at)
        if len(burst) < self._fills or burst[-1][0] <= among:
            return None
        burst.reverse()
        out.reverse()
        push = burst[0][1]
        steady = all(better(push, one[3], other[3]) >= 0 for one, other in pairwise(burst))
        moved = better(push, burst[0][3], burst[-1][3])
        gain = better(push, _average(burst), _average(out))
        built, left = sum(one[2] for one in burst), sum(one[2] for one in out)
        if not steady or moved < self._move or gain <= 0 or left < self._unwound * built:
            return None
        detail = {"side": push, "fills": len(burst), "gain_percent": round(100 * gain, 3), "qty": built}
        return Found(round(100 * moved, 3), 100 * self._move, detail=detail)


def _average(fills: list[list[Any]]) -> float:
    return float(sum(one[2] * one[3] for one in fills) / sum(one[2] for one in fills))
