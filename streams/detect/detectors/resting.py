"""The orders of one account in one instrument as they stood at any moment, put together from events in any order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.detect.detectors.trading import Stage, amount, named, side, size, stage

#: What ``Resting`` reads.
ORDER_FIELDS = (
    "type",
    "action",
    "status",
    "order_id",
    "side",
    "qty",
    "qty_removed",
    "price",
    "order_qty",
    "leaves_qty",
)
MAX_ORDERS, MAX_FILLS = 192, 48

#: Places in an order: when placed (None: not seen), side, qty, price, filled, when cancelled, when filled whole, told.
PLACED, SIDE, QTY, PRICE, FILLED, CANCELLED, DONE, TOLD = range(8)
Order = list[Any]
#: time, side, qty, price, order id
Fill = list[Any]


class Resting:
    """State: ``[{order id: order}, fills]``, of the last ``MAX_ORDERS`` orders and ``MAX_FILLS`` fills.

    An order without an id cannot be followed and does not count.
    """

    def __init__(self, state: Any, keeps: int) -> None:
        self.orders: dict[str, Order]
        self.fills: list[Fill]
        self.orders, self.fills = state or [{}, []]
        self._keeps = keeps

    def take(self, at: int, fields: Mapping[str, Any]) -> Stage | None:
        """The event taken in, and what it was; None where it says nothing of an order that can be followed."""
        what, order_id = stage(fields), named(fields.get("order_id"))
        if what is None:
            return None
        way, qty, price = side(fields.get("side")), size(fields.get("qty")), amount(fields.get("price"))
        if order_id is None:
            if what is Stage.FILLED and way is not None and qty is not None:
                self._filled([at, way, qty, price, ""])
            return what if what is Stage.FILLED else None
        order = self.orders.setdefault(order_id, [None, None, None, None, 0.0, None, None, False])
        if order[SIDE] is None and way is not None:
            order[SIDE] = way
            for fill in self.fills:  # of which nobody had said the side
                if fill[4] == order_id:
                    fill[1] = fill[1] or way
        if what is Stage.PLACED:
            order[PLACED] = at if order[PLACED] is None else min(order[PLACED], at)
        if what in {Stage.PLACED, Stage.REPLACED}:
            if what is Stage.REPLACED or order[QTY] is None:
                order[QTY] = qty if qty is not None else order[QTY]
                order[PRICE] = price if price is not None else order[PRICE]
            removed = size(fields.get("qty_removed"))
            if removed is not None and order[QTY] is not None:
                order[QTY] = max(order[QTY] - removed, 0.0)
        elif what is Stage.CANCELLED:
            order[CANCELLED] = at if order[CANCELLED] is None else min(order[CANCELLED], at)
        elif qty is not None:
            order[FILLED] += qty
            order[DONE] = at if order[QTY] is not None and order[FILLED] >= order[QTY] else order[DONE]
            self._filled([at, way or order[SIDE], qty, price if price is not None else order[PRICE], order_id])
        self._forget(at)
        return what

    def _filled(self, fill: Fill) -> None:
        self.fills.append(fill)
        if len(self.fills) > MAX_FILLS:
            self.fills.remove(min(self.fills, key=lambda one: one[0]))

    def _forget(self, at: int) -> None:
        """Fills older than matters, and the oldest orders where there are too many: first those that are over."""
        self.fills = [fill for fill in self.fills if fill[0] > at - self._keeps]
        if len(self.orders) <= MAX_ORDERS:
            return
        over = sorted(
            self.orders,
            key=lambda one: (
                self.orders[one][CANCELLED] is None and self.orders[one][DONE] is None,
                self.orders[one][CANCELLED] or self.orders[one][DONE] or self.orders[one][PLACED] or at,
            ),
        )
        for order_id in over[: MAX_ORDERS // 4]:
            del self.orders[order_id]

    def standing(self, at: int, way: str, earlier: int = 0) -> list[Order]:
        """Orders of that side and a known size that stood at ``at``; placed less than ``earlier`` before."""
        return [
            order
            for order in self.orders.values()
            if order[SIDE] == way
            and order[QTY]
            and order[PLACED] is not None
            and order[PLACED] <= at
            and (not earlier or order[PLACED] > at - earlier)
            and (order[CANCELLED] is None or order[CANCELLED] >= at)
            and (order[DONE] is None or order[DONE] >= at)
        ]

    def state(self) -> Any:
        return [self.orders, self.fills]
