"""Nodes of chains and how far they are behind: some blocks in the ordinary course, many when they are in trouble."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "metric"
MINUTE = 60_000
_NODES = 90
_RULE = "chain.node-sync-lag"


def _behind(who: int, host: str, blocks: int, name: str = "chain.blocks_behind") -> Event:
    return {
        "tenant": tenant(who),
        "source": "metric",
        "type": "gauge",
        "name": name,
        "host": host,
        "service": "node",
        "value": blocks,
        "labels": {"chain": ("ethereum", "bsc", "polygon")[who % 3]},
    }


class Nodes:
    """None to a few blocks behind, heavy-tailed."""

    source = "metric"
    share = 2

    def background(self, rng: Random, at: int) -> Event:
        who = rng.randrange(_NODES)
        return _behind(who, f"node-{who:02d}", min(int(rng.paretovariate(1.8)) - 1, 8))


def _lags(values: tuple[int, ...], completes: int | None, name: str = "chain.blocks_behind") -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        host, calm = f"own-node-{who}", rng.randrange(4)
        blocks = [*(rng.randrange(3) for _ in range(calm)), *values]
        at = spread(rng, len(blocks), span)
        events = [(t, _behind(who, host, value, name)) for t, value in zip(at, blocks, strict=True)]
        return Attack(tenant(who), {"host": host}, events, None if completes is None else calm + completes)

    return plan


BACKGROUNDS = (Nodes,)
SCENARIOS = (
    Scenario("node-falls-behind", _RULE, 10 * MINUTE, _lags((4, 9, 12, 80, 350), 2)),
    Scenario("node-a-little-behind", _RULE, 10 * MINUTE, _lags((6, 9, 9, 8), None), Nature.NEAR_MISS),
    Scenario("another-metric-of-a-node", _RULE, 10 * MINUTE, _lags((40, 90), None, "chain.peers"), Nature.LOOK_ALIKE),
)
