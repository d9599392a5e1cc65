"""Where and with what people log in, whether they are alive at all, and who wears them down."""

from __future__ import annotations

from random import Random
from typing import Any

from streams.simulate.areas.auth_logins import HOUR, LIKE, MINUTE, MISS, SECOND, login, place, staff
from streams.simulate.people import address, foreign_address, tenant
from streams.simulate.scene import Attack, Event, Scenario, spread

SOURCE = "audit"
DAY = 24 * HOUR


def _flight(who: int, hours: float, to: int, **more: Any) -> list[tuple[int, Event]]:
    """A login in Berlin, and after so many hours one in another of the cities."""
    return [
        (0, login(who, "success", address(who), geo=place(who, 0))),
        (int(hours * HOUR), login(who, "success", foreign_address(who), geo=place(who, to), **more)),
    ]


def _teleported(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A session goes on at home while a stranger logs in on another continent."""
    events = _flight(who, rng.uniform(0.2, 0.9) * span / HOUR, rng.choice((4, 5, 6, 8, 9)))
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=1)


def _flew(rng: Random, who: int, begin: int, span: int) -> Attack:
    """From Berlin to New York in just over seven hours: 895 km/h at most."""
    return Attack(tenant(who), {"actor": staff(who)}, _flight(who, rng.uniform(7.14, 7.6), 4), completes=None)


def _by_train(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Berlin and Munich, at once: two exits of one company, less than 510 km apart, both again and again."""
    at = spread(rng, 8, span)
    events = [
        (t, login(who, "success", f"192.0.2.{n % 2}", geo={"country": "DE", "lat": 52.52 - 2.4 * (n % 2), "lon": 13.4}))
        for n, t in enumerate(at)
    ]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _prompt(who: int, outcome: str) -> Event:
    return {**login(who, outcome, foreign_address(who)), "type": "mfa", "action": "mfa_push"}


def _worn_down(rng: Random, who: int, begin: int, span: int) -> Attack:
    refusals = rng.randrange(5, 12)
    at = spread(rng, refusals + 1, span)
    events = [(t, _prompt(who, rng.choice(("denied", "timeout")))) for t in at[:-1]] + [
        (at[-1], _prompt(who, "success"))
    ]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=refusals)


def _bombed(rng: Random, who: int, begin: int, span: int) -> Attack:
    attack = _worn_down(rng, who, begin, span)
    return Attack(attack.tenant, attack.key, attack.events[: -1 if rng.random() < 0.5 else None], completes=4)


def _slow_phone(rng: Random, who: int, begin: int, span: int) -> Attack:
    events = [(t, _prompt(who, "timeout")) for t in spread(rng, 4, span)]
    return Attack(tenant(who), {"actor": staff(who)}, [*events, (span, _prompt(who, "success"))], completes=None)


def _many_prompts(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody who has to confirm everything, and does."""
    events = [(t, _prompt(who, "success")) for t in spread(rng, 15, span)]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _woken(rng: Random, who: int, begin: int, span: int) -> Attack:
    silence = rng.randrange(90 * DAY, span)
    events = [(0, login(who, "success", address(who))), (silence, login(who, "success", foreign_address(who)))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=1)


def _back_in_time(rng: Random, who: int, begin: int, span: int) -> Attack:
    silence = 90 * DAY - rng.randrange(1, DAY)
    events = [(0, login(who, "success", address(who))), (silence, login(who, "success", address(who)))]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _monthly(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A job that runs once a month, for long."""
    events = [(n * 30 * DAY, login(who, "success", address(who))) for n in range(4)]
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _working(who: int, days: int) -> list[tuple[int, Event]]:
    """A login a day, all alike."""
    return [
        (n * DAY, login(who, "success", address(who), geo=place(who, 0), device_id=f"d-{who}")) for n in range(days)
    ]


def _foreign(who: int, city: int) -> Event:
    return login(who, "success", foreign_address(who), geo=place(who, city), device_id=f"x-{who}")


def _stranger(days: int) -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        """After days of work, a login from elsewhere, by another device."""
        before = _working(who, days)
        events = [*before, (before[-1][0] + rng.randrange(12, 20) * HOUR, _foreign(who, rng.choice((2, 3, 4, 6))))]
        return Attack(tenant(who), {"actor": staff(who)}, events, completes=days)

    return plan


def _too_early(days: int) -> Any:
    def plan(rng: Random, who: int, begin: int, span: int) -> Attack:
        """The same while the usual is still being learned."""
        before = _working(who, days)
        events = [*before, (before[-1][0] + rng.randrange(6, 12) * HOUR, _foreign(who, 4))]
        return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)

    return plan


def _two_homes(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Somebody who works here and there, with two devices, from the beginning."""
    here, there = _working(who, 18), _foreign(who, 2)
    away = [(n * DAY + rng.randrange(8, 14) * HOUR, there) for n in range(0, 18, 3)]
    events = sorted([*here, *away], key=lambda one: one[0])
    return Attack(tenant(who), {"actor": staff(who)}, events, completes=None)


def _seen_first(what: str, days: int) -> tuple[Scenario, ...]:
    rule = f"first-seen-{what}"
    return (
        Scenario(rule, f"audit.{rule}", (days + 2) * DAY, _stranger(days)),
        Scenario(f"{rule}-miss", f"audit.{rule}", (days + 2) * DAY, _too_early(days - 2), MISS),
        Scenario(f"{rule}-two-homes", f"audit.{rule}", 19 * DAY, _two_homes, LIKE),
    )


BACKGROUNDS = ()
SCENARIOS = (
    Scenario("impossible-travel", "audit.impossible-travel", 3 * HOUR, _teleported),
    Scenario("impossible-travel-flight", "audit.impossible-travel", 8 * HOUR, _flew, MISS),
    Scenario("impossible-travel-two-exits", "audit.impossible-travel", HOUR, _by_train, LIKE),
    Scenario("mfa-fatigue", "audit.mfa-fatigue", 5 * MINUTE, _bombed),
    Scenario("mfa-fatigue-slow-phone", "audit.mfa-fatigue", 5 * MINUTE, _slow_phone, MISS),
    Scenario("mfa-fatigue-many-prompts", "audit.mfa-fatigue", 5 * MINUTE, _many_prompts, LIKE),
    Scenario("mfa-fatigue-accepted", "audit.mfa-fatigue-accepted", 5 * MINUTE, _worn_down),
    Scenario("mfa-fatigue-accepted-slow-phone", "audit.mfa-fatigue-accepted", 90 * SECOND, _slow_phone, MISS),
    Scenario("mfa-fatigue-accepted-many-prompts", "audit.mfa-fatigue-accepted", 5 * MINUTE, _many_prompts, LIKE),
    Scenario("dormant-account", "audit.dormant-account", 100 * DAY, _woken),
    Scenario("dormant-account-miss", "audit.dormant-account", 90 * DAY, _back_in_time, MISS),
    Scenario("dormant-account-monthly", "audit.dormant-account", 90 * DAY, _monthly, LIKE),
    *_seen_first("country", 8),
    *_seen_first("device", 15),
    *_seen_first("asn", 15),
)
