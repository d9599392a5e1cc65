"""Gauges of hosts and services: how they move on an ordinary day, and the ways in which one leaves it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from streams.simulate.people import TENANTS, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
_SERVICES = ("payments", "orders", "ledger", "gateway", "matching", "indexer")
#: Samples of a series inside the window of its rule.
_DENSE = 10
_STEADY = 3 * MINUTE


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric, where it stands when all is well, and the limit of its rule. ``bad``: where an attack takes it.

    ``within``: ms over which the rule averages it (or, ``peak``, looks at the best sample); 0: sample by sample.
    ``label``: the label that tells apart what one host has several of, and ``values`` of it. ``part``: what the rule
    calls it in its key; ``service`` stands for the service. ``alike``: a metric of another meaning, which may read
    whatever it likes.
    """

    rule: str
    names: tuple[str, ...]
    calm: tuple[float, float]
    limit: float
    bad: tuple[float, float]
    within: int = 0
    falling: bool = False
    peak: bool = False
    percent: bool = False
    label: str = ""
    values: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    alike: str = "temperature_celsius"

    def measured(self, samples: Sequence[float]) -> float:
        """What the rule makes of the samples of a window."""
        return max(samples) if self.peak else sum(samples) / len(samples)

    def bounded(self, value: float) -> float:
        return round(min(max(value, 0.0), 100.0 if self.percent else math.inf), 3)

    def blip(self, share: float = 1.0) -> float:
        """One sample far off, but not so far that the average of a window with it would be past the limit."""
        worst = self.calm[0] if self.falling else self.calm[1]
        return self.bounded(worst + 0.6 * share * _DENSE * (self.limit - worst))


def host_of(who: int) -> str:
    return f"{_SERVICES[who % len(_SERVICES)]}-{who:05d}.internal.example"


def reading(gauge: Gauge, who: int, value: float, *, name: str = "", at: str = "", **more: Any) -> Event:
    """An event of ``gauge`` at the host of ``who``. ``at``: the value of its label."""
    service = _SERVICES[who % len(_SERVICES)]
    labels = {"zone": f"zone-{who % 3}", "env": "production", **({gauge.label: at} if gauge.label else {})}
    return {
        "tenant": tenant(who), "source": "metric", "type": "metric", "name": name or gauge.names[0], "value": value,
        "host": host_of(who), "service": service, "labels": labels, "agent": "collector/1.14.2 (linux; amd64)", **more,
    }  # fmt: skip


def key_of(gauge: Gauge, event: Event) -> dict[str, Any]:
    """The key of the gauge's rule in that event."""
    labelled = event["labels"].get(gauge.label) if gauge.label else None
    return {
        "host": event["host"],
        **{part: event["service"] if part == "subject" else labelled for part in gauge.parts},
    }


@dataclass(slots=True)
class Fleet:
    """Hosts that are well: each of their gauges is read in turn, moves slowly, with the hour, and sometimes jumps.

    A jump is shorter than the window of its rule; a series that is read more rarely shows that much less of it. The
    first reading of a series is an ordinary one.
    """

    gauges: Sequence[Gauge]
    hosts: int
    jumps: float = 0.002
    _turn: int = 0
    _seen: dict[int, tuple[int, float]] = field(default_factory=dict)

    def read(self, rng: Random, at: int) -> Event:
        """The next reading. The series take turns, so each is read at about the same distance."""
        series = self._turn % (self.hosts * len(self.gauges))
        self._turn += 1
        who, place = divmod(series, len(self.gauges))
        gauge = self.gauges[place]
        low, high = gauge.calm
        before, level = self._seen.get(series, (at, rng.betavariate(2, 3)))
        pull = math.exp(-(at - before) / HOUR)
        home = 0.35 + 0.15 * math.sin(2 * math.pi * (at % DAY / DAY - 0.35)) + 0.1 * math.sin(1.7 * series)
        level = min(max(home + (level - home) * pull + rng.gauss(0, 0.04), 0.0), 1.0)
        self._seen[series] = at, level
        value = high - (high - low) * level if gauge.falling else low + (high - low) * level
        if gauge.within and at > before and rng.random() < self.jumps:
            value += (gauge.blip(rng.random()) - value) * min(1.0, gauge.within / _DENSE / max(at - before, 1))
        label = gauge.values[who % len(gauge.values)] if gauge.values else ""
        name = gauge.names[who % len(gauge.names)]
        return reading(gauge, who * len(TENANTS) + series % len(TENANTS), gauge.bounded(value), name=name, at=label)


def leaving(gauge: Gauge, rule: str, rng: Random, who: int) -> Attack:
    """The gauge leaves its range for good, at once or over some samples. A fresh host has no time before that."""
    every = _pace(gauge)
    before = rng.randrange(_DENSE, 2 * _DENSE) if gauge.within and rng.random() < 0.8 else rng.randrange(3)
    ramp = rng.randrange(1, 4)
    start, end = rng.uniform(*gauge.calm), rng.uniform(*gauge.bad)
    values = [rng.uniform(*gauge.calm) for _ in range(before)]
    values += [start + (end - start) * (n + 1) / (ramp + 1) for n in range(ramp)]
    values += [end * rng.uniform(0.99, 1) for _ in range(_DENSE + 4 if gauge.within else 3)]
    return _played(gauge, rng, who, every, [gauge.bounded(value) for value in values], fires=True)


def stopping_short(gauge: Gauge, rule: str, rng: Random, who: int) -> Attack:
    """The gauge goes as far as its limit and stays there."""
    edge = gauge.limit, gauge.limit + 0.05 * (gauge.calm[0] - gauge.limit)
    values = [rng.uniform(*gauge.calm) for _ in range(_DENSE)]
    values += [gauge.limit, *(rng.uniform(*sorted(edge)) for _ in range(_DENSE)), gauge.limit]
    kept = (max(gauge.bounded(v), gauge.limit) if gauge.falling else min(gauge.bounded(v), gauge.limit) for v in values)
    return _played(gauge, rng, who, _pace(gauge), list(kept), fires=False)


def jumping(gauge: Gauge, rule: str, rng: Random, who: int) -> Attack:
    """One sample far off among many that are well; where each is judged alone, another metric that is far off."""
    values = [gauge.bounded(rng.uniform(*gauge.calm)) for _ in range(2 * _DENSE)]
    if gauge.within:
        values[rng.randrange(_DENSE, 2 * _DENSE)] = gauge.blip()
        return _played(gauge, rng, who, _pace(gauge), values, fires=False)
    other = [gauge.bounded(rng.uniform(*gauge.bad)) for _ in values]
    return _played(gauge, rng, who, _pace(gauge), other, fires=False, name=gauge.alike)


def _pace(gauge: Gauge) -> int:
    return gauge.within // _DENSE or _STEADY


def _played(
    gauge: Gauge, rng: Random, who: int, every: int, values: list[float], *, fires: bool, name: str = ""
) -> Attack:
    label = rng.choice(gauge.values) if gauge.values else ""
    chosen = name or rng.choice(gauge.names)
    times = [n * every + (rng.randrange(every // 8) if n else 0) for n in range(len(values))]
    events = [(t, reading(gauge, who, v, name=chosen, at=label)) for t, v in zip(times, values, strict=True)]
    key = key_of(gauge, events[0][1])
    completes = crossing(gauge, times, values) if fires else None
    if rng.random() < 0.4:  # the host goes on to be measured otherwise
        at = rng.randrange(len(events))
        events.insert(at, (events[at][0], reading(gauge, who, 41.5, name="fan_rpm", at=label)))
        completes = None if completes is None else completes + (at <= completes)
    return Attack(tenant(who), key, events, completes)


def crossing(gauge: Gauge, times: Sequence[int], values: Sequence[float]) -> int:
    """The sample at which the rule's condition first holds. Raises ValueError where it never does."""
    for n, now in enumerate(times):
        if gauge.falling and gauge.within and now - times[0] < gauge.within:
            continue
        window = [v for t, v in zip(times[: n + 1], values, strict=False) if now - gauge.within < t or t == now]
        found = gauge.measured(window)
        if found < gauge.limit if gauge.falling else found > gauge.limit:
            return n
    raise ValueError(f"{gauge.rule}: {max(values)} never passes {gauge.limit}")


def scenarios(gauge: Gauge) -> tuple[Scenario, ...]:
    """The attack, the near miss and the look-alike of a gauge."""
    rule = f"ops.{gauge.rule}"
    span = _pace(gauge) * (4 * _DENSE)
    ways = (
        ("", leaving, Nature.ATTACK),
        ("-at-its-limit", stopping_short, Nature.NEAR_MISS),
        ("-for-a-moment", jumping, Nature.LOOK_ALIKE),
    )
    return tuple(
        Scenario(f"{gauge.rule}{suffix}", rule, span, _plan(way, gauge, rule), nature) for suffix, way, nature in ways
    )


def _plan(way: Any, gauge: Gauge, rule: str) -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        attack: Attack = way(gauge, rule, rng, who)
        return attack

    return plan
