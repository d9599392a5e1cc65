"""Spoofing and layering: orders that are not meant to trade, shown until an order on the other side has traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.base import NEVER
from streams.detect.detectors import Event, Found
from streams.detect.detectors.resting import (
    CANCELLED,
    FILLED,
    MAX_FILLS,
    PLACED,
    PRICE,
    QTY,
    SIDE,
    TOLD,
    Fill,
    Order,
    Orders,
    stood,
    take,
)
from streams.detect.detectors.trading import ORDER_NEEDS, TRADE_FIELDS, Said, Stage, said_of
from streams.rules.durations import parse_duration


class FeignedOrders:
    """Fires where a fill on one side is followed at once by the cancellation of what had stood on the other.

    About a fill, the *feigned* orders are those of the other side, placed less than ``rest`` before it, each at least
    ``large`` times what the account showed on the fill's own side, hardly filled (``filled`` of their size), and
    cancelled less than ``cancel_within`` after it. They must be at least ``ratio`` times what was shown on the fill's
    side, at ``levels`` prices or more, and ``cancelled`` of all that stood on theirs. So a market maker who draws back
    both of his sides, or all but as many orders as he had on the other, is silent. (MAR Art. 12(2)(c); CEA
    4c(a)(5)(C); Lee, Eom and Park, Microstructure-based manipulation, Journal of Financial Markets, 2013.)

    Observed: such episodes in the last ``within``. Settings, with defaults: ``ratio`` 5, ``large`` 3, ``levels`` 1,
    ``cancel_within`` 10s, ``rest`` 5m, ``filled`` 0.1, ``cancelled`` 0.8, ``within`` 1h. Events of one moment
    may come in any order. Bounded: 192 orders and 48 fills of an account in an instrument, each order told once.
    """

    version = "2"
    fields: Sequence[str] = TRADE_FIELDS
    needs: Sequence[str] = ORDER_NEEDS
    steady = live = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._ratio, self._large = float(settings.get("ratio", 5)), float(settings.get("large", 3))
        self._levels = int(settings.get("levels", 1))
        self._cancel_within = parse_duration(settings.get("cancel_within", "10s"))
        self._rest = parse_duration(settings.get("rest", "5m"))
        self._filled, self._cancelled = float(settings.get("filled", 0.1)), float(settings.get("cancelled", 0.8))
        self._within = parse_duration(settings.get("within", "1h"))
        self._matters = self._rest + self._cancel_within
        self.keeps = max(self._within, self._matters)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        said, at = said_of(event.fields), event.time
        if said.stage is None:
            return state, ()
        if state is None:
            state = [{}, [], [], NEVER]
        orders, fills, times, _ = state  # the last: when an order was cancelled last
        order, fill = take(orders, fills, at, said, self._matters)
        if order is not None and order[CANCELLED] is not None:
            state[3] = max(state[3], order[CANCELLED])
        if not fills or (fill is not None and fill[0] > state[3]):  # as most, and nothing was drawn back after it
            return state, ()
        fills = [fill] if fill is not None else self._about(fills, said, at, order)
        cancelled = [order for order in orders.values() if fills and (order[CANCELLED] or NEVER) >= fills[0][0]]
        for about in fills if cancelled else ():
            feigned, shown = self._feigned(orders, cancelled, about)
            if feigned:
                for one in feigned:
                    one[TOLD] = True
                times[:] = [*(one for one in times[-MAX_FILLS + 1 :] if one > at - self._within), at]
                return state, [Found(len(times), 1, detail=_detail(about, feigned, shown))]
        return state, ()

    def _about(self, fills: list[Fill], said: Said, at: int, order: Order | None) -> list[Fill]:
        """The earlier fills about which the event may have completed something."""
        if order is None or said.stage is Stage.FILLED:
            return []
        if said.stage is Stage.CANCELLED:
            return [one for one in fills if at - self._cancel_within < one[0] <= at]
        late = order[CANCELLED] is not None
        return [one for one in fills if one[4] == said.order_id or (late and at <= one[0] < at + self._rest)]

    def _drawn_back(self, order: Order, fill: Fill) -> bool:
        """Whether it was cancelled right after the fill against which it stood, hardly touched and not small."""
        at, way, qty, _, _ = fill
        return bool(
            at <= order[CANCELLED] < at + self._cancel_within
            and order[SIDE] is not None
            and order[SIDE] != way
            and stood(order, at)
            and order[PLACED] > at - self._rest
            and not order[TOLD]
            and order[QTY] >= self._large * qty
            and order[FILLED] <= self._filled * order[QTY]
        )

    def _feigned(self, orders: Orders, cancelled: list[Order], fill: Fill) -> tuple[list[Order], float]:
        """The feigned orders about a fill, none where they are too few, and what was shown on the fill's side."""
        at, way, qty, _, _ = fill
        drawn_back = [order for order in cancelled if self._drawn_back(order, fill)]
        if way is None or not drawn_back or sum(order[QTY] for order in drawn_back) < self._ratio * qty:
            return [], 0.0
        standing = [order for order in orders.values() if stood(order, at) and order[SIDE] is not None]
        shown = max(sum(order[QTY] for order in standing if order[SIDE] == way), qty)
        feigned = [order for order in drawn_back if order[QTY] >= self._large * shown]
        gone = sum(order[QTY] for order in feigned)
        if (
            not feigned
            or gone < self._ratio * shown
            or gone < self._cancelled * sum(order[QTY] for order in standing if order[SIDE] != way)
            or len({order[PRICE] for order in feigned}) < self._levels
        ):
            return [], 0.0
        return feigned, shown


def _detail(fill: Fill, feigned: list[Order], shown: float) -> dict[str, Any]:
    gone = sum(order[QTY] for order in feigned)
    return {
        "side": "sell" if fill[1] == "buy" else "buy",
        "orders": len(feigned),
        "levels": len({order[PRICE] for order in feigned}),
        "cancelled_qty": gone,
        "filled_qty": fill[2],
        "times_shown": round(gone / shown, 1),
        "cancelled_after_ms": max(order[CANCELLED] for order in feigned) - fill[0],
    }
