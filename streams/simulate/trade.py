"""Trading traffic: orders, fills and the desk's own book-keeping of its limits; and three ways to get into trouble."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

MINUTE = 60_000
_PAIRS = (("XTZ-USD", 0.8), ("BTC-USD", 64_000.0), ("ETH-USD", 3_400.0), ("SOL-USD", 150.0), ("USDTZ-USD", 1.0))
_VENUES = ("north", "harbor", "delta-x", "quay")
_STEPS = ("lock_collateral", "borrow", "swap", "repay", "settle")
_ERRORS = ("slippage above the limit", "venue timed out", "insufficient liquidity", "signature refused")
_MAX_EXPOSURE = 2_000_000


def _event(rng: Random, who: int, type_: str, **more: Any) -> Event:
    instrument, price = _PAIRS[who % len(_PAIRS)]
    return {
        "tenant": tenant(who),
        "source": "trade",
        "type": type_,
        "account": f"desk-{who:05d}",
        "instrument": instrument,
        "side": "buy" if rng.random() < 0.5 else "sell",
        "qty": round(rng.uniform(0.1, 40), 4),
        "price": round(price * rng.uniform(0.99, 1.01), 4),
        "venue": rng.choice(_VENUES),
        "order_id": f"o-{rng.getrandbits(44):011x}",
        "deal_id": f"d-{rng.getrandbits(40):010x}",
        "strategy": "triangular-arbitrage",
        "trader": f"trader-{who % 97:02d}",
        **more,
    }


def _ltv(rng: Random, who: int, percent: float) -> Event:
    """A deal whose loan stands at ``percent`` of what it may be."""
    return _event(rng, who, "risk.ltv", deal_id=f"d-{who:010x}", ltv=round(0.8 * percent / 100, 6), max_ltv=0.8)


def _exposure(rng: Random, who: int, percent: float) -> Event:
    return _event(
        rng, who, "risk.exposure", exposure=round(_MAX_EXPOSURE * percent / 100, 2), max_exposure=_MAX_EXPOSURE
    )


class Trade:
    """Background: orders and fills, and limits used by well less than three quarters."""

    source = "trade"
    share = 20
    partition_by = ("tenant", "account")

    def __init__(self) -> None:
        self.scenarios = SCENARIOS

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        if dice < 0.5:
            return _event(rng, who, "order.placed", status="open")
        if dice < 0.8:
            return _event(rng, who, "order.filled", status="filled")
        if dice < 0.86:
            return _event(rng, who, "deal.completed", status="completed", step="settle")
        if dice < 0.93:
            return _ltv(rng, who, rng.uniform(20, 70))
        return _exposure(rng, who, rng.uniform(10, 70))


def _loan_sours(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A loan's collateral falls in value until the loan stands at almost all it may be."""
    percents = (62.0, 71.0, 78.5, 83.0, 88.0, 92.5, 97.0)
    events = [(t, _ltv(rng, who, percent)) for t, percent in zip(spread(rng, 7, span), percents, strict=True)]
    return Attack(tenant(who), {"account": f"desk-{who:05d}", "deal_id": f"d-{who:010x}"}, events, completes=2)


def _overexposed(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A desk piles up one asset."""
    percents = (50.0, 68.0, 76.0, 81.0, 86.5, 95.5)
    events = [(t, _exposure(rng, who, percent)) for t, percent in zip(spread(rng, 6, span), percents, strict=True)]
    key = {"account": f"desk-{who:05d}", "asset": events[0][1]["instrument"]}
    return Attack(tenant(who), key, events, completes=2)


def _deal_fails(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A deal breaks off half-way."""
    deal = f"d-{who:010x}"
    event = _event(
        rng, who, "deal.failed", deal_id=deal, status="failed", step=rng.choice(_STEPS), error=rng.choice(_ERRORS)
    )
    return Attack(tenant(who), {"account": event["account"], "deal_id": deal}, [(0, event)], completes=0)


SCENARIOS = (
    Scenario("ltv-crossing", "trade.ltv-threshold", 3 * MINUTE, _loan_sours),
    Scenario("exposure-crossing", "trade.exposure-threshold", 3 * MINUTE, _overexposed),
    Scenario("deal-failure", "trade.deal-failure", 1, _deal_fails),
)
