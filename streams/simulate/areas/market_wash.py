"""Wash trades: with oneself, between accounts of one owner, to and fro, and round a ring; and what looks like them."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.market_flow import event
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "trade"
BACKGROUNDS = ()
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def _sale(who: int, token: str, seller: str, buyer: str, price: float) -> Event:
    return event(
        who, "nft.sale", buyer, token, token_id=token.partition("/")[2], seller=seller, buyer=buyer, qty=1,
        price=round(price, 4),
    )  # fmt: skip


def _trade(who: int, instrument: str, seller: str, buyer: str, qty: float, price: float, **more: Any) -> Event:
    return event(
        who, "trade.executed", seller, instrument, seller=seller, buyer=buyer, qty=qty, price=price, **more
    )  # fmt: skip


def _parties(who: int, n: int) -> list[str]:
    return [f"0x{who:032x}{k:08x}" for k in range(n)]


def _round(rng: Random, who: int, n: int, span: int, price: float) -> list[tuple[int, Event]]:
    """A token once round ``n`` parties, some of it within a second, at prices that climb."""
    token, names = f"apes/{who}", _parties(who, n)
    at = spread(rng, n, span)
    return [
        (at[k], _sale(who, token, names[k], names[(k + 1) % n], price * rng.uniform(0.9, 1.4) ** k)) for k in range(n)
    ]


def _ring(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Three to six wallets hand a token round, in seconds or days; it had owners before."""
    n = rng.randrange(3, 7)
    legs = _round(rng, who, n, rng.choice((n * SECOND // 2, HOUR, span // 2)), rng.uniform(0.1, 90))
    token = f"apes/{who}"
    before = [(k, _sale(who, token, f"old{who}-{k}", f"old{who}-{k + 1}", 0.1)) for k in range(rng.randrange(3))]
    return _attack(who, token, [*before, *((t + 3, one) for t, one in legs)], len(before) + n - 1)


def _attack(who: int, instrument: str, events: list[tuple[int, Event]], completes: int | None) -> Attack:
    return Attack(tenant(who), {"instrument": instrument}, events, completes)


def _open_ring(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The same, but the last does not sell to the first."""
    legs = _round(rng, who, 5, HOUR, 3.0)[:-1]
    return _attack(who, f"apes/{who}", legs, None)


def _many_tokens(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Friends who sell each other different tokens, one leg each; and one token against the order of time."""
    names = _parties(who, 3)
    events = [(k * MINUTE, _sale(who, f"apes/{who}-{k}", names[k], names[(k + 1) % 3], 5 + k)) for k in range(3)]
    events += [
        ((9 - k) * MINUTE, _sale(who, f"apes/{who}", names[k], names[(k + 1) % 3], 9)) for k in reversed(range(3))
    ]
    return _attack(who, f"apes/{who}", events, None)


def _ping_pong(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two wallets sell a token to and fro, two to eight times."""
    a, b = _parties(who, 2)
    n, price = rng.randrange(2, 9), rng.uniform(0.5, 40)
    at = spread(rng, n, rng.choice((n * SECOND // 2, MINUTE, span // 2)))
    events = [(t, _sale(who, f"apes/{who}", *((a, b) if k % 2 == 0 else (b, a)), price)) for k, t in enumerate(at)]
    return _attack(who, f"apes/{who}", events, 1)


def _matched(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two accounts trade a quantity to and fro at about one price, while others trade too."""
    name, qty = f"W{who}-USD", round(rng.lognormvariate(4, 1), 3)
    events: list[tuple[int, Event]] = []
    for k in range(4):
        legs = (f"p{who}", f"q{who}") if k % 2 == 0 else (f"q{who}", f"p{who}")
        events.append(
            (k * 40 * SECOND, _trade(who, name, *legs, qty * rng.uniform(0.999, 1), 2 * rng.uniform(1.0005, 1.002)))
        )
        others = (f"r{who}-{rng.randrange(50)}", f"s{who}-{rng.randrange(50)}")
        events.append((k * 40 * SECOND + 9_000, _trade(who, name, *others, round(qty * rng.uniform(2, 9), 3), 2.0)))
    return _attack(who, name, events, 6)


def _bought_back(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A collector buys a token back after a month."""
    events = [
        (0, _sale(who, f"apes/{who}", f"a{who}", f"b{who}", 4)),
        (30 * DAY, _sale(who, f"apes/{who}", f"b{who}", f"a{who}", 5)),
    ]
    return _attack(who, f"apes/{who}", events, None)


def _scalper(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A scalper buys from a market maker and sells again to him, at the maker's two prices; the maker has others."""
    name, maker = f"W{who}-USD", f"mm{who}"
    events = [(k * 5 * SECOND, _trade(who, name, maker, f"c{who}-{k}", 10.0 + k, 2.002)) for k in range(5)]
    for k in range(3):
        at = (k + 1) * 10 * MINUTE
        events.append((at, _trade(who, name, maker, f"x{who}", 30, 2.002)))
        events.append((at + 20_000, _trade(who, name, f"x{who}", maker, 30, 1.998)))
    return _attack(who, name, events, None)


def _self(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An account meets itself: named on both sides, by both fills of a trade, or in pairs that cancel out."""
    account, name, way = f"self-{who}", f"W{who}-USD", rng.randrange(3)
    if way == 0:
        events = [
            (t, _trade(who, name, account, account, 5, 2.0)) for t in spread(rng, rng.randrange(1, 6), 10 * MINUTE)
        ]
        return Attack(tenant(who), {"account": account, "instrument": name}, events, 0)
    rounds = rng.randrange(3, 7)
    events = []
    for k in range(rounds):
        ids = {"trade_id": f"t-{who}-{k}"} if way == 1 else {}
        for side in rng.sample(("buy", "sell"), 2):
            events.append((k * MINUTE, event(who, "order.filled", account, name, side=side, qty=5, price=2.0, **ids)))
    return Attack(tenant(who), {"account": account, "instrument": name}, events, 1 if way == 1 else 5)


def _two_pairs(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Bought and sold alike within a second, twice."""
    account, name = f"self-{who}", f"W{who}-USD"
    events = [
        (k * MINUTE, event(who, "order.filled", account, name, side=side, qty=5, price=2.0))
        for k in range(2)
        for side in ("buy", "sell")
    ]
    return Attack(tenant(who), {"account": account, "instrument": name}, events, None)


def _two_prices(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A maker bought and sold within the same second, at his two prices, from two others."""
    account, name = f"self-{who}", f"W{who}-USD"
    events = []
    for k in range(20):
        events.append((k * MINUTE, event(who, "order.filled", account, name, side="buy", qty=5, price=1.999)))
        events.append((k * MINUTE, event(who, "order.filled", account, name, side="sell", qty=5, price=2.001)))
    return Attack(tenant(who), {"account": account, "instrument": name}, events, None)


def _linked(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two accounts of one owner trade, each fill told by itself; or the owner is declared with the trade."""
    name, owner = f"W{who}-USD", f"lei-{who}"
    if rng.random() < 0.5:
        at = spread(rng, rng.randrange(1, 6), 20 * MINUTE)
        events = [
            (t, _trade(who, name, f"l{who}", f"k{who}", 9, 2.0, seller_owner=owner, buyer_owner=owner)) for t in at
        ]
        return _attack(who, name, events, 0)
    legs = [("sell", f"l{who}"), ("buy", f"k{who}")]
    events = [
        (0, event(who, "order.filled", account, name, side=side, trade_id=f"t-{who}", owner=owner, qty=9, price=2.0))
        for side, account in rng.sample(legs, 2)
    ]
    return _attack(who, name, events, 1)


def _other_owner(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two owners whose names differ in the last letter; and an account with itself, which is another rule's."""
    name = f"W{who}-USD"
    more = {"seller_owner": f"lei-{who}a", "buyer_owner": f"lei-{who}b"}
    events = [(k * SECOND, _trade(who, name, f"l{who}", f"k{who}", 9, 2.0, **more)) for k in range(4)]
    return _attack(who, name, events, None)


def _no_owner(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Nobody says who owns; the accounts have much the same name."""
    name = f"W{who}-USD"
    events = [(k * SECOND, _trade(who, name, f"l{who}-1", f"l{who}-2", 9, 2.0, seller_owner=None)) for k in range(4)]
    return _attack(who, name, events, None)


_MISS, _LIKE = Nature.NEAR_MISS, Nature.LOOK_ALIKE
SCENARIOS = (
    Scenario("wash-ring", "trade.wash-ring", 2 * DAY, _ring),
    Scenario("wash-ring-left-open", "trade.wash-ring", 2 * HOUR, _open_ring, _MISS),
    Scenario("tokens-among-friends", "trade.wash-ring", HOUR, _many_tokens, _LIKE),
    Scenario("wash-ping-pong", "trade.wash-ping-pong", 2 * DAY, _ping_pong),
    Scenario("matched-trades", "trade.wash-ping-pong", 10 * MINUTE, _matched),
    Scenario("token-bought-back", "trade.wash-ping-pong", 31 * DAY, _bought_back, _MISS),
    Scenario("scalper-and-maker", "trade.wash-ping-pong", HOUR, _scalper, _LIKE),
    Scenario("self-trades", "trade.wash-self-trade", 20 * MINUTE, _self),
    Scenario("two-cancelling-pairs", "trade.wash-self-trade", 5 * MINUTE, _two_pairs, _MISS),
    Scenario("maker-at-two-prices", "trade.wash-self-trade", 30 * MINUTE, _two_prices, _LIKE),
    Scenario("linked-owners", "trade.wash-linked-owner", 30 * MINUTE, _linked),
    Scenario("almost-one-owner", "trade.wash-linked-owner", MINUTE, _other_owner, _MISS),
    Scenario("owners-unknown", "trade.wash-linked-owner", MINUTE, _no_owner, _LIKE),
)
