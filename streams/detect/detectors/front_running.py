"""Front-running: in just ahead of a large order, the same way, and out after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import TRADE_FIELDS, Fill, Stage, better, fills_of, said_of
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

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._ahead, self._out = (parse_duration(settings.get(*one)) for one in (("ahead", "10s"), ("out", "2m")))
        self._quiet, self._within = (parse_duration(settings.get(*one)) for one in (("quiet", "5m"), ("within", "1d")))
        self._large, self._gain = float(settings.get("large", 20)), float(settings.get("gain", 0.001))
        self._unwound = float(settings.get("unwound", 0.8))
        self._reach = self._out + self._ahead + self._quiet
        self.keeps = max(self._within, self._reach)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        said = said_of(event.fields)
        if said.stage is Stage.PLACED and said.qty is not None:
            state = state or [[], [], [], []]
            self._placed(state, event.time, said.account, said.side, said.qty)
        elif said.stage is Stage.FILLED and (done := fills_of(event.fields)):
            state = state or [[], [], [], []]
            found = self._filled(state, event.time, done)
            return state, () if found is None else [found]
        return state, ()

    def _placed(self, state: Any, at: int, account: str | None, way: str | None, qty: float) -> None:
        _, large, sizes, _ = state
        # The last one alone answers for half of them.
        if account and way and len(sizes) >= _LEAST_SIZES and qty > sizes[-1] and qty > max(sizes):
            usual = median(sizes)
            if qty >= self._large * usual:
                large[:] = [one for one in large[-_MAX_LARGE + 1 :] if one[0] > at - self._out]
                large.append([at, account, way, qty, usual])
        sizes.append(qty)
        if len(sizes) > _MAX_SIZES:
            del sizes[0]

    def _filled(self, state: Any, at: int, done: Sequence[Fill]) -> Found | None:
        fills, large, _, told = state
        fills += [[at, *fill] for fill in done]
        while len(fills) > _MAX_FILLS or fills[0][0] <= at - self._reach:
            del fills[0]
        if not large:
            return None
        told[:] = [one for one in told if one[0] > at - self._within]
        for leaving in done:
            for order in reversed(large):
                found = self._judged(at, leaving, order, fills, told)
                if found is not None:
                    told.append([at, leaving.party, order[0]])
                    del told[:-_MAX_TOLD]
                    return found
        return None

    def _judged(
        self, now: int, leaving: Fill, order: list[Any], fills: list[_Done], told: list[list[Any]]
    ) -> Found | None:
        at, client, way, qty, usual = order
        account = leaving.party
        if account == client or leaving.side == way or not at <= now < at + self._out:
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
