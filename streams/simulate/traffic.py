"""Background and attacks, merged into one stream in event-time order."""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, count
from random import Random
from typing import Any

import msgspec

from streams.errors import ConfigError
from streams.simulate.people import POPULATION
from streams.simulate.registry import DOMAINS
from streams.simulate.scene import Attack, Domain, Label, Scenario, Simulated

#: Every scenario is played once in so many ms, and at least once where the duration is shorter.
EVERY = 60_000
_MAX_RATE = 1_000_000
_encode = msgspec.json.Encoder().encode


def record_key(event: dict[str, Any], partition_by: Sequence[str]) -> bytes:
    """The producer's record key: canonical JSON of the values that decide where the event stands."""
    return _encode([event.get(field) for field in partition_by])


def generate(
    seed: int,
    start_ms: int,
    duration_ms: int,
    rate: float,
    domains: Sequence[str] | None = None,
    *,
    every_ms: int = EVERY,
) -> Iterator[Simulated]:
    """Traffic from ``start_ms`` on, for ``duration_ms``, in event-time order; a function of its arguments alone.

    ``rate`` is background events a second over all ``domains`` (default: all four); attacks come on top, each scenario
    once every ``every_ms``. An attack always lies wholly inside the duration. Raises ConfigError on impossible values.
    """
    chosen = _chosen(domains)
    if duration_ms <= 0 or not 0 < rate <= _MAX_RATE:
        raise ConfigError("rate and duration must be positive, and the rate at most 1,000,000 a second")
    if start_ms < 0 or every_ms <= 0:
        raise ConfigError("the start must not lie before 1970, and attacks need a positive interval")
    return _generate(seed, start_ms, duration_ms, rate, chosen, every_ms)


def _chosen(names: Sequence[str] | None) -> tuple[Domain, ...]:
    unknown = [name for name in names or () if name not in DOMAINS]
    if unknown:
        raise ConfigError(f"unknown domain {unknown[0]!r}", f"choose from {', '.join(DOMAINS)}")
    return tuple(DOMAINS[name]() for name in DOMAINS if names is None or name in names)


def _generate(
    seed: int, start: int, duration: int, rate: float, domains: tuple[Domain, ...], every: int
) -> Iterator[Simulated]:
    # Another seed or start makes other ids and other strangers: two runs into one topic do not blur each other.
    prefix = hashlib.sha256(f"{seed}/{start}".encode()).hexdigest()
    rng = Random(prefix)
    ids = (f"{prefix[:8]}-{n >> 24:04x}-{n & 0xFFFFFF:06x}" for n in count())
    attacks = _attacks(Random(prefix + "attacks"), start, duration, domains, every, int(prefix[8:13], 16))
    pending: list[tuple[int, int, Simulated]] = []
    order = count()
    shares = list(accumulate(domain.share for domain in domains))
    following = next(attacks, None)

    def release(until: int) -> Iterator[Simulated]:
        nonlocal following
        while following is not None and following[0] <= until:
            for at, simulated in _labelled(*following, ids):
                heapq.heappush(pending, (at, next(order), simulated))
            following = next(attacks, None)
        while pending and pending[0][0] <= until:
            yield heapq.heappop(pending)[2]

    for slot in range(int(duration * rate / 1000)):
        at = start + int((slot + rng.random()) * 1000 / rate)
        if (following is not None and following[0] <= at) or (pending and pending[0][0] <= at):
            yield from release(at)
        domain = domains[bisect_right(shares, rng.randrange(shares[-1]))]
        event = domain.background(rng, at)
        event["event_id"], event["event_time"] = next(ids), at
        yield Simulated(domain.source, record_key(event, domain.partition_by), event, None)
    yield from release(start + duration)


_Begun = tuple[int, str, Domain, Scenario, Attack]


def _attacks(
    rng: Random, start: int, duration: int, domains: tuple[Domain, ...], every: int, strangers: int
) -> Iterator[_Begun]:
    """(begin, id, domain, scenario, attack) in order of begin. A scenario whose rule cannot fire then is left out."""
    scenarios = [(domain, scenario) for domain in domains for scenario in domain.scenarios]
    begun: list[tuple[int, int, int, Domain, Scenario]] = []
    for place, (domain, scenario) in enumerate(scenarios):
        span = min(scenario.span, duration * 2 // 5)
        room = duration - span
        phase = min(every, room) * (place + rng.random()) / len(scenarios)
        begins = range(start + int(phase), start + room + 1, every)
        begun += [(begin, place, span, domain, scenario) for begin in begins if scenario.possible(begin)]
    begun.sort(key=lambda one: one[:2])
    for n, (begin, _, span, domain, scenario) in enumerate(begun):
        attack = scenario.plan(rng, POPULATION + strangers + n, begin, max(span - 1, 0))
        yield begin, f"attack-{n:04d}", domain, scenario, attack


def label_of(
    name: str, scenario: Scenario, source: str, attack: Attack, named: Sequence[tuple[int, dict[str, Any]]]
) -> Label:
    """The truth about an attack whose events have their times and ids."""
    return Label(
        attack=name, scenario=scenario.name, rule=scenario.rule, source=source, tenant=attack.tenant,
        key=attack.key, first_event_time=named[0][0], event_ids=tuple(event["event_id"] for _, event in named),
        completes="" if attack.completes is None else named[attack.completes][1]["event_id"],
        nature=scenario.nature,
    )  # fmt: skip


def _labelled(
    begin: int, name: str, domain: Domain, scenario: Scenario, attack: Attack, ids: Iterator[str]
) -> Iterator[tuple[int, Simulated]]:
    named = [(begin + offset, {**event, "event_id": next(ids)}) for offset, event in attack.events]
    label = label_of(name, scenario, domain.source, attack, named)
    for at, event in named:
        event["event_time"] = at
        yield at, Simulated(domain.source, record_key(event, domain.partition_by), event, label)
