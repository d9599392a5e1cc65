"""Wash trades between accounts of one beneficial owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import EXECUTION_NEEDS, TRADE_FIELDS, listed, named, trade_of
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

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = EXECUTION_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._within = parse_duration(settings.get("within", "1h"))
        self._nominees = listed(settings.get("nominees", []))
        self.keeps = max(self._within, parse_duration("30d"))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        trade = trade_of(event.fields)
        if trade is None:
            return state, ()
        if state is None:
            state = [{}, {}, []]
        owners: dict[str, str]
        owners, halves, times = state
        for account, owner in ((trade.seller, trade.seller_owner), (trade.buyer, trade.buyer_owner)):
            if account is not None and owner is not None and owner not in self._nominees:
                owners.pop(account, None)
                owners[account] = owner
                if len(owners) > _MAX_OWNERS:
                    del owners[next(iter(owners))]
        seller, buyer = trade.seller, trade.buyer
        trade_id = named(event.fields.get("trade_id"))
        if (seller is None) != (buyer is None) and trade_id is not None:
            seller, buyer = _matched(halves, trade_id, seller, buyer)
        owner = owners.get(seller) if seller is not None else None
        if owner is None or buyer is None or seller == buyer or owners.get(buyer) != owner:
            return state, ()
        times[:] = [one for one in times[-_MAX_TIMES + 1 :] if one[0] > event.time - self._within]
        times.append([event.time, owner])
        detail = {"owner": owner, "seller": seller, "buyer": buyer, "qty": trade.qty, "price": trade.price}
        return state, [Found(sum(one[1] == owner for one in times), 1, detail=detail)]


def _matched(
    halves: dict[str, list[str | None]], trade_id: str, seller: str | None, buyer: str | None
) -> tuple[str | None, str | None]:
    """The parties of a trade of which each side is told by itself; the first one waits for the other."""
    half: list[str | None] = ["buy", buyer] if seller is None else ["sell", seller]
    other = halves.pop(trade_id, half)
    if other[0] != half[0]:
        return seller or other[1], buyer or other[1]
    halves[trade_id] = half
    if len(halves) > _MAX_LEGS:
        del halves[next(iter(halves))]
    return seller, buyer
