"""The orders of one account in one instrument as they stood at any moment, put together from events in any order.

Orders and fills are part of a state that lives: they are changed in place.
"""

from __future__ import annotations

from bisect import insort
from itertools import islice
from operator import itemgetter
from typing import Any

from streams.detect.detectors.trading import Said, Stage

#: By order id. Places in an order: when placed (None: not seen), side, qty, price, filled, when cancelled, when filled
#: whole, told.
Orders = dict[str, "Order"]
Order = list[Any]
PLACED, SIDE, QTY, PRICE, FILLED, CANCELLED, DONE, TOLD = range(8)
#: time, side, qty, price, order id; oldest first
Fill = list[Any]

MAX_ORDERS, MAX_FILLS = 192, 48
_FEW, _LOOKED_AT = 16, 2

_time = itemgetter(0)


def take(orders: Orders, fills: list[Fill], at: int, said: Said, keeps: int) -> tuple[Order | None, Fill | None]:
    """What an event says taken in: the order that it is about, and what it filled.

    An order without an id cannot be followed, and does not count. What is over for longer than ``keeps`` is forgotten
    by and by, and of more than ``MAX_ORDERS`` a quarter at once.
    """
    while fills and fills[0][0] <= at - keeps:
        del fills[0]
    what, order_id, _, way, qty, price, removed = said
    if order_id is None:
        if what is not Stage.FILLED or way is None or qty is None:
            return None, None
        return None, _filled(fills, [at, way, qty, price, ""])
    order = orders.get(order_id)
    if order is None:
        if len(orders) >= _FEW:
            _forget(orders, at, keeps)
        orders[order_id] = order = [None, way, None, None, 0.0, None, None, False]
    elif order[SIDE] is None and way is not None:
        order[SIDE] = way
        for fill in fills:  # of which nobody had said the side
            if fill[4] == order_id:
                fill[1] = fill[1] or way
    if what is Stage.CANCELLED:
        order[CANCELLED] = at if order[CANCELLED] is None else min(order[CANCELLED], at)
    elif what is not Stage.FILLED:
        if what is Stage.PLACED:
            order[PLACED] = at if order[PLACED] is None else min(order[PLACED], at)
        if what is Stage.REPLACED or order[QTY] is None:
            order[QTY] = qty if qty is not None else order[QTY]
            order[PRICE] = price if price is not None else order[PRICE]
        if removed is not None and order[QTY] is not None:
            order[QTY] = max(order[QTY] - removed, 0.0)
    elif qty is not None:
        order[FILLED] += qty
        order[DONE] = at if order[QTY] is not None and order[FILLED] >= order[QTY] else order[DONE]
        paid = price if price is not None else order[PRICE]
        return order, _filled(fills, [at, way or order[SIDE], qty, paid, order_id])
    return order, None


def _filled(fills: list[Fill], fill: Fill) -> Fill:
    insort(fills, fill, key=_time)
    if len(fills) > MAX_FILLS:
        del fills[0]
    return fill


def stood(order: Order, at: int) -> bool:
    """Whether it is of a known size and stood at that moment, whatever became of it then."""
    return bool(
        order[QTY]
        and order[PLACED] is not None
        and order[PLACED] <= at
        and (order[CANCELLED] is None or order[CANCELLED] >= at)
        and (order[DONE] is None or order[DONE] >= at)
    )


def _forget(orders: Orders, at: int, keeps: int) -> None:
    """Makes room for one more: all are looked at in turn, a few each time, for those that are over long enough."""
    for order_id in list(islice(orders, _LOOKED_AT)):
        order = orders.pop(order_id)
        end = _end(order)
        if end is None or end >= at - keeps:
            orders[order_id] = order
    if len(orders) >= MAX_ORDERS:
        ranked = sorted(orders, key=lambda one: _rank(orders[one], at))
        for order_id in ranked[: MAX_ORDERS // 4]:
            del orders[order_id]


def _rank(order: Order, at: int) -> tuple[bool, int]:
    """Lowest what is forgotten first: what is over, and of that what is so for longest."""
    end = _end(order)
    return end is None, end or order[PLACED] or at


def _end(order: Order) -> int | None:
    """When it was over; None while it is not."""
    ends: list[int] = [end for end in (order[CANCELLED], order[DONE]) if end is not None]
    return min(ends, default=None)
