"""Pump and dump: bought up by one account, driven up, and sold to those who came after."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from operator import itemgetter
from statistics import median
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import EXECUTION_NEEDS, TRADE_FIELDS, Fill, fills_of
from streams.rules.durations import parse_duration

_MAX_ACCOUNTS, _BUCKETS = 128, 72
#: How many more accounts there may be until those that bought least go: to look for one each time is what would cost.
_ROOM = 32

#: Of an account: first and last time, bought and paid, sold and received.
_FIRST, _LAST, _BOUGHT, _PAID, _SOLD, _GOT = range(6)
#: Of a bucket: number, lowest and highest price, quantity.
_NUMBER, _LOW, _HIGH, _QTY = range(4)


class PumpAndDump:
    """Fires, once for an account, where it sells dear what it had bought up before a steep rise.

    In ``within`` the account bought ``share`` of the quantity traded or more; since then the price rose by ``rise``
    over what had been its median before, or, of what nobody traded before, over its first price; and the account has
    sold ``sold`` of what it had bought, on average ``gain`` above what it paid. Where there was trading before, volume
    must have risen too, ``surge`` times. (Kamps and Kleinberg, To the moon: defining and detecting cryptocurrency
    pump-and-dumps, 2018: anomalies of price and volume together; MAR Art. 12(2)(d).) Observed: the rise in percent.

    Settings: ``within`` 6h, ``share`` 0.2, ``rise`` 0.25, ``sold`` 0.5, ``gain`` 0.1, ``surge`` 3, ``least`` 10 trades.
    Key: instrument. Bounded: 72 buckets of time, 160 accounts, of which
    the 128 that bought most stay.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = EXECUTION_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.keeps = parse_duration(settings.get("within", "6h"))
        self._bucket = max(self.keeps // _BUCKETS, 1)
        self._share, self._rise = float(settings.get("share", 0.2)), float(settings.get("rise", 0.25))
        self._sold, self._gain = float(settings.get("sold", 0.5)), float(settings.get("gain", 0.1))
        self._surge, self._least = float(settings.get("surge", 3)), int(settings.get("least", 10))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        fills = fills_of(event.fields)
        if not fills or fills[0].price <= 0:
            return state, ()
        if state is None:
            state = [{}, [], 0, {}]
        accounts: dict[str, list[Any]]
        told: dict[str, int]
        accounts, buckets, _, told = state
        state[2] = count = state[2] + 1
        after = event.time - self.keeps
        if self._begins(buckets, event.time // self._bucket, fills[0]):
            state[0] = accounts = {party: own for party, own in accounts.items() if own[_LAST] > after}
            state[3] = told = {party: at for party, at in told.items() if at > after}
        for fill in fills:
            own = accounts.get(fill.party)
            if own is None or own[_FIRST] <= after:
                accounts[fill.party] = own = [event.time, event.time, 0.0, 0.0, 0.0, 0.0]
            buys = fill.side == "buy"
            own[_LAST] = max(own[_LAST], event.time)
            own[_BOUGHT if buys else _SOLD] += fill.qty
            own[_PAID if buys else _GOT] += fill.qty * fill.price
        if len(accounts) > _MAX_ACCOUNTS + _ROOM:
            ranked = sorted(accounts, key=lambda one: float(accounts[one][_BOUGHT]))
            for party in ranked[:_ROOM]:
                del accounts[party]
        seller = fills[-1].party  # the buyer comes first
        if fills[-1].side == "buy" or count < self._least or seller in told or seller not in accounts:
            return state, ()
        found = self._judged(seller, accounts[seller], buckets)
        if found is None:
            return state, ()
        told[seller] = event.time
        while len(told) > _MAX_ACCOUNTS:
            del told[next(iter(told))]
        return state, [found]

    def _begins(self, buckets: list[list[Any]], number: int, fill: Fill) -> bool:
        """The fill taken in; whether it is the first of a bucket."""
        while buckets and buckets[0][_NUMBER] <= number - _BUCKETS:
            del buckets[0]
        here = next((one for one in reversed(buckets) if one[_NUMBER] == number), None)
        if here is None:
            insort(buckets, [number, fill.price, fill.price, fill.qty], key=itemgetter(_NUMBER))
            return True
        here[_LOW], here[_HIGH] = min(here[_LOW], fill.price), max(here[_HIGH], fill.price)
        here[_QTY] += fill.qty
        return False

    def _judged(self, account: str, own: Sequence[Any], buckets: Sequence[Sequence[Any]]) -> Found | None:
        first, _, bought, paid, sold, got = own
        if not bought or sold < self._sold * bought or got / sold < (1 + self._gain) * paid / bought:
            return None
        begin = first // self._bucket
        before = [one for one in buckets if one[_NUMBER] < begin]
        since = [one for one in buckets if one[_NUMBER] >= begin]
        base = median(one[_LOW] for one in before) if before else since[0][_LOW]
        peak = max(one[_HIGH] for one in since)
        traded = sum(one[_QTY] for one in since)
        if peak < (1 + self._rise) * base or bought < self._share * traded:
            return None
        if before:
            usual = sum(one[_QTY] for one in before) / (begin - before[0][_NUMBER])
            lasted = since[-1][_NUMBER] - begin + 1
            if traded / lasted < self._surge * usual:
                return None
        detail = {
            "account": account,
            "share_percent": round(100 * bought / traded, 1),
            "sold_percent": round(100 * sold / bought, 1),
            "paid": paid / bought,
            "received": got / sold,
            "base_price": base,
            "peak_price": peak,
        }
        return Found(round(100 * (peak / base - 1), 2), 100 * self._rise, detail=detail)
