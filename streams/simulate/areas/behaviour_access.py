"""Who reads what: people at work with favourites and mistakes, programs that fetch, and those who collect."""

from __future__ import annotations

from random import Random

from streams.simulate.deeds import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Ration,
    at_night,
    bursts,
    call,
    crowd,
    deed,
    look_alike,
    one,
)
from streams.simulate.scene import Attack, Event, Nature, Scenario, spread

SOURCE = "audit"
_TABLES = ("patients", "invoices", "orders", "contracts", "employees", "claims")
_READS = ("read", "view", "query", "search", "get")


def _read(rng: Random, who: int, n: int) -> Event:
    return deed(who, rng.choice(_READS[:2]), resource=f"{_TABLES[who % 6]}/{n}", bytes=int(rng.lognormvariate(9, 2)))


def _again(rng: Random, who: int, n: int) -> Event:
    """A look at one of the few things that somebody works on."""
    return deed(who, rng.choice(_READS), resource=f"{_TABLES[who % 6]}/{who % 977}-{int(40 * rng.random() ** 2)}")


def _refused(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.3:
        return call(who, "GetObject", "denied", resource=f"bucket-{n}/x", errorCode="AccessDenied")
    return deed(who, "access", "denied", kind="authorization", resource=f"share/{n}")


class Readers:
    """Desks that read in bursts, also at night, people who mistake a door, and roles that fetch all day."""

    source = SOURCE
    share = 8

    def __init__(self) -> None:
        self._reads, self._refusals = Ration(90, 10 * MINUTE), Ration(2, 10 * MINUTE)
        self._logins = Ration(3, HOUR)

    def background(self, rng: Random, at: int) -> Event:
        who, dice = crowd(rng, 0, 20_000), rng.random()
        if dice < 0.5 and self._reads.allows(who, at):
            return _again(rng, who, 0)
        if dice < 0.52 and self._refusals.allows(who, at):
            return deed(who, "access", "denied", kind="authorization", resource=f"share/{rng.randrange(9)}")
        if dice < 0.55 and self._logins.allows(who, at):
            return deed(who, "login", kind="authentication")
        if dice < 0.62 and self._reads.allows(who, at):
            return deed(
                who, "open", kind="file", resource=f"home/{who}/{rng.randrange(150)}", bytes=rng.randrange(10**6)
            )
        if dice < 0.85:  # a program: thousands of different objects an hour
            role = crowd(rng, 1, 12)
            return call(role, "GetObject", identity="AssumedRole", resource=f"media/{rng.getrandbits(32)}")
        return deed(who, "update", resource=f"{_TABLES[who % 6]}/{rng.randrange(1_000)}")


def _search(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Door after door, some of them twice."""
    count = 8 + rng.randrange(5)
    times = spread(rng, count, int(14 * MINUTE * rng.choice((0.1, 0.9))))
    events = [(t, _refused(rng, who, n)) for n, t in enumerate(times)]
    names = [event["resource"] for _, event in events]
    return one(who, events, next(n for n in range(count) if len(set(names[: n + 1])) == 8))


def _few_doors(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Seven different ones, and the eighth when the first has left the window."""
    doors = [deed(who, "access", "denied", kind="authorization", resource=f"share/{n}") for n in range(8)]
    times = [0, *sorted(rng.randrange(1, 15 * MINUTE) for _ in range(6)), 15 * MINUTE]
    return one(who, list(zip(times, doors, strict=True)), None)


def _same_door(rng: Random, who: int) -> list[tuple[int, Event]]:
    times = spread(rng, 60, 10 * MINUTE)
    return [
        (t, deed(who, "access", "denied", kind="authorization", resource=f"share/{n % 3}")) for n, t in enumerate(times)
    ]


def _collects(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Every record once, and some again."""
    count = 250 + rng.randrange(30)
    in_cloud = rng.random() < 0.5
    times = spread(rng, count, int(58 * MINUTE * rng.choice((0.3, 1))))
    events = [call(who, "GetObject", resource=f"vault/{n}") if in_cloud else _read(rng, who, n) for n in range(count)]
    return one(who, list(zip(times, events, strict=True)), 249)


def _collects_less(rng: Random, who: int, begin: int, span: int) -> Attack:
    times = [*spread(rng, 249, HOUR), HOUR]
    return one(who, [(t, call(who, "GetObject", resource=f"vault/{n}")) for n, t in enumerate(times)], None)


def _program(rng: Random, who: int) -> list[tuple[int, Event]]:
    times = spread(rng, 400, HOUR)
    return [(t, call(who, "GetObject", identity="AssumedRole", resource=f"m/{n}")) for n, t in enumerate(times)]


def _days(rng: Random, who: int, usual: int, last: int, begin: int) -> list[tuple[int, Event]]:
    """A week of one hour's reading each day, the same number each time, and then the last day's."""
    first = -begin % HOUR
    events = []
    for day in range(8):
        times = spread(rng, last if day == 7 else usual, 58 * MINUTE)
        events += [(first + day * DAY + t, _again(rng, who, n)) for n, t in enumerate(times)]
    return events


def _above_self(rng: Random, who: int, begin: int, span: int) -> Attack:
    usual = rng.randrange(21, 60)
    limit = 5 * usual
    return one(who, _days(rng, who, usual, limit + rng.randrange(40), begin), 7 * usual + limit - 1)


def _below_self(rng: Random, who: int, begin: int, span: int) -> Attack:
    usual = rng.randrange(21, 60)
    return one(who, _days(rng, who, usual, 5 * usual - 1, begin), None)


def _newcomer(rng: Random, who: int) -> list[tuple[int, Event]]:
    """Two quiet days, then everything that there is to read."""
    times = [0, DAY, *(2 * DAY + t for t in spread(rng, 400, 2 * HOUR))]
    return [(t, _again(rng, who, n)) for n, t in enumerate(times)]


def _slow(rng: Random, who: int) -> list[tuple[int, Event]]:
    """A day's work: as much, over hours, with many searches that were refused or led nowhere."""
    return [(t, _again(rng, who, n)) for n, t in enumerate(spread(rng, 250, 8 * HOUR))]


def _next(begin: int, night: bool) -> int:
    """ms from there to a time in the middle of the night, or of the day."""
    return next(
        t for t in range(0, DAY, HOUR) if at_night(begin + t) is night and at_night(begin + t + 2 * HOUR) is night
    )


def _after_hours(rng: Random, who: int, begin: int, span: int) -> Attack:
    action = rng.choice(("export", "download", "delete", "grant_role", "create_key"))
    return one(who, [(_next(begin, True) + rng.randrange(HOUR), deed(who, action, resource="table/contracts"))], 0)


def _last_minute(rng: Random, who: int, begin: int, span: int) -> Attack:
    """The last second of the working day, and the first."""
    end, start = (18 * HOUR - 1 - begin) % DAY, (8 * HOUR - begin) % DAY
    return one(who, [(t, deed(who, "export", resource="table/a")) for t in sorted((end, start))], None)


def _night_shift(rng: Random, who: int) -> list[tuple[int, Event]]:
    return [(n * HOUR, deed(who, rng.choice(_READS), resource=f"ward/{n}")) for n in range(24)]


def _weeks(rng: Random, who: int, begin: int, last: int) -> list[tuple[int, Event]]:
    """Three weeks of logins from eight to ten in the morning of every day, then one at ``last`` ms of the day."""
    first = -begin % DAY
    events = [(first + day * DAY + 8 * HOUR + rng.randrange(2 * HOUR), deed(who, "login")) for day in range(21)]
    return [*events, (first + 21 * DAY + last, deed(who, rng.choice(("login", "export"))))]


def _strange_hour(rng: Random, who: int, begin: int, span: int) -> Attack:
    return one(who, _weeks(rng, who, begin, rng.choice((1, 2, 3, 17, 21)) * HOUR + rng.randrange(HOUR)), 21)


def _early(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Up to two hours before the earliest time so far, or after the latest."""
    events = _weeks(rng, who, begin, rng.choice((7, 10)) * HOUR + rng.randrange(HOUR))
    return one(who, events, None)


def _night_owl(rng: Random, who: int) -> list[tuple[int, Event]]:
    return [(n * DAY + 2 * HOUR + rng.randrange(3 * HOUR), deed(who, "login")) for n in range(30)]


BACKGROUNDS = (Readers,)
SCENARIOS: tuple[Scenario, ...] = (
    *bursts("unauthorized-access", _refused, 3, 10 * MINUTE, _again),
    look_alike("unauthorized-access", HOUR, lambda rng, who: [
        (n * 11 * MINUTE // 2, deed(who, "access", "denied" if n % 2 else "failure")) for n in range(8)
    ]),
    Scenario("unauthorized-access-spread", "audit.unauthorized-access-spread", 15 * MINUTE, _search),
    Scenario("unauthorized-access-few", "audit.unauthorized-access-spread", 16 * MINUTE, _few_doors, Nature.NEAR_MISS),
    look_alike("unauthorized-access-spread", 10 * MINUTE, _same_door),
    *bursts("data-access-velocity", _read, 100, 10 * MINUTE),
    look_alike("data-access-velocity", 8 * HOUR, _slow),
    Scenario("data-access-distinct", "audit.data-access-distinct", HOUR, _collects),
    Scenario("data-access-less", "audit.data-access-distinct", HOUR + SECOND, _collects_less, Nature.NEAR_MISS),
    look_alike("data-access-distinct", HOUR, _program),
    Scenario("data-access-spike", "audit.data-access-spike", 8 * DAY + HOUR, _above_self),
    Scenario("data-access-as-usual", "audit.data-access-spike", 8 * DAY + HOUR, _below_self, Nature.NEAR_MISS),
    look_alike("data-access-spike", 3 * DAY, _newcomer),
    Scenario("after-hours", "audit.off-hours", DAY, _after_hours),
    Scenario("last-minute", "audit.off-hours", DAY, _last_minute, Nature.NEAR_MISS),
    look_alike("off-hours", DAY, _night_shift),
    Scenario("strange-hour", "audit.off-hours-learned", 23 * DAY, _strange_hour),
    Scenario("early-bird", "audit.off-hours-learned", 23 * DAY, _early, Nature.NEAR_MISS),
    look_alike("off-hours-learned", 31 * DAY, _night_owl),
)  # fmt: skip
