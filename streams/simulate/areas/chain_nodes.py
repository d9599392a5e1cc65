"""Nodes of chains and how far they are behind: some blocks in the ordinary course, many when they are in trouble."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.chain_transfers import MINUTE, on_chain
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"
_NODES = 90
_RULE = "chain.node-sync-lag"


def _behind(rng: Random, at: int, who: int, node: str, blocks: int, type_: str = "node.status") -> Event:
    return on_chain(rng, at, who, type_, chain_id=1, pool=None, node=node, blocks_behind=blocks)


class Nodes:
    """None to eight blocks behind, mostly none."""

    source = "chain"
    share = 2

    def background(self, rng: Random, at: int) -> Event:
        who = rng.randrange(_NODES)
        return _behind(rng, at, who, f"node-{who:02d}", min(int(rng.paretovariate(1.8)) - 1, 8))


def _lags(values: tuple[int, ...], completes: int | None, type_: str = "node.status") -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        node, calm = f"own-node-{who}", rng.randrange(4)
        blocks = [*(rng.randrange(3) for _ in range(calm)), *values]
        at = spread(rng, len(blocks), span)
        events = [(t, _behind(rng, begin + t, who, node, value, type_)) for t, value in zip(at, blocks, strict=True)]
        return Attack(
            tenant(who), {"chain_id": 1, "node": node}, events, None if completes is None else calm + completes
        )

    return plan


BACKGROUNDS = (Nodes,)
SCENARIOS = (
    Scenario("node-falls-behind", _RULE, 10 * MINUTE, _lags((4, 9, 12, 80, 350), 2)),
    Scenario("node-a-little-behind", _RULE, 10 * MINUTE, _lags((6, 9, 9, 8), None), Nature.NEAR_MISS),
    Scenario("another-report-of-a-node", _RULE, 10 * MINUTE, _lags((40, 90), None, "node.peers"), Nature.LOOK_ALIKE),
)
