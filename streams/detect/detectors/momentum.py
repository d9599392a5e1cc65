"""Momentum ignition: a burst of trades that pushes the price, then out on those who followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import TRADE_FIELDS, better, fills_of, named
from streams.rules.durations import parse_duration

_MAX_FILLS = 128


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
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._fills, self._burst = int(settings.get("fills", 6)), parse_duration(settings.get("burst", "30s"))
        self._move, self._unwound = float(settings.get("move", 0.01)), float(settings.get("unwound", 0.5))
        self._leave = parse_duration(settings.get("leave", "2m"))
        self.keeps = self._burst + self._leave

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        fields, account = event.fields, named(event.fields.get("account"))
        mine = [(one.side, one.qty, one.price) for one in fills_of(fields) if one.party == account]
        if len(mine) != 1:  # not its own, or with itself
            return state, ()
        way, qty, price = mine[0]
        fills: list[list[Any]] = [one for one in state or [] if one[0] > event.time - self.keeps]
        fills = sorted([*fills[-_MAX_FILLS + 1 :], [event.time, way, qty, price]], key=lambda one: one[0])
        pushed = [one for one in fills if one[1] != way and one[0] <= event.time]
        if len(pushed) < self._fills:
            return fills, ()
        end = pushed[-1][0]
        burst = [one for one in pushed if one[0] > end - self._burst]
        out = [one for one in fills if one[1] == way and one[0] >= end]
        among = any(one[1] == way and burst[0][0] <= one[0] < end for one in fills)
        if among or len(burst) < self._fills or event.time - end >= self._leave:
            return fills, ()
        push = burst[0][1]
        steady = all(better(push, one[3], other[3]) >= 0 for one, other in pairwise(burst))
        moved = better(push, burst[0][3], burst[-1][3])
        gain = better(push, _average(burst), _average(out))
        built, left = sum(one[2] for one in burst), sum(one[2] for one in out)
        if not steady or moved < self._move or gain <= 0 or left < self._unwound * built:
            return fills, ()
        detail = {"side": push, "fills": len(burst), "gain_percent": round(100 * gain, 3), "qty": built}
        return [], [Found(round(100 * moved, 3), 100 * self._move, detail=detail)]


def _average(fills: list[list[Any]]) -> float:
    return float(sum(one[2] * one[3] for one in fills) / sum(one[2] for one in fills))
