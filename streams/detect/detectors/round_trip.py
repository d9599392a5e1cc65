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
MAX_VISITS = 2_000
#: Rings of anything fungible that it weighs: each costs a look at all trades.
MAX_CANDIDATES = 8
#: A quantity that so many more than make a ring trade at one price is a round lot, and says nothing.
ROUND_LOT = 4
#: Parties of an instrument of whom it is kept with whom they traded.
MAX_PARTIES = 64
#: By how much prices may differ that are the same.
SAME = 0.000_001
_MAX_TOLD = 64

#: time, seller, buyer, qty, price, whether of a unique token
Leg = list[Any]


class RoundTrip:
    """Fires once for a set of parties among whom something went round: A to B to A, or A to B to C to A.

    Of a unique token the token itself returns, sold for money on each leg, within ``token_within`` (closed cycles:
    von Wachter et al., NFT Wash Trading, 2022). Of anything fungible it takes legs of about the same ``qty`` and
    ``price`` within ``within`` (matched trades that leave no position: Cong et al., Crypto Wash Trading, 2023), by
    parties at least half of whose trades meanwhile are among themselves, in a quantity that others do not trade too or
    hardly trading with others at all. Once round is enough for parties that are not known to trade with ``many``, two
    of them only at the very same price (who buys and sells again to a market maker pays his spread); else twice round.
    Legs follow each other in event time, equal times in either order, whatever order they arrive in.

    Settings: ``parties`` (fewest and most, 2 to 6), ``token_within`` 30d, ``within`` 5m, ``qty_tolerance`` 0.01,
    ``price_tolerance`` 0.005, ``again`` (the same parties are told again after) 1d, ``many`` 3, ``intermediaries`` (no
    parties). Bounded: the last 256 trades of an instrument, 64 of a token, whom the last 64 parties traded with; a
    search ends after 2,000 trades or 8 rings that are none.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._fewest, self._most = settings.get("parties", [2, 2])
        if not 2 <= self._fewest <= self._most <= 6:
            raise ValueError("parties are two numbers from 2 to 6")
        self._token_within = parse_duration(settings.get("token_within", "30d"))
        self._within = parse_duration(settings.get("within", "5m"))
        self._qty = float(settings.get("qty_tolerance", 0.01))
        self._price = float(settings.get("price_tolerance", 0.005))
        self._again = parse_duration(settings.get("again", "1d"))
        self._many = int(settings.get("many", 3))
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
        legs, told, partners = state or ([], [], {})
        leg = [event.time, trade.seller, trade.buyer, trade.qty or 1.0, trade.price, trade.unique]
        legs = self._kept([*legs, leg])
        told = [one for one in told if one[0] > event.time - self._again]
        if not trade.unique:
            self._met(partners, trade.seller, trade.buyer)
        ring = self._ring(legs, leg, partners) if leg in legs else None
        if ring is None:
            return [legs, told, partners], ()
        parties = sorted(one[1] for one in ring)
        if any(one[1] == parties for one in told):
            return [legs, told, partners], ()
        ring.sort(key=lambda one: one[0])
        detail = {
            "parties": ", ".join(parties),
            "legs": len(ring),
            "seconds": (ring[-1][0] - ring[0][0]) // 1000,
            "first_price": ring[0][4],
            "last_price": ring[-1][4],
        }
        told = [*told[-_MAX_TOLD + 1 :], [event.time, parties]]
        return [legs, told, partners], [Found(len(parties), self._fewest, detail=detail)]

    def _kept(self, legs: list[Leg]) -> list[Leg]:
        newest = max(leg[0] for leg in legs)
        kept = [leg for leg in legs if leg[0] > newest - (self._token_within if leg[5] else self._within)]
        room = MAX_TOKEN_LEGS if kept and kept[-1][5] else MAX_LEGS
        if len(kept) > room:
            kept.remove(min(kept, key=lambda leg: leg[0]))
        return kept

    def _met(self, partners: dict[str, list[str]], seller: str, buyer: str) -> None:
        for party, other in ((seller, buyer), (buyer, seller)):
            known = [one for one in partners.pop(party, []) if one != other]
            partners[party] = [*known[-self._many - 5 :], other]
        while len(partners) > MAX_PARTIES:
            del partners[next(iter(partners))]

    def _ring(self, legs: list[Leg], last: Leg, partners: dict[str, list[str]]) -> list[Leg] | None:
        """A ring through ``last``, wherever in it that stands; the shortest first, None where there is none."""
        reach = self._token_within if last[5] else self._within
        fits = [
            leg
            for leg in legs
            if leg[5] == last[5]
            and abs(leg[0] - last[0]) < reach
            and (leg[5] or (near(leg[3], last[3], self._qty) and near(leg[4], last[4], self._price)))
        ]
        if not last[5] and len({name for leg in fits for name in leg[1:3]}) > self._most + ROUND_LOT:
            return None
        selling: dict[str, list[Leg]] = {}
        for leg in fits:
            selling.setdefault(leg[1], []).append(leg)
        if last[2] not in selling:
            return None
        visits, candidates = MAX_VISITS, MAX_CANDIDATES
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
                            if self._is_wash(legs, ring, reach, partners):
                                return ring
                            candidates -= not last[5]
                            if candidates < 0:
                                return None
                        elif leg[2] != last[1] and all(leg[2] != one[2] for one in path):
                            longer.append(([*path, leg], turns))
            paths = [(path, turns) for path, turns in longer if len(path) < self._most]
        return None

    def _is_wash(self, legs: list[Leg], ring: list[Leg], reach: int, partners: dict[str, list[str]]) -> bool:
        times = [leg[0] for leg in ring]
        first, last = min(times), max(times)
        if last - first >= reach:
            return False
        if ring[0][5]:
            return True
        parties = {leg[1] for leg in ring}
        among = [leg for leg in legs if leg[1] in parties and leg[2] in parties]
        around = [leg for leg in legs if (leg[1] in parties) != (leg[2] in parties)]
        alike = sum(near(leg[3], ring[0][3], self._qty) for leg in among)
        elsewhere = sum(near(leg[3], ring[0][3], self._qty) for leg in legs) - alike
        if elsewhere >= len(ring) and len(among) < 4 * len(around):
            return False
        if alike >= 2 * len(ring):  # as often as not: of all they did since they began
            begun = min(leg[0] for leg in among)
            return len(among) >= sum(bool(begun <= leg[0] <= last) for leg in around)
        if any(len(set(partners.get(party, ())) - parties) >= self._many for party in parties):
            return False
        if sum(first <= leg[0] <= last for leg in among) < sum(first <= leg[0] <= last for leg in around):
            return False
        return len(ring) > 2 or near(ring[0][4], ring[1][4], SAME)
