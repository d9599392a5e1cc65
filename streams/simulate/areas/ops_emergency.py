"""What no single limit shows: several domains in trouble at once, and metrics that are unlike themselves."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from streams.simulate.gauges import DAY, HOUR, MINUTE, Gauge, reading
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "metric"
#: Readings that are critical by themselves, by domain of risk.
_CRITICAL = {
    "performance": (
        Gauge("", ("cpu_percent",), (0, 0), 0, (97, 100)),
        Gauge("", ("uptime_percent",), (0, 0), 0, (80, 98)),
    ),
    "security": (
        Gauge("", ("auth_failure_rate_percent",), (0, 0), 0, (30, 90)),
        Gauge("", ("certificate_days_left",), (0, 0), 0, (0, 5)),
    ),
    "storage": (
        Gauge("", ("backup_age_hours",), (0, 0), 0, (60, 200)),
        Gauge("", ("replication_lag_seconds",), (0, 0), 0, (700, 9_000)),
    ),
    "consensus": (Gauge("", ("leader_election_ms",), (0, 0), 0, (20_000, 90_000)),),
}
_RULES = (
    "ops.cpu", "ops.uptime", "ops.auth-failure-rate", "ops.certificate-expiry", "ops.backup-age", "ops.replication-lag",
    "ops.leader-election-time", "ops.trade-success-rate",
)  # fmt: skip
_ODD = Gauge("metric-anomaly", ("threads",), (80, 120), 0, (0, 0))


def _alone(who: int) -> str:
    """A tenant of its own: alerts of others are no part of it."""
    return f"{tenant(who)}-{who}"


def _critical(rng: Random, who: int, domain: str) -> Event:
    gauge = rng.choice(_CRITICAL[domain])
    event = reading(gauge, who, round(rng.uniform(*gauge.bad), 2))
    return {**event, "tenant": _alone(who)}


def _emergency(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two or three domains turn critical within ten minutes, of as many hosts."""
    domains = rng.sample(sorted(_CRITICAL), rng.choice((2, 3)))
    times = sorted(rng.randrange(9 * MINUTE) for _ in domains)
    events = [(t - times[0], _critical(rng, who, domain)) for t, domain in zip(times, domains, strict=True)]
    return Attack(_alone(who), {}, events, completes=1)


def _one_after_another(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The second comes when ten minutes are over."""
    one, other = rng.sample(sorted(_CRITICAL), 2)
    later = 10 * MINUTE + rng.randrange(5 * MINUTE)
    return Attack(_alone(who), {}, [(0, _critical(rng, who, one)), (later, _critical(rng, who, other))], None)


def _one_domain(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Much is wrong at once, and all of it is load; what is wrong elsewhere is not critical."""
    gauges = (*_CRITICAL["performance"], Gauge("", ("cpu_usage_percent",), (0, 0), 0, (96, 100)))
    events = [(n * MINUTE, reading(gauge, who, round(gauge.bad[0] + 1, 2))) for n, gauge in enumerate(gauges)]
    events.append((4 * MINUTE, reading(Gauge("", ("replication_lag_seconds",), (0, 0), 0, (0, 0)), who, 150)))
    return Attack(_alone(who), {}, [(t, {**event, "tenant": _alone(who)}) for t, event in events], None)


def _series(who: int, values: list[float], completes: int | None) -> Attack:
    events = [(n * 4 * MINUTE, reading(_ODD, who, round(value, 2))) for n, value in enumerate(values)]
    first: dict[str, Any] = events[0][1]
    key = {"host": first["host"], "name": first["name"], "subject": first["service"]}
    return Attack(tenant(who), key, events, completes)


def _day(rng: Random, usual: float, noise: float, hours: int = 15) -> list[float]:
    """A reading every four minutes, with noise and a little of the day's rhythm."""
    steps = hours * HOUR // (4 * MINUTE)
    return [
        usual * (1 + 0.03 * math.sin(2 * math.pi * n * 4 * MINUTE / DAY) + rng.gauss(0, noise)) for n in range(steps)
    ]


def _unlike(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A metric leaves its range, up or down, for three quarters of an hour."""
    usual, factor = rng.uniform(5, 5_000), rng.choice((rng.uniform(1.8, 6), rng.uniform(0.05, 0.4)))
    before = _day(rng, usual, 0.02)
    return _series(who, [*before, *(usual * factor * rng.uniform(0.99, 1.01) for _ in range(11))], len(before) + 2)


def _wider(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somewhat more than usual, some deviations away."""
    usual = rng.uniform(5, 5_000)
    return _series(who, [*_day(rng, usual, 0.02), *(usual * 1.06 for _ in range(11))], None)


def _swinging(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A metric that swings widely all the time, and now as far as it ever did."""
    usual = rng.uniform(50, 5_000)
    values = [usual * math.exp(rng.gauss(0, 0.7)) for _ in range(225)]
    return _series(who, [*values, *(usual * 3.5 for _ in range(6))], None)


BACKGROUNDS: tuple[type[Any], ...] = ()
SCENARIOS = (
    Scenario("compound-emergency", "ops.compound-emergency", 10 * MINUTE, _emergency, beside=_RULES),
    Scenario(
        "one-crisis-after-another", "ops.compound-emergency", 20 * MINUTE, _one_after_another, Nature.NEAR_MISS,
        beside=_RULES,
    ),
    Scenario(
        "crisis-of-one-domain", "ops.compound-emergency", 10 * MINUTE, _one_domain, Nature.LOOK_ALIKE, beside=_RULES
    ),
    Scenario("metric-anomaly", "ops.metric-anomaly", 16 * HOUR, _unlike),
    Scenario("metric-a-little-off", "ops.metric-anomaly", 16 * HOUR, _wider, Nature.NEAR_MISS),
    Scenario("metric-that-swings", "ops.metric-anomaly", 16 * HOUR, _swinging, Nature.LOOK_ALIKE),
)  # fmt: skip
