"""Wash trades by round trip: what is sold comes back to who sold it, by one other party or by a ring of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import TRADE_FIELDS, listed, near, trade_of
from streams.rules.durations import parse_duration

#: Trades of one instrument that are kept, and of one token.
MAX_LEGS, MAX_TOKEN_LEGS = 256, 64
#: Trades that the search for one ring looks at.
MAX_VISITS = 5_000
_MAX_TOLD = 64

#: time, seller, buyer, qty, price, whether of a unique token
Leg = list[Any]


class RoundTrip:
    """Fires once for a set of parties among whom something went round: A to B to A, or A to B to C to A.

    Of a unique token the token itself returns, sold for money on each leg, within ``token_within`` (closed cycles:
    von Wachter et al., NFT Wash Trading, 2022). Of anything fungible it takes legs of about the same ``qty`` and
    ``price`` within ``within`` (matched trades that leave no position: Cong et al., Crypto Wash Trading, 2023), by
    parties at least half of whose trades meanwhile are among themselves; and a quantity that others do not trade too,
    or parties that have gone round twice and hardly trade with anybody else. So market makers with round lots are
    silent. Legs follow each other in event time, equal times in either order, whatever order they arrive in.

    Settings: ``parties`` (fewest and most, 2 to 6), ``token_within`` 30d, ``within`` 5m, ``qty_tolerance`` 0.01,
    ``price_tolerance`` 0.005, ``again`` (the same parties are told again after) 1d, ``intermediaries`` (no parties).
    Bounded: the last 256 trades of an instrument, 64 of a token; a search ends after 5,000 of them.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._fewest, self._most = settings.get("parties", [2, 2])
        if not 2 <= self._fewest <= self._most <= 6:
            raise ValueError("parties are two numbers from 2 to 6")
        self._token_within = parse_duration(settings.get("token_within", "30d"))
        self._within = parse_duration(settings.get("within", "5m"))
        self._qty = float(settings.get("qty_tolerance", 0.01))
        self._price = float(settings.get("price_tolerance", 0.005))
        self._again = parse_duration(settings.get("again", "1d"))
        self._strangers = listed(settings.get("intermediaries", []))
        self.keeps = max(self._token_within, self._within, self._again)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        trade = trade_of(event.fields)
        if trade is None or trade.seller is None or trade.buyer is None or trade.seller == trade.buyer:
            return state, ()
        if trade.price is None or {trade.seller, trade.buyer} & self._strangers:
            return state, ()
        if trade.price <= 0 if trade.unique else trade.qty is None:
            return state, ()
        legs, told = state or ([], [])
        leg = [event.time, trade.seller, trade.buyer, trade.qty or 1.0, trade.price, trade.unique]
        legs = self._kept([*legs, leg])
        told = [one for one in told if one[0] > event.time - self._again]
        ring = self._ring(legs, leg) if leg in legs else None
        if ring is None:
            return [legs, told], ()
        parties = sorted(one[1] for one in ring)
        if any(one[1] == parties for one in told):
            return [legs, told], ()
        ring.sort(key=lambda one: one[0])
        detail = {
            "parties": ", ".join(parties),
            "legs": len(ring),
            "seconds": (ring[-1][0] - ring[0][0]) // 1000,
            "first_price": ring[0][4],
            "last_price": ring[-1][4],
        }
        told = [*told[-_MAX_TOLD + 1 :], [event.time, parties]]
        return [legs, told], [Found(len(parties), self._fewest, detail=detail)]

    def _kept(self, legs: list[Leg]) -> list[Leg]:
        newest = max(leg[0] for leg in legs)
        kept = [leg for leg in legs if leg[0] > newest - (self._token_within if leg[5] else self._within)]
        room = MAX_TOKEN_LEGS if kept and kept[-1][5] else MAX_LEGS
        if len(kept) > room:
            kept.remove(min(kept, key=lambda leg: leg[0]))
        return kept

    def _ring(self, legs: list[Leg], last: Leg) -> list[Leg] | None:
        """A ring through ``last``, wherever in it that stands; the shortest first, None where there is none."""
        reach = self._token_within if last[5] else self._within
        fits = [
            leg
            for leg in legs
            if leg[5] == last[5]
            and abs(leg[0] - last[0]) < reach
            and (leg[5] or (near(leg[3], last[3], self._qty) and near(leg[4], last[4], self._price)))
        ]
        selling: dict[str, list[Leg]] = {}
        for leg in fits:
            selling.setdefault(leg[1], []).append(leg)
        if last[2] not in selling:
            return None
        visits = MAX_VISITS
        # A path goes on from its last leg in time, and once may begin anew at the ring's first, to end before `last`.
        paths: list[tuple[list[Leg], bool]] = [([last], False)]
        for _ in range(self._most):
            longer: list[tuple[list[Leg], bool]] = []
            for path, wrapped in paths:
                for leg in selling.get(path[-1][2], ()):
                    visits -= 1
                    if visits < 0:
                        return None
                    later = leg[0] >= path[-1][0]
                    for turns in {wrapped, True}:
                        if turns == wrapped and not later:
                            continue
                        if turns and leg[0] > last[0]:
                            continue
                        if leg[2] == last[1] and len(path) + 1 >= self._fewest:
                            ring = [*path, leg]
                            if self._is_wash(legs, ring, reach):
                                return ring
                        elif leg[2] != last[1] and all(leg[2] != one[2] for one in path):
                            longer.append(([*path, leg], turns))
            paths = [(path, turns) for path, turns in longer if len(path) < self._most]
        return None

    def _is_wash(self, legs: list[Leg], ring: list[Leg], reach: int) -> bool:
        times = [leg[0] for leg in ring]
        first, last = min(times), max(times)
        if last - first >= reach:
            return False
        if ring[0][5]:
            return True
        parties = {leg[1] for leg in ring}
        inside = outside = recently_inside = recently_outside = same = 0
        for leg in legs:
            among = (leg[1] in parties) + (leg[2] in parties)
            during = first <= leg[0] <= last
            inside += among == 2
            outside += among == 1
            recently_inside += during and among == 2
            recently_outside += during and among == 1
            same += among != 2 and near(leg[3], ring[0][3], self._qty)
        if recently_inside < recently_outside:
            return False
        return same < len(ring) or (inside >= 2 * len(ring) and inside >= 4 * outside)
