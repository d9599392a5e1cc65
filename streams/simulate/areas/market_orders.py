"""Orders that are not meant, or not meant so: spoofing, layering, bursts that push a price, and slips of the finger."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.market_flow import event
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "trade"
BACKGROUNDS = ()
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
Timed = list[tuple[int, Event]]


def _event(who: int, type_: str, order_id: str, **more: Any) -> Event:
    return event(who, f"order.{type_}", f"hand-{who}", f"O{who}-USD", order_id=f"{order_id}-{who}", **more)


def _attack(who: int, events: Timed, completes: int | None) -> Attack:
    """The events in order of time, whatever order they were written in."""
    order = sorted(range(len(events)), key=lambda n: events[n][0])
    at = None if completes is None else order.index(completes)
    return Attack(tenant(who), {"account": f"hand-{who}", "instrument": f"O{who}-USD"}, [events[n] for n in order], at)


def _ordinary(rng: Random, who: int, n: int, begin: int, span: int) -> Timed:
    """Small orders of the same hand that come and go."""
    events: Timed = []
    for k, at in enumerate(spread(rng, n, span)):
        side, order_id = rng.choice(("buy", "sell")), f"n{begin}-{k}"
        events.append((begin + at, _event(who, "placed", order_id, side=side, qty=rng.randrange(1, 20), price=10.0)))
        events.append((begin + at + 1, _event(who, "cancelled", order_id, side=side)))
    return events


def _shown(
    rng: Random,
    who: int,
    begin: int,
    own: float,
    shown: list[tuple[float, float]],
    after: int,
    part: float = 1.0,
    levels: int = 1,
) -> tuple[Timed, int]:
    """An order of ``own``, orders shown against it, its fill and the cancellations; which of them it takes."""
    side, other = rng.sample(("buy", "sell"), 2)
    sign = 1 if other == "sell" else -1
    events: Timed = [(begin, _event(who, "placed", f"own{begin}", side=side, qty=own, price=10.0))]
    for k, (qty, away) in enumerate(shown):
        at = begin + 500 + 100 * k
        events.append((at, _event(who, "placed", f"s{begin}-{k}", side=other, qty=qty, price=10 + sign * away)))
    filled = begin + 2 * SECOND + rng.randrange(20 * SECOND)
    events.append((filled, _event(who, "filled", f"own{begin}", side=side, qty=own * part, price=10.0)))
    gone, last = 0.0, 0
    for k, (qty, _) in enumerate(shown):
        events.append((filled + after + 10 * k, _event(who, "cancelled", f"s{begin}-{k}")))
        gone += qty
        if not last and gone >= 0.8 * sum(qty for qty, _ in shown) and k + 1 >= levels:
            last = len(events) - 1
    return events, last


def _spoof(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One or two large orders against a small one; again after some minutes, perhaps, among ordinary ones."""
    own = rng.uniform(1, 50)
    large = [(own * rng.uniform(5, 40), 0.02)] if rng.random() < 0.6 else [(own * 6, 0.02), (own * 7, 0.03)]
    events, last = _shown(rng, who, 0, own, large, rng.randrange(9 * SECOND), rng.choice((1.0, 0.4)))
    for again in range(rng.randrange(3)):
        events += _shown(rng, who, (again + 2) * 5 * MINUTE, own, large, rng.randrange(9 * SECOND))[0]
    if rng.random() < 0.5:
        events += _ordinary(rng, who, 6, 40 * MINUTE, 10 * MINUTE)
    return _attack(who, events, last)


def _small_spoof(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Not quite five times as much, or large but not drawn back at once."""
    events, _ = _shown(rng, who, 0, 10, [(49.0, 0.02)], SECOND)
    events += _shown(rng, who, 10 * MINUTE, 10, [(400.0, 0.02)], 10 * SECOND + 1)[0]
    return _attack(who, events, None)


def _maker(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market maker: as much on both sides; what is not filled is drawn back at once, and put anew."""
    events: Timed = []
    for k in range(10):
        at = k * MINUTE
        for side, sign in (("buy", -1), ("sell", 1)):
            for level in range(1, 6):
                order_id = f"m{k}-{side}-{level}"
                price = 10 + sign * level / 100
                events.append((at, _event(who, "placed", order_id, side=side, qty=100, price=price)))
                events.append((at + 30_500, _event(who, "cancelled", order_id)))
        side = rng.choice(("buy", "sell"))
        fill = _event(who, "filled", f"m{k}-{side}-1", side=side, qty=rng.randrange(1, 101), price=10.0)
        events.append((at + 30_000, fill))
    return _attack(who, events, None)


def _layer(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Three to eight layers, each about as large as the order they are for."""
    own = rng.uniform(1, 50)
    layers = [(own * rng.uniform(0.8, 1.5), 0.01 * (k + 1)) for k in range(rng.randrange(3, 9))]
    events, last = _shown(rng, who, 0, own, layers, rng.randrange(8 * SECOND), levels=3)
    return _attack(who, events, last)


def _two_layers(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two layers, or five at one price."""
    events, _ = _shown(rng, who, 0, 10, [(20, 0.01), (20, 0.02)], SECOND)
    events += _shown(rng, who, 10 * MINUTE, 10, [(10, 0.01)] * 5, SECOND)[0]
    return _attack(who, events, None)


def _fill(who: int, n: int, side: str, qty: float, price: float) -> Event:
    return _event(who, "filled", f"f{n}", side=side, qty=qty, price=round(price, 6))


def _burst(rng: Random, who: int, n: int, push: float, out: float, wait: int) -> tuple[Timed, int]:
    """``n`` fills that push by ``push``, then ``out`` of them the other way, ``wait`` after the last."""
    side, other = rng.sample(("buy", "sell"), 2)
    sign = 1 if side == "buy" else -1
    at = spread(rng, n, 20 * SECOND)
    events = [(t, _fill(who, k, side, 10, 50 * (1 + sign * push * k / (n - 1)))) for k, t in enumerate(at)]
    events.append((at[-1] + wait, _fill(who, n, other, 10 * n * out, 50 * (1 + sign * push))))
    return events, n


def _ignite(rng: Random, who: int, begin: int, span: int) -> Attack:
    events, last = _burst(
        rng, who, rng.randrange(6, 16), rng.uniform(0.011, 0.15), rng.uniform(0.5, 1), rng.randrange(1, 119_000)
    )
    return _attack(who, events, last)


def _faint_push(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A push of 0.95 percent; one of five fills; one that is left too late."""
    few = [(0, 5, 0.03, SECOND), (10 * MINUTE, 8, 0.0095, SECOND), (20 * MINUTE, 8, 0.03, 2 * MINUTE)]
    events: Timed = []
    for start, n, push, wait in few:
        events += ((start + t, one) for t, one in _burst(rng, who, n, push, 1, wait)[0])
    return _attack(who, events, None)


def _fund(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A fund buys in slices in a rising market, and sells a little of it later the same day."""
    events = [(k * 3 * SECOND, _fill(who, k, "buy", 10, 50 * (1 + 0.001 * k))) for k in range(30)]
    events.append((2 * HOUR, _fill(who, 99, "sell", 100, 53)))
    return _attack(who, events, None)


def _habit(rng: Random, who: int, n: int = 40) -> Timed:
    events: Timed = []
    for k, at in enumerate(spread(rng, n, 2 * HOUR)):
        price, qty = round(50 * rng.uniform(0.97, 1.03), 4), round(rng.lognormvariate(3, 0.7), 2)
        events.append((at, _event(who, "placed", f"h{k}", side=rng.choice(("buy", "sell")), price=price, qty=qty)))
    return events


def _slip(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Zeros too many, or the point in the wrong place of the price."""
    events = _habit(rng, who, rng.randrange(20, 90))
    side = rng.choice(("buy", "sell"))
    wrong = (
        {"qty": 25_000.0, "price": 50.0} if rng.random() < 0.5 else {"qty": 20.0, "price": 500 if side == "buy" else 5}
    )
    events.append((2 * HOUR + 1, _event(who, "placed", "slip", side=side, **wrong)))
    return _attack(who, events, len(events) - 1)


def _large(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An order of three times the largest so far, and a price a third higher."""
    events = _habit(rng, who)
    qty = 3 * max(one["qty"] for _, one in events)
    events.append((2 * HOUR + 1, _event(who, "placed", "big", side="buy", qty=qty, price=66.0)))
    return _attack(who, events, None)


def _waits(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Orders that wait far from the market, where they cost nobody anything; a newcomer's first large one."""
    events = _habit(rng, who)
    for k in range(5):
        events.append((2 * HOUR + k, _event(who, "placed", f"w{k}", side="buy", qty=20, price=50 / (k + 2))))
        events.append((2 * HOUR + k, _event(who, "placed", f"v{k}", side="sell", qty=20, price=50 * (k + 2))))
    return _attack(who, events, None)


_MISS, _LIKE = Nature.NEAR_MISS, Nature.LOOK_ALIKE
SCENARIOS = (
    Scenario("spoofing", "trade.spoofing", HOUR, _spoof),
    Scenario("spoofing-in-small", "trade.spoofing", 15 * MINUTE, _small_spoof, _MISS),
    Scenario("maker-moves-quotes", "trade.spoofing", 15 * MINUTE, _maker, _LIKE),
    Scenario("layering", "trade.layering", 2 * MINUTE, _layer),
    Scenario("two-layers", "trade.layering", 15 * MINUTE, _two_layers, _MISS),
    Scenario("maker-moves-ladder", "trade.layering", 15 * MINUTE, _maker, _LIKE),
    Scenario("momentum-ignition", "trade.momentum-ignition", 5 * MINUTE, _ignite),
    Scenario("faint-push", "trade.momentum-ignition", 30 * MINUTE, _faint_push, _MISS),
    Scenario("fund-buys-in-slices", "trade.momentum-ignition", 3 * HOUR, _fund, _LIKE),
    Scenario("fat-finger", "trade.fat-finger", 3 * HOUR, _slip),
    Scenario("large-order", "trade.fat-finger", 3 * HOUR, _large, _MISS),
    Scenario("orders-that-wait", "trade.fat-finger", 3 * HOUR, _waits, _LIKE),
)
