"""The orders of one account in one instrument as they stood at any moment, put together from events in any order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from math import inf
from typing import Any, NamedTuple

import msgspec

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
#: Open orders from which on those that are over are laid by, and the fewest of them in a row that are worth it.
_MANY_OPEN, _WORTH_IT = 48, 16
#: time, side, qty, price, order id
Fill = list[Any]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Laid(NamedTuple):
    """Orders that were over long ago, as JSON text: reading them all for each event is what would cost most."""

    text: str
    size: int
    end: int  #: the last of them was over then


class Resting:
    """State: ``[{order id: order}, fills]``, of the last ``MAX_ORDERS`` orders and ``MAX_FILLS`` fills.

    In place of the one mapping there may be a list of mappings and of orders laid by (``Laid``), in the order in which
    they were first seen. Those are opened where something asks for one of them, so laying by changes no answer.
    An order without an id cannot be followed and does not count.
    """

    def __init__(self, state: Any, keeps: int) -> None:
        orders: Any
        self.fills: list[Fill]
        orders, self.fills = state or [{}, []]
        self._parts: list[dict[str, Order] | Laid]
        self._parts = [orders] if isinstance(orders, dict) else [
            one if isinstance(one, dict) else Laid(*one) for one in orders
        ]  # fmt: skip
        self._keeps = keeps
        self._grew = False

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
        order = self.order(order_id) or self._new(order_id)
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
        if not self._grew:
            return
        open_ones = sum(len(part) for part in self._parts if isinstance(part, dict))
        if open_ones + sum(part.size for part in self._parts if isinstance(part, Laid)) > MAX_ORDERS:
            self._thin_out(at)
        elif open_ones > _MANY_OPEN and open_ones % _WORTH_IT == 0:
            self._lay_by(at - self._keeps)

    def _thin_out(self, at: int) -> None:
        orders = dict(self._all())
        self._parts = [orders]
        over = sorted(
            orders,
            key=lambda one: (
                orders[one][CANCELLED] is None and orders[one][DONE] is None,
                orders[one][CANCELLED] or orders[one][DONE] or orders[one][PLACED] or at,
            ),
        )
        for order_id in over[: MAX_ORDERS // 4]:
            del orders[order_id]

    def _lay_by(self, before: int) -> None:
        """Rows of orders that were over by then."""
        parts: list[dict[str, Order] | Laid] = []
        for part in self._parts:
            if isinstance(part, Laid):
                parts.append(part)
                continue
            for is_over, row in groupby(part.items(), lambda item: _end(item[1]) < before):
                some = dict(row)
                text = _encode(some).decode() if is_over and len(some) >= _WORTH_IT else ""
                if text and "\\" not in text:  # what is escaped would be so twice, and grow
                    parts.append(Laid(text, len(some), int(max(map(_end, some.values())))))
                elif parts and isinstance(last := parts[-1], dict):
                    last.update(some)
                else:
                    parts.append(some)
        self._parts = parts

    # -- the orders ----------------------------------------------------------------------------------------------

    def order(self, order_id: str) -> Order | None:
        """The order of that id."""
        for place in range(len(self._parts) - 1, -1, -1):
            part = self._parts[place]
            if isinstance(part, Laid):
                if _encode(order_id).decode() + ":" not in part.text:
                    continue
                part = self._opened(place)
            if (order := part.get(order_id)) is not None:
                return order
        return None

    def _new(self, order_id: str) -> Order:
        self._grew = True
        if not isinstance(last := self._parts[-1], dict):
            self._parts.append(last := {})
        order: Order = [None, None, None, None, 0.0, None, None, False]
        last[order_id] = order
        return order

    def _opened(self, place: int) -> dict[str, Order]:
        part = self._parts[place]
        if isinstance(part, Laid):
            part = self._parts[place] = _decode(part.text)
        return part

    def _all(self, standing_at: int | None = None) -> Iterator[tuple[str, Order]]:
        """In the order in which they were first seen; less some of those that were over at ``standing_at``."""
        for place, part in enumerate(self._parts):
            if isinstance(part, dict):
                yield from part.items()
            elif standing_at is None or part.end >= standing_at:
                yield from self._opened(place).items()

    def standing(self, at: int, way: str, earlier: int = 0) -> list[Order]:
        """Orders of that side and a known size that stood at ``at``; placed less than ``earlier`` before."""
        return [
            order
            for _, order in self._all(at)
            if order[SIDE] == way
            and order[QTY]
            and order[PLACED] is not None
            and order[PLACED] <= at
            and (not earlier or order[PLACED] > at - earlier)
            and (order[CANCELLED] is None or order[CANCELLED] >= at)
            and (order[DONE] is None or order[DONE] >= at)
        ]

    def state(self) -> Any:
        parts = self._parts
        return [parts[0] if len(parts) == 1 and isinstance(parts[0], dict) else parts, self.fills]


def _end(order: Order) -> int | float:
    """From after when on it does not stand any more."""
    ends: list[int] = [end for end in (order[CANCELLED], order[DONE]) if end is not None]
    return min(ends, default=inf)
