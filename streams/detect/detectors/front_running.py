"""Front-running: in just ahead of a large order, the same way, and out after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import (
    TRADE_FIELDS,
    Stage,
    better,
    fills_of,
    named,
    side,
    size,
    stage,
)
from streams.rules.durations import parse_duration

_MAX_FILLS, _MAX_LARGE, _MAX_SIZES, _MAX_TOLD, _LEAST_SIZES = 256, 16, 64, 64, 20

#: time, party, side, qty, price
_Done = list[Any]


class FrontRunning:
    """Fires where an account leaves at a gain what it took less than ``ahead`` before another's large order.

    Large: placed with ``large`` times the median quantity of the instrument's last 64 orders (of 20 at least), and more
    than any of them. The account took half of that median or more; it traded the large order's way only, in the
    ``ahead`` before it; not at all in the ``quiet`` before that, so that those who trade all the time are left alone;
    the other way only after it, within ``out``, ``unwound`` of what it had or more, and ``gain`` better on average.
    (MAR Art. 7(1)(d): inside information about pending orders of clients; FINRA Rule 5270: front running of block
    transactions.) Observed: how often the account did so ``within``.

    Settings: ``ahead`` 10s, ``out`` 2m, ``quiet`` 5m, ``large`` 20, ``unwound`` 0.8, ``gain`` 0.001, ``within`` 1d.
    Key: instrument. Bounded: the last 256 fills, 16 large orders, 64 findings.
    """

    version = "1"
    fields: Sequence[str] = (*TRADE_FIELDS, "order_id")
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._ahead, self._out = (parse_duration(settings.get(*one)) for one in (("ahead", "10s"), ("out", "2m")))
        self._quiet, self._within = (parse_duration(settings.get(*one)) for one in (("quiet", "5m"), ("within", "1d")))
        self._large, self._gain = float(settings.get("large", 20)), float(settings.get("gain", 0.001))
        self._unwound = float(settings.get("unwound", 0.8))
        self._reach = self._out + self._ahead + self._quiet
        self.keeps = max(self._within, self._reach)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        what = stage(event.fields)
        fills, large, sizes, told = state or ([], [], [], [])
        if what is Stage.PLACED:
            account, way = named(event.fields.get("account")), side(event.fields.get("side"))
            qty = size(event.fields.get("qty"))
            if qty is None:
                return state, ()
            usual = median(sizes) if len(sizes) >= _LEAST_SIZES else None
            if account and way and usual is not None and qty >= self._large * usual and qty > max(sizes):
                large = [one for one in large if one[0] > event.time - self._out]
                large = [*large[-_MAX_LARGE + 1 :], [event.time, account, way, qty, usual]]
            return [fills, large, [*sizes[-_MAX_SIZES + 1 :], qty], told], ()
        if what is not Stage.FILLED:
            return state, ()
        done = [[event.time, *fill] for fill in fills_of(event.fields)]
        if not done:
            return state, ()
        fills = [one for one in fills if one[0] > event.time - self._reach]
        fills = [*fills, *done][-_MAX_FILLS:]
        told = [one for one in told if one[0] > event.time - self._within]
        state = [fills, large, sizes, told]
        for leaving in done:
            for order in reversed(large):
                found = self._judged(leaving, order, fills, told)
                if found is not None:
                    told.append([event.time, leaving[1], order[0]])
                    state[3] = told[-_MAX_TOLD:]
                    return state, [found]
        return state, ()

    def _judged(self, leaving: _Done, order: list[Any], fills: list[_Done], told: list[list[Any]]) -> Found | None:
        at, client, way, qty, usual = order
        now, account = leaving[0], leaving[1]
        if account == client or leaving[2] == way or not at <= now < at + self._out:
            return None
        if any(one[1] == account and one[2] == at for one in told):
            return None
        own = [one for one in fills if one[1] == account and at - self._ahead - self._quiet < one[0] <= now]
        taken = [one for one in own if one[2] == way]
        left = [one for one in own if one[2] != way]
        if not taken or any(not at - self._ahead < one[0] <= at for one in taken) or any(one[0] < at for one in left):
            return None
        had, gone = sum(one[3] for one in taken), sum(one[3] for one in left)
        entry = sum(one[3] * one[4] for one in taken) / had
        leave = sum(one[3] * one[4] for one in left) / gone
        gain = better(way, entry, leave)
        if had < usual / 2 or gone < self._unwound * had or gain < self._gain:
            return None
        detail = {
            "account": account,
            "client": client,
            "client_qty": qty,
            "side": way,
            "qty": had,
            "ahead_ms": at - min(one[0] for one in taken),
            "gain_percent": round(100 * gain, 3),
        }
        return Found(sum(one[1] == account for one in told) + 1, 1, detail=detail)
