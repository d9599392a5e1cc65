"""Blocks as several nodes report them, and branches that lose."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.mev_pools import BLOCK, SECOND, block_of
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"
_NODES = 5


def _own(who: int, at: int, type_: str, height: int = 0, branch: int = 0, **more: Any) -> Event:
    """An event about a block of a chain of one's own; ``height`` from the block of ``at``."""
    number = 2_000_000 + who
    hashed = (number << 64 | at // BLOCK + height << 4 | branch) * 0x9E3779B97F4A7C15F39CC0605CEDC835
    return {
        "tenant": tenant(who), "source": "chain", "type": type_, "chain_id": number, "block": at // BLOCK + height,
        "block_hash": f"0x{hashed & (1 << 256) - 1:064x}", **more,
    }  # fmt: skip


class Blocks:
    """Each block is told by several nodes, soon or late, of the one branch there is."""

    source = SOURCE
    share = 1

    def background(self, rng: Random, at: int) -> Event:
        late = int(rng.paretovariate(1.5)) - 1
        more = {"node": f"node-{rng.randrange(_NODES)}", "lag_blocks": min(late, 9)}
        return {"tenant": tenant(rng.randrange(8)), "source": "chain", "type": "block",
                **block_of(at - min(late, 9) * BLOCK), **more}  # fmt: skip


def _scene(
    rng: Random, who: int, events: list[Event], span: int, key: tuple[str, ...], completes: int | None
) -> Attack:
    times = spread(rng, len(events), span)
    return Attack(
        tenant(who), {name: events[-1][name] for name in key}, list(zip(times, events, strict=True)), completes
    )


def _reorganised(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Blocks go by, then one to nine of them are replaced, as one event or one for each."""
    depth, told = 1 + rng.randrange(9), rng.random() < 0.5
    news = [_own(who, begin, "block", height) for height in range(3)]
    count = 1 if told else depth
    gone = [_own(who, begin, "block.orphaned", -n, **({"depth": depth} if told else {})) for n in range(count)]
    return _scene(rng, who, [*news, *gone], span, ("chain_id",), 3)


def _growing(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A chain that grows as it should."""
    events = [_own(who, begin, "block", height) for height in range(2 + rng.randrange(8))]
    return _scene(rng, who, events, span, ("chain_id",), None)


def _lagging(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A node that tells old blocks again while it catches up."""
    heights = [0, 1, 2, 3, 0, 1, 2, 3, 4]
    return _scene(rng, who, [_own(who, begin, "block", height) for height in heights], span, ("chain_id",), None)


def _orphaned(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A block is told, and then told to be orphaned, perhaps by several nodes."""
    times = 1 + rng.randrange(3)
    events = [_own(who, begin, "block"), *(_own(who, begin, "block.orphaned", depth=1) for _ in range(times))]
    return _scene(rng, who, events, span, ("block_hash",), 1)


def _nameless(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A reorganisation that does not say which blocks it took away."""
    event = _own(who, begin, "reorg", depth=1)
    del event["block_hash"]
    events = [_own(who, begin, "block"), event]
    return Attack(tenant(who), {}, list(zip(spread(rng, 2, span), events, strict=True)), None)


def _split(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Nodes report two or three blocks at one height."""
    agreed = 1 + rng.randrange(3)
    others = [_own(who, begin, "block", 0, branch) for branch in range(1, 2 + rng.randrange(2))]
    events = [*(_own(who, begin, "block") for _ in range(agreed)), *others]
    return _scene(rng, who, events, span, ("chain_id", "block"), agreed)


BACKGROUNDS = (Blocks,)
SCENARIOS = (
    Scenario("reorg", "chain.reorg", 40 * SECOND, _reorganised),
    Scenario("reorg-none", "chain.reorg", 40 * SECOND, _growing, Nature.NEAR_MISS),
    Scenario("reorg-catching-up", "chain.reorg", 40 * SECOND, _lagging, Nature.LOOK_ALIKE),
    Scenario("orphaned-block", "chain.orphaned-block", 40 * SECOND, _orphaned),
    Scenario("orphaned-block-nameless", "chain.orphaned-block", 40 * SECOND, _nameless, Nature.NEAR_MISS),
    Scenario("orphaned-block-none", "chain.orphaned-block", 40 * SECOND, _growing, Nature.LOOK_ALIKE),
    Scenario("competing-blocks", "chain.competing-blocks", 40 * SECOND, _split),
    Scenario("competing-blocks-neighbours", "chain.competing-blocks", 40 * SECOND, _growing, Nature.NEAR_MISS),
    Scenario("competing-blocks-told-again", "chain.competing-blocks", 40 * SECOND, _lagging, Nature.LOOK_ALIKE),
)
