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
from streams.simulate.cast import SHOWCASE, Cast, Part, cast
from streams.simulate.people import POPULATION, Crowd
from streams.simulate.scene import Attack, Label, Scenario, Simulated

#: Every scenario is played once in so many ms, and at least once where the duration is shorter.
EVERY = 60_000
_MAX_RATE = 1_000_000
#: Between the actors of two attacks: numbers for those that each one brings along.
_COMPANY = 31
#: How far a whole scenario is put off in search of a time at which it is possible, and in what steps.
_PUT_OFF, _STEP = 7 * 86_400_000, 900_000
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
    scenarios: str | Sequence[str] = SHOWCASE,
    areas: bool = False,
    margin_ms: int = 0,
    population: int | None = None,
) -> Iterator[Simulated]:
    """Traffic from ``start_ms`` on, for ``duration_ms``, in event-time order; a function of its arguments alone.

    ``rate`` is background events a second over all ``domains`` (default: all four); attacks come on top, each scenario
    once every ``every_ms``. An attack always lies wholly inside the duration, less ``margin_ms`` at its end.
    ``scenarios`` and ``areas`` are told in ``streams.simulate.cast``; a scenario of an area that needs more time than
    there is is left out. With a ``population`` only so many people (hosts, desks, …) make the background, each in hours
    of their own; and what would be too thin to be ordinary (``least_rate``) stays away. Raises ConfigError on
    impossible values.
    """
    players = cast(domains, scenarios, with_areas=areas)
    if duration_ms <= 0 or not 0 < rate <= _MAX_RATE:
        raise ConfigError("rate and duration must be positive, and the rate at most 1,000,000 a second")
    if start_ms < 0 or every_ms <= 0:
        raise ConfigError("the start must not lie before 1970, and attacks need a positive interval")
    if not 0 <= margin_ms < duration_ms:
        raise ConfigError("the margin must be shorter than the duration")
    return _generate(seed, start_ms, duration_ms, rate, players, every_ms, margin_ms, population)


def _generate(
    seed: int,
    start: int,
    duration: int,
    rate: float,
    players: Cast,
    every: int,
    margin: int,
    population: int | None,
) -> Iterator[Simulated]:
    # Another seed or start makes other ids and other strangers: two runs into one topic do not blur each other.
    prefix = hashlib.sha256(f"{seed}/{start}".encode()).hexdigest()
    rng = Random(prefix) if population is None else Crowd(prefix, population)
    ids = (f"{prefix[:8]}-{n >> 24:04x}-{n & 0xFFFFFF:06x}" for n in count())
    strangers = int(prefix[8:13], 16)
    attacks = _attacks(Random(prefix + "attacks"), start, duration - margin, players, every, strangers)
    pending: list[tuple[int, int, Simulated]] = []
    order = count()
    backgrounds, keys = players.backgrounds, players.partition_by
    if population is not None:
        backgrounds = tuple(one for one in backgrounds if rate >= getattr(one, "least_rate", 0))
    shares = list(accumulate(background.share for background in backgrounds))
    following = next(attacks, None)

    def release(until: int | None) -> Iterator[Simulated]:
        nonlocal following
        while following is not None and (until is None or following[0] <= until):
            for at, simulated in _labelled(*following, ids, keys):
                heapq.heappush(pending, (at, next(order), simulated))
            following = next(attacks, None)
        while pending and (until is None or pending[0][0] <= until):
            yield heapq.heappop(pending)[2]

    for slot in range(int(duration * rate / 1000)):
        at = start + int((slot + rng.random()) * 1000 / rate)
        if (following is not None and following[0] <= at) or (pending and pending[0][0] <= at):
            yield from release(at)
        background = backgrounds[bisect_right(shares, rng.randrange(shares[-1]))]
        if isinstance(rng, Crowd):
            rng.at = at
        event = background.background(rng, at)
        event["event_id"], event["event_time"] = next(ids), at
        yield Simulated(background.source, record_key(event, keys[background.source]), event, None)
    yield from release(None)


_Begun = tuple[int, str, Part, Attack]


def _attacks(rng: Random, start: int, duration: int, players: Cast, every: int, strangers: int) -> Iterator[_Begun]:
    """(begin, id, part, attack) in order of begin. A scenario that is not possible in the time there is is left out."""
    begun: list[tuple[int, int, int, Part]] = []
    for place, part in enumerate(players.parts):
        scenario = part.scenario
        span = scenario.span if part.whole else min(scenario.span, duration * 2 // 5)
        room = duration - span
        if room < 0:
            continue
        phase = min(every, room) * (place + rng.random()) / len(players.parts)
        begins = (_possible(part, at, start + room) for at in range(start + int(phase), start + room + 1, every))
        begun += ((begin, place, span, part) for begin in begins if begin is not None)
    begun.sort(key=lambda one: one[:2])
    apart = _COMPANY if players.crowded else 1
    for n, (begin, _, span, part) in enumerate(begun):
        attack = part.scenario.plan(rng, POPULATION + strangers + n * apart, begin, max(span - 1, 0))
        yield begin, f"attack-{n:04d}", part, attack


def _possible(part: Part, begin: int, last: int) -> int | None:
    """When it can begin: then, or a whole scenario somewhat later."""
    until = min(last, begin + _PUT_OFF) if part.whole else begin
    return next((at for at in range(begin, until + 1, _STEP) if part.scenario.possible(at)), None)


def label_of(
    name: str, scenario: Scenario, source: str, attack: Attack, named: Sequence[tuple[int, dict[str, Any]]]
) -> Label:
    """The truth about an attack whose events have their times and ids."""
    at, completing = (0, None) if attack.completes is None else named[attack.completes]
    return Label(
        attack=name, scenario=scenario.name, rule=scenario.rule, source=source, tenant=attack.tenant,
        key=attack.key, first_event_time=named[0][0], event_ids=tuple(event["event_id"] for _, event in named),
        completes="" if completing is None else completing["event_id"], nature=scenario.nature, completed_at=at,
    )  # fmt: skip


def _labelled(
    begin: int, name: str, part: Part, attack: Attack, ids: Iterator[str], keys: dict[str, tuple[str, ...]]
) -> Iterator[tuple[int, Simulated]]:
    named = [(begin + offset, {**event, "event_id": next(ids)}) for offset, event in attack.events]
    label = label_of(name, part.scenario, part.source, attack, named)
    for at, event in named:
        event["event_time"] = at
        own = event.get("source")
        source = own if isinstance(own, str) and own in keys else part.source
        yield at, Simulated(source, record_key(event, keys[source]), event, label)
