"""Marking the close: trades in the last minutes of a session that carry the price on which others are settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any
from zoneinfo import ZoneInfo

from streams.detect.detectors import Event, Found
from streams.detect.detectors.trading import EXECUTION_NEEDS, TRADE_FIELDS, fills_of
from streams.rules.active import DAYS
from streams.rules.durations import parse_duration

_MAX_ACCOUNTS, _MAX_PRICES, _ROOM = 256, 48, 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MarkingTheClose:
    """Fires, once a session for an account, where it carries the price in the last ``before`` of the session.

    In these minutes the account has ``fills`` fills or more, of ``share`` of all that was traded, ``one_sided`` of it
    in one direction, and the price has come ``move`` in that direction from the median of the ``calm`` before, and
    ``noise`` times further than prices there were from it on average. (MAR Annex I A(g): transactions about the time at
    which reference, settlement or valuation prices are calculated; Comerton-Forde and Putnins, Measuring closing price
    manipulation, Journal of Financial Intermediation, 2011.) Observed: the move in percent.

    Settings: ``close`` 16:00, ``timezone`` America/New_York, ``days`` (mon to fri), ``before`` 5m, ``calm`` 30m,
    ``fills`` 4, ``trades`` (all of them) 10, ``share`` 0.3, ``one_sided`` 0.8, ``move`` 0.01, ``noise`` 3.
    Bounded: 256 accounts of a session, of which the 32 that trade least make room, and 48 prices.
    """

    version = "1"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = EXECUTION_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        hour, _, minute = str(settings.get("close", "16:00")).partition(":")
        self._close = timedelta(hours=int(hour), minutes=int(minute))
        self._zone = ZoneInfo(str(settings.get("timezone", "America/New_York")))
        self._days = [DAYS.index(day) for day in settings.get("days", DAYS[:5])]
        self._before, self._calm = (parse_duration(settings.get(*one)) for one in (("before", "5m"), ("calm", "30m")))
        self._fills, self._trades = int(settings.get("fills", 4)), int(settings.get("trades", 10))
        self._share, self._one_sided = float(settings.get("share", 0.3)), float(settings.get("one_sided", 0.8))
        self._move, self._noise = float(settings.get("move", 0.01)), float(settings.get("noise", 3))
        self.keeps = self._before + self._calm
        self._day: tuple[int, int, int | None] = (0, 0, None)  #: the one asked for last

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        close = self._closing(event.time)
        fills = fills_of(event.fields) if close is not None else []
        if close is None or not fills:
            return state, ()
        if state is None or close > state[0]:
            state = [close, [], {}, [0, 0.0], []]
        session, prices, accounts, totals, told = state
        if close < session:
            return state, ()
        price = fills[0].price
        if event.time < close - self._before:
            prices.append(price)
            del prices[:-_MAX_PRICES]
            return state, ()
        totals[0] += 1
        totals[1] += fills[0].qty
        for fill in fills:
            own = accounts.setdefault(fill.party, [0, 0.0, 0.0])
            own[0] += 1
            own[1 if fill.side == "buy" else 2] += fill.qty
        if len(accounts) > _MAX_ACCOUNTS:
            ranked = sorted(accounts, key=lambda one: float(accounts[one][1] + accounts[one][2]))
            for party in ranked[:_ROOM]:
                del accounts[party]
        for fill in fills:
            if fill.party in told or fill.party not in accounts:
                continue
            found = self._judged(fill.party, accounts[fill.party], totals, price, prices)
            if found is not None:
                told.append(fill.party)
                del told[:-_MAX_ACCOUNTS]
                return state, [found]
        return state, ()

    def _judged(
        self, account: str, own: Sequence[Any], totals: Sequence[Any], price: float, prices: Sequence[float]
    ) -> Found | None:
        count, bought, sold = own
        if count < self._fills or totals[0] < self._trades or not prices or not (calm := median(prices)):
            return None
        net, gross = bought - sold, bought + sold
        moved = (price - calm) / abs(calm) * (1 if net > 0 else -1)
        noise = fmean(abs(one - calm) for one in prices) / abs(calm)
        if abs(net) < self._one_sided * gross or abs(net) < self._share * totals[1]:
            return None
        if moved < self._move or moved < self._noise * noise:
            return None
        detail = {
            "account": account,
            "side": "buy" if net > 0 else "sell",
            "share_percent": round(100 * gross / totals[1], 1),
            "calm_price": calm,
            "last_price": price,
        }
        return Found(round(100 * moved, 3), 100 * self._move, detail=detail)

    def _closing(self, at: int) -> int | None:
        """The close of which this moment lies in the time that matters, ms; None where it lies in none."""
        begin, end, close = self._day
        if not begin <= at < end:
            begin, end, close = self._day = self._day_of(at)
        return close if close is not None and close - self.keeps <= at <= close else None

    def _day_of(self, at: int) -> tuple[int, int, int | None]:
        """The local day of a moment: its begin, the next one's, and when it closes, all ms; None on days without."""
        local = (_EPOCH + timedelta(milliseconds=at)).astimezone(self._zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        begin, end, close = (self._utc(midnight + after) for after in (timedelta(0), timedelta(days=1), self._close))
        return begin, end, close if local.weekday() in self._days else None

    def _utc(self, local: datetime) -> int:
        return (local.replace(tzinfo=self._zone).astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
