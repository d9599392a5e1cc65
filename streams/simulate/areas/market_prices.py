"""Prices that are made: carried into the close, pumped up, run ahead of, or simply wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from streams.simulate.areas.market_flow import event
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "trade"
BACKGROUNDS = ()
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
_NEW_YORK = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Timed = list[tuple[int, Event]]


def _trade(who: int, seller: str, buyer: str, qty: float, price: float) -> Event:
    return event(
        who, "trade.executed", buyer, f"P{who}-USD", seller=seller, buyer=buyer, qty=round(qty, 4),
        price=round(price, 6), venue="harbor",
    )  # fmt: skip


def _crowd(rng: Random, who: int) -> tuple[str, str]:
    """Two of many, who are not the same."""
    one, other = rng.sample(range(500), 2)
    return f"crowd{who}-{one}", f"crowd{who}-{other}"


def _calm(rng: Random, who: int, begin: int, n: int, gap: int, price: float, qty: float) -> Timed:
    """``n`` trades of the crowd about a price, with sizes of a heavy tail."""
    return [
        (
            begin + k * gap,
            _trade(who, *_crowd(rng, who), qty * rng.lognormvariate(0, 0.5), price * rng.gauss(1, 0.0005)),
        )
        for k in range(n)
    ]


def _attack(who: int, events: Timed, completes: int | None) -> Attack:
    order = sorted(range(len(events)), key=lambda n: events[n][0])
    at = None if completes is None else order.index(completes)
    return Attack(tenant(who), {"instrument": f"P{who}-USD"}, [events[n] for n in order], at)


def _to_close(begin: int) -> int:
    """From ``begin`` to the close of New York that is next, 40 minutes away or more, ms; whatever the day is."""
    local = (_EPOCH + timedelta(milliseconds=begin)).astimezone(_NEW_YORK)
    for days in (0, 1):
        close = (local + timedelta(days=days)).replace(hour=16, minute=0, second=0, microsecond=0)
        away = int((close.astimezone(UTC) - _EPOCH) / timedelta(milliseconds=1)) - begin
        if away >= 40 * MINUTE:
            return away
    raise AssertionError("a day has a close")


def _trading_day(begin: int) -> bool:
    close = (_EPOCH + timedelta(milliseconds=begin + _to_close(begin))).astimezone(_NEW_YORK)
    return close.weekday() < 5


def _closing(rng: Random, who: int, close: int, moves: float, share: float) -> Timed:
    """Half an hour of calm, then an account that trades one way into the close and moves the price."""
    events = _calm(rng, who, close - 34 * MINUTE, 28, MINUTE, 80, 5)
    events += _calm(rng, who, close - 4 * MINUTE - 30_000, 8, 9 * SECOND, 80, 5)
    side = rng.choice((1, -1))
    other = sum(one["qty"] for _, one in events[28:])
    n = rng.randrange(6, 12)
    for k in range(n):
        price = 80 * (1 + side * (moves if k == n - 1 else 0.006 * k / n))
        seller, buyer = (_crowd(rng, who)[0], f"mark-{who}")[::side]
        qty = other * share / (1 - share) / n
        events.append((close - 3 * MINUTE + k * 15 * SECOND, _trade(who, seller, buyer, qty, price)))
    return events


def _mark(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = _closing(rng, who, _to_close(begin), rng.uniform(0.012, 0.12), rng.uniform(0.4, 0.8))
    return _attack(who, events, len(events) - 1)


def _faint_mark(rng: Random, who: int, begin: int, span: int) -> Attack:
    return _attack(who, _closing(rng, who, _to_close(begin), 0.009, 0.6), None)


def _index_fund(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A fund that takes most of what there is at the close, and does not move it; at noon a price that is carried."""
    close = _to_close(begin)
    return _attack(who, _closing(rng, who, close, 0.002, 0.8), None)


def _deviation(rng: Random, who: int, begin: int, jump: float, wide: float = 0.0005) -> Timed:
    events = _calm(rng, who, 0, 20, MINUTE, 25, 5)
    for _, one in events:
        one["price"] = round(25 * rng.gauss(1, wide), 6)
    events.append((20 * MINUTE, _trade(who, *_crowd(rng, who), 5, 25 * (1 + jump))))
    return events


def _wrong_price(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One print far off, up or down, or an order that would be."""
    jump = rng.choice((1, -1)) * rng.uniform(0.11, 0.8)
    events = _deviation(rng, who, begin, jump)
    if rng.random() < 0.5:
        side = "buy" if jump > 0 else "sell"
        order = {"order_id": f"o-{who}", "side": side, "qty": 5, "price": 25 * (1 + jump)}
        events[-1] = (20 * MINUTE, event(who, "order.placed", f"slip-{who}", f"P{who}-USD", **order))
    return _attack(who, events, 20)


def _small_jump(rng: Random, who: int, begin: int, span: int) -> Attack:
    return _attack(who, _deviation(rng, who, begin, rng.choice((0.095, -0.095))), None)


def _jumpy(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An instrument that always jumps about by some percent jumps by twelve."""
    return _attack(who, _deviation(rng, who, begin, 0.12, 0.04), None)


def _front(rng: Random, who: int, begin: int, ahead: int, larger: float, gain: float, out: int) -> Timed:
    """Ordinary orders, then somebody who is in and out around a large one."""
    name = f"P{who}-USD"
    events: Timed = []
    for k in range(30):
        order = {"order_id": f"r{who}-{k}", "qty": 10, "price": 5.0, "side": rng.choice(("buy", "sell"))}
        events.append((k * 20 * SECOND, event(who, "order.placed", _crowd(rng, who)[0], name, **order)))
        events.append((k * 20 * SECOND + 5, _trade(who, *_crowd(rng, who), 10, 5.0)))
    at, side = 12 * MINUTE, rng.choice(("buy", "sell"))
    sign, other = (1, "sell") if side == "buy" else (-1, "buy")
    front = f"front-{who}"
    client = {"order_id": f"c{who}", "qty": 10 * larger, "price": 5.1, "side": side}
    events.append((at - ahead, event(who, "order.filled", front, name, side=side, qty=50, price=5.0)))
    events.append((at, event(who, "order.placed", f"client-{who}", name, **client)))
    events.append(
        (at + out, event(who, "order.filled", front, name, side=other, qty=50, price=5.0 * (1 + sign * gain)))
    )
    return events


def _run_ahead(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = _front(rng, who, begin, rng.randrange(10 * SECOND), rng.uniform(20, 200), 0.005, rng.randrange(119_000))
    return _attack(who, events, len(events) - 1)


def _too_early(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Eleven seconds ahead, or before an order of nineteen times the usual size."""
    ahead, larger = rng.choice(((11 * SECOND, 50), (5 * SECOND, 19)))
    return _attack(who, _front(rng, who, begin, ahead, larger, 0.005, MINUTE), None)


def _stayed(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody who happened to buy before, and sold at a loss; or who kept what he had for an hour."""
    gain, out = rng.choice(((-0.003, MINUTE), (0.005, HOUR)))
    return _attack(who, _front(rng, who, begin, 5 * SECOND, 50, gain, out), None)


def _pumped(rng: Random, who: int, begin: int, top: float, sold: float, share: float) -> Timed:
    """Two hours of little trading, an account that buys, a rise on the crowd's purchases, and the account's sales."""
    events = _calm(rng, who, 0, 24, 5 * MINUTE, 1, 10)
    pump, price = f"pump-{who}", 1.0
    crowd = 300.0 * (1 - share)
    for k in range(10):
        seller = _crowd(rng, who)[0]
        events.append((2 * HOUR + k * 30 * SECOND, _trade(who, seller, pump, 30 * share, 1 + 0.003 * k)))
    for k in range(20):
        price = 1.03 + (top - 1.03) * (k + 1) / 20
        at = 2 * HOUR + 6 * MINUTE + k * 20 * SECOND
        events.append((at, _trade(who, *_crowd(rng, who), crowd / 20, price)))
    for k in range(5):
        at = 2 * HOUR + 15 * MINUTE + k * 10 * SECOND
        events.append((at, _trade(who, pump, _crowd(rng, who)[0], 300 * share * sold / 5, price)))
    return events


def _pump(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Half of the trading bought by one account, a third up or three times, and sold: the last sale makes it half."""
    events = _pumped(rng, who, begin, rng.uniform(1.35, 4), 0.52, rng.uniform(0.4, 0.7))
    return _attack(who, events, len(events) - 1)


def _half_pump(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A rise of less than a quarter, or less than half of it sold."""
    top, sold = rng.choice(((1.2, 1.0), (2.0, 0.45)))
    return _attack(who, _pumped(rng, who, begin, top, sold, 0.5), None)


def _early_bird(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One of many buyers before a real rise, who sells all."""
    return _attack(who, _pumped(rng, who, begin, 1.8, 1.0, 0.1), None)


_MISS, _LIKE = Nature.NEAR_MISS, Nature.LOOK_ALIKE
SCENARIOS = (
    Scenario("marking-the-close", "trade.marking-the-close", 26 * HOUR, _mark, possible=_trading_day),
    Scenario("faint-mark", "trade.marking-the-close", 26 * HOUR, _faint_mark, _MISS),
    Scenario("index-fund-at-the-close", "trade.marking-the-close", 26 * HOUR, _index_fund, _LIKE),
    Scenario("wrong-price", "trade.price-deviation", 30 * MINUTE, _wrong_price),
    Scenario("small-jump", "trade.price-deviation", 30 * MINUTE, _small_jump, _MISS),
    Scenario("jumpy-market", "trade.price-deviation", 30 * MINUTE, _jumpy, _LIKE),
    Scenario("front-running", "trade.front-running", 20 * MINUTE, _run_ahead),
    Scenario("ahead-too-early", "trade.front-running", 20 * MINUTE, _too_early, _MISS),
    Scenario("ahead-by-chance", "trade.front-running", 2 * HOUR, _stayed, _LIKE),
    Scenario("pump-and-dump", "trade.pump-and-dump", 3 * HOUR, _pump),
    Scenario("half-a-pump", "trade.pump-and-dump", 3 * HOUR, _half_pump, _MISS),
    Scenario("early-bird", "trade.pump-and-dump", 3 * HOUR, _early_bird, _LIKE),
)
