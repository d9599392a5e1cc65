"""Programs that call with keys: their daily rhythm, batches and moves, and keys that somebody else has got."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from streams.simulate.gauges import DAY, HOUR, MINUTE
from streams.simulate.people import address, busy, foreign_address, name, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "audit"
_CALLS = ("orders.list", "orders.get", "quotes.get", "balances.get", "orders.create")
_PROGRAMS = 300


def _call(rng: Random, who: int, source_ip: str, **more: Any) -> Event:
    return {
        "tenant": tenant(who), "source": "audit", "type": "api_call", "actor": name(who), "api_key": f"k-{who:07d}",
        "key_kind": "server", "source_ip": source_ip, "action": rng.choice(_CALLS), "outcome": "success",
        "resource": f"account/{rng.randrange(10_000)}", "latency_ms": rng.randrange(3, 300), **more,
    }  # fmt: skip


class Programs:
    """Three hundred programs, few of them busy, each from its address; and phones, which call from everywhere."""

    source = SOURCE
    share = 6

    def background(self, rng: Random, at: int) -> Event:
        who = busy(rng) % _PROGRAMS
        if who % 5 == 4:
            return _call(rng, who, foreign_address(rng.randrange(5_000)), key_kind="mobile")
        outcome = "failure" if rng.random() < 0.01 else "success"
        return _call(rng, who, address(who), outcome=outcome)


def _key(who: int) -> dict[str, Any]:
    return {"actor": name(who), "key_id": f"k-{who:07d}"}


def _history(rng: Random, who: int, hours: int, in_an_hour: int) -> list[tuple[int, Event]]:
    """So many hours of ordinary calls from one address, more by day than by night."""
    events = []
    for hour in range(hours):
        calls = max(1, round(in_an_hour * (1 + 0.4 * math.sin(hour / 24 * 2 * math.pi)) * rng.uniform(0.8, 1.2)))
        times = sorted(rng.randrange(HOUR) for _ in range(calls))
        events += [(hour * HOUR + t, _call(rng, who, address(who))) for t in times]
    return events


def _more(rng: Random, who: int, usual: int, extra: int, source_ip: str) -> tuple[list[tuple[int, Event]], int]:
    """A day and six hours of the usual, then so many calls within forty minutes."""
    events = _history(rng, who, 30, usual)
    begin = 30 * HOUR + 5 * MINUTE
    times = sorted(rng.randrange(40 * MINUTE) for _ in range(extra))
    return [*events, *((begin + t, _call(rng, who, source_ip)) for t in times)], len(events)


def _abused(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A key that leaked is used to read all there is."""
    usual = rng.randrange(8, 30)
    events, before = _more(rng, who, usual, max(1_000, usual * rng.randrange(18, 30)), foreign_address(who))
    return Attack(tenant(who), _key(who), events, completes=before + 310)


def _batch(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A program has more to do than usual, less than three times."""
    usual = rng.randrange(100, 160)
    events, _ = _more(rng, who, usual, usual * 2, address(who))
    return Attack(tenant(who), _key(who), events, completes=None)


def _rare(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A key that is hardly used is used for a job: much for it, little for anybody."""
    events, _ = _more(rng, who, 1, rng.randrange(150, 240), address(who))
    return Attack(tenant(who), _key(who), events, completes=None)


def _from(rng: Random, who: int, calls: int, days: float, new: list[tuple[int, str]], kind: str = "server") -> Attack:
    """So many calls from one address, spread over so many days, then some from others."""
    every = int(days * DAY / calls)
    events = [(n * every, _call(rng, who, address(who), key_kind=kind)) for n in range(calls)]
    events += [(calls * every + at, _call(rng, who, ip, key_kind=kind)) for at, ip in new]
    return Attack(tenant(who), _key(who), events, completes=None)


def _stolen(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A key is used from an address that is not its program's."""
    calls = rng.randrange(60, 120)
    new = [(n * rng.randrange(1, 9) * 1_000, foreign_address(who)) for n in range(1)]
    attack = _from(rng, who, calls, rng.uniform(7.5, 9), [*new, (MINUTE, address(who))])
    return Attack(attack.tenant, attack.key, attack.events, completes=calls)


def _settling(rng: Random, who: int, begin: int, span: int) -> Attack:
    """In its first week a program moves from one address to another."""
    return _from(rng, who, 80, 6.5, [(n * MINUTE, foreign_address(who)) for n in range(3)])


def _phone(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A key in a phone comes from wherever the phone is."""
    return _from(rng, who, 80, 8, [(n * HOUR, foreign_address(who + n)) for n in range(5)], kind="mobile")


BACKGROUNDS = (Programs,)
SCENARIOS = (
    Scenario("unusual-api-key-use", "ops.unusual-api-key-use", 31 * HOUR, _abused),
    Scenario("api-key-batch", "ops.unusual-api-key-use", 31 * HOUR, _batch, Nature.NEAR_MISS),
    Scenario("api-key-rarely-used", "ops.unusual-api-key-use", 31 * HOUR, _rare, Nature.LOOK_ALIKE),
    Scenario("api-key-new-address", "ops.api-key-new-address", 10 * DAY, _stolen),
    Scenario("api-key-first-week", "ops.api-key-new-address", 10 * DAY, _settling, Nature.NEAR_MISS),
    Scenario("api-key-in-a-phone", "ops.api-key-new-address", 10 * DAY, _phone, Nature.LOOK_ALIKE),
)
