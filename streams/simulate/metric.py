"""Metrics of hosts: load, memory, certificates, errors; and three ways for a host to be in trouble."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.people import busy, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

MINUTE = 60_000
_GAUGES = ("memory_percent", "disk_percent", "event_pool_size", "block_finalization_ms", "network_mbps")
_SERVICES = ("api", "ledger", "matching", "gateway", "indexer")
_ERRORS = ("database connection pool exhausted", "out of memory", "disk write failed", "cannot load signing key")


def _event(rng: Random, who: int, name: str, value: float, type_: str = "metric", **more: Any) -> Event:
    service = _SERVICES[who % len(_SERVICES)]
    return {
        "tenant": tenant(who),
        "source": "metric",
        "type": type_,
        "name": name,
        "value": value,
        "host": f"{service}-{who:05d}.internal.example",
        "service": service,
        "unit": "percent" if name.endswith("percent") else "1",
        "labels": {"zone": f"zone-{who % 3}", "release": "2024.11.2", "rack": f"r{who % 40:02d}", "env": "production"},
        "agent": "collector/1.14.2 (linux; amd64)",
        "interval_s": 15,
        "sample": rng.getrandbits(40),
        **more,
    }


class Metric:
    """Background: hosts with work to do, none of them near a limit."""

    source = "metric"
    share = 10
    partition_by = ("tenant", "host")

    def __init__(self) -> None:
        self.scenarios = SCENARIOS

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        if dice < 0.4:
            return _event(rng, who, "cpu_percent", round(rng.uniform(3, 50), 1))
        if dice < 0.45:
            return _event(rng, who, "certificate_days_left", rng.randrange(60, 365))
        return _event(rng, who, rng.choice(_GAUGES), round(rng.uniform(1, 50), 1))


def _overload(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A host's load climbs, and with it the average of all its samples: 41, 49.5, 59.3, 67.8, …"""
    loads = (41.0, 58.0, 79.0, 93.0, 96.4, 98.8, 99.2)
    events = [(t, _event(rng, who, "cpu_percent", load)) for t, load in zip(spread(rng, 7, span), loads, strict=True)]
    return Attack(tenant(who), {"host": events[0][1]["host"]}, events, completes=3)


def _expiry(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A certificate is about to expire, and nobody renews it."""
    days = (31, 30, 12, 6)
    events = [
        (t, _event(rng, who, "certificate_days_left", left)) for t, left in zip(spread(rng, 4, span), days, strict=True)
    ]
    return Attack(tenant(who), {"host": events[0][1]["host"]}, events, completes=1)


def _breaks(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A service reports an error it cannot recover from."""
    event = _event(rng, who, "system_error", 1, "system.error", error=rng.choice(_ERRORS), component="storage")
    return Attack(tenant(who), {"host": event["host"]}, [(0, event)], completes=0)


SCENARIOS = (
    Scenario("cpu-overload", "ops.cpu", 2 * MINUTE, _overload),
    Scenario("certificate-expiry", "ops.certificate-expiry", 2 * MINUTE, _expiry),
    Scenario("system-error", "ops.system-error", 1, _breaks),
)
