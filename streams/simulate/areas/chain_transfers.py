"""Transfers on chains: salaries, purchases and dust, heavy-tailed; whales, mixers and addresses under sanctions."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Any

from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "chain"
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
_BLOCK = 12 * SECOND
_CHAINS = (1, 1, 1, 56)
#: (token, decimals, dollars a unit, what is large in units); no token is the native coin of chain 1.
ASSETS = (
    ("", 18, 2_500, 500),
    ("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", 6, 1, 1_000_000),
    ("0xdac17f958d2ee523a2206206994597c13d831ec7", 6, 1, 1_000_000),
    ("0x2260fac5e5542a773aa44fbcfedf7c193bc2c599", 8, 60_000, 20),
)
_TORNADO = ("0x910Cbd523D972eb0a6f4cAe4618aD62622b39DbF", "0x47ce0c6ed5b0ce3d3a51fdb1c52dc66a7c3c2936")
_LAZARUS = ("0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "0x098b716b8aaf21512996dc57eb0615e2383e2f96")


def wallet(*of: object) -> str:
    """Another address for every name."""
    return "0x" + hashlib.sha256("/".join(map(str, of)).encode()).hexdigest()[:40]


def on_chain(rng: Random, at: int, who: int, type_: str, **more: Any) -> Event:
    """An event of the block of time ``at``, in a pool of ``who``'s own unless ``more`` says otherwise."""
    chain = more.pop("chain_id", _CHAINS[who % 4])
    height = at // _BLOCK
    return {
        "tenant": tenant(who),
        "source": "chain",
        "type": type_,
        "chain_id": chain,
        "block": height,
        "block_hash": "0x" + hashlib.sha256(f"{chain}/{height}".encode()).hexdigest(),
        "tx_hash": f"0x{rng.getrandbits(256):064x}",
        "tx_index": rng.randrange(200),
        "pool": wallet("pool", who % 400),
        **more,
    }


def units(amount: float, decimals: int) -> str:
    """An amount in the smallest unit, as text."""
    return str(int(amount * 10**6) * 10 ** (decimals - 6))


def transfer(rng: Random, at: int, who: int, sender: str, receiver: str, usd: float, asset: int = 1) -> Event:
    token, decimals, price, _ = ASSETS[asset]
    return on_chain(
        rng, at, who, "transfer", chain_id=1, amount=units(usd / price, decimals), amount_usd=round(usd, 2),
        **{"from": sender, "to": receiver}, **({"token": token} if token else {}), gas_price=rng.randrange(8, 40),
    )  # fmt: skip


class Transfers:
    """People pay those they paid before; most amounts are small, a few large, one in some millions is a whale's."""

    source = "chain"
    share = 10

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        regular = wallet("payee", who, int(rng.expovariate(0.5)))
        usd = rng.lognormvariate(5.3, 1.8)
        if dice < 0.06:  # a token that somebody made up and sends to everybody
            return on_chain(
                rng, at, who, "transfer", token=wallet("junk", rng.randrange(500)), token_symbol="USDC",
                amount=str(rng.getrandbits(110)), **{"from": wallet("spam", rng.randrange(50)), "to": wallet(who)},
            )  # fmt: skip
        if dice < 0.10:  # a spoof of nothing in somebody's name, to a stranger
            return transfer(rng, at, who, wallet(who), wallet("stranger", rng.getrandbits(40)), 0.0)
        if dice < 0.12:  # consolidating with oneself
            return transfer(rng, at, who, wallet(who), wallet(who), 1_000 * usd)
        sender, receiver = (wallet(who), regular) if dice < 0.6 else (regular, wallet(who))
        return transfer(rng, at, who, sender, receiver, usd, rng.randrange(len(ASSETS)))


def _key(who: int) -> dict[str, Any]:
    return {"chain_id": 1, "sender": wallet(who)}


def _ordinary(rng: Random, who: int, begin: int, n: int) -> list[tuple[int, Event]]:
    """``n`` payments of the victim's, some seconds apart."""
    return [
        (20_000 * k, transfer(rng, begin + 20_000 * k, who, wallet(who), wallet("shop", who, k), rng.uniform(5, 900)))
        for k in range(n)
    ]


def _whale(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One to three hundred times what is large, of any asset, perhaps after some payments."""
    events = _ordinary(rng, who, begin, rng.randrange(4))
    _, decimals, _, large = ASSETS[asset := rng.randrange(len(ASSETS))]
    at = len(events) * 20_000
    big = transfer(rng, begin + at, who, wallet(who), wallet("to", who), 1, asset)
    big["amount"] = units(large * rng.choice((1, 1.01, 4, 30, 300)), decimals)
    if rng.random() < 0.5:
        del big["amount_usd"]
    return Attack(tenant(who), _key(who), [*events, (at, big)], completes=len(events))


def _priced(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A token that nobody knows, worth millions of dollars."""
    big = transfer(rng, begin, who, wallet(who).upper().replace("0X", "0x"), wallet("to", who), rng.uniform(1e6, 1e8))
    big["token"] = wallet("coin", who)
    return Attack(tenant(who), _key(who), [(0, big)], completes=0)


def _almost(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Several transfers, each just short of large."""
    events = []
    for k in range(3):
        _, decimals, _, large = ASSETS[asset := rng.randrange(len(ASSETS))]
        one = transfer(rng, begin + k * 30_000, who, wallet(who), wallet("to", who), 1, asset)
        one["amount"], one["amount_usd"] = units(large * rng.uniform(0.95, 0.9999), decimals), 999_999
        events.append((k * 30_000, one))
    return Attack(tenant(who), _key(who), events, completes=None)


def _worthless(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A made-up token in astronomic amounts, and a fortune sent to oneself."""
    junk = transfer(rng, begin, who, wallet(who), wallet("to", who), 1)
    junk |= {"token": wallet("junk", who), "token_symbol": "WETH", "amount": str(rng.getrandbits(250))}
    del junk["amount_usd"]
    own = transfer(rng, begin + 5_000, who, wallet(who), wallet(who), 5e8)
    return Attack(tenant(who), _key(who), [(0, junk), (5_000, own)], completes=None)


def _with(rng: Random, who: int, begin: int, other: str, incoming: bool, usd: float) -> Attack:
    own = wallet(who)
    sender, receiver = (other, own) if incoming else (own, other)
    events = _ordinary(rng, who, begin, rng.randrange(3))
    at = len(events) * 20_000
    events.append((at, transfer(rng, begin + at, who, sender, receiver, usd, 0)))
    return Attack(
        tenant(who), {"sender": sender.lower(), "receiver": receiver.lower()}, events, completes=len(events) - 1
    )


def _mixes(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Ether into a mixer, or out of it."""
    return _with(rng, who, begin, rng.choice(_TORNADO), rng.random() < 0.4, rng.choice((2_500, 25_000, 250_000)))


def _sanctioned(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Business with an address under sanctions."""
    return _with(rng, who, begin, rng.choice(_LAZARUS), rng.random() < 0.5, rng.uniform(1, 50_000))


def _next_to(other: str, nature: int) -> Any:
    """Business with an address that differs in its last digit (0), or a transfer of nothing (1)."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        near = other[:-1] + ("0" if other[-1] != "0" else "1") if nature == 0 else other
        one = _with(rng, who, begin, near, rng.random() < 0.5, 9_000 if nature == 0 else 0)
        return Attack(one.tenant, one.key, one.events, completes=None)

    return plan


BACKGROUNDS = (Transfers,)
SCENARIOS = (
    Scenario("whale-transfer", "chain.large-transfer", 2 * MINUTE, _whale),
    Scenario("whale-of-unknown-token", "chain.large-transfer", MINUTE, _priced),
    Scenario("whale-almost", "chain.large-transfer", 2 * MINUTE, _almost, Nature.NEAR_MISS),
    Scenario("whale-of-nothing", "chain.large-transfer", MINUTE, _worthless, Nature.LOOK_ALIKE),
    Scenario("mixer", "chain.mixer-interaction", 2 * MINUTE, _mixes),
    Scenario("mixer-neighbour", "chain.mixer-interaction", 2 * MINUTE, _next_to(_TORNADO[0], 0), Nature.NEAR_MISS),
    Scenario("mixer-of-nothing", "chain.mixer-interaction", 2 * MINUTE, _next_to(_TORNADO[0], 1), Nature.LOOK_ALIKE),
    Scenario("sanctioned", "chain.sanctioned-address", 2 * MINUTE, _sanctioned),
    Scenario("sanctioned-neighbour", "chain.sanctioned-address", MINUTE, _next_to(_LAZARUS[0], 0), Nature.NEAR_MISS),
    Scenario("sanctioned-nothing", "chain.sanctioned-address", MINUTE, _next_to(_LAZARUS[0], 1), Nature.LOOK_ALIKE),
)
