"""What the platform is for: trades, value, registrations and payments as figures, and days on which they fall away."""

from __future__ import annotations

import math
from random import Random

from streams.simulate.gauges import DAY, HOUR, MINUTE, Fleet, Gauge, key_of, reading, scenarios
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario

SOURCE = "metric"
_SUBJECT = ("subject",)
GAUGES = (
    Gauge(
        "trade-success-rate", ("trade_success_rate_percent",), (96, 100), 90, (20, 84), 5 * MINUTE, falling=True,
        percent=True, parts=_SUBJECT,
    ),
    Gauge(
        "registration-failures", ("registration_failure_percent",), (1, 10), 20, (30, 100), 15 * MINUTE, percent=True,
        parts=_SUBJECT,
    ),
    Gauge(
        "payment-failures", ("payment_failure_percent", "payment_error_rate_percent"), (0.2, 4), 10, (16, 100),
        10 * MINUTE, percent=True, parts=_SUBJECT,
    ),
)  # fmt: skip
_VOLUME = Gauge("trading-volume-drop", ("trading_volume_usd",), (0, 1), 0, (0, 0), parts=_SUBJECT)
_TVL = Gauge("tvl-drop", ("tvl_usd",), (0, 1), 0, (0, 0), label="pool", values=("eth-usdc", "wbtc-eth"), parts=_SUBJECT)


def _daily(at: int) -> float:
    """How busy people are at that hour, around 1."""
    return 1 + 0.5 * math.sin(2 * math.pi * (at % DAY / DAY - 0.3))


class Business:
    """A dozen markets on ordinary days: volumes with the hour of the day, locked value that drifts, few failures."""

    source = SOURCE
    share = 2

    def __init__(self) -> None:
        self._fleet = Fleet(GAUGES, 12)
        self._turn = 0
        self._locked: dict[int, float] = {}

    def background(self, rng: Random, at: int) -> Event:
        dice = rng.random()
        if dice > 0.3:
            return self._fleet.read(rng, at)
        self._turn += 1
        who = self._turn % 12
        size = 10 ** (4 + who % 4)
        if dice < 0.1:
            value = size * _daily(at) * rng.uniform(0.9, 1.1)
            return reading(_VOLUME, who, round(value, 2), window_s=60)
        locked = self._locked.get(who, 50.0 * size) * rng.uniform(0.9995, 1.0005)
        self._locked[who] = min(max(locked, 45.0 * size), 55.0 * size)
        return reading(_TVL, who, round(locked, 2), at=_TVL.values[who % 2])


def _volume(rng: Random, who: int, begin: int, factor: float, usual: float, days: int = 6) -> Attack:
    """Days of half-hourly volumes with their rhythm, then three hours at ``factor`` of that."""
    first = -(-begin // HOUR) * HOUR - begin  # the rhythm is of whole hours
    count, events = days * 48, []
    for n in range(count + 6):
        at = first + n * 30 * MINUTE
        value = usual * _daily(begin + at) * rng.uniform(0.92, 1.08) * (1 if n < count else factor)
        events.append((at, reading(_VOLUME, who, round(value, 2))))
    events.append((first + (count + 8) * 30 * MINUTE, reading(_VOLUME, who, 1, name="open_orders")))
    return Attack(tenant(who), key_of(_VOLUME, events[0][1]), events, count + 1 if factor < 0.5 else None)


def _halted(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market in which nobody can trade any more, or hardly anybody."""
    return _volume(rng, who, begin, rng.uniform(0.05, 0.4), rng.uniform(20_000, 9_000_000))


def _calm(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two thirds of what is usual: a slow afternoon."""
    return _volume(rng, who, begin, rng.uniform(0.62, 0.8), rng.uniform(20_000, 9_000_000))


def _tiny(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A market that nobody uses stands still."""
    return _volume(rng, who, begin, 0.5, rng.uniform(5, 200))


def _locked(rng: Random, who: int, factors: tuple[float, ...], usual: float, completes: int | None) -> Attack:
    """Three hours of a value that drifts, then half an hour at each factor of it."""
    at = rng.choice(_TVL.values)
    values = [usual * rng.uniform(0.99, 1.01) for _ in range(90)]
    values += [usual * factor * rng.uniform(0.995, 1.005) for factor in factors for _ in range(15)]
    events = [(n * 2 * MINUTE, reading(_TVL, who, round(value, 2), at=at)) for n, value in enumerate(values)]
    return Attack(tenant(who), {"host": events[0][1]["host"], "subject": at}, events, completes)


def _drained(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Value flows out at once, or in steps."""
    factors = rng.choice(((0.3,), (0.7, 0.4), (0.75, 0.6)))
    return _locked(rng, who, factors, rng.uniform(50_000, 9e8), completes=94)


def _dips(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The price falls by a tenth or a bit more, and comes back."""
    return _locked(rng, who, (rng.uniform(0.84, 0.92), 1), rng.uniform(50_000, 9e8), completes=None)


def _inflow(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Value is brought in, and a pool of small change is emptied."""
    factors, usual = rng.choice((((3.0,), 1e6), ((0.1,), 4_000.0)))
    return _locked(rng, who, factors, usual, completes=None)


BACKGROUNDS = (Business,)
SCENARIOS = (
    *(scenario for gauge in GAUGES for scenario in scenarios(gauge)),
    Scenario("trading-volume-drop", "ops.trading-volume-drop", 7 * DAY, _halted),
    Scenario("trading-volume-slow-day", "ops.trading-volume-drop", 7 * DAY, _calm, Nature.NEAR_MISS),
    Scenario("trading-volume-of-nobody", "ops.trading-volume-drop", 7 * DAY, _tiny, Nature.LOOK_ALIKE),
    Scenario("tvl-drop", "ops.tvl-drop", 5 * HOUR, _drained),
    Scenario("tvl-dip", "ops.tvl-drop", 5 * HOUR, _dips, Nature.NEAR_MISS),
    Scenario("tvl-other-ways", "ops.tvl-drop", 5 * HOUR, _inflow, Nature.LOOK_ALIKE),
)
