"""Spoofing and layering: orders that are not meant to trade, shown until an order on the other side has traded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.resting import (
    CANCELLED,
    FILLED,
    MAX_FILLS,
    ORDER_FIELDS,
    PRICE,
    QTY,
    TOLD,
    Fill,
    Order,
    Resting,
)
from streams.detect.detectors.trading import Stage, named
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

    version = "1"
    fields: Sequence[str] = ORDER_FIELDS
    steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._ratio, self._large = float(settings.get("ratio", 5)), float(settings.get("large", 3))
        self._levels = int(settings.get("levels", 1))
        self._cancel_within = parse_duration(settings.get("cancel_within", "10s"))
        self._rest = parse_duration(settings.get("rest", "5m"))
        self._filled, self._cancelled = float(settings.get("filled", 0.1)), float(settings.get("cancelled", 0.8))
        self._within = parse_duration(settings.get("within", "1h"))
        self.keeps = max(self._within, self._rest + self._cancel_within)

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        book, times = (state[0], state[1]) if state else (None, [])
        resting = Resting(book, self._rest + self._cancel_within)
        what = resting.take(event.time, event.fields)
        if what is None:
            return state, ()
        times = [at for at in times if at > event.time - self._within]
        found: list[Found] = []
        for fill in self._about(resting, what, event):
            feigned, shown = self._feigned(resting, fill)
            if feigned:
                for order in feigned:
                    order[TOLD] = True
                times = [*times[-MAX_FILLS + 1 :], event.time]
                found = [Found(len(times), 1, detail=_detail(fill, feigned, shown))]
                break
        return [resting.state(), times], found

    def _about(self, resting: Resting, what: Stage, event: Event) -> list[Fill]:
        """The fills about which the event may have completed something."""
        at = event.time
        if what is Stage.FILLED:
            fills = resting.fills[-1:]
        elif what is Stage.CANCELLED:
            fills = [fill for fill in resting.fills if at - self._cancel_within < fill[0] <= at]
        else:
            order_id = named(event.fields.get("order_id")) or ""
            order = resting.order(order_id)
            late = order is not None and order[CANCELLED] is not None
            fills = [
                fill for fill in resting.fills if fill[4] == order_id or (late and at <= fill[0] < at + self._rest)
            ]
        return [fill for fill in fills if fill[1] is not None]

    def _feigned(self, resting: Resting, fill: Fill) -> tuple[list[Order], float]:
        """The feigned orders about a fill, none where they are too few, and what was shown on the fill's side."""
        at, way, qty, _, _ = fill
        other = "sell" if way == "buy" else "buy"
        against = resting.standing(at, other, self._rest)
        if not any(order[CANCELLED] is not None for order in against):
            return [], 0.0
        shown = max(sum(order[QTY] for order in resting.standing(at, way)), qty)
        feigned = [
            order
            for order in against
            if not order[TOLD]
            and order[CANCELLED] is not None
            and order[CANCELLED] < at + self._cancel_within
            and order[QTY] >= self._large * shown
            and order[FILLED] <= self._filled * order[QTY]
        ]
        gone = sum(order[QTY] for order in feigned)
        if (
            not feigned
            or gone < self._ratio * shown
            or gone < self._cancelled * sum(order[QTY] for order in resting.standing(at, other))
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
