"""What happens to wallets: approvals for exchanges, for phishers, and look-alikes of those one pays."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.chain_transfers import HOUR, MINUTE, SECOND, on_chain, transfer, wallet
from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"
_ALL = str(2**256 - 1)
_COW = "0xC92E8bdf79f0507f65a392b0ab4667716BFE0110"


def _approval(rng: Random, at: int, who: int, owner: str, spender: str, amount: str = _ALL, **more: Any) -> Event:
    return on_chain(
        rng, at, who, "approval", chain_id=1, owner=owner, spender=spender, amount=amount, tx_from=owner,
        token=wallet("coin", who % 50), **more,
    )  # fmt: skip


def _taken(rng: Random, at: int, who: int, owner: str, spender: str, begun_by: str, to: str) -> Event:
    return {**transfer(rng, at, who, owner, to, rng.lognormvariate(6, 1.5)), "spender": spender, "tx_from": begun_by}


class Approvals:
    """People approve exchanges without limit and call them themselves; relayers fill the orders of a known one."""

    source = "chain"
    share = 5

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        owner, router = wallet(who), wallet("router", int(40 * rng.random() ** 3))
        if dice < 0.3:
            return _approval(rng, at, who, owner, router, spender_is_contract=True)
        if dice < 0.4:
            return _approval(rng, at, who, owner, router, str(rng.getrandbits(70)), spender_is_contract=True)
        if dice < 0.45:
            return _approval(rng, at, who, owner, router, "0", spender_is_contract=True)
        if dice < 0.5:  # somebody lets a friend have something
            return _approval(rng, at, who, owner, wallet("friend", who), spender_is_contract=False)
        if dice < 0.6:
            return _approval(rng, at, who, owner, _COW, spender_is_contract=True)
        if dice < 0.7:
            return _taken(rng, at, who, owner, _COW, wallet("solver", rng.randrange(9)), wallet("settlement"))
        return _taken(rng, at, who, owner, router, owner, wallet("pool", rng.randrange(99)))


def _phish(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Owners approve a site's spender one after the other, and are emptied soon after, or all at the end."""
    owners = [wallet("owner", who, k) for k in range(3 + rng.randrange(6))]
    bad, step = wallet("bad", who), span // (2 * len(owners) + 2)
    waits = rng.random() < 0.5
    events: list[tuple[int, Event]] = []
    for k, owner in enumerate(owners):
        at = k * step
        events.append((at, _approval(rng, begin + at, who, owner, bad, spender_is_contract=True)))
        then = (len(owners) + k) * step if waits else at + step // 2
        events.append((then, _taken(rng, begin + then, who, owner, bad, bad, wallet("loot", who))))
    events.sort(key=lambda one: one[0])
    third = [n for n, (_, event) in enumerate(events) if event["type"] == "transfer"][2]
    return Attack(tenant(who), {"chain_id": 1, "taker": bad}, events, completes=third)


def _collect(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Owners approve an address without code."""
    bad = wallet("bad", who)
    at = spread(rng, 3 + rng.randrange(5), span)
    events = [
        (t, _approval(rng, begin + t, who, wallet("owner", who, k), bad, spender_is_contract=False))
        for k, t in enumerate(at)
    ]
    return Attack(tenant(who), {"chain_id": 1, "taker": bad}, events, completes=2)


def _two(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two victims, and a third who had allowed a small amount only."""
    bad = wallet("bad", who)
    events: list[tuple[int, Event]] = []
    for k, amount in enumerate((_ALL, _ALL, "5000000")):
        owner, at = wallet("owner", who, k), k * span // 8
        events.append((at, _approval(rng, begin + at, who, owner, bad, amount)))
        at += span // 2
        events.append((at, _taken(rng, begin + at, who, owner, bad, bad, wallet("loot", who))))
    events.sort(key=lambda one: one[0])
    return Attack(tenant(who), {"chain_id": 1, "taker": bad}, events, completes=None)


def _launch(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A new exchange: many approve its router without limit and trade through it themselves."""
    router, n = wallet("new router", who), 8 + rng.randrange(10)
    events: list[tuple[int, Event]] = []
    for k in range(n):
        owner, at = wallet("owner", who, k), k * span // (n + 1)
        events.append((at, _approval(rng, begin + at, who, owner, router, spender_is_contract=True)))
        events.append((at + SECOND, _taken(rng, begin + at + SECOND, who, owner, router, owner, wallet("pool", who))))
    return Attack(tenant(who), {"chain_id": 1, "taker": router}, events, completes=None)


def _alike(address: str, rng: Random, tail: int = 4) -> str:
    """Another address with the same first four and last ``tail`` digits."""
    middle = f"{rng.getrandbits(160):040x}"
    other = "0" if address[-tail - 1] != "0" else "1"
    return address[:6] + middle[: 40 - 4 - tail - 1] + other + address[-tail:]


def _poison(rng: Random, who: int, begin: int, span: int) -> Attack:
    """After a payment a look-alike of the payee sends dust, or is sent nothing in the payer's name."""
    own, payee = wallet(who), wallet("payee", who)
    bait = _alike(payee, rng)
    events = [(0, transfer(rng, begin, who, own, payee, rng.uniform(50, 90_000)))]
    events.append((span // 3, transfer(rng, begin + span // 3, who, own, wallet("shop", who), rng.uniform(5, 500))))
    at = span // 2
    if rng.random() < 0.5:
        events.append((at, transfer(rng, begin + at, who, own, bait, 0.0)))
    else:
        events.append((at, transfer(rng, begin + at, who, bait, own, rng.uniform(0.00001, 5.0))))
    return Attack(tenant(who), {"chain_id": 1, "wallet": own}, events, completes=2)


def _deceived(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The owner pays a look-alike."""
    own, payee = wallet(who), wallet("payee", who)
    at = span // 2
    events = [
        (0, transfer(rng, begin, who, own, payee, rng.uniform(50, 90_000))),
        (at, transfer(rng, begin + at, who, own, _alike(payee, rng), rng.uniform(50, 90_000))),
    ]
    return Attack(tenant(who), {"chain_id": 1, "wallet": own}, events, completes=1)


def _three_digits(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Dust from an address that has only the last three digits in common."""
    own, payee = wallet(who), wallet("payee", who)
    events = [
        (0, transfer(rng, begin, who, own, payee, 500.0)),
        (MINUTE, transfer(rng, begin + MINUTE, who, _alike(payee, rng, 3), own, 0.001)),
    ]
    return Attack(tenant(who), {"chain_id": 1, "wallet": own}, events, completes=None)


def _pennies(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The payee itself sends pennies back, and strangers send dust."""
    own, payee = wallet(who), wallet("payee", who)
    events = [(0, transfer(rng, begin, who, own, payee, 500.0))]
    for k in range(6):
        sender = payee if k % 2 else wallet("dust", who, k)
        events.append(((k + 1) * 9_000, transfer(rng, begin + (k + 1) * 9_000, who, sender, own, 0.01)))
    return Attack(tenant(who), {"chain_id": 1, "wallet": own}, events, completes=None)


BACKGROUNDS = (Approvals,)
SCENARIOS = (
    Scenario("ice-phishing", "chain.approval-phishing", 20 * MINUTE, _phish),
    Scenario("approvals-for-nobody", "chain.approval-phishing", 10 * MINUTE, _collect),
    Scenario("ice-phishing-two-victims", "chain.approval-phishing", 10 * MINUTE, _two, Nature.NEAR_MISS),
    Scenario("new-exchange", "chain.approval-phishing", 10 * MINUTE, _launch, Nature.LOOK_ALIKE),
    Scenario("poisoned-history", "chain.address-poisoning", HOUR, _poison),
    Scenario("look-alike-paid", "chain.address-poisoning", 10 * MINUTE, _deceived),
    Scenario("poisoned-three-digits", "chain.address-poisoning", 2 * MINUTE, _three_digits, Nature.NEAR_MISS),
    Scenario("pennies-and-dust", "chain.address-poisoning", 2 * MINUTE, _pennies, Nature.LOOK_ALIKE),
)
