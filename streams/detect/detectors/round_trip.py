"""Wash trades by round trip: what is sold comes back to who sold it, by one other party or by a ring of them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import EXECUTION_NEEDS, TRADE_FIELDS, listed, near, trade_of
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
_time = itemgetter(0)

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

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = EXECUTION_NEEDS
    steady = live = True

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
        seller, buyer, qty, price, unique = trade.seller, trade.buyer, trade.qty, trade.price, trade.unique
        if price is None or seller in self._strangers or buyer in self._strangers:
            return state, ()
        if price <= 0 if unique else qty is None:
            return state, ()
        if state is None:
            state = [[], [], [], {}, {}]
        told, partners, sales = state[2:]
        if not unique:
            self._met(partners, seller, buyer)
            self._met(partners, buyer, seller)
        leg = [event.time, seller, buyer, qty or 1.0, price, unique]
        legs: list[Leg] = state[unique]
        insort(legs, leg, key=_time)
        sales[seller] = sales.get(seller, 0) + 1
        reach = self._token_within if unique else self._within
        while legs[0][0] <= legs[-1][0] - reach or len(legs) > (MAX_TOKEN_LEGS if unique else MAX_LEGS):
            gone = legs.pop(0)[1]
            sales[gone] -= 1
            if not sales[gone]:
                del sales[gone]
        if buyer not in sales or event.time < legs[0][0]:
            return state, ()
        ring = self._ring(legs, leg, reach, partners)
        if ring is None:
            return state, ()
        parties = sorted(one[1] for one in ring)
        told[:] = [one for one in told if one[0] > event.time - self._again]
        if any(one[1] == parties for one in told):
            return state, ()
        ring.sort(key=_time)
        detail = {
            "parties": ", ".join(parties),
            "legs": len(ring),
            "seconds": (ring[-1][0] - ring[0][0]) // 1000,
            "first_price": ring[0][4],
            "last_price": ring[-1][4],
        }
        told.append([event.time, parties])
        del told[:-_MAX_TOLD]
        return state, [Found(len(parties), self._fewest, detail=detail)]

    def _met(self, partners: dict[str, list[str]], party: str, other: str) -> None:
        known = partners.pop(party, None)
        if known is None:
            known = []
            if len(partners) >= MAX_PARTIES:
                del partners[next(iter(partners))]
        elif other in known:
            known.remove(other)
        partners[party] = known
        known.append(other)
        del known[: -self._many - 6]

    def _ring(self, legs: list[Leg], last: Leg, reach: int, partners: dict[str, list[str]]) -> list[Leg] | None:
        """A ring through ``last``, wherever in it that stands; the shortest first, None where there is none."""
        buyer = last[2]
        if not any(leg[1] == buyer and self._fits(leg, last, reach) for leg in legs):  # as of most trades
            return None
        fits = [leg for leg in legs if self._fits(leg, last, reach)]
        if not last[5] and len({name for leg in fits for name in leg[1:3]}) > self._most + ROUND_LOT:
            return None
        selling: dict[str, list[Leg]] = {}
        for leg in fits:
            selling.setdefault(leg[1], []).append(leg)
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

    def _fits(self, leg: Leg, last: Leg, reach: int) -> bool:
        """Whether both can be of one ring."""
        if abs(leg[0] - last[0]) >= reach:
            return False
        return leg[5] or (near(leg[3], last[3], self._qty) and near(leg[4], last[4], self._price))

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
