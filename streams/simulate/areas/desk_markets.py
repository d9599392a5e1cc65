"""Markets of a trading desk: how much is traded in an hour, and whether what is sent is executed."""

from __future__ import annotations

from math import sqrt
from random import Random
from typing import Any

from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "trade"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
_MARKETS = (("BTC-USD", 64_000.0), ("ETH-USD", 3_400.0), ("SOL-USD", 150.0), ("XTZ-USD", 0.8), ("LINK-USD", 14.0))
_VENUES = ("north", "harbor", "delta-x", "quay")
_CUSTOMERS_FAULT = ("insufficient_funds", "post_only", "risk_limit", "self_trade_prevention")
_VENUES_FAULT = ("venue timed out", "insufficient liquidity", "transaction reverted", "signature refused")


def fill(rng: Random, who: int, instrument: str, price: float, qty: float, **more: Any) -> Event:
    """A trade that went through, at about its quote."""
    side, slip = rng.choice(("buy", "sell")), rng.lognormvariate(0.5, 0.8) * rng.choice((1, 1, 0, -1)) / 10_000
    paid = price * (1 + slip if side == "buy" else 1 - slip)
    return {
        "tenant": tenant(who),
        "source": "trade",
        "type": "order.filled",
        "account": f"book-{who:06d}",
        "instrument": instrument,
        "side": side,
        "qty": round(qty, 6),
        "expected_price": round(price, 8),
        "price": round(paid, 8),
        "price_impact_bps": round(min(qty * price / 2_000_000, 50) + rng.lognormvariate(0, 0.5), 3),
        "venue": rng.choice(_VENUES),
        "order_id": f"o-{rng.getrandbits(44):011x}",
        "status": "filled",
        "outcome": "success",
        **more,
    }


class Markets:
    """Orders that fill at about their quote, of sizes with a fat tail; three in a hundred do not go through.

    Of these most are their customers' fault. More is traded in the afternoon than at night.
    """

    source = "trade"
    share = 12

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        hour = at % DAY / HOUR
        calm = 0.25 if 1 <= hour < 6 else 0.05
        instrument, price = _MARKETS[min(int(rng.expovariate(0.8)), 4)]
        event = fill(rng, who, instrument, price * rng.uniform(0.98, 1.02), rng.lognormvariate(7, 1.3) / price)
        if dice < calm:  # an order that waits
            return {**event, "type": "order.placed", "status": "open", "outcome": "success"}
        if dice > 0.97:
            reason = rng.choice(_CUSTOMERS_FAULT if rng.random() < 0.7 else _VENUES_FAULT)
            return {**event, "type": "order.rejected", "status": "rejected", "outcome": "failure", "reason": reason}
        return event


def _steady(
    rng: Random, who: int, begin: int, hours: int, gap: int, qty: float, vary: float
) -> list[tuple[int, Event]]:
    """A market of its own, with a trade every ``gap`` ms or so until the hour ``hours`` after the first whole one."""
    until = (begin // HOUR + 1 + hours) * HOUR - begin
    at, events = 0, []
    while at < until:
        size = qty * rng.uniform(1 - vary, 1 + vary)
        events.append((at, fill(rng, who + rng.randrange(8) * 8_000_000, f"V{who}-USD", 2.0, size)))
        at += int(gap * rng.uniform(0.7, 1.3))
    return events


def _key(who: int) -> dict[str, Any]:
    return {"instrument": f"V{who}-USD"}


def _spike_at(begin: int, events: list[tuple[int, Event]], hour: int, deviations: float = 4) -> int:
    """The trade with which that hour's volume is beyond what the whole hours before it were, by their variation."""
    windows: dict[int, list[float]] = {}
    for at, event in events:
        windows.setdefault((begin + at) // HOUR, []).append(event["qty"])
    first = begin // HOUR
    before = [sorted(sizes)[:-1] for number, sizes in sorted(windows.items()) if first < number < hour]
    sums = [sum(sizes) for sizes in before]
    usual = sum(sums) / len(sums)
    varied = sum((one - usual) ** 2 for one in sums) / (len(sums) - 1)
    chance = sum(size * size for sizes in before for size in sizes) / len(before)
    few = 1 + 8 / (len(sums) - 1)
    limit = usual + max(usual / 2, deviations * sqrt(chance), deviations * few * sqrt(varied))
    volume, largest = 0.0, 0.0
    for index, (at, event) in enumerate(events):
        if (begin + at) // HOUR == hour:
            volume, largest = volume + event["qty"], max(largest, event["qty"])
            if volume - largest > limit:
                return index
    raise ValueError("the volume of that hour is not far from what is usual")


def _frenzy(rng: Random, who: int, begin: int, span: int) -> Attack:
    """After a day and a half a market has five to eight times its trades within an hour."""
    events = _steady(rng, who, begin, 34, 90_000, 10, 0.5)
    hour = begin // HOUR + 35
    start, more = hour * HOUR - begin, 200 + rng.randrange(120)
    events += [
        (
            start + int(HOUR * 0.9 * n / more),
            fill(rng, who + n % 40 * 8_000_000, f"V{who}-USD", 2.2, rng.uniform(5, 20)),
        )
        for n in range(more)
    ]
    return Attack(tenant(who), _key(who), events, completes=_spike_at(begin, events, hour))


def _busy_hour(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An hour with two fifths more trades: busy, and no more than that."""
    events = _steady(rng, who, begin, 34, 90_000, 10, 0.3)
    start, more = (begin // HOUR + 35) * HOUR - begin, 52
    events += [(start + n * 60_000, fill(rng, who, f"V{who}-USD", 2.0, 10)) for n in range(more)]
    return Attack(tenant(who), _key(who), events, completes=None)


def _block_trade(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One trade as large as a day, agreed outside the book: a high value, and no busy market."""
    events = _steady(rng, who, begin, 34, 90_000, 10, 0.5)
    last = events[-1][0]
    events.append((last + 30_000, fill(rng, who, f"V{who}-USD", 2.0, 10_000, price_impact_bps=4.0)))
    return Attack(tenant(who), _key(who), events, completes=None)


def _dries_up(rng: Random, who: int, begin: int, span: int) -> Attack:
    """After a day and a half of a hundred trades an hour, an hour has a few."""
    events = _steady(rng, who, begin, 34, 36_000, 10, 0.5)
    start, left = (begin // HOUR + 35) * HOUR - begin, 5 + rng.randrange(15)
    events += [(start + n * 150_000, fill(rng, who, f"V{who}-USD", 2.0, 10)) for n in range(left)]
    return Attack(tenant(who), _key(who), events, completes=len(events) - 1)


def _calmer(rng: Random, who: int, begin: int, span: int) -> Attack:
    """After a day and a half of a hundred trades an hour, an hour has two thirds of them."""
    events = _steady(rng, who, begin, 34, 36_000, 10, 0.2)
    start = (begin // HOUR + 35) * HOUR - begin
    events += [(start + n * 54_000, fill(rng, who, f"V{who}-USD", 2.0, 10)) for n in range(66)]
    return Attack(tenant(who), _key(who), events, completes=None)


def _night(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market that has its busy and its quiet hours, and is now in a quiet one."""
    first, events = begin // HOUR + 1, []
    for hour in range(40):
        trades = 90 if (first + hour) % 6 < 3 else 14
        start = (first + hour) * HOUR - begin
        events += [(start + HOUR * n // trades, fill(rng, who, f"V{who}-USD", 2.0, 10)) for n in range(trades)]
    return Attack(tenant(who), _key(who), events, completes=None)


def _ends(rng: Random, who: int, venue: str, begin: int, n: int, gap: int, failing: float, reasons: Any) -> Attack:
    """``n`` trades at a venue of its own, the share ``failing`` of them evenly among those that go through."""
    events, failed, at_limit = [], 0, None
    for index in range(n):
        event = fill(rng, who + index % 30 * 8_000_000, "XTZ-USD", 0.8, rng.lognormvariate(4, 1), venue=venue)
        if int(failing * (index + 1)) > failed:
            failed += 1
            fault = {"type": "order.failed", "status": "failed", "outcome": "failure", "reason": rng.choice(reasons)}
            event = {**event, **fault}
        events.append((index * gap, event))
        if at_limit is None and index >= 49 and failed * 10 > index + 1:
            at_limit = index
    return Attack(tenant(who), {"venue": venue}, events, completes=at_limit)


def _venue_breaks(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A venue where a quarter or more of the trades fail."""
    failing = rng.uniform(0.25, 0.8)
    return _ends(rng, who, f"venue-{who}", begin, 120 + rng.randrange(60), 4_000, failing, _VENUES_FAULT)


def _venue_creaks(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A venue where nine in a hundred fail."""
    attack = _ends(rng, who, f"venue-{who}", begin, 180, 4_000, 0.09, _VENUES_FAULT)
    return Attack(attack.tenant, attack.key, attack.events, completes=None)


def _poor_customers(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A venue that refuses four in ten, for want of money on their side."""
    attack = _ends(rng, who, f"venue-{who}", begin, 180, 4_000, 0.4, _CUSTOMERS_FAULT)
    return Attack(attack.tenant, attack.key, attack.events, completes=None)


_LONG = 40 * HOUR


def _always(
    rng: Random, who: int, gaps: list[int], *, closes: bool, continuous: bool = True
) -> list[tuple[int, Event]]:
    """A market that trades after each of ``gaps`` ms, and ends by closing, or just ends."""
    at, events = 0, []
    more = {"continuous": True} if continuous else {}
    for gap in gaps:
        events.append((at, fill(rng, who, f"V{who}-USD", 2.0, 5.0, **more)))
        at += gap
    if closes:
        events.append(
            (at, {**fill(rng, who, f"V{who}-USD", 2.0, 5.0, **more), "type": "market.closed", "status": "closed"})
        )
    return events


def _halts(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market that always trades stops, and nobody has said so."""
    events = _always(rng, who, [rng.randrange(1, 20) * MINUTE for _ in range(10 + rng.randrange(10))], closes=False)
    return Attack(tenant(who), _key(who), events, completes=len(events) - 1)


def _nearly_halts(rng: Random, who: int, begin: int, span: int) -> Attack:
    """It rests for just less than half an hour, and later closes."""
    gaps = [rng.randrange(1, 10) * MINUTE for _ in range(10)] + [30 * MINUTE, 29 * MINUTE, MINUTE]
    return Attack(tenant(who), _key(who), _always(rng, who, gaps, closes=True), completes=None)


def _thin(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market of which nobody expects that it always trades."""
    events = _always(rng, who, [rng.randrange(1, 90) * MINUTE for _ in range(8)], closes=False, continuous=False)
    return Attack(tenant(who), _key(who), events, completes=None)


BACKGROUNDS = (Markets,)
SCENARIOS = (
    Scenario("market-halts", "trade.market-silent", 8 * HOUR, _halts),
    Scenario("market-rests", "trade.market-silent", 4 * HOUR, _nearly_halts, Nature.NEAR_MISS),
    Scenario("market-thin", "trade.market-silent", 12 * HOUR, _thin, Nature.LOOK_ALIKE),
    Scenario("market-frenzy", "trade.volume-spike", _LONG, _frenzy),
    Scenario("market-busy-hour", "trade.volume-spike", _LONG, _busy_hour, Nature.NEAR_MISS),
    Scenario("market-block-trade", "trade.volume-spike", _LONG, _block_trade, Nature.LOOK_ALIKE),
    Scenario("market-dries-up", "trade.volume-drop", _LONG, _dries_up),
    Scenario("market-calmer", "trade.volume-drop", _LONG, _calmer, Nature.NEAR_MISS),
    Scenario("market-night", "trade.volume-drop", 41 * HOUR, _night, Nature.LOOK_ALIKE),
    Scenario("venue-breaks", "trade.failed-trade-rate", 12 * MINUTE, _venue_breaks),
    Scenario("venue-creaks", "trade.failed-trade-rate", 12 * MINUTE, _venue_creaks, Nature.NEAR_MISS),
    Scenario("venue-poor-customers", "trade.failed-trade-rate", 12 * MINUTE, _poor_customers, Nature.LOOK_ALIKE),
)
