"""What an execution cost in price, in basis points: slippage, and price impact.

Slippage is the implementation shortfall of Perold (1988), taken against the price that was quoted: what was paid more,
or received less. Price impact of a constant-product pool follows from its reserves (Adams et al., Uniswap v2 Core,
2020): ``x`` of the token into a reserve of ``r`` moves what is paid away from the mid price by ``x / (r + x)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from streams.detect.detectors.measured import first, number
from streams.detect.detectors.remembered import remembered
from streams.detect.detectors.trading import amount, side

N = TypeVar("N", float, Fraction)

#: Names of a figure that is there already, and what makes basis points of it.
_GIVEN = {
    "slippage": (("slippage_bps", 1), ("slippage_percent", 100), ("slippage_pct", 100)),
    "impact": (("price_impact_bps", 1), ("price_impact_percent", 100), ("price_impact_pct", 100)),
}
_QUOTES = ("expected_price", "quoted_price", "arrival_price")
_PAID = ("fill_price", "avg_price", "price")
_QUOTED_OUT = ("expected_amount_out", "quoted_amount_out")
_ALL = 10_000

FIELDS: dict[str, tuple[str, ...]] = {
    "slippage": (*(name for name, _ in _GIVEN["slippage"]), *_QUOTES, *_PAID, *_QUOTED_OUT, "amount_out", "side"),
    "impact": (*(name for name, _ in _GIVEN["impact"]), "amount_in", "reserve_in"),
}


def basis_points(measure: str, fields: Mapping[str, Any]) -> Fraction | None:
    """The cost, above 0 where it hurts; None where the event does not say. ``measure``: slippage, or impact.

    A figure that the event carries comes first, then what follows from its prices or amounts.
    """
    return _cost(measure, number, fields)


def _cost(measure: str, read: Callable[[Any], N | None], fields: Mapping[str, Any]) -> N | None:
    for name, scale in _GIVEN[measure]:
        if name in fields and (given := read(fields[name])) is not None:
            return given * scale
    return _slippage(read, fields) if measure == "slippage" else _impact(read, fields)


def _slippage(read: Callable[[Any], N | None], fields: Mapping[str, Any]) -> N | None:
    quoted = first(fields, _QUOTED_OUT, read)
    if quoted is not None and quoted > 0:
        received = read(fields.get("amount_out"))
        if received is not None and received >= 0:
            return (quoted - received) * _ALL / quoted
    quote = first(fields, _QUOTES, read)
    if quote is None or quote <= 0:
        return None
    way, paid = side(fields.get("side")), first(fields, _PAID, read)
    if way is None or paid is None or paid < 0:
        return None
    return (paid - quote if way == "buy" else quote - paid) * _ALL / quote


def _impact(read: Callable[[Any], N | None], fields: Mapping[str, Any]) -> N | None:
    taken, reserve = read(fields.get("amount_in")), read(fields.get("reserve_in"))
    if taken is None or reserve is None or taken <= 0 or reserve <= 0:
        return None
    return taken * _ALL / (reserve + taken)


#: By measure: as ``basis_points``, a double that is off by less than a millionth of itself and of a basis point, at a
#: tenth of the price, and once for all who ask about one event.
nearly: dict[str, Callable[[Mapping[str, Any]], float | None]] = {
    measure: remembered(partial(_cost, measure, amount)) for measure in FIELDS
}
