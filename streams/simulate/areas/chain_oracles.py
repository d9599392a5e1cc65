"""Prices and fees: feeds that follow their market in steps, gas that has tides; lies, silences and jams."""

from __future__ import annotations

from math import pi, sin
from random import Random
from typing import Any

from streams.simulate.areas.chain_transfers import DAY, HOUR, MINUTE, on_chain
from streams.simulate.people import TENANTS, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "chain"
_FEEDS = (("ETH/USD", 2_500.0, 3_600), ("BTC/USD", 60_000.0, 3_600), ("USDC/USD", 1.0, 86_400))
_ALL = len(_FEEDS) * len(TENANTS)
_GAS = "chain.gas-price-spike"


def _price(rng: Random, at: int, who: int, feed: str, price: float, **more: Any) -> Event:
    return on_chain(rng, at, who, "oracle.price", chain_id=1, feed=feed, price=f"{price:.8f}", **more)


def _gas(rng: Random, at: int, who: int, gwei: float, chain: int = 1) -> Event:
    return on_chain(rng, at, who, "gas.price", chain_id=chain, gas_price=round(gwei, 3), pool=None)


class Feeds:
    """Feeds of all tenants in turn, each near its market; now and then one repeats an answer or is a percent off."""

    source = "chain"
    share = 4
    least_rate = 5.0  #: of all background together, events a second: below it feeds would miss their heartbeats

    def __init__(self) -> None:
        self._turn = self._first = 0
        self._market: dict[int, float] = {}

    def _heartbeat(self, at: int, usual: int) -> int:
        """What a feed promises, in seconds: what is usual, or what the rate of this traffic lets it keep."""
        if self._turn <= 2 * _ALL:
            return max(usual, 86_400)
        return max(usual, 4 * _ALL * (at - self._first) // (1_000 * self._turn))

    def background(self, rng: Random, at: int) -> Event:
        self._turn += 1
        self._first = self._first or at
        of = self._turn % _ALL
        feed, price, heartbeat = _FEEDS[of // len(TENANTS)]
        step = 0.0001 if price == 1.0 else 0.002
        market = self._market[of] = self._market.get(of, price) * (1 + rng.gauss(0, step))
        off = rng.gauss(0, step) if rng.random() < 0.98 else rng.uniform(-0.02, 0.02)
        return _price(
            rng, at, of, feed, market * (1 + off), reference_price=f"{market:.8f}",
            heartbeat_seconds=self._heartbeat(at, heartbeat), updated_at=(at - rng.randrange(30_000)) // 1_000,
        )  # fmt: skip


class Gas:
    """The price of gas: a daily tide, noise, and some minutes of twice the price when something is popular."""

    source = "chain"
    share = 2

    def __init__(self) -> None:
        self._popular: dict[int, int] = {}

    def background(self, rng: Random, at: int) -> Event:
        who = rng.randrange(len(TENANTS))
        if rng.random() < 0.0005:
            self._popular[who] = at + rng.randrange(2, 15) * MINUTE
        tide = 20 * (1 + 0.35 * sin(2 * pi * at / DAY))
        return _gas(rng, at, who, tide * rng.lognormvariate(0, 0.15) * (2 if self._popular.get(who, 0) > at else 1))


def _key(who: int) -> dict[str, Any]:
    return {"chain_id": 1, "feed": f"F{who}/USD"}


def _retired(rng: Random, begin: int, at: int, who: int) -> tuple[int, Event]:
    """The end of a feed, so that nobody waits for it."""
    return at, {**_price(rng, begin + at, who, f"F{who}/USD", 1.0), "type": "oracle.retired"}


def _reports(
    rng: Random, who: int, begin: int, offsets: list[float], step: int, peers: bool
) -> list[tuple[int, Event]]:
    """One report after the other, each so far off the reference, or off two other reporters."""
    feed, market = f"F{who}/USD", rng.lognormvariate(3, 2)
    events: list[tuple[int, Event]] = []
    for k, off in enumerate(offsets):
        at = k * step
        if peers:
            for n, other in enumerate(("north", "south")):
                events.append((at + n, _price(rng, begin + at + n, who, feed, market * (1 + n / 1e4), oracle=other)))
            events.append((at + 2, _price(rng, begin + at + 2, who, feed, market * (1 + off), oracle="west")))
        else:
            more = {"reference_price": f"{market:.8f}"}
            events.append((at, _price(rng, begin + at, who, feed, market * (1 + off), **more)))
    return [*events, _retired(rng, begin, events[-1][0] + 1, who)]


def _lies(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A feed, or one of three reporters, is 4 to 60 percent off for some updates."""
    peers, calm = rng.random() < 0.5, rng.randrange(3)
    off = rng.uniform(0.04, 0.6) * rng.choice((1, -1))
    offsets = [*(rng.uniform(-0.005, 0.005) for _ in range(calm)), *[off] * rng.randrange(1, 4)]
    events = _reports(rng, who, begin, offsets, 30_000, peers)
    return Attack(tenant(who), _key(who), events, completes=3 * calm + 2 if peers else calm)


def _nearly_off(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A feed that is between two and three percent off."""
    offsets = [rng.uniform(0.02, 0.0295) * rng.choice((1, -1)) for _ in range(5)]
    return Attack(tenant(who), _key(who), _reports(rng, who, begin, offsets, 20_000, False), completes=None)


def _crash(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The market itself falls by a third, and the feed with it."""
    events = []
    for k in range(8):
        market = 100 * (1 - 0.045 * k)
        more = {"reference_price": f"{market:.8f}"}
        events.append((k * 15_000, _price(rng, begin + k * 15_000, who, f"F{who}/USD", market * 1.009, **more)))
    events.append(_retired(rng, begin, 8 * 15_000, who))
    return Attack(tenant(who), _key(who), events, completes=None)


def _silence(minutes: int, heartbeat: int) -> Any:
    """Updates, then a silence of so many minutes; then an update, and the feed is retired."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        feed, n = f"F{who}/USD", 1 + rng.randrange(3)
        events = [
            (k * MINUTE, _price(rng, begin + k * MINUTE, who, feed, 3.0, heartbeat_seconds=heartbeat)) for k in range(n)
        ]
        back = (n - 1 + minutes) * MINUTE
        events.append((back, _price(rng, begin + back, who, feed, 3.0, heartbeat_seconds=heartbeat)))
        events.append(_retired(rng, begin, back + MINUTE, who))
        fires = minutes * 60 > heartbeat + max(600, heartbeat // 10)
        return Attack(tenant(who), _key(who), events, completes=n - 1 if fires else None)

    return plan


def _old_answer(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A feed whose answer was made hours ago, however often it is sent."""
    feed, made = f"F{who}/USD", (begin - rng.randrange(2, 30) * HOUR) // 1_000
    events = [
        (k * MINUTE, _price(rng, begin + k * MINUTE, who, feed, 3.0, updated_at=made, heartbeat_seconds=3_600))
        for k in range(4)
    ]
    events.append(_retired(rng, begin, 4 * MINUTE, who))
    return Attack(tenant(who), _key(who), events, completes=0)


def _fees(times: float, minutes: int) -> Any:
    """Thirteen hours of a chain's ordinary gas, then ``minutes`` at so many times the price, then as before."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        chain, usual = 1_000_000 + who, rng.uniform(8, 60)
        begin_at = 10 * MINUTE - begin % (10 * MINUTE)
        events, step = [], 5 * MINUTE
        for k in range(166):
            at = begin_at + k * step if k else 0
            jam = times * rng.uniform(1, 1.3) if 156 <= k < 156 + minutes // 5 else rng.uniform(0.9, 1.1)
            events.append((at, _gas(rng, begin + at, who, usual * jam, chain)))
        return Attack(tenant(who), {"chain_id": chain}, events, completes=157 if times >= 4 and minutes >= 10 else None)

    return plan


BACKGROUNDS = (Feeds, Gas)
_STALE = "chain.oracle-staleness"
SCENARIOS = (
    Scenario("oracle-lies", "chain.oracle-deviation", 5 * MINUTE, _lies),
    Scenario("oracle-nearly-off", "chain.oracle-deviation", 5 * MINUTE, _nearly_off, Nature.NEAR_MISS),
    Scenario("market-crash", "chain.oracle-deviation", 5 * MINUTE, _crash, Nature.LOOK_ALIKE),
    Scenario("feed-silent", _STALE, 2 * HOUR, _silence(95, 3_600)),
    Scenario("feed-repeats-itself", _STALE, 10 * MINUTE, _old_answer),
    Scenario("feed-late", _STALE, 2 * HOUR, _silence(69, 3_600), Nature.NEAR_MISS),
    Scenario("feed-of-a-stablecoin", _STALE, 4 * HOUR, _silence(200, 86_400), Nature.LOOK_ALIKE),
    Scenario("gas-jam", _GAS, 14 * HOUR, _fees(4.5, 20)),
    Scenario("gas-tide", _GAS, 14 * HOUR, _fees(2.8, 20), Nature.NEAR_MISS),
    Scenario("gas-at-a-higher-level", _GAS, 14 * HOUR, _fees(2, 45), Nature.LOOK_ALIKE),
)
