"""What people and programs do that an audit log records, for the areas that simulate it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from streams.simulate.people import address, name, tenant
from streams.simulate.scene import Attack, Event, Nature, Plan, Scenario, spread

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
#: Whom the backgrounds of these areas are about: members that no other area, and no attack, has.
_CROWD = 6_000_000

Make = Callable[[Random, int, int], Event]  #: of chance, the actor's number, and the number of the event


def crowd(rng: Random, area: int, size: int) -> int:
    """A member of one of ten crowds; the n-th is about 1/n as busy as the first."""
    return _CROWD + area * 100_000 + int((size + 1) ** rng.random()) - 1


def deed(who: int, action: str, outcome: str = "success", *, kind: str = "data", **more: Any) -> Event:
    """An event of an application's own log."""
    return {
        "tenant": tenant(who), "source": "audit", "type": kind, "actor": name(who), "source_ip": address(who),
        "action": action, "outcome": outcome, **more,
    }  # fmt: skip


def call(who: int, action: str, outcome: str = "success", *, identity: str = "IAMUser", **more: Any) -> Event:
    """A call of a cloud's interface, as it is after the mapping."""
    user = {"type": identity, "arn": f"arn:aws:iam::1:{identity}/{name(who)}"}
    return deed(who, action, outcome, kind=action, userIdentity=user, **more)


def at_night(at: int) -> bool:
    """Whether the fixed hours of shipped rules are over, UTC."""
    return not 8 <= at % DAY // HOUR < 18


class Ration:
    """Lets everybody do a thing up to ``most`` times in ``window`` ms, in bursts if they like."""

    def __init__(self, most: int, window: int) -> None:
        self._most, self._window = most, window
        self._times: dict[int, deque[int]] = {}

    def allows(self, who: int, at: int) -> bool:
        times = self._times.setdefault(who, deque())
        while times and times[0] <= at - self._window:
            times.popleft()
        if len(times) >= self._most:
            return False
        times.append(at)
        return True


def one(who: int, events: list[tuple[int, Event]], completes: int | None, **key: Any) -> Attack:
    """An attack of one actor, whose name is the key unless another is given."""
    return Attack(tenant(who), key or {"actor": name(who)}, events, completes)


def amid(rng: Random, events: list[tuple[int, Event]], others: list[Event]) -> list[int]:
    """Puts ordinary events among those that count, in place; gives where these stand then."""
    counted = {id(event) for _, event in events}
    span = events[-1][0] + 1
    events += [(rng.randrange(span), event) for event in others]
    events.sort(key=lambda pair: pair[0])
    return [place for place, (_, event) in enumerate(events) if id(event) in counted]


def bursts(stem: str, make: Make, limit: int, window: int, ordinary: Make | None = None) -> tuple[Scenario, Scenario]:
    """For a rule that counts to ``limit`` in ``window``: an attack in any tempo, and one that stays just below.

    The near miss is one event less, with another when the first has just left the window; or the whole number, spread
    so that no window holds it.
    """

    def too_many(rng: Random, who: int, begin: int, span: int) -> Attack:
        length = int(window * rng.choice((0.05, 0.4, 0.95)))
        times = spread(rng, limit + rng.randrange(limit // 3 + 2), length)
        events = [(t, make(rng, who, n)) for n, t in enumerate(times)]
        others = [ordinary(rng, who, n) for n in range(rng.randrange(6))] if ordinary else []
        return one(who, events, amid(rng, events, others)[limit - 1])

    def just_short(rng: Random, who: int, begin: int, span: int) -> Attack:
        if rng.random() < 0.5:
            times = [*spread(rng, limit - 1, window), window]
        else:
            times = [n * (window // (limit - 1) + 1) for n in range(limit)]
        return one(who, [(t, make(rng, who, n)) for n, t in enumerate(times)], None)

    rule = f"audit.{stem}"
    return (
        Scenario(stem + "-burst", rule, window, too_many),
        Scenario(stem + "-short", rule, 2 * window, just_short, Nature.NEAR_MISS),
    )


def single(stem: str, attack: Make, near: Make, alike: Make) -> tuple[Scenario, Scenario, Scenario]:
    """For a rule that looks at single events: one that it is about, one that just is not, one that only resembles it.

    Each comes among up to three others of the look-alike's sort by the same actor.
    """

    def plan(make: Make, fires: bool) -> Plan:
        def played(rng: Random, who: int, begin: int, span: int) -> Attack:
            events = [(rng.randrange(10 * MINUTE), make(rng, who, 0))]
            others = [alike(rng, who, n + 1) for n in range(rng.randrange(4))]
            places = amid(rng, events, others)
            return one(who, events, places[0] if fires else None)

        return played

    rule = f"audit.{stem}"
    return (
        Scenario(stem + "-done", rule, 10 * MINUTE, plan(attack, fires=True)),
        Scenario(stem + "-almost", rule, 10 * MINUTE, plan(near, fires=False), Nature.NEAR_MISS),
        Scenario(stem + "-alike", rule, 10 * MINUTE, plan(alike, fires=False), Nature.LOOK_ALIKE),
    )


def refused(make: Make, outcome: str = "denied") -> Make:
    """The same, tried and not allowed."""
    return lambda rng, who, n: {**make(rng, who, n), "outcome": outcome}


def look_alike(stem: str, span: int, events: Callable[[Random, int], list[tuple[int, Event]]]) -> Scenario:
    """Harmless behaviour of one actor that resembles what the rule is about."""

    def played(rng: Random, who: int, begin: int, span: int) -> Attack:
        return one(who, events(rng, who), None)

    return Scenario(stem + "-alike", f"audit.{stem}", span, played, Nature.LOOK_ALIKE)
