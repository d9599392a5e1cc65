"""Wash trades with oneself: one account on both sides of an execution."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import EXECUTION_NEEDS, TRADE_FIELDS, Trade, named, said_of, trade_of
from streams.rules.durations import parse_duration

_MAX_LEGS = 128
_MAX_TIMES = 256
_time = itemgetter(0)


class SelfTrade:
    """Fires on each execution in which buyer and seller are one; observed: how many there were ``within``.

    One are: ``buyer`` and ``seller`` (or ``account`` and ``counterparty``) of an event; the accounts of two fills with
    one ``trade_id`` on opposite sides. Where fills say neither, ``pairs`` buys and sells of the same quantity and price
    less than ``apart`` from each other are taken for it (no change in beneficial ownership: ESMA's indicators of wash
    trades under MAR Art. 12; CEA 4c(a)).

    Settings: ``within`` 1h, ``pairs`` 3, ``apart`` 1s. Key: account and instrument.
    Bounded: 128 fills of either sort, 256 times.
    """

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = EXECUTION_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._within = parse_duration(settings.get("within", "1h"))
        self._pairs = int(settings.get("pairs", 3))
        self._apart = parse_duration(settings.get("apart", "1s"))
        if self._pairs < 1:
            raise ValueError("pairs are at least 1")
        self.keeps = self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        trade = trade_of(event.fields)
        if trade is None:
            return state, ()
        if state is None:
            state = [[], [], {}, []]
        how = ""
        if trade.seller is not None and trade.seller == trade.buyer:
            how = "one party on both sides"
        elif trade.seller is None or trade.buyer is None:
            how = self._matched(state, event, trade)
        if not how:
            return state, ()
        times = _with(state[0], event.time, self._within)
        return state, [Found(len(times), 1, detail={"how": how, "qty": trade.qty, "price": trade.price})]

    def _matched(self, state: Any, event: Event, trade: Trade) -> str:
        """What the fill makes with an earlier one; where there is none it waits."""
        _, legs, halves, pairs = state
        way, trade_id = said_of(event.fields).side, named(event.fields.get("trade_id"))
        if way is None:
            return ""
        if trade_id is not None:
            half = halves.pop(trade_id, None)
            if half is not None and half[1] != way and half[0] > event.time - self._within:
                return "both fills of one trade"
            halves[trade_id] = [event.time, way]
            if len(halves) > _MAX_LEGS:
                del halves[next(iter(halves))]
            return ""
        if trade.qty is None or trade.price is None:
            return ""
        for place in range(bisect_right(legs, event.time - self._apart, key=_time), len(legs)):
            at, other_way, qty, price = legs[place]
            if other_way != way and (qty, price) == (trade.qty, trade.price) and at < event.time + self._apart:
                del legs[place]
                cancelled_out = _with(pairs, event.time, self._within)
                return "buys and sells that cancel out" if len(cancelled_out) >= self._pairs else ""
        while legs and (len(legs) >= _MAX_LEGS or legs[0][0] <= event.time - self._within):
            del legs[0]
        insort(legs, [event.time, way, trade.qty, trade.price], key=_time)
        return ""


def _with(times: list[int], now: int, within: int) -> list[int]:
    """The times with this one, and without those that are older."""
    times[:] = [*(at for at in times[-_MAX_TIMES + 1 :] if at > now - within), now]
    return times
