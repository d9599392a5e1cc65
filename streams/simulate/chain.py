"""Chain traffic: swaps in pools, block by block, and reports of the consensus; and a consensus that gets too small."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import POPULATION, busy, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

MINUTE = 60_000
_BLOCK = 12_000  #: ms
_POOLS = 200
_SYMBOLS = ("WETH", "USDC", "WBTC", "DAI", "LINK", "UNI")


def _event(rng: Random, at: int, who: int, type_: str, **more: Any) -> Event:
    height = at // _BLOCK
    pool = who if who >= POPULATION else who % _POOLS  # a stranger has one of its own
    return {
        "tenant": tenant(who),
        "source": "chain",
        "type": type_,
        "chain_id": 1,
        "block": height,
        "block_hash": f"0x{height * 0x9E3779B97F4A7C15 & (1 << 128) - 1:032x}",
        "pool": f"pool-{pool:03d}",
        **more,
    }


def _swap(rng: Random, at: int, who: int) -> Event:
    return _event(
        rng, at, who, "swap",
        tx_hash=f"0x{rng.getrandbits(256):064x}", tx_index=rng.randrange(200),
        **{"from": f"0x{who * 0x9E3779B97F4A7C15 & (1 << 160) - 1:040x}"},
        token_in=_SYMBOLS[who % 6], token_out=_SYMBOLS[(who + 1 + rng.randrange(5)) % 6],
        amount_in=str(rng.getrandbits(72)), amount_out=str(rng.getrandbits(72)),
    )  # fmt: skip


def _consensus(rng: Random, at: int, who: int, nodes: int, faults: int) -> Event:
    return _event(
        rng, at, who, "consensus.status", network=f"net-{who:05d}", node_count=nodes, f=faults, view=at // 1000,
        leader=f"node-{rng.randrange(nodes)}", leader_election_ms=rng.randrange(20, 400),
        message_verification_rate=0.999,
    )  # fmt: skip


class Chain:
    """Background: swaps, and networks that can bear all the faults they must."""

    source = "chain"
    share = 10
    partition_by = ("tenant", "pool")

    def __init__(self) -> None:
        self.scenarios = SCENARIOS

    def background(self, rng: Random, at: int) -> Event:
        who = busy(rng)
        if rng.random() < 0.9:
            return _swap(rng, at, who)
        faults = 1 + who % 5
        return _consensus(rng, at, who % _POOLS, 3 * faults + 1 + rng.randrange(3), faults)


def _shrinks(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Nodes leave a network until it cannot bear the faults it must."""
    sizes = (11, 10, 10, 9, 8)
    events = [(t, _consensus(rng, begin + t, who, n, 3)) for t, n in zip(spread(rng, 5, span), sizes, strict=True)]
    return Attack(tenant(who), {"pool": events[0][1]["pool"]}, events, completes=3)


SCENARIOS = (Scenario("consensus-shrinks", "chain.consensus-size", 2 * MINUTE, _shrinks),)
