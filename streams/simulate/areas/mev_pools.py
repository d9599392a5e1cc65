"""Pools of an exchange: people, routers and market makers who swap and provide, and those who trade around them."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"
SECOND = 1_000
BLOCK = 12 * SECOND
_POOLS = 400
_MASK = (1 << 160) - 1
_PUBLIC = (
    "0x7a250d5630b4cf539739df2c5dacb4c659f2488d", "0xe592427a0aece92de3edee1f18e0157c05861564",
    "0x68b3465833fb72a70ecdf485e0e4c7bd8665fc45", "0x1111111254eeb25477b68fb85ed929f73a960582",
)  # fmt: skip
_POSITIONS = "0xc36442b4a4522e871399cd717abdd847ab11fe88"
_TOKENS = ("0xweth", "0xusdc", "0xdai", "0xwbtc", "0xlink", "0xuni")


def party(who: int, role: int = 0) -> str:
    """The address of a member, or of a contract of theirs; another one for every pair of numbers."""
    return f"0x{(who * 64 + role + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 & _MASK:040x}"


def block_of(at: int) -> dict[str, Any]:
    """The block that is made at a time."""
    height = at // BLOCK
    return {"chain_id": 1, "block": height, "block_hash": f"0x{height * 0x9E3779B97F4A7C15F39CC0605CEDC835:064x}"}


def chain_event(rng: Random, who: int, at: int, type_: str, **more: Any) -> Event:
    """An event of the block of ``at``, in a transaction of its own unless ``more`` says which."""
    return {
        "tenant": tenant(who), "source": "chain", "type": type_, **block_of(at),
        "tx_hash": f"0x{rng.getrandbits(256):064x}", "tx_index": rng.randrange(60, 220),
        "log_index": rng.randrange(400), "outcome": "success", **more,
    }  # fmt: skip


def lot(rng: Random) -> int:
    """An amount in the smallest unit: mostly small, sometimes a thousand times that."""
    return int(10**17 * rng.paretovariate(0.9)) + rng.randrange(10**9)


def swap(rng: Random, who: int, at: int, pool: int, way: bool, paid: int, **more: Any) -> Event:
    """A swap in the pool numbered ``pool``, into its first token where ``way``, at about one to two."""
    one, other = _TOKENS[pool % 6], _TOKENS[(pool + 1 + pool // 6 % 5) % 6]
    price = 2.0 if way else 0.5
    return chain_event(
        rng, who, at, "swap",
        **{
            "pool": party(pool, 1), "sender": rng.choice(_PUBLIC), "recipient": party(who), "from": party(who),
            "token_in": one if way else other, "token_out": other if way else one,
            "amount_in": str(paid), "amount_out": str(int(paid * price * rng.uniform(0.994, 0.997)) + 1), **more,
        },
    )  # fmt: skip


class Pools:
    """Swaps of many through public routers, of makers through contracts of their own, and providers who come and stay.

    Makers quote both ways, also in one block, in lots that differ; some orders are reverted, some go through two pools.
    """

    source = SOURCE
    share = 9

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        pool = int((_POOLS + 1) ** rng.random()) - 1
        if dice < 0.06:
            kind = "liquidity.mint" if rng.random() < 0.55 else "liquidity.burn"
            return chain_event(
                rng, who, at, kind, pool=party(pool, 1), caller=_POSITIONS, owner=party(who), liquidity=str(lot(rng)),
                tick_lower=-600 * rng.randrange(1, 9), tick_upper=600 * rng.randrange(1, 9),
            )  # fmt: skip
        way, paid = rng.random() < 0.5, lot(rng)
        if dice < 0.20:  # a maker of the pool
            maker = party(pool, 2 + rng.randrange(2))
            return swap(rng, who, at, pool, way, paid * 3, sender=maker, recipient=maker, **{"from": party(pool, 9)})
        if dice < 0.24:
            return swap(rng, who, at, pool, way, paid, outcome="failure", reason="slippage")
        return swap(rng, who, at, pool, way, paid)


def _scene(rng: Random, who: int, begin: int, parts: list[Event], span: int, last: int | None) -> Attack:
    """The parts, which stand in the order of the block, as they come: mostly in it, sometimes not."""
    order = list(range(len(parts)))
    if rng.random() < 0.4:
        rng.shuffle(order)
    times = spread(rng, len(parts), span)
    key = {name: parts[0][name] for name in ("pool", "chain_id", "block", "block_hash")}
    events = [(at, parts[place]) for at, place in zip(times, order, strict=True)]
    return Attack(tenant(who), key, events, None if last is None else order.index(last))


def _around(rng: Random, who: int, begin: int, *, sells: float, between: bool = True, own: bool = False) -> list[Event]:
    """A front-run, swaps of others, and one that sells ``sells`` of what was bought."""
    first, way, bot = rng.randrange(40), rng.random() < 0.5, party(who, 5)
    actor = {"sender": bot, "recipient": bot, "from": party(who, 6)}
    stake = lot(rng) * 20
    front = swap(rng, who, begin, who, way, stake, tx_index=first, **actor)
    parts = [front]
    for n in range(1 + rng.randrange(4)):
        victim = swap(rng, who, begin, who, way == between, lot(rng), tx_index=first + 1 + n)
        parts.append({**victim, "from": party(who, 20 + n), "recipient": bot if own else party(who, 20 + n)})
    back = swap(rng, who, begin, who, not way, int(int(front["amount_out"]) * sells), tx_index=first + 9, **actor)
    back["amount_out"] = str(int(stake * sells * rng.uniform(1.001, 1.03)))
    return [*parts, back]


def _sandwich(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody buys before others and sells after them, for all or nearly all that was bought."""
    parts = _around(rng, who, begin, sells=rng.choice((1.0, 1.0, 0.99, 0.95)))
    return _scene(rng, who, begin, parts, span, len(parts) - 1)


def _partly(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A maker that sells less than it bought: at most four fifths."""
    return _scene(rng, who, begin, _around(rng, who, begin, sells=rng.uniform(0.2, 0.8)), span, None)


def _both_ways(rng: Random, who: int, begin: int, span: int) -> Attack:
    """There and back with the same lot, but those in between traded against it, so nobody paid more for it."""
    return _scene(rng, who, begin, _around(rng, who, begin, sells=1.0, between=False), span, None)


def _just_in_time(rng: Random, who: int, begin: int, taken: float = 1.0, owner: int = 5) -> list[Event]:
    first, size = rng.randrange(40), lot(rng) * 1_000
    place = {"pool": party(who, 1), "caller": _POSITIONS, "tick_lower": -60, "tick_upper": 60}
    mint = chain_event(
        rng, who, begin, "liquidity.mint", tx_index=first, owner=party(who, 5), liquidity=str(size), **place
    )
    count = 1 + rng.randrange(3)
    swaps = [swap(rng, who, begin, who, True, lot(rng) * 50, tx_index=first + 1 + n) for n in range(count)]
    burn = chain_event(rng, who, begin, "liquidity.burn", tx_index=first + 8, owner=party(who, owner), **place)
    return [mint, *swaps, {**burn, "liquidity": str(int(size * taken))}]


def _provided(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Liquidity for the swaps of one block."""
    parts = _just_in_time(rng, who, begin)
    return _scene(rng, who, begin, parts, span, len(parts) - 1)


def _reduced(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A provider who comes, and takes at most four fifths away at once."""
    return _scene(rng, who, begin, _just_in_time(rng, who, begin, taken=rng.uniform(0.1, 0.8)), span, None)


def _relieved(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One provider comes and another one goes, in the same range and at the same size."""
    return _scene(rng, who, begin, _just_in_time(rng, who, begin, owner=7), span, None)


BACKGROUNDS = (Pools,)
SCENARIOS = (
    Scenario("sandwich", "chain.sandwich", 8 * SECOND, _sandwich),
    Scenario("sandwich-partly-sold", "chain.sandwich", 8 * SECOND, _partly, Nature.NEAR_MISS),
    Scenario("sandwich-market-maker", "chain.sandwich", 8 * SECOND, _both_ways, Nature.LOOK_ALIKE),
    Scenario("just-in-time", "chain.just-in-time-liquidity", 8 * SECOND, _provided),
    Scenario("just-in-time-partly", "chain.just-in-time-liquidity", 8 * SECOND, _reduced, Nature.NEAR_MISS),
    Scenario("just-in-time-two-providers", "chain.just-in-time-liquidity", 8 * SECOND, _relieved, Nature.LOOK_ALIKE),
)
