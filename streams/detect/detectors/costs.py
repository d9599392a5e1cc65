"""What an execution cost in price, in basis points: slippage, and price impact.

Slippage is the implementation shortfall of Perold (1988), taken against the price that was quoted: what was paid more,
or received less. Price impact of a constant-product pool follows from its reserves (Adams et al., Uniswap v2 Core,
2020): ``x`` of the token into a reserve of ``r`` moves what is paid away from the mid price by ``x / (r + x)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from streams.detect.detectors.measured import first, number, positive

#: Names of a figure that is there already, and what makes basis points of it.
_GIVEN = {
    "slippage": (("slippage_bps", 1), ("slippage_percent", 100), ("slippage_pct", 100)),
    "impact": (("price_impact_bps", 1), ("price_impact_percent", 100), ("price_impact_pct", 100)),
}
_QUOTES = ("expected_price", "quoted_price", "arrival_price")
_PAID = ("fill_price", "avg_price", "price")
_QUOTED_OUT = ("expected_amount_out", "quoted_amount_out")
_BUYING, _SELLING = {"buy", "b", "bid", "long"}, {"sell", "s", "ask", "short"}
_ALL = 10_000

FIELDS: dict[str, tuple[str, ...]] = {
    "slippage": (*(name for name, _ in _GIVEN["slippage"]), *_QUOTES, *_PAID, *_QUOTED_OUT, "amount_out", "side"),
    "impact": (*(name for name, _ in _GIVEN["impact"]), "amount_in", "reserve_in"),
}


def basis_points(measure: str, fields: Mapping[str, Any]) -> Fraction | None:
    """The cost, above 0 where it hurts; None where the event does not say. ``measure``: slippage, or impact.

    A figure that the event carries comes first, then what follows from its prices or amounts.
    """
    for name, scale in _GIVEN[measure]:
        if (given := number(fields.get(name))) is not None:
            return given * scale
    return _slippage(fields) if measure == "slippage" else _impact(fields)


def _slippage(fields: Mapping[str, Any]) -> Fraction | None:
    quoted, received = first(fields, _QUOTED_OUT), number(fields.get("amount_out"))
    if quoted is not None and received is not None and quoted > 0 and received >= 0:
        return (quoted - received) * _ALL / quoted
    quote, paid, side = first(fields, _QUOTES), first(fields, _PAID), fields.get("side")
    word = side.strip().lower() if isinstance(side, str) else ""
    if quote is None or paid is None or quote <= 0 or paid < 0 or word not in _BUYING | _SELLING:
        return None
    return (paid - quote if word in _BUYING else quote - paid) * _ALL / quote


def _impact(fields: Mapping[str, Any]) -> Fraction | None:
    amount, reserve = positive(fields.get("amount_in")), positive(fields.get("reserve_in"))
    return None if amount is None or reserve is None else amount * _ALL / (reserve + amount)
