"""Bridges: deposits here, withdrawals there, a little out of step; drains, forged messages and missing reserves."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.chain_transfers import HOUR, MINUTE, SECOND, on_chain, wallet
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "chain"
_LOCKED = 40_000_000 * 10**6
_TOKEN = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"


def _moved(
    rng: Random, at: int, who: int, bridge: str, way: str, message: str, dollars: float, locked: int = _LOCKED
) -> Event:
    return on_chain(
        rng, at, who, f"bridge.{way}", bridge=bridge, token=_TOKEN, message_id=message,
        amount=str(int(dollars * 10**6)), decimals=6,
        amount_usd=round(dollars, 2), locked=str(locked), to=wallet(who, rng.getrandbits(24)),
        log_index=rng.randrange(300), chain_id=1 if way == "deposit" else 10,
    )  # fmt: skip


def _status(rng: Random, at: int, who: int, bridge: str, share: float) -> Event:
    return on_chain(
        rng, at, who, "bridge.status", bridge=bridge, token=_TOKEN, wrapped_supply=str(int(_LOCKED * share)),
        locked=str(_LOCKED), chain_id=1,
    )  # fmt: skip


class Bridges:
    """Deposits and, minutes after each, its withdrawal less a fee; one in fifty is seen before its deposit."""

    source = "chain"
    share = 3

    def __init__(self) -> None:
        self._sent = self._last = 0
        self._open: list[tuple[int, int, str, str, float, str]] = []

    def background(self, rng: Random, at: int) -> Event:
        who = int(24 * rng.random() ** 2)
        is_busy, self._last = at - self._last < MINUTE, at  # else a deposit would have to wait for its turn
        bridge = f"bridge-{who:02d}"
        if rng.random() < 0.1:
            return _status(rng, at, who, bridge, rng.uniform(0.985, 1.004))
        if self._open and self._open[0][0] <= at:
            _, who, bridge, message, dollars, way = self._open.pop(0)
            return _moved(rng, at, who, bridge, way, message, dollars)
        self._sent += 1
        message = f"m-{self._sent}-{rng.getrandbits(32):08x}"
        dollars = min(rng.lognormvariate(6.5, 1.9), 1_500_000.0)
        early = rng.random() < 0.02 and is_busy
        first, second = ("withdrawal", "deposit") if early else ("deposit", "withdrawal")
        then = at + (rng.randrange(60) * SECOND if early else int(rng.lognormvariate(2, 0.7) * MINUTE))
        self._open.append((then, who, bridge, message, dollars * (1 if early else 0.999), second))
        self._open.sort(key=lambda one: one[0])
        return _moved(rng, at, who, bridge, first, message, dollars)


def _key(who: int) -> dict[str, Any]:
    return {"bridge": f"own-{who}", "coin": _TOKEN.lower()}


def _drain(total: float, back: float = 0.0) -> Any:
    """``total`` of what is locked goes out in some withdrawals; ``back`` of it comes in between them."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        bridge, pieces = f"own-{who}", 1 if not back and rng.random() < 0.3 else rng.randrange(4, 24)
        events, out, completes = [], 0.0, None
        for k, at in enumerate(spread(rng, pieces, min(span, 50 * MINUTE))):
            share = total / pieces
            if back:
                dollars = 40_000_000 * back / pieces
                events.append((at, _moved(rng, begin + at, who, bridge, "deposit", f"in-{who}-{k}", dollars)))
            dollars = 40_000_000 * share
            events.append((at, _moved(rng, begin + at, who, bridge, "withdrawal", f"out-{who}-{k}", dollars)))
            out += share - back / pieces
            if completes is None and out >= 0.2:
                completes = len(events) - 1
        for _, event in events:
            del event["message_id"]  # a bridge that does not say which deposit is whose
        return Attack(tenant(who), _key(who), events, completes=completes)

    return plan


def _message(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A withdrawal of nothing, of more than was deposited, or a second time."""
    bridge, message, dollars = f"own-{who}", f"m-{who}", rng.lognormvariate(8, 2)
    key = {"bridge": bridge, "message_id": message}
    kind = rng.randrange(3)
    events = [] if kind == 0 else [(0, _moved(rng, begin, who, bridge, "deposit", message, dollars))]
    at = 5 * MINUTE if events else 0
    more = rng.uniform(1.5, 900) if kind == 1 else 1
    events.append((at, _moved(rng, begin + at, who, bridge, "withdrawal", message, dollars * more)))
    if kind == 2:
        at += MINUTE
        events.append((at, _moved(rng, begin + at, who, bridge, "withdrawal", message, dollars)))
    return Attack(tenant(who), key, events, completes=len(events) - 1)


def _settled(early: bool) -> Any:
    """A withdrawal whose deposit is seen minutes later, or one that is reported twice and carries other decimals."""

    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        bridge, message = f"own-{who}", f"m-{who}"
        paid = _moved(rng, begin, who, bridge, "withdrawal", message, 5_000)
        came = _moved(rng, begin, who, bridge, "deposit", message, 5_000)
        if early:
            events = [(0, paid), (29 * MINUTE, came)]
        else:
            paid |= {"decimals": 18, "amount": str(5_000 * 10**18)}
            events = [(0, came), (MINUTE, paid), (2 * MINUTE, dict(paid))]
        return Attack(tenant(who), {"bridge": bridge, "message_id": message}, events, completes=None)

    return plan


def _reserves(shares: tuple[float, ...], completes: int | None) -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        at = spread(rng, len(shares), span)
        events = [(t, _status(rng, begin + t, who, f"own-{who}", share)) for t, share in zip(at, shares, strict=True)]
        return Attack(tenant(who), _key(who), events, completes=completes)

    return plan


BACKGROUNDS = (Bridges,)
_DRAIN, _MESSAGE, _BACKING = "chain.bridge-drain", "chain.bridge-message", "chain.bridge-backing"
SCENARIOS = (
    Scenario("bridge-drained", _DRAIN, HOUR, _drain(0.6)),
    Scenario("bridge-nearly-drained", _DRAIN, HOUR, _drain(0.19), Nature.NEAR_MISS),
    Scenario("bridge-in-balance", _DRAIN, HOUR, _drain(0.9, 0.85), Nature.LOOK_ALIKE),
    Scenario("bridge-forged-message", _MESSAGE, 10 * MINUTE, _message),
    Scenario("bridge-deposit-seen-late", _MESSAGE, 30 * MINUTE, _settled(True), Nature.NEAR_MISS),
    Scenario("bridge-reported-twice", _MESSAGE, 10 * MINUTE, _settled(False), Nature.LOOK_ALIKE),
    Scenario("bridge-without-reserves", _BACKING, 10 * MINUTE, _reserves((0.99, 1.0, 1.04, 1.3), 2)),
    Scenario(
        "bridge-one-percent-short", _BACKING, 10 * MINUTE, _reserves((0.99, 1.009, 1.0099), None), Nature.NEAR_MISS
    ),
    Scenario("bridge-over-covered", _BACKING, 10 * MINUTE, _reserves((0.9, 0.5, 0.2), None), Nature.LOOK_ALIKE),
)
