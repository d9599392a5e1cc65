"""Services: latency, errors, databases, caches and queues, on ordinary days with their bustle, and in trouble."""

from __future__ import annotations

from random import Random

from streams.simulate.gauges import MINUTE, Fleet, Gauge, key_of, reading, scenarios
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "metric"
_ROUTES = ("/v1/orders", "/v1/quotes", "/v1/login")
_SUBJECT = ("subject",)
GAUGES = (
    Gauge(
        "api-latency-p95", ("api_latency_p95_ms", "http_latency_p95_ms"), (40, 420), 1000, (1_300, 9_000), 5 * MINUTE,
        label="endpoint", values=_ROUTES, parts=("subject", "endpoint"),
    ),
    Gauge(
        "error-rate", ("error_rate_percent", "http_5xx_percent"), (0, 0.35), 1, (1.8, 60), 5 * MINUTE, percent=True,
        label="endpoint", values=_ROUTES, parts=("subject", "endpoint"),
    ),
    Gauge(
        "uptime", ("uptime_percent", "availability_percent"), (99.6, 100), 99, (80, 98.7), falling=True, percent=True,
        parts=_SUBJECT, alike="uptime_seconds",
    ),
    Gauge(
        "auth-failure-rate", ("auth_failure_rate_percent",), (0.5, 6), 10, (15, 90), 10 * MINUTE, percent=True,
        parts=_SUBJECT,
    ),
    Gauge(
        "cache-hit-rate", ("cache_hit_rate_percent",), (89, 99.5), 80, (5, 66), 10 * MINUTE, falling=True, percent=True,
        parts=_SUBJECT,
    ),
    Gauge(
        "db-connections", ("db_connections_percent", "db_pool_used_percent"), (8, 66), 80, (88, 100), 5 * MINUTE,
        percent=True, parts=_SUBJECT,
    ),
    Gauge("db-query-time", ("db_query_time_ms",), (2, 180), 500, (700, 20_000), 5 * MINUTE, parts=_SUBJECT),
    Gauge(
        "pool-depth", ("pool_waiting", "pool_depth"), (0, 3), 10, (16, 400), 5 * MINUTE, label="pool",
        values=("orders", "reports"), parts=("subject", "pool"),
    ),
    Gauge(
        "queue-depth", ("queue_depth", "job_queue_depth"), (0, 400), 1000, (1_700, 90_000), 5 * MINUTE, label="queue",
        values=("mail", "settlement"), parts=("subject", "queue"),
    ),
    Gauge("replication-lag", ("replication_lag_seconds",), (0, 6), 30, (60, 4_000), 5 * MINUTE, parts=_SUBJECT),
    Gauge(
        "sync-delay", ("sync_delay_seconds", "data_sync_delay_seconds"), (1, 90), 300, (500, 9_000), 5 * MINUTE,
        label="stream", values=("ledger", "prices"), parts=("subject", "stream"),
    ),
    Gauge(
        "service-unreachable", ("up", "probe_success"), (1, 1), 1, (0, 0), 90_000, falling=True, peak=True,
        parts=_SUBJECT,
    ),
)  # fmt: skip
_RATE = Gauge("request-flood", ("requests_per_second", "rps"), (60, 400), 0, (0, 0), parts=_SUBJECT)
_LATENCY = Gauge(
    "api-latency-baseline", ("api_latency_p95_ms",), (80, 240), 0, (0, 0), label="endpoint", values=_ROUTES,
    parts=("subject", "endpoint", "name"),
)  # fmt: skip
_HEALTH = Gauge("health-check-failed", ("health",), (1, 1), 1, (0, 0), parts=_SUBJECT)


class Services:
    """Thirty services that are well, each measured in turn; some of their samples are far off for a moment."""

    source = SOURCE
    share = 8

    def __init__(self) -> None:
        self._fleet = Fleet((*GAUGES, _RATE), 30)
        self._checked = 0

    def background(self, rng: Random, at: int) -> Event:
        if rng.random() < 0.03:
            self._checked += 1
            who = self._checked % 200
            status = "degraded" if rng.random() < 0.02 else "healthy"
            return reading(_HEALTH, who, 1, status=status, type="health")
        return self._fleet.read(rng, at)


def _learnt(gauge: Gauge, rng: Random, who: int, usual: float, *, factor: float, every: int, hours: int) -> Attack:
    """Hours of the usual with its swings, then ``factor`` times that for three quarters of an hour."""
    at = rng.choice(gauge.values) if gauge.values else ""
    count, more = hours * 60 * MINUTE // every, 45 * MINUTE // every
    values = [usual * rng.uniform(0.85, 1.15) for _ in range(count)]
    values += [usual * factor * rng.uniform(0.98, 1.02) for _ in range(more)]
    events = [(n * every, reading(gauge, who, round(value, 2), at=at)) for n, value in enumerate(values)]
    key = key_of(gauge, events[0][1])
    if "name" in gauge.parts:
        key["name"] = gauge.names[0]
    return Attack(tenant(who), key, events, completes=count if factor >= _LEAST[gauge.rule] else None)


_LEAST = {"request-flood": 5.0, "api-latency-baseline": 2.0}


def _flood(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Requests come at many times the usual rate."""
    return _learnt(_RATE, rng, who, rng.uniform(60, 900), factor=rng.uniform(6.5, 40), every=MINUTE, hours=8)


def _campaign(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Four times the usual: a good day."""
    return _learnt(_RATE, rng, who, rng.uniform(60, 900), factor=rng.uniform(3, 4.2), every=MINUTE, hours=8)


def _awake(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A service that hardly anybody used is used by some."""
    return _learnt(_RATE, rng, who, rng.uniform(1, 5), factor=rng.uniform(2, 4.9), every=MINUTE, hours=8)


def _slower(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A release makes it more than twice as slow, and still nowhere near a second."""
    return _learnt(_LATENCY, rng, who, rng.uniform(90, 260), factor=rng.uniform(2.4, 3.5), every=2 * MINUTE, hours=9)


def _little_slower(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Half as slow again."""
    return _learnt(_LATENCY, rng, who, rng.uniform(90, 400), factor=rng.uniform(1.4, 1.75), every=2 * MINUTE, hours=9)


def _fast(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Twice as slow as very fast is still fast."""
    return _learnt(_LATENCY, rng, who, rng.uniform(8, 25), factor=rng.uniform(1.5, 1.9), every=2 * MINUTE, hours=9)


def _checks(who: int, words: list[tuple[int, str]], completes: int | None) -> Attack:
    events = [(at, reading(_HEALTH, who, 0, status=word, type="health")) for at, word in words]
    return Attack(tenant(who), key_of(_HEALTH, events[0][1]), events, completes)


def _down(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A database is not reached any more."""
    every = rng.randrange(20, 240) * 1_000
    words = ["healthy", *rng.choices(("unreachable", "DOWN", "failed"), k=4)]
    return _checks(who, [(n * every, word) for n, word in enumerate(words)], completes=2)


def _apart(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Single checks fail, more than five minutes apart."""
    words = [word for n in range(3) for word in ((n * 6 * MINUTE, "down"), (n * 6 * MINUTE + 30_000, "healthy"))]
    return _checks(who, words, completes=None)


def _degraded(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Slow, but there."""
    return _checks(who, [(n * MINUTE, rng.choice(("degraded", "warning"))) for n in range(8)], completes=None)


BACKGROUNDS = (Services,)
_NIGHT = 10 * 60 * MINUTE
SCENARIOS = (
    *(scenario for gauge in GAUGES for scenario in scenarios(gauge)),
    Scenario("request-flood", "ops.request-flood", _NIGHT, _flood),
    Scenario("request-flood-good-day", "ops.request-flood", _NIGHT, _campaign, Nature.NEAR_MISS),
    Scenario("request-flood-quiet-service", "ops.request-flood", _NIGHT, _awake, Nature.LOOK_ALIKE),
    Scenario("api-latency-baseline", "ops.api-latency-baseline", _NIGHT, _slower),
    Scenario("api-latency-half-more", "ops.api-latency-baseline", _NIGHT, _little_slower, Nature.NEAR_MISS),
    Scenario("api-latency-still-fast", "ops.api-latency-baseline", _NIGHT, _fast, Nature.LOOK_ALIKE),
    Scenario("health-check-failed", "ops.health-check-failed", 20 * MINUTE, _down),
    Scenario("health-checks-apart", "ops.health-check-failed", 20 * MINUTE, _apart, Nature.NEAR_MISS),
    Scenario("health-degraded", "ops.health-check-failed", 20 * MINUTE, _degraded, Nature.LOOK_ALIKE),
)
