"""Wash trades between accounts of one beneficial owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import TRADE_FIELDS, listed, named, side, trade_of
from streams.rules.durations import parse_duration

_MAX_OWNERS, _MAX_LEGS, _MAX_TIMES = 256, 128, 128


class LinkedOwner:
    """Fires on an execution between two accounts of one owner; observed: how many of that owner there were ``within``.

    Owners are declared: ``buyer_owner`` and ``seller_owner``, or ``owner`` and ``counterparty_owner``, in this event or
    an earlier one of the instrument that named the account. Two fills with one ``trade_id`` are one execution. An
    account on both sides is a self-trade and none of this (FINRA Rule 5210.02: orders from related accounts).

    Settings: ``within`` 1h, ``nominees`` (owners such as custodians, who own nothing themselves).
    Bounded: the 256 accounts named last, 128 fills that wait for their other side, 128 findings.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._within = parse_duration(settings.get("within", "1h"))
        self._nominees = listed(settings.get("nominees", []))
        self.keeps = max(self._within, parse_duration("30d"))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        trade = trade_of(event.fields)
        if trade is None:
            return state, ()
        owners: dict[str, str]
        owners, legs, times = state or [{}, [], []]
        for account, owner in ((trade.seller, trade.seller_owner), (trade.buyer, trade.buyer_owner)):
            if account is not None and owner is not None and owner not in self._nominees:
                owners.pop(account, None)
                owners[account] = owner
        while len(owners) > _MAX_OWNERS:
            del owners[next(iter(owners))]
        seller, buyer = trade.seller, trade.buyer
        trade_id = named(event.fields.get("trade_id"))
        if (seller is None) != (buyer is None) and trade_id is not None:
            way, account = side(event.fields.get("side")), seller or buyer
            other = next((leg for leg in legs if leg[1] == trade_id and leg[2] != way), None)
            if other is None:
                legs = [*legs[-_MAX_LEGS + 1 :], [event.time, trade_id, way, account]]
            else:
                legs = [leg for leg in legs if leg is not other]
                seller, buyer = (account, other[3]) if way == "sell" else (other[3], account)
        times = [one for one in times if one[0] > event.time - self._within]
        owner = owners.get(seller) if seller is not None else None
        if seller is None or buyer is None or seller == buyer or owner is None or owners.get(buyer) != owner:
            return [owners, legs, times], ()
        times = [*times[-_MAX_TIMES + 1 :], [event.time, owner]]
        detail = {"owner": owner, "seller": seller, "buyer": buyer, "qty": trade.qty, "price": trade.price}
        found = Found(sum(one[1] == owner for one in times), 1, detail=detail)
        return [owners, legs, times], [found]
