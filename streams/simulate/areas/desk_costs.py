"""What executions cost a trading desk: slippage and price impact, of single fills and against what is usual."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.desk_markets import fill
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "trade"
MINUTE, HOUR = 60_000, 3_600_000


def _fill(rng: Random, who: int, **costs: Any) -> Event:
    """A fill in a market of its own that says what it cost."""
    event = fill(rng, who, f"C{who}-USD", 20.0, rng.lognormvariate(3, 1))
    return {**event, "expected_price": 20.0, "price": 20.0, "price_impact_bps": 1.0, **costs}


def _ordinary(rng: Random, who: int, n: int, measure: str, spread: float = 0.4) -> list[tuple[int, Event]]:
    """``n`` fills of other accounts, half a minute apart, of some basis points each."""
    costs = [round(rng.lognormvariate(1.5, spread), 3) for _ in range(n)]
    return [
        (k * 30_000, _fill(rng, who, account=f"book-{who:06d}-{k % 20}", **{measure: cost}))
        for k, cost in enumerate(costs)
    ]


def _account(who: int) -> dict[str, Any]:
    return {"account": f"book-{who:06d}", "instrument": f"C{who}-USD"}


def _market(who: int) -> dict[str, Any]:
    return {"instrument": f"C{who}-USD"}


def _bad_fill(rng: Random, who: int, begin: int, span: int) -> Attack:
    """After some ordinary fills an order is filled one to fifteen percent worse than its quote."""
    worse = rng.uniform(0.0101, 0.15)
    side = rng.choice(("buy", "sell"))
    price = 20.0 * (1 + worse if side == "buy" else 1 - worse)
    events = [(n * 20_000, _fill(rng, who)) for n in range(rng.randrange(4))]
    bad = _fill(rng, who, side=side, price=round(price, 6))
    return Attack(tenant(who), _account(who), [*events, (len(events) * 20_000, bad)], completes=len(events))


def _almost_bad(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Fills of 0.9 to 0.99 percent."""
    events = [(n * 20_000, _fill(rng, who, side="buy", price=20 * rng.uniform(1.009, 1.0099))) for n in range(4)]
    return Attack(tenant(who), _account(who), events, completes=None)


def _bargain(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Fills far from their quotes, to the customer's advantage."""
    events = [(n * 20_000, _fill(rng, who, side="sell", price=20 * rng.uniform(1.02, 1.3))) for n in range(4)]
    return Attack(tenant(who), _account(who), events, completes=None)


def _in_front(rng: Random, who: int, begin: int, span: int) -> Attack:
    """In a market of five basis points one fill costs eighty."""
    events = _ordinary(rng, who, 130 + rng.randrange(60), "slippage_bps")
    last = events[-1][0]
    events.append((last + 5_000, _fill(rng, who, slippage_bps=round(rng.uniform(80, 99), 2))))
    return Attack(tenant(who), _market(who), events, completes=len(events) - 1)


def _small_cost(rng: Random, who: int, begin: int, span: int) -> Attack:
    """In the same market one fill costs 29: unusual, and too little to matter."""
    events = _ordinary(rng, who, 150, "slippage_bps", 0.2)
    events.append((events[-1][0] + 5_000, _fill(rng, who, slippage_bps=29)))
    return Attack(tenant(who), _market(who), events, completes=None)


def _rough_market(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market with some dear fills all the time, and one more."""
    events = _ordinary(rng, who, 150, "slippage_bps")
    for n in range(3, 150, 12):
        events[n][1]["slippage_bps"] = round(rng.uniform(45, 80), 2)
    events.append((events[-1][0] + 5_000, _fill(rng, who, slippage_bps=70)))
    return Attack(tenant(who), _market(who), events, completes=None)


def _too_large(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A swap of 4 to 40 percent of a pool, in amounts as chains have them."""
    reserve = rng.randrange(10**21, 10**24)
    amount = reserve * rng.randrange(40, 400) // 1_000
    pool = {"type": "swap", "pool": f"pool-{who}", "amount_in": str(amount), "reserve_in": str(reserve)}
    event = _fill(rng, who, **pool)
    del event["price_impact_bps"], event["instrument"]
    key = {"account": f"book-{who:06d}", "instrument": f"pool-{who}"}
    return Attack(tenant(who), key, [(0, event)], completes=0)


def _almost_too_large(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Orders that moved the price by 2.5 to 2.99 percent."""
    events = [(n * 20_000, _fill(rng, who, price_impact_percent=rng.uniform(2.5, 2.99))) for n in range(4)]
    for _, event in events:
        del event["price_impact_bps"]
    return Attack(tenant(who), _account(who), events, completes=None)


def _large_in_deep_market(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A large order in a market that bears it."""
    events = [(0, _fill(rng, who, qty=250_000.0, price_impact_bps=round(rng.uniform(20, 45), 2)))]
    return Attack(tenant(who), _account(who), events, completes=None)


def _pushes(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Where orders move the price by five basis points one moves it by a hundred and more."""
    events = _ordinary(rng, who, 130 + rng.randrange(60), "price_impact_bps")
    events.append((events[-1][0] + 5_000, _fill(rng, who, price_impact_bps=round(rng.uniform(110, 290), 2))))
    return Attack(tenant(who), _market(who), events, completes=len(events) - 1)


def _nudges(rng: Random, who: int, begin: int, span: int) -> Attack:
    """In the same market one moves it by 49."""
    events = _ordinary(rng, who, 150, "price_impact_bps", 0.2)
    events.append((events[-1][0] + 5_000, _fill(rng, who, price_impact_bps=49)))
    return Attack(tenant(who), _market(who), events, completes=None)


def _thin_market(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market whose orders' weights have a fat tail."""
    events = _ordinary(rng, who, 160, "price_impact_bps", 0.5)
    for n in range(3, 160, 12):
        events[n][1]["price_impact_bps"] = round(rng.uniform(60, 120), 2)
    events.append((events[-1][0] + 5_000, _fill(rng, who, price_impact_bps=100)))
    return Attack(tenant(who), _market(who), events, completes=None)


BACKGROUNDS = ()
SCENARIOS = (
    Scenario("slippage-bad-fill", "trade.slippage", 2 * MINUTE, _bad_fill),
    Scenario("slippage-almost", "trade.slippage", 2 * MINUTE, _almost_bad, Nature.NEAR_MISS),
    Scenario("slippage-bargain", "trade.slippage", 2 * MINUTE, _bargain, Nature.LOOK_ALIKE),
    Scenario("slippage-in-front", "trade.slippage-outlier", 2 * HOUR, _in_front),
    Scenario("slippage-small", "trade.slippage-outlier", 2 * HOUR, _small_cost, Nature.NEAR_MISS),
    Scenario("slippage-rough-market", "trade.slippage-outlier", 2 * HOUR, _rough_market, Nature.LOOK_ALIKE),
    Scenario("impact-too-large", "trade.price-impact", 1, _too_large),
    Scenario("impact-almost", "trade.price-impact", 2 * MINUTE, _almost_too_large, Nature.NEAR_MISS),
    Scenario("impact-deep-market", "trade.price-impact", 1, _large_in_deep_market, Nature.LOOK_ALIKE),
    Scenario("impact-pushes", "trade.price-impact-outlier", 2 * HOUR, _pushes),
    Scenario("impact-nudges", "trade.price-impact-outlier", 2 * HOUR, _nudges, Nature.NEAR_MISS),
    Scenario("impact-thin-market", "trade.price-impact-outlier", 2 * HOUR, _thin_market, Nature.LOOK_ALIKE),
)
