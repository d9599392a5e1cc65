"""Prices and orders that are far from what is usual: for the instrument, and for the account itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean, median, pstdev
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import Stage, amount, side, size, stage
from streams.rules.durations import parse_duration

_LEAST_SPREAD = 0.25
_FIELDS = ("type", "action", "status", "side", "qty", "price")


class PriceDeviation:
    """Fires where an instrument trades, or an order would at once trade, far from its last prices.

    Observed: how far the price is from the median of the last ``trades`` executions within ``within``, in percent of
    it. It must be ``percent`` or more, and ``noise`` times the mean deviation of those prices, so that an instrument
    which jumps about is not told at each jump. Orders count on the side on which they cost: purchases above the median
    and sales below it. Of a median of zero there is no percentage. Bounded by ``trades``.

    Settings: ``percent`` 10, ``noise`` 6, ``trades`` 32 (at most 256), ``at_least`` 8, ``within`` 1h.
    """

    version = "1"
    fields: Sequence[str] = _FIELDS
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._percent, self._noise = float(settings.get("percent", 10)), float(settings.get("noise", 6))
        self._trades, self._least = int(settings.get("trades", 32)), int(settings.get("at_least", 8))
        if not 2 <= self._least <= self._trades <= 256:
            raise ValueError("at_least and trades are two numbers from 2 to 256")
        self.keeps = parse_duration(settings.get("within", "1h"))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        price, what = amount(event.fields.get("price")), stage(event.fields)
        if price is None or what not in {Stage.FILLED, Stage.PLACED, Stage.REPLACED}:
            return state, ()
        last = [one for one in state or [] if one[0] > event.time - self.keeps]
        findings = self._judged(price, what, side(event.fields.get("side")), [one[1] for one in last])
        if what is not Stage.FILLED:
            return last, findings
        return [*last[-self._trades + 1 :], [event.time, price]], findings

    def _judged(self, price: float, what: Stage, way: str | None, prices: list[float]) -> list[Found]:
        if len(prices) < self._least or not (usual := median(prices)):
            return []
        away = price - usual
        if what is not Stage.FILLED and not (away > 0 if way == "buy" else way == "sell" and away < 0):
            return []
        noise = fmean(abs(one - usual) for one in prices)
        percent = 100 * abs(away) / abs(usual)
        if percent < self._percent or abs(away) < self._noise * noise:
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

    version = "1"
    fields: Sequence[str] = _FIELDS
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._times, self._deviations = float(settings.get("times", 10)), float(settings.get("deviations", 6))
        self._off = float(settings.get("off", 1.5))
        self._orders, self._least = int(settings.get("orders", 64)), int(settings.get("at_least", 20))
        if not 2 <= self._least <= self._orders <= 256 or self._off <= 1:
            raise ValueError("at_least and orders are two numbers from 2 to 256, and off is more than 1")
        self.keeps = parse_duration(settings.get("within", "7d"))

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        if stage(event.fields) not in {Stage.PLACED, Stage.REPLACED}:
            return state, ()
        qty, price = size(event.fields.get("qty")), amount(event.fields.get("price"))
        last = [one for one in state or [] if one[0] > event.time - self.keeps]
        if qty is None:
            return last, ()
        found = self._judged(qty, price, side(event.fields.get("side")), last)
        return [*last[-self._orders + 1 :], [event.time, qty, price]], [found] if found else []

    def _judged(self, qty: float, price: float | None, way: str | None, last: list[list[Any]]) -> Found | None:
        if len(last) < self._least:
            return None
        usual = median(one[1] for one in last)
        if qty >= self._times * usual and qty >= 2 * max(one[1] for one in last) and self._is_odd(qty, usual, last):
            detail = {"what": "quantity", "given": qty, "usual": usual}
            return Found(round(qty / usual, 1), self._times, detail=detail)
        prices = [one[2] for one in last if one[2] is not None and one[2] > 0]
        if price is None or price <= 0 or len(prices) < self._least or way is None:
            return None
        usual = median(prices)
        multiple = price / usual if way == "buy" else usual / price
        if multiple < self._off:
            return None
        return Found(round(multiple, 2), self._off, detail={"what": "price", "given": price, "usual": usual})

    def _is_odd(self, qty: float, usual: float, last: list[list[Any]]) -> bool:
        spread = max(pstdev(log(one[1]) for one in last), _LEAST_SPREAD)
        return log(qty / usual) >= self._deviations * spread
