"""People who log in, from offices and from home, mistype and get in at last; and those who guess their passwords."""

from __future__ import annotations

import heapq
from random import Random
from typing import Any

from streams.simulate.people import Pace, address, busy, foreign_address, name, tenant
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "audit"
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
#: (country, latitude, longitude, autonomous system of the usual provider)
CITIES = (
    ("DE", 52.52, 13.4, 64496), ("DE", 48.14, 11.58, 64497), ("FR", 48.86, 2.35, 64498), ("GB", 51.51, -0.13, 64499),
    ("US", 40.71, -74.01, 64500), ("US", 37.77, -122.42, 64501), ("JP", 35.68, 139.69, 64502),
    ("IN", 19.08, 72.88, 64503), ("BR", -23.55, -46.63, 64504), ("AU", -33.87, 151.21, 64505),
)  # fmt: skip
_SERVICES = ("sso", "mail", "wiki", "erp", "vpn")


def staff(who: int) -> str:
    """The name a member logs in with."""
    return f"{name(who)}@example.org"


def place(who: int, city: int | None = None) -> dict[str, Any]:
    """Where the addresses of a member's provider are; of another city where one is given."""
    country, latitude, longitude, asn = CITIES[(who // 8 if city is None else city) % len(CITIES)]
    return {"country": country, "lat": latitude, "lon": longitude, "asn": asn}


def login(who: int, outcome: str, ip: str, **more: Any) -> Event:
    """A login of member ``who``."""
    return {
        "tenant": tenant(who), "source": "audit", "type": "authentication", "actor": staff(who), "action": "login",
        "outcome": outcome, "source_ip": ip, "resource": _SERVICES[who % len(_SERVICES)], **more,
    }  # fmt: skip


def office(who: int) -> str:
    """The one public address that a member's office has; some fifty people of a tenant share it, some of them busy."""
    return f"203.0.113.{who // 8 % 120}"


class Logins:
    """Logins of a working day: most at once, some at the second or fourth try, few with a factor that is slow.

    People mistype in the order of minutes apart, and in one office never all together.
    """

    source = SOURCE
    share = 12

    def __init__(self) -> None:
        self._coming: list[tuple[int, int, Event]] = []
        self._number = 0
        self._mistypes, self._offices = Pace(15 * MINUTE), Pace(2 * MINUTE)
        self._guests = 0

    def background(self, rng: Random, at: int) -> Event:
        if self._coming and self._coming[0][0] <= at:
            return heapq.heappop(self._coming)[2]
        who, dice = busy(rng), rng.random()
        at_office = rng.random() < 0.6
        ip = office(who) if at_office else address(who)
        known: dict[str, Any] = {"geo": place(who), "device_id": f"d-{who}"}
        if (
            dice < 0.08
            and self._mistypes.allows(who, at)
            and (not at_office or self._offices.allows(who // 8 % 120, at))
        ):
            tries = 1 + min(3, int(rng.expovariate(1.2)))
            for n in range(1, tries):
                self._later(at + n * rng.randrange(3, 20) * SECOND, login(who, "failure", ip, **known))
            self._later(at + tries * 21 * SECOND, login(who, "success", ip, **known))
            return login(who, "failure", ip, **known)
        if dice < 0.22:
            outcome = "timeout" if rng.random() < 0.02 and self._mistypes.allows(who, at) else "success"
            return {**login(who, outcome, ip, **known), "action": "mfa_push", "type": "mfa"}
        if dice < 0.32:
            return login(who, "success", f"10.200.0.{who % 250}", method="publickey", repeat=1)
        if dice < 0.34:  # what knocks at every host of the internet: a name or two, never seen again
            self._guests += 1
            stranger = f"100.{64 + self._guests // 65_536 % 64}.{self._guests // 256 % 256}.{self._guests % 256}"
            return {**login(who, "failure", stranger, method="password", repeat=1), "actor": f"guest{self._guests}"}
        return login(who, "success", ip, **known)

    def _later(self, at: int, event: Event) -> None:
        self._number += 1
        heapq.heappush(self._coming, (at, self._number, event))


def _guessed(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody guesses until it fits; often the victim works on in between, from elsewhere."""
    ip, tries = foreign_address(who), rng.randrange(5, 30)
    at = spread(rng, tries + 1, span)
    events = [(t, login(who, "failure", ip)) for t in at[:-1]] + [(at[-1], login(who, "success", ip))]
    last = events[-1]
    if rng.random() < 0.5:
        own = {**login(who, "success", address(who)), "action": "refresh"}
        events.append((span * 2 // 3, own))
        events.sort(key=lambda one: one[0])
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=events.index(last))


def _mistyped(rng: Random, who: int, begin: int, span: int) -> Attack:
    ip = address(who)
    at = spread(rng, 5, span)
    events = [(t, login(who, "failure", ip)) for t in at[:4]] + [(at[4], login(who, "success", ip))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _owner_meanwhile(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody guesses in vain, and the owner logs in from where the owner is."""
    at = spread(rng, 20, span)
    events = [(t, login(who, "failure", foreign_address(who))) for t in at]
    events.append((at[-1] + 1, login(who, "success", address(who))))
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _many(who: int, count: int) -> list[int]:
    """So many victims of one tenant, of this attack alone."""
    return [who * 512 * 8 + who % 8 + 8 * n for n in range(count)]


def _spray(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One address, many accounts, one or two tries each; now and then one fits."""
    ip, count = foreign_address(who), rng.randrange(18, 60)
    tries = [victim for victim in _many(who, count) for _ in range(1 + (rng.random() < 0.3))]
    events = [(t, login(v, "failure", ip)) for t, v in zip(spread(rng, len(tries), span), tries, strict=True)]
    completes = [victim for _, victim in enumerate(dict.fromkeys(tries))][14]
    return Attack(tenant(who), {"source_ip": ip}, events, completes=tries.index(completes))


def _short_spray(rng: Random, who: int, begin: int, span: int) -> Attack:
    ip = foreign_address(who)
    events = [(t, login(v, "failure", ip)) for t, v in zip(spread(rng, 14, span), _many(who, 14), strict=True)]
    return Attack(tenant(who), {"source_ip": ip}, events, completes=None)


def _office_monday(rng: Random, who: int, begin: int, span: int) -> Attack:
    """An office behind one address: many mistype, and get in at last; most get in at once."""
    ip, events = foreign_address(who), []
    for victim in _many(who, 80):
        t = rng.randrange(span - MINUTE)
        if rng.random() < 0.3:
            events.append((t, login(victim, "failure", ip)))
        events.append((t + 20 * SECOND, login(victim, "success", ip)))
    events.sort(key=lambda one: one[0])
    return Attack(tenant(who), {"source_ip": ip}, events, completes=None)


def _asn_spray(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Many addresses of one provider, each of them used for two accounts."""
    count, asn = rng.randrange(32, 60), 4_200_000_000 + who % 90_000_000
    events = [
        (t, login(v, "failure", f"198.51.100.{n // 2}", geo={"asn": asn}))
        for n, (t, v) in enumerate(zip(spread(rng, count, span), _many(who, count), strict=True))
    ]
    return Attack(tenant(who), {"asn": asn}, events, completes=29)


def _asn_short(rng: Random, who: int, begin: int, span: int) -> Attack:
    attack = _asn_spray(rng, who, begin, span)
    return Attack(attack.tenant, attack.key, attack.events[:29], completes=None)


def _asn_customers(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The customers of a provider: forty fail and give up for now, many more get in."""
    asn = 4_200_000_000 + who % 90_000_000
    events = [
        (t, login(v, "failure" if n % 3 == 2 else "success", f"198.51.100.{n}", geo={"asn": asn}))
        for n, (t, v) in enumerate(zip(spread(rng, 120, span), _many(who, 120), strict=True))
    ]
    return Attack(tenant(who), {"asn": asn}, events, completes=None)


def _credentials_stuffed(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A list of stolen passwords is tried, and one of them fits."""
    ip, count = foreign_address(who), rng.randrange(10, 14)
    victims = _many(who, count + 1)
    at = spread(rng, count + 1, span)
    events = [(t, login(v, "failure", ip)) for t, v in zip(at, victims[:-1], strict=False)]
    events.append((at[-1], login(victims[-1], "success", ip)))
    return Attack(tenant(who), {"source_ip": ip}, events, completes=count)


def _stuffed_short(rng: Random, who: int, begin: int, span: int) -> Attack:
    ip, victims, at = foreign_address(who), _many(who, 10), spread(rng, 10, span)
    events = [(t, login(v, "failure", ip)) for t, v in zip(at, victims[:9], strict=False)]
    events.append((at[-1], login(victims[-1], "success", ip)))
    return Attack(tenant(who), {"source_ip": ip}, events, completes=None)


def _distributed(rng: Random, who: int, begin: int, span: int) -> Attack:
    count = rng.randrange(10, 18)
    events = [(t, login(who, "failure", f"198.51.100.{n}")) for n, t in enumerate(spread(rng, count, span))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=9)


def _nine_addresses(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, login(who, "failure", f"198.51.100.{n % 9}")) for n, t in enumerate(spread(rng, 14, span))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _on_the_road(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A telephone that gets another address with every cell, and gets in."""
    events = [(t, login(who, "success", f"198.51.100.{n}")) for n, t in enumerate(spread(rng, 20, span))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


BACKGROUNDS = (Logins,)
MISS, LIKE = Nature.NEAR_MISS, Nature.LOOK_ALIKE
SCENARIOS = (
    Scenario("brute-force-success", "audit.brute-force-success", 4 * MINUTE, _guessed),
    Scenario("brute-force-success-miss", "audit.brute-force-success", 2 * MINUTE, _mistyped, MISS),
    Scenario("brute-force-success-owner", "audit.brute-force-success", 3 * MINUTE, _owner_meanwhile, LIKE),
    Scenario("brute-force-success-by-ip", "audit.brute-force-success-by-ip", 4 * MINUTE, _credentials_stuffed),
    Scenario("brute-force-success-by-ip-miss", "audit.brute-force-success-by-ip", 4 * MINUTE, _stuffed_short, MISS),
    Scenario("brute-force-success-by-ip-office", "audit.brute-force-success-by-ip", 9 * MINUTE, _office_monday, LIKE),
    Scenario("password-spray", "audit.password-spray", 40 * MINUTE, _spray),
    Scenario("password-spray-miss", "audit.password-spray", 40 * MINUTE, _short_spray, MISS),
    Scenario("password-spray-office", "audit.password-spray", 30 * MINUTE, _office_monday, LIKE),
    Scenario("password-spray-by-asn", "audit.password-spray-by-asn", 40 * MINUTE, _asn_spray),
    Scenario("password-spray-by-asn-miss", "audit.password-spray-by-asn", 40 * MINUTE, _asn_short, MISS),
    Scenario("password-spray-by-asn-customers", "audit.password-spray-by-asn", 40 * MINUTE, _asn_customers, LIKE),
    Scenario("distributed-brute-force", "audit.distributed-brute-force", 40 * MINUTE, _distributed),
    Scenario("distributed-brute-force-miss", "audit.distributed-brute-force", 40 * MINUTE, _nine_addresses, MISS),
    Scenario("distributed-brute-force-road", "audit.distributed-brute-force", 40 * MINUTE, _on_the_road, LIKE),
)
