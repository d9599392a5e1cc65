"""Audit traffic: people at work, and five ways to misbehave."""

from __future__ import annotations

from random import Random

from streams.simulate.people import Pace, address, busy, foreign_address, name, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0 (enterprise build 20240611)",
)
_REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2")
_TABLES = ("patients", "invoices", "orders", "accounts", "contracts", "employees")
#: Work that no rule looks at: (type, action).
_WORK = (
    ("ui", "view"), ("ui", "search"), ("session", "refresh"), ("ui", "navigate"), ("config", "list"),
    ("session", "heartbeat"),
)  # fmt: skip


def _event(
    rng: Random, who: int, type_: str, action: str, outcome: str, resource: str, source_ip: str | None = None
) -> Event:
    return {
        "tenant": tenant(who),
        "source": "audit",
        "type": type_,
        "actor": name(who),
        "source_ip": source_ip or address(who),
        "action": action,
        "outcome": outcome,
        "resource": resource,
        "session": f"s-{rng.getrandbits(48):012x}",
        "region": _REGIONS[who % 4],
        "user_agent": _BROWSERS[who % 3],
        "latency_ms": rng.randrange(2, 400),
    }


class Audit:
    """Background: mostly work no rule looks at; what rules count is rationed for each actor."""

    source = "audit"
    share = 60
    partition_by = ("tenant", "actor")

    def __init__(self) -> None:
        self.scenarios = SCENARIOS
        self._failures = Pace(5 * MINUTE)
        self._denials = Pace(6 * MINUTE)
        self._reads = Pace(10 * SECOND)
        self._bulk = Pace(30 * SECOND)

    def background(self, rng: Random, at: int) -> Event:
        who, dice = busy(rng), rng.random()
        table = _TABLES[who % 6]
        if dice < 0.08:
            return _event(rng, who, "authentication", "login", "success", "console")
        if dice < 0.10 and self._failures.allows(who, at):
            return _event(rng, who, "authentication", "login", "failure", "console")
        if dice < 0.105 and self._denials.allows(who, at):
            return _event(rng, who, "authorization", "access", "denied", f"table/{table}")
        if dice < 0.25 and self._reads.allows(who, at):
            return _event(rng, who, "data", "read", "success", f"table/{table}/{rng.randrange(1_000_000)}")
        if dice < 0.27 and self._bulk.allows(who, at):
            return _event(rng, who, "data", "bulk_update", "success", f"table/{table}")
        type_, action = _WORK[int(dice * 997) % len(_WORK)]
        return _event(rng, who, type_, action, "success", f"page/{table}")


def _burst(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody tries passwords for one account, from one address."""
    at = spread(rng, 5 + rng.randrange(4), span)
    ip = foreign_address(who)
    events = [(t, _event(rng, who, "authentication", "login", "failure", "console", ip)) for t in at]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=4)


def _by_address(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One address tries one password for many accounts: no account fails often enough to be seen by itself."""
    ip, tries = foreign_address(who), 24
    victims = [who + 8 * (1_000_000 + n) for n in range(tries)]  # of one tenant
    at = spread(rng, tries, span)
    events = [
        (t, _event(rng, victim, "authentication", "login", "failure", "console", ip))
        for t, victim in zip(at, victims, strict=True)
    ]
    return Attack(tenant(who), {"source_ip": ip}, events, completes=19)


def _probing(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody tries doors that are locked."""
    at = spread(rng, 3 + rng.randrange(3), span)
    events = [(t, _event(rng, who, "authorization", "access", "denied", f"table/{rng.choice(_TABLES)}")) for t in at]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=2)


def _harvest(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody reads record after record."""
    at = spread(rng, 104 + rng.randrange(8), span)
    events = [(t, _event(rng, who, "data", "read", "success", f"table/patients/{n}")) for n, t in enumerate(at)]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=99)


def _wipe(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody deletes in bulk."""
    at = spread(rng, 52 + rng.randrange(6), span)
    events = [(t, _event(rng, who, "data", "bulk_delete", "success", f"table/orders/{n}")) for n, t in enumerate(at)]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=49)


def _night(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody exports data when nobody should be at work."""
    events = [(0, _event(rng, who, "data", "export", "success", "table/contracts"))]
    return Attack(tenant(who), {"actor": name(who)}, events, completes=0)


def _off_hours(at: int) -> bool:
    hour = at % (24 * HOUR) // HOUR
    return hour >= 18 or hour < 8


SCENARIOS = (
    Scenario("failed-login-burst", "audit.failed-login-burst", 2 * MINUTE, _burst),
    Scenario("failed-logins-by-ip", "audit.failed-logins-by-ip", 2 * MINUTE, _by_address),
    Scenario("unauthorized-access", "audit.unauthorized-access", 2 * MINUTE, _probing),
    Scenario("data-access-velocity", "audit.data-access-velocity", 4 * MINUTE, _harvest),
    Scenario("bulk-operation", "audit.bulk-operation", 3 * MINUTE, _wipe),
    Scenario("off-hours", "audit.off-hours", 1, _night, possible=_off_hours),
)
