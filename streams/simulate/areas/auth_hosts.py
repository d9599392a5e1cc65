"""Failed logins on hosts whose syslog folds lines that are alike into one."""

from __future__ import annotations

from random import Random

from streams.simulate.areas.auth_logins import LIKE, MINUTE, MISS, login, staff
from streams.simulate.people import address, foreign_address, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

SOURCE = "audit"


def _line(who: int, ip: str, repeat: int) -> Event:
    return login(who, "failure", ip, type="ssh.failed", method="password", repeat=repeat)


def _connections(rng: Random, who: int, count: int, repeat: int, span: int) -> list[tuple[int, Event]]:
    """So many connections, each of which fails once, and then ``repeat`` times in one line."""
    ip, events = foreign_address(who), []
    for t in spread(rng, count, span):
        events += [(t, _line(who, ip, 1)), (t + 800, _line(who, ip, repeat))]
    return events


def _burst(rng: Random, who: int, begin: int, span: int) -> Attack:
    repeat = rng.randrange(4, 6)
    return Attack(tenant(who), {"actor": staff(who)}, _connections(rng, who, rng.randrange(1, 5), repeat, span), 1)


def _four_attempts(rng: Random, who: int, begin: int, span: int) -> Attack:
    return Attack(tenant(who), {"actor": staff(who)}, _connections(rng, who, 1, 3, span), None)


def _by_address(rng: Random, who: int, begin: int, span: int) -> Attack:
    return Attack(tenant(who), {"source_ip": foreign_address(who)}, _connections(rng, who, 6, 5, span), 7)


def _by_address_short(rng: Random, who: int, begin: int, span: int) -> Attack:
    return Attack(tenant(who), {"source_ip": foreign_address(who)}, _connections(rng, who, 3, 6, span), None)


def _single_lines(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A job with an old password, whose lines are too far apart to be folded."""
    events = [(t, _line(who, address(who), 1)) for t in spread(rng, 20, span)]
    return Attack(tenant(who), {"actor": staff(who)}, events, None)


BACKGROUNDS = ()
_ONE, _ALL = "audit.failed-login-burst-folded", "audit.failed-logins-by-ip-folded"
SCENARIOS = (
    Scenario("failed-login-burst-folded", _ONE, 4 * MINUTE, _burst),
    Scenario("failed-login-burst-folded-miss", _ONE, 4 * MINUTE, _four_attempts, MISS),
    Scenario("failed-login-burst-folded-job", _ONE, 60 * MINUTE, _single_lines, LIKE),
    Scenario("failed-logins-by-ip-folded", _ALL, 4 * MINUTE, _by_address),
    Scenario("failed-logins-by-ip-folded-miss", _ALL, 4 * MINUTE, _by_address_short, MISS),
    Scenario("failed-logins-by-ip-folded-job", _ALL, 60 * MINUTE, _single_lines, LIKE),
)
