"""Whole transactions: routes and loans as everybody uses them, circles with a gain, prices pushed with borrowed money,
and orders whose shield fails."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.mev_pools import SECOND, chain_event, lot, party, swap
from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"


class Transactions:
    """Routes over several pools, loans that are used in two pools or none, and orders through a private relay.

    What belongs to one transaction comes in one go.
    """

    source = SOURCE
    share = 3

    def __init__(self) -> None:
        self._coming: list[Event] = []

    def background(self, rng: Random, at: int) -> Event:
        if self._coming:
            return self._coming.pop(0)
        who, dice = busy(rng), rng.random()
        if dice < 0.15:
            outcome = "success" if rng.random() < 0.97 else "pending"
            return chain_event(rng, who, at, "mev_protection", outcome=outcome, account=party(who), relay="relay-1")
        gain = rng.uniform(0.9, 0.999)  # of one who comes back to the first token: fees cost more than it brings
        parts = _circle(rng, who, at, 2 + rng.randrange(3), gain, closed=rng.random() < 0.1)
        if dice < 0.35:
            parts.insert(0, _loan(parts[0], int(int(parts[0]["amount_in"]) * rng.uniform(1, 9)), rng))
            parts.append({**_of(parts[0], "tx.summary", 90), "profit_usd": round(rng.paretovariate(1) * 9, 2) % 50_000})
        self._coming = parts
        return self._coming.pop(0)


def _of(first: Event, type_: str, log_index: int) -> Event:
    """Another event of the transaction of ``first``."""
    names = ("tenant", "source", "chain_id", "block", "block_hash", "tx_hash", "tx_index", "outcome")
    return {**{name: first[name] for name in names}, "type": type_, "log_index": log_index}


def _loan(first: Event, amount: int, rng: Random) -> Event:
    """The flash loan that pays for the first swap of a transaction."""
    usd = round(amount / 10**18 * 3_000, 2)
    return {**_of(first, "flash_loan", 0), "token": first["token_in"], "amount": str(amount), "amount_usd": usd,
            "protocol": rng.choice(("aave", "balancer")), "pool": party(9_999, 40)}  # fmt: skip


def _circle(rng: Random, who: int, at: int, swaps: int, gain: float, *, closed: bool) -> list[Event]:
    """Swaps of one transaction through pools of their own, each with what the last one gave; ``closed``: back to the
    token of the first, of which ``gain`` times as much comes out."""
    paid, first = lot(rng), swap(rng, who, at, who, True, 1)
    shared: dict[str, Any] = {"tx_hash": first["tx_hash"], "tx_index": first["tx_index"], "sender": party(who, 5)}
    parts, amount = [], paid
    for n in range(swaps):
        last = n == swaps - 1
        given = int(paid * gain) if last and closed else int(amount * rng.uniform(0.2, 5)) + 1
        one = swap(rng, who, at, who, True, amount, log_index=n + 1, **shared)
        one |= {"pool": party(who, 30 + n), "token_in": f"0xtoken{n}", "amount_out": str(given)}
        parts.append({**one, "token_out": "0xtoken0" if last and closed else f"0xtoken{n + 1}"})
        amount = given
    return parts


def _scene(rng: Random, who: int, parts: list[Event], span: int, completes: int | None) -> Attack:
    key = {name: parts[0][name] for name in ("tx_hash", "chain_id", "block_hash")}
    return Attack(tenant(who), key, list(zip(spread(rng, len(parts), span), parts, strict=True)), completes)


def _arbitrage(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A circle of two to five pools from which more comes out."""
    swaps = 2 + rng.randrange(4)
    parts = _circle(rng, who, begin, swaps, rng.uniform(1.0005, 1.08), closed=True)
    return _scene(rng, who, parts, span, swaps - 1)


def _at_a_loss(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A circle that does not bring its fees."""
    parts = _circle(rng, who, begin, 2 + rng.randrange(4), rng.uniform(0.99, 1.0), closed=True)
    return _scene(rng, who, parts, span, None)


def _route(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A route over several pools to another token."""
    return _scene(rng, who, _circle(rng, who, begin, 3, 1.0, closed=False), span, None)


def _pushed(rng: Random, who: int, begin: int, part: float) -> list[Event]:
    """A loan of which ``part`` goes through one pool and comes back out of it after something else."""
    parts = _circle(rng, who, begin, 2, 0.98, closed=True)
    borrowed = int(int(parts[0]["amount_in"]) / part) + 1
    there, back = parts[0], {**parts[1], "pool": parts[0]["pool"], "log_index": 30}
    use = {**parts[1], "token_in": "0xshare", "token_out": "0xloot", "pool": party(who, 33), "log_index": 20}
    return [_loan(there, borrowed, rng), there, use, back]


def _attack(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Borrowed money pushes a pool, or an oracle moves, or the gain is beyond all proportion."""
    dice = rng.randrange(3)
    parts = _pushed(rng, who, begin, rng.uniform(0.4, 0.95) if dice == 0 else 0.1)
    if dice == 1:
        moved = {"price_before": "1.00", "price_after": str(rng.choice((1.2, 0.7, 3.5)))}
        parts.append({**_of(parts[0], "oracle.price", 31), **moved})
    if dice == 2:
        parts.append({**_of(parts[0], "tx.summary", 90), "profit_usd": rng.randrange(150_000, 90_000_000)})
    return _scene(rng, who, parts, span, 0)


def _modest(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A small part of a loan there and back, a price that hardly moves, a gain that pays for the work."""
    parts = _pushed(rng, who, begin, rng.uniform(0.05, 0.2))
    parts.append({**_of(parts[0], "oracle.price", 31), "price_before": "1.00", "price_after": "1.08"})
    parts.append({**_of(parts[0], "tx.summary", 90), "profit_usd": rng.randrange(90_000)})
    return _scene(rng, who, parts, span, None)


def _refinanced(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A loan that pays a debt in one place and is raised again in another: one swap, nothing pushed."""
    parts = _circle(rng, who, begin, 2, 1.0, closed=False)
    return _scene(rng, who, [_loan(parts[0], int(parts[0]["amount_in"]), rng), *parts], span, None)


def _order(rng: Random, who: int, at: int, outcome: str, **more: Any) -> Event:
    return chain_event(rng, who, at, "mev_protection", account=party(who), relay="relay-2", outcome=outcome,
                       chain_id=1_000_000 + who, **more)  # fmt: skip


def _unshielded(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A relay that works, and then lets orders out."""
    good, bad = 1 + rng.randrange(3), 1 + rng.randrange(4)
    outcomes = ["success"] * good + ["failure"] * bad
    events = [
        (at, _order(rng, who, begin + at, outcome, reason="leaked"))
        for at, outcome in zip(spread(rng, good + bad, span), outcomes, strict=True)
    ]
    return Attack(tenant(who), {"chain_id": 1_000_000 + who}, events, completes=good)


def _slow(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A relay that takes its time, and delivers."""
    outcomes = ("pending", "pending", "success")
    events = [(at, _order(rng, who, begin, one)) for at, one in zip(spread(rng, 3, span), outcomes, strict=True)]
    return Attack(tenant(who), {"chain_id": 1_000_000 + who}, events, completes=None)


def _other_failure(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Orders that fail for reasons of their own: a limit that was not met."""
    more = {"chain_id": 1_000_000 + who, "outcome": "failure", "reason": "slippage"}
    events = [(at, swap(rng, who, begin, who, True, lot(rng), **more)) for at in spread(rng, 4, span)]
    return Attack(tenant(who), {"chain_id": 1_000_000 + who}, events, completes=None)


BACKGROUNDS = (Transactions,)
SCENARIOS = (
    Scenario("arbitrage", "chain.atomic-arbitrage", SECOND, _arbitrage),
    Scenario("arbitrage-at-a-loss", "chain.atomic-arbitrage", SECOND, _at_a_loss, Nature.NEAR_MISS),
    Scenario("arbitrage-route", "chain.atomic-arbitrage", SECOND, _route, Nature.LOOK_ALIKE),
    Scenario("flash-loan-attack", "chain.flash-loan-attack", SECOND, _attack),
    Scenario("flash-loan-modest", "chain.flash-loan-attack", SECOND, _modest, Nature.NEAR_MISS),
    Scenario("flash-loan-refinancing", "chain.flash-loan-attack", SECOND, _refinanced, Nature.LOOK_ALIKE),
    Scenario("mev-protection-fails", "chain.mev-protection-failure", 60 * SECOND, _unshielded),
    Scenario("mev-protection-slow", "chain.mev-protection-failure", 60 * SECOND, _slow, Nature.NEAR_MISS),
    Scenario("mev-protection-other", "chain.mev-protection-failure", 60 * SECOND, _other_failure, Nature.LOOK_ALIKE),
)
