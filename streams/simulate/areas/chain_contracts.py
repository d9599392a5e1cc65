"""Contracts and pools: births, harmless roles, payouts and rewards; stolen control, pulled pools, dumped mints."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.chain_transfers import HOUR, MINUTE, on_chain, transfer, wallet
from streams.simulate.people import Pace, busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "chain"
_ZERO = "0x" + "0" * 40
_WHOLE = 10**24  #: of a pool's liquidity, and of a token's supply


def _control(rng: Random, at: int, who: int, contract: str, before: str, after: str, type_: str, **more: Any) -> Event:
    return on_chain(
        rng, at, who, type_, chain_id=1, contract=contract, previous_admin=before, new_admin=after,
        **{"from": before, **more},
    )  # fmt: skip


def _liquidity(rng: Random, at: int, who: int, type_: str, provider: str, share: float, **more: Any) -> Event:
    return on_chain(
        rng, at, who, f"liquidity.{type_}", chain_id=1, provider=provider, liquidity=str(int(_WHOLE * share)),
        pool_liquidity=str(_WHOLE), pool_creator=wallet("creator", who % 400), amount_usd=round(2e6 * share, 2),
        **more,
    )  # fmt: skip


def _mint(rng: Random, at: int, who: int, token: str, to: str, share: float) -> Event:
    return on_chain(
        rng, at, who, "token.mint", chain_id=1, token=token, to=to, amount=str(int(_WHOLE * share)),
        total_supply=str(_WHOLE),
    )  # fmt: skip


def _sale(rng: Random, at: int, who: int, token: str, seller: str) -> Event:
    return on_chain(
        rng, at, who, "swap", chain_id=1, token_in=token, token_out="WETH", amount_in=str(rng.getrandbits(70) + 1),
        amount_out=str(rng.getrandbits(60)), **{"from": seller},
    )  # fmt: skip


class Contracts:
    """Contracts are born and given up, pools gain and lose liquidity, stakers sell rewards, vaults pay out."""

    source = "chain"
    share = 4

    def __init__(self) -> None:
        self._creators = Pace(31 * MINUTE)

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        token, me = wallet("token", who % 60), wallet(who)
        if dice < 0.04:
            return _control(rng, at, who, wallet("c", rng.getrandbits(40)), _ZERO, me, "OwnershipTransferred")
        if dice < 0.05:
            return _control(rng, at, who, wallet("c", rng.getrandbits(40)), me, _ZERO, "OwnershipTransferred")
        if dice < 0.08:
            return _control(rng, at, who, wallet("c", who), "", me, "RoleGranted", role="KEEPER_ROLE")
        if dice < 0.35:
            return _liquidity(rng, at, who, "add", wallet("lp", who), rng.betavariate(0.5, 8))
        if dice < 0.55:
            return _liquidity(rng, at, who, "remove", wallet("lp", who), rng.betavariate(0.5, 2))
        if dice < 0.57 and self._creators.allows(who % 400, at):
            return _liquidity(rng, at, who, "remove", wallet("creator", who % 400), rng.uniform(0.01, 0.35))
        if dice < 0.70:
            return _mint(rng, at, who, token, me, rng.betavariate(0.3, 80))
        if dice < 0.90:
            return _sale(rng, at, who, token, me)
        return transfer(rng, at, who, wallet("c", who), wallet("payee", who), rng.lognormvariate(7, 1.5))


def _hijack(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Owner, admin or implementation changes; sometimes twice."""
    contract, thief = wallet("vault", who), wallet("thief", who)
    types = rng.choice((("OwnershipTransferred",), ("Upgraded",), ("AdminChanged", "Upgraded")))
    events = [
        (k * MINUTE, _control(rng, begin + k * MINUTE, who, contract, wallet("old", who, k), thief, type_))
        for k, type_ in enumerate(types)
    ]
    return Attack(tenant(who), {"chain_id": 1, "address": contract}, events, completes=0)


def _same_owner(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An owner who hands over to himself, and gives the harmless right to read prices."""
    contract, own = wallet("vault", who), wallet("old", who)
    events = [
        (0, _control(rng, begin, who, contract, own, own, "OwnershipTransferred")),
        (MINUTE, _control(rng, begin + MINUTE, who, contract, "", own, "RoleGranted", role="PRICE_READER")),
    ]
    return Attack(tenant(who), {"chain_id": 1, "address": contract}, events, completes=None)


def _birth(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A contract is born, works, and is given up for good."""
    contract, own = wallet("vault", who), wallet("old", who)
    events = [
        (0, _control(rng, begin, who, contract, _ZERO, own, "OwnershipTransferred")),
        (MINUTE, _control(rng, begin + MINUTE, who, contract, own, _ZERO, "OwnershipTransferred")),
    ]
    return Attack(tenant(who), {"chain_id": 1, "address": contract}, events, completes=None)


def _plunder(changed: str) -> Any:
    """A large payout on the day on which control ``changed``: ``away``, to the ``same`` one, or ``not`` at all."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        contract, before, thief = wallet("vault", who), wallet("old", who), wallet("thief", who)
        after = before if changed == "same" else thief
        first = _control(rng, begin, who, contract, before, after, "Upgraded")
        if changed == "not":
            first = transfer(rng, begin, who, before, contract, 500_000)
        events = [(0, first)]
        events.append((MINUTE, transfer(rng, begin + MINUTE, who, contract, wallet("user", who), rng.uniform(5, 900))))
        at = max(int(span * rng.uniform(0.2, 1)), 2 * MINUTE)
        events.append((at, transfer(rng, begin + at, who, contract, thief, rng.uniform(100_000, 900_000))))
        key = {"chain_id": 1, "address": contract}
        return Attack(tenant(who), key, events, completes=2 if changed == "away" else None)

    return plan


def _pull(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A creator takes nearly everything, at once or in pieces."""
    creator, pieces = wallet("creator", who), rng.choice((1, 1, 3, 8))
    share = rng.uniform(0.82, 0.99) / pieces
    events = [(0, _liquidity(rng, begin, who, "add", wallet("lp", who), 0.01))]
    for k in range(pieces):
        at = MINUTE + k * (span - MINUTE) // pieces
        one = _liquidity(rng, begin + at, who, "remove", creator, share)
        events.append((at, one))
    for _, event in events:
        event |= {"pool": wallet("own pool", who), "pool_creator": creator}
    needed = next(k for k in range(1, pieces + 1) if k * share >= 0.8)
    key = {"chain_id": 1, "pool": wallet("own pool", who)}
    return Attack(tenant(who), key, events, completes=needed)


def _leaves(creator_takes: float, others_take: float) -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        creator = wallet("creator", who)
        shares = ((creator, creator_takes / 2), (wallet("lp", who), others_take), (creator, creator_takes / 2))
        events = []
        for k, (by, share) in enumerate(shares):
            one = _liquidity(rng, begin + k * MINUTE, who, "remove", by, share)
            events.append((k * MINUTE, one | {"pool": wallet("own pool", who), "pool_creator": creator}))
        key = {"chain_id": 1, "pool": wallet("own pool", who)}
        return Attack(tenant(who), key, events, completes=None)

    return plan


def _dump(share: float, by: str) -> Any:
    """A share of the supply is minted to somebody and sold, by him (``own``) or by another."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        token, own = wallet("own token", who), wallet(who)
        at = int(span * rng.uniform(0.1, 1))
        events = [
            (0, _mint(rng, begin, who, token, own, share)),
            (at, _sale(rng, begin + at, who, token, own if by == "own" else wallet("holder", who))),
        ]
        key = {"chain_id": 1, "coin": token, "holder": own}
        return Attack(tenant(who), key, events, completes=1 if share >= 0.2 and by == "own" else None)

    return plan


BACKGROUNDS = (Contracts,)
_OUTFLOW, _MINT = "chain.admin-change-then-outflow", "chain.mint-and-dump"
SCENARIOS = (
    Scenario("control-taken", "chain.contract-admin-change", 5 * MINUTE, _hijack),
    Scenario("control-kept", "chain.contract-admin-change", 5 * MINUTE, _same_owner, Nature.NEAR_MISS),
    Scenario("contract-born", "chain.contract-admin-change", 5 * MINUTE, _birth, Nature.LOOK_ALIKE),
    Scenario("control-then-plunder", _OUTFLOW, 2 * HOUR, _plunder("away")),
    Scenario("control-kept-then-payout", _OUTFLOW, 2 * HOUR, _plunder("same"), Nature.NEAR_MISS),
    Scenario("vault-pays-out", _OUTFLOW, 2 * HOUR, _plunder("not"), Nature.LOOK_ALIKE),
    Scenario("rug-pull", "chain.rug-pull", 30 * MINUTE, _pull),
    Scenario("creator-takes-part", "chain.rug-pull", 5 * MINUTE, _leaves(0.79, 0.1), Nature.NEAR_MISS),
    Scenario("others-leave", "chain.rug-pull", 5 * MINUTE, _leaves(0.1, 0.9), Nature.LOOK_ALIKE),
    Scenario("mint-and-dump", _MINT, 30 * MINUTE, _dump(0.5, "own")),
    Scenario("mint-a-little-and-sell", _MINT, 30 * MINUTE, _dump(0.19, "own"), Nature.NEAR_MISS),
    Scenario("launch-and-holders-sell", _MINT, 30 * MINUTE, _dump(1, "others"), Nature.LOOK_ALIKE),
)
