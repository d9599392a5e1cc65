"""Prices and orders that are far from what is usual: for the instrument, and for the account itself."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean, pstdev
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import PRICE_NEEDS, TRADE_FIELDS, Stage, said_of
from streams.rules.durations import parse_duration

_LEAST_SPREAD = 0.25


class PriceDeviation:
    """Fires where an instrument trades, or an order would at once trade, far from its last prices.

    Observed: how far the price is from the median of the last ``trades`` executions within ``within``, in percent of
    it. It must be ``percent`` or more, and ``noise`` times the mean deviation of those prices, so that an instrument
    which jumps about is not told at each jump. Orders count on the side on which they cost: purchases above the median
    and sales below it. Of a median of zero there is no percentage. Bounded by ``trades``.

    Settings: ``percent`` 10, ``noise`` 6, ``trades`` 32 (at most 256), ``at_least`` 8, ``within`` 1h.
    """

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = PRICE_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._percent, self._noise = float(settings.get("percent", 10)), float(settings.get("noise", 6))
        self._trades, self._least = int(settings.get("trades", 32)), int(settings.get("at_least", 8))
        if not 2 <= self._least <= self._trades <= 256:
            raise ValueError("at_least and trades are two numbers from 2 to 256")
        self.keeps = parse_duration(settings.get("within", "1h"))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        what, _, _, way, _, price, _ = said_of(event.fields)
        if price is None or what is Stage.CANCELLED:
            return state, ()
        state = state or [[], []]
        last, ordered = state
        while last and last[0][0] <= event.time - self.keeps:
            _oldest_out(last, ordered)
        findings = self._judged(price, what, way, ordered)
        if what is Stage.FILLED:
            if len(last) == self._trades:
                _oldest_out(last, ordered)
            last.append([event.time, price])
            insort(ordered, price)
        return state, findings

    def _judged(self, price: float, what: Stage | None, way: str | None, prices: list[float]) -> list[Found]:
        """``prices``: in ascending order."""
        if len(prices) < self._least or not (usual := _middle(prices)):
            return []
        away = price - usual
        percent = 100 * abs(away) / abs(usual)
        if percent < self._percent:
            return []
        if what is not Stage.FILLED and not (away > 0 if way == "buy" else way == "sell" and away < 0):
            return []
        if abs(away) < self._noise * fmean(abs(one - usual) for one in prices):
            return []
        detail = {"price": price, "usual_price": usual, "direction": "above" if away > 0 else "below"}
        return [Found(round(percent, 2), self._percent, detail=detail)]


class FatFinger:
    """Fires at an order that is out of all proportion to the account's own last ones in the instrument.

    By quantity: ``times`` the median of them or more, twice the largest, and ``deviations`` standard deviations of
    their logarithms above it (0.25 at least), so that sizes with a heavy tail are not told. By price: a purchase at
    ``off`` times their median price or more, a sale at the ``off``-th part of it or less. Observed: the multiple.
    (RTS 6 Art. 15 asks for such controls before an order is sent; the multiples are ours.)

    Settings: ``times`` 10, ``deviations`` 6, ``off`` 1.5, ``orders`` 64 (at most 256), ``at_least`` 20, ``within`` 7d.
    Bounded by ``orders``.
    """

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = PRICE_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._times, self._deviations = float(settings.get("times", 10)), float(settings.get("deviations", 6))
        self._off = float(settings.get("off", 1.5))
        self._orders, self._least = int(settings.get("orders", 64)), int(settings.get("at_least", 20))
        if not 2 <= self._least <= self._orders <= 256 or self._off <= 1:
            raise ValueError("at_least and orders are two numbers from 2 to 256, and off is more than 1")
        self.keeps = parse_duration(settings.get("within", "7d"))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        what, _, _, way, qty, price, _ = said_of(event.fields)
        if qty is None or (what is not Stage.PLACED and what is not Stage.REPLACED):
            return state, ()
        if price is not None and price <= 0:
            price = None
        state = state or [[], [], []]
        last, sizes, prices = state
        while last and last[0][0] <= event.time - self.keeps:
            _oldest_out(last, sizes, prices)
        found = self._judged(qty, price, way, sizes, prices)
        if len(last) == self._orders:
            _oldest_out(last, sizes, prices)
        last.append([event.time, qty, price])
        insort(sizes, qty)
        if price is not None:
            insort(prices, price)
        return state, () if found is None else [found]

    def _judged(
        self, qty: float, price: float | None, way: str | None, sizes: list[float], prices: list[float]
    ) -> Found | None:
        """``sizes`` and ``prices``: in ascending order."""
        if len(sizes) < self._least:
            return None
        usual = _middle(sizes)
        if qty >= self._times * usual and qty >= 2 * sizes[-1] and self._is_odd(qty, usual, sizes):
            detail = {"what": "quantity", "given": qty, "usual": usual}
            return Found(round(qty / usual, 1), self._times, detail=detail)
        if price is None or len(prices) < self._least or way is None:
            return None
        usual = _middle(prices)
        multiple = price / usual if way == "buy" else usual / price
        if multiple < self._off:
            return None
        return Found(round(multiple, 2), self._off, detail={"what": "price", "given": price, "usual": usual})

    def _is_odd(self, qty: float, usual: float, sizes: list[float]) -> bool:
        spread = max(pstdev(map(log, sizes)), _LEAST_SPREAD)
        return log(qty / usual) >= self._deviations * spread


def _oldest_out(last: list[list[Any]], *ordered: list[float]) -> None:
    """The oldest entry, a time and a value for each of ``ordered``, out of all of them."""
    for values, value in zip(ordered, last.pop(0)[1:], strict=True):
        if value is not None:
            values.remove(value)


def _middle(ordered: list[float]) -> float:
    """The median of values in ascending order."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
