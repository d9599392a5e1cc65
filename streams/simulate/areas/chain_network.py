"""The networks themselves: elections, rounds and votes, confirmations and reverts, in good days and in bad ones."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.chain_transfers import MINUTE, on_chain, wallet
from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"


def _status(rng: Random, at: int, who: int, network: str, **more: Any) -> Event:
    faults = 1 + who % 5
    ordinary = {
        "node_count": 3 * faults + 1 + rng.randrange(3), "f": faults, "view": at // 1000,
        "leader_election_ms": int(min(rng.lognormvariate(4.8, 0.7), 4_500)), "rounds": 200, "messages": 4_000,
        "success_rate": round(1 - min(rng.expovariate(300), 0.04), 5),
        "message_verification_rate": round(1 - min(rng.expovariate(800), 0.04), 5),
    }  # fmt: skip
    return on_chain(rng, at, who, "consensus.status", **{"pool": network, "network": network, **ordinary, **more})


def _sent(rng: Random, at: int, who: int, to: str, failing: float, seconds: float, chain: int = 1) -> Event:
    ms = int(1_000 * seconds * rng.lognormvariate(0, 0.45))
    outcome = "failure" if rng.random() < failing else "success"
    return on_chain(
        rng, at, who, "transaction", chain_id=chain, to=to, outcome=outcome, confirmation_ms=ms,
        gas_used=rng.randrange(21_000, 900_000), **{"from": wallet(who)},
    )  # fmt: skip


class Networks:
    """Healthy networks; one small report in a hundred has a bad rate over a handful of rounds."""

    source = "chain"
    share = 3

    def background(self, rng: Random, at: int) -> Event:
        who = busy(rng) % 60
        few = {"rounds": 6, "success_rate": 0.8333, "messages": 9, "message_verification_rate": 0.889}
        return _status(rng, at, who, f"network-{who:02d}", **(few if rng.random() < 0.01 else {}))


class Transactions:
    """Transactions to a few popular contracts and many others, of which one to eight in a hundred fail."""

    source = "chain"
    share = 8

    def background(self, rng: Random, at: int) -> Event:
        who, called = busy(rng), int(1_000 * rng.random() ** 4)
        chain, seconds = ((1, 14.0), (56, 5.0))[called % 3 == 0]
        return _sent(rng, at, who, wallet("called", called), 0.01 + 0.07 * (called % 7) / 6, seconds, chain)


def _reports(name: str, values: tuple[Any, ...], completes: int | None, **more: Any) -> Any:
    """A network of its own reports these values one after the other, between ordinary reports."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        network, calm = f"own-{who}", rng.randrange(3)
        told: list[dict[str, Any]] = [{} for _ in range(calm)] + [{name: value, **more} for value in values]
        at = spread(rng, len(told), span)
        events = [(t, _status(rng, begin + t, who, network, **one)) for t, one in zip(at, told, strict=True)]
        return Attack(tenant(who), {"pool": network}, events, None if completes is None else calm + completes)

    return plan


def _failing(share: float, n: int) -> Any:
    """``n`` transactions to a contract of its own in four minutes, of which the ``share`` fail, evenly."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        to, at = wallet("contract", who), spread(rng, n, min(span, 4 * MINUTE))
        events = []
        for k, t in enumerate(at):
            one = _sent(rng, begin + t, who + 8 * (k % 9), to, 0.0, 9)
            failed = int((k + 1) * share) > int(k * share)
            events.append((t, {**one, "outcome": "failure" if failed else "success"}))
        fires = share >= 0.2 and n >= 50
        return Attack(tenant(who), {"chain_id": 1, "called": to}, events, completes=n - 1 if fires else None)

    return plan


def _waiting(seconds: float, n: int, slow: float) -> Any:
    """``n`` transactions on a chain of its own, the ``slow`` of which wait so long."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        chain = 1_000_000 + who
        events = []
        for k, t in enumerate(spread(rng, n, min(span, 9 * MINUTE))):
            one = _sent(rng, begin + t, who, wallet("contract", who), 0.02, 10, chain)
            is_slow = int((k + 1) * slow) > int(k * slow)
            ms = int(1_000 * seconds * rng.uniform(1, 1.2)) if is_slow else min(one["confirmation_ms"], 50_000)
            events.append((t, {**one, "confirmation_ms": ms}))
        fires = seconds >= 60 and n >= 60 and slow > 0.05
        return Attack(tenant(who), {"chain_id": chain}, events, completes=n - 1 if fires else None)

    return plan


BACKGROUNDS = (Networks, Transactions)
_LEADER, _VERIFY, _ROUNDS = "chain.leader-timeout", "chain.message-verification-rate", "chain.consensus-success"
_FAILED, _WAIT = "chain.failed-tx-rate", "chain.confirmation-time"
_MS, _RATE, _SUCCESS = "leader_election_ms", "message_verification_rate", "success_rate"
_NEAR, _ALIKE = Nature.NEAR_MISS, Nature.LOOK_ALIKE
_SIZE, _N = "chain.consensus-size", "node_count"
SCENARIOS = (
    Scenario("nodes-leave", _SIZE, 5 * MINUTE, _reports(_N, (11, 10, 9, 8), 2, f=3)),
    Scenario("nodes-just-enough", _SIZE, 5 * MINUTE, _reports(_N, (12, 11, 10), None, f=3), _NEAR),
    Scenario("nodes-of-no-quorum", _SIZE, 5 * MINUTE, _reports(_N, (3, 2, 1), None, f=None), _ALIKE),
    Scenario("leader-lost", _LEADER, 5 * MINUTE, _reports(_MS, (900, 6_200, 14_000, 40_000), 1)),
    Scenario("leader-slow", _LEADER, 5 * MINUTE, _reports(_MS, (4_200, 4_999, 4_900), None), _NEAR),
    Scenario("leader-restarted", _LEADER, 5 * MINUTE, _reports(_MS, (2_500, 120, 2_700), None), _ALIKE),
    Scenario("messages-forged", _VERIFY, 5 * MINUTE, _reports(_RATE, (0.97, 0.93, 0.85, 0.6), 1)),
    Scenario("messages-nearly-all", _VERIFY, 5 * MINUTE, _reports(_RATE, (0.96, 0.951, 0.95), None), _NEAR),
    Scenario("messages-few", _VERIFY, 5 * MINUTE, _reports(_RATE, (0.7, 0.5), None, messages=8), _ALIKE),
    Scenario("rounds-fail", _ROUNDS, 5 * MINUTE, _reports(_SUCCESS, (0.98, 0.92, 0.7), 1)),
    Scenario("rounds-nearly-all", _ROUNDS, 5 * MINUTE, _reports(_SUCCESS, (0.96, 0.951, 0.95), None), _NEAR),
    Scenario("rounds-few", _ROUNDS, 5 * MINUTE, _reports(_SUCCESS, (0.75, 0.5), None, rounds=4), _ALIKE),
    Scenario("transactions-fail", _FAILED, 6 * MINUTE, _failing(0.6, 80)),
    Scenario("transactions-fail-sometimes", _FAILED, 6 * MINUTE, _failing(0.18, 90), _NEAR),
    Scenario("few-transactions-fail", _FAILED, 6 * MINUTE, _failing(0.9, 40), _ALIKE),
    Scenario("confirmations-slow", _WAIT, 9 * MINUTE, _waiting(130, 80, 0.5)),
    Scenario("confirmations-nearly-slow", _WAIT, 9 * MINUTE, _waiting(45, 80, 0.5), _NEAR),
    Scenario("some-confirmations-slow", _WAIT, 9 * MINUTE, _waiting(600, 80, 0.03), _ALIKE),
)
