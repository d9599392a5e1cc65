"""An address that looks like one of a victim's counterparties puts itself into the victim's history.

Tsuchiya, Dong, Soska and Christin (USENIX Security 2025, Blockchain Address Poisoning): look-alikes share the first and
last digits, which are all that wallets show, and get into the history by tiny transfers, by transfers of zero in the
victim's name, or by those of counterfeit tokens. The loss comes later, when the victim copies the address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.onchain import address, amount

_HEX = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_MOST = 64  #: counterparties, and look-alikes, that are remembered of a victim
_NONE, _LITTLE, _WORTH = 0, 1, 2  #: what an address exchanged with the victim, at most


class AddressPoisoning:
    """Of one address, the possible victim, of what it sends (way ``""``) and receives (way ``received``).

    Settings: ``head`` and ``tail`` (4 and 4 hex digits that are equal), ``dust_usd`` (10: what the event says is worth
    less may be bait; a transfer in that is worth more is none, as nobody baits with money).

    Found is a look-alike's first transfer after one of value with the counterparty that it looks like (observed: 1),
    and each payment of the victim to a look-alike (observed: 2). Of the two addresses the one seen first, by event
    time, is the counterparty. Arrival may be in any order; what is found is then named after the event that came last.
    State: 64 counterparties, the one not seen for longest goes.
    """

    keeps = "30d"
    live = steady = True
    fields: Sequence[str] = ("from", "to", "amount", "amount_usd")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._head, self._tail = int(settings.get("head", 4)), int(settings.get("tail", 4))
        self._dust = Fraction(str(settings.get("dust_usd", 10)))
        if not (1 <= self._head <= 20 and 1 <= self._tail <= 20):
            raise ValueError("head and tail are from 1 to 20 digits")

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: address -> [first time, last time, most that was exchanged, whether it was told, first sight]."""
        known: dict[str, Any] = state or {}
        sender, receiver = address(event.fields.get("from")), address(event.fields.get("to"))
        is_received = "received" in event.ways
        other = sender if is_received else receiver
        size = self._size(event.fields)
        if sender == receiver or size is None or not _HEX.fullmatch(other):
            return state, ()
        seen = known.get(other) or [event.time, event.time, _NONE, False, list(event.sight)]
        if event.time < seen[0]:
            seen[0], seen[4] = event.time, list(event.sight)
        seen[1], seen[2] = max(seen[1], event.time), max(seen[2], size)
        known[other] = seen
        found = self._found(known, other, size != _NONE and not is_received)
        if len(known) > _MOST:
            del known[min(known, key=lambda one: (known[one][1], one == other))]
        return known, found

    def _size(self, fields: Mapping[str, Any]) -> int | None:
        units, usd = amount(fields.get("amount")), amount(fields.get("amount_usd"))
        if units is None:
            return None
        if units == 0:
            return _NONE
        return _LITTLE if usd is None or usd < self._dust else _WORTH

    def _found(self, known: dict[str, Any], other: str, is_payment: bool) -> Sequence[Found]:
        """The pair that this event makes, or makes worse; whichever of the two it was about."""
        head, tail = other[: 2 + self._head], other[-self._tail :]
        alike = [near for near in known if near.endswith(tail) and near.startswith(head) and near != other]
        for near in alike:
            bait, genuine = sorted((near, other), key=lambda one: (known[one][0], -known[one][2]), reverse=True)
            if known[genuine][2] == _NONE:
                continue
            paid = is_payment and bait == other
            if not paid and (known[bait][3] or known[bait][2] == _WORTH):
                continue
            known[bait][3] = True
            detail = {"bait": bait, "genuine": genuine, "stage": "paid" if paid else "bait"}
            return (Found(2 if paid else 1, 1, detail=detail, evidence=[known[genuine][4], known[bait][4]]),)
        return ()
