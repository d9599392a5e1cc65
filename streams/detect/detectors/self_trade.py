"""Wash trades with oneself: one account on both sides of an execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import TRADE_FIELDS, named, side, trade_of
from streams.rules.durations import parse_duration

_MAX_LEGS = 128
_MAX_TIMES = 256


class SelfTrade:
    """Fires on each execution in which buyer and seller are one; observed: how many there were ``within``.

    One are: ``buyer`` and ``seller`` (or ``account`` and ``counterparty``) of an event; the accounts of two fills with
    one ``trade_id`` on opposite sides. Where fills say neither, ``pairs`` buys and sells of the same quantity and price
    less than ``apart`` from each other are taken for it (no change in beneficial ownership: ESMA's indicators of wash
    trades under MAR Art. 12; CEA 4c(a)).

    Settings: ``within`` 1h, ``pairs`` 3, ``apart`` 1s. Key: account and instrument. Bounded: 128 fills, 256 times.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS
    steady = True

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
        after = event.time - self._within
        times, legs, pairs = state or ([], [], [])
        times = [at for at in times if at > after]
        how = ""
        if trade.seller is not None and trade.seller == trade.buyer:
            how = "one party on both sides"
        elif trade.seller is None or trade.buyer is None:
            legs = [leg for leg in legs if leg[0] > after]
            how, legs, pairs = self._matched(event, trade.qty, trade.price, legs, [at for at in pairs if at > after])
        state = [times, legs, pairs]
        if not how:
            return state, ()
        state[0] = times = [*times[-_MAX_TIMES + 1 :], event.time]
        return state, [Found(len(times), 1, detail={"how": how, "qty": trade.qty, "price": trade.price})]

    def _matched(
        self, event: Event, qty: float | None, price: float | None, legs: list[list[Any]], pairs: list[int]
    ) -> tuple[str, list[list[Any]], list[int]]:
        """What the fill makes with an earlier one, and the fills and pairs to keep."""
        way, trade_id = side(event.fields.get("side")), named(event.fields.get("trade_id"))
        if way is None or (trade_id is None and (qty is None or price is None)):
            return "", legs, pairs
        for leg in legs:
            at, other_way, other_id, other_qty, other_price = leg
            if other_way == way or other_id != trade_id:
                continue
            if trade_id is not None:
                return "both fills of one trade", [one for one in legs if one is not leg], pairs
            if (other_qty, other_price) == (qty, price) and abs(at - event.time) < self._apart:
                legs = [one for one in legs if one is not leg]
                pairs = [*pairs[-_MAX_TIMES + 1 :], event.time]
                return ("buys and sells that cancel out" if len(pairs) >= self._pairs else ""), legs, pairs
        return "", [*legs[-_MAX_LEGS + 1 :], [event.time, way, trade_id, qty, price]], pairs
