"""Audit logs themselves: numbered, chained and regular ones, a little out of order, and those tampered with."""

from __future__ import annotations

import hashlib
from random import Random

from streams.simulate.deeds import DAY, HOUR, MINUTE, SECOND, call, deed, refused, single
from streams.simulate.people import tenant
from streams.simulate.scene import Attack, Event, Nature, Plan, Scenario

SOURCE = "audit"
_LOGS = 12


def _name(who: int) -> str:
    return f"log-{who}"


def _hash(who: int, number: int, salt: str = "") -> str:
    return hashlib.sha256(f"{who}/{number}/{salt}".encode()).hexdigest()


def _record(who: int, number: int) -> Event:
    event = deed(who, "write", kind="ledger", stream=_name(who), resource=f"entry/{number}", sequence=number)
    return {**event, "hash": _hash(who, number), "prev_hash": _hash(who, number - 1) if number else "0" * 64}


class Ledgers:
    """Logs that number and chain their records; of busy ones now and then two change places on the way."""

    source = SOURCE
    share = 3

    def __init__(self) -> None:
        self._next, self._held = [0] * _LOGS, [-1] * _LOGS
        self._last, self._pause = [0] * _LOGS, [float(HOUR)] * _LOGS

    def background(self, rng: Random, at: int) -> Event:
        log = int(_LOGS * rng.random() ** 2)
        number, self._held[log] = self._held[log], -1
        self._pause[log] = 0.9 * self._pause[log] + 0.1 * min(at - self._last[log], HOUR)
        self._last[log] = at
        if number < 0:
            number = self._next[log]
            self._next[log] += 1
            if self._pause[log] < 5 * SECOND and rng.random() < 0.001:  # the one after it overtakes
                self._held[log], number = number, self._next[log]
                self._next[log] += 1
        return _record(6_700_000 + log, number)


def _log(who: int, events: list[tuple[int, Event]], completes: int | None) -> Attack:
    return Attack(tenant(who), {"stream": _name(who)}, events, completes)


def _numbered(rng: Random, who: int, numbers: list[int], field: str) -> list[tuple[int, Event]]:
    """Records that only have numbers, or only hashes, a second or so apart, some in one moment."""
    at, events = 0, []
    dropped = ("hash", "prev_hash") if field == "sequence" else ("sequence",)
    for number in numbers:
        record = {name: value for name, value in _record(who, number).items() if name not in dropped}
        events.append((at, record))
        at += rng.choice((0, 1, SECOND, 3 * SECOND))
    return events


def _cut_out(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Some records are missing, or one comes twice with something else in it, or all begins anew."""
    first, way = rng.randrange(1, 10**6), rng.randrange(3)
    before = list(range(first, first + 20))
    if way == 0:
        after = list(range(first + 20 + rng.randrange(1, 200), first + 500))[:20]
        return _log(who, _numbered(rng, who, before + after, "sequence"), 20)
    if way == 1:
        events = _numbered(rng, who, before, "sequence")
        return _log(who, [*events, (events[-1][0] + SECOND, {**events[-1][1], "resource": "entry/other"})], 20)
    events = _numbered(rng, who, before, "sequence")
    later = _numbered(rng, who, [0, 1, 2, 3], "sequence")
    return _log(who, [*events, *((events[-1][0] + SECOND + 10 * n, event) for n, (_, event) in enumerate(later))], 20)


def _overtaken(rng: Random, who: int, begin: int, span: int) -> Attack:
    """One record travels for almost two minutes, by the clock of the record itself."""
    first = rng.randrange(10**6)
    numbers = [first, first + 1, *range(first + 3, first + 12)]
    events = _numbered(rng, who, numbers, "sequence")
    late = next(event for _, event in _numbered(rng, who, [first + 2], "sequence"))
    return _log(who, [*events, (events[2][0] + 2 * MINUTE - 1, late)], None)


def _repeated(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Two logs of one tenant, each with its own count."""
    mine = _numbered(rng, who, list(range(50, 80)), "sequence")
    other = _numbered(rng, who + 8, list(range(7, 30)), "sequence")
    return _log(who, sorted([*mine, *other], key=lambda pair: pair[0]), None)


def _forged(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A record was changed, so that the next does not fit; or one was put in beside another."""
    events = _numbered(rng, who, list(range(100, 130)), "prev_hash")
    place = rng.randrange(3, 27)
    if rng.random() < 0.5:
        events[place][1]["hash"] = _hash(who, 100 + place, "forged")
        return _log(who, events, place + 1)
    record = events[place][1]
    return _log(who, [*events, (events[-1][0] + 1, {**record, "hash": _hash(who, 100 + place, "forged")})], 30)


def _shuffled(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A whole chain that arrives in any order within a minute."""
    records = [event for _, event in _numbered(rng, who, list(range(100, 130)), "prev_hash")]
    first, rest = records[0], records[1:]
    rng.shuffle(rest)
    return _log(who, [(0, first), *((2 * SECOND * (n + 1), record) for n, record in enumerate(rest))], None)


def _copied(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A part of the log is sent again, as it was."""
    events = _numbered(rng, who, list(range(100, 130)), "prev_hash")
    end = events[-1][0] + MINUTE
    return _log(who, [*events, *((end + n, dict(event)) for n, (_, event) in enumerate(events[10:]))], None)


def _beat(who: int, kind: str, **more: str) -> Event:
    return {**deed(who, "write", kind=kind, stream=_name(who)), **more}


def _falls_silent(kind: str, every: int, count: int) -> Plan:
    """A log speaks regularly, and then not any more; another of the tenant goes on, and is then retired."""

    def played(rng: Random, who: int, begin: int, span: int) -> Attack:
        mine = [(n * every + rng.randrange(every // 4), _beat(who, kind)) for n in range(count)]
        others = [(n * every, _beat(who + 8, kind)) for n in range(count + 20)]
        others.append(((count + 20) * every, _beat(who + 8, kind, status="retired")))
        events = sorted([*mine, *others], key=lambda pair: pair[0])
        return _log(who, events, max(n for n, (_, event) in enumerate(events) if event["stream"] == _name(who)))

    return played


def _pauses(kind: str, every: int, count: int, longest: int) -> Plan:
    """Pauses as long as they may be, and a goodbye."""

    def played(rng: Random, who: int, begin: int, span: int) -> Attack:
        events = [(n * every, _beat(who, kind)) for n in range(count)]
        end = events[-1][0] + longest
        return _log(who, [*events, (end, _beat(who, kind)), (end + 1, _beat(who, kind, status="retired"))], None)

    return played


def _irregular(kind: str, longest: int, count: int) -> Plan:
    """A log that speaks when there is something to say."""

    def played(rng: Random, who: int, begin: int, span: int) -> Attack:
        times = sorted(rng.randrange(longest) for _ in range(count))
        return _log(who, [*((t, _beat(who, kind)) for t in times), (longest, _beat(who, kind, status="retired"))], None)

    return played


def _stopped(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.5:
        return call(who, rng.choice(("StopLogging", "DeleteTrail", "DeleteFlowLogs")), resource="main-trail")
    return deed(who, rng.choice(("disable_logging", "clear_log", "1102", "DAEMON_END")), kind="log")


def _narrowed(rng: Random, who: int, n: int) -> Event:
    less = rng.choice(({"isMultiRegionTrail": False}, {"includeGlobalServiceEvents": False}, {"s3BucketName": "mine"}))
    if rng.random() < 0.5:
        return call(who, "UpdateTrail", resource="main-trail", requestParameters={"name": "main-trail", **less})
    return call(who, "PutEventSelectors", resource="main-trail", requestParameters={"trailName": "main-trail"})


def _looks(rng: Random, who: int, n: int) -> Event:
    return call(who, rng.choice(("DescribeTrails", "GetTrailStatus", "StartLogging", "LookupEvents")))


def _widened(rng: Random, who: int, n: int) -> Event:
    return call(who, "UpdateTrail", requestParameters={"name": "main-trail", "isMultiRegionTrail": True})


BACKGROUNDS = (Ledgers,)
_WEEK = 8 * DAY + 12 * HOUR
SCENARIOS: tuple[Scenario, ...] = (
    *single("audit-logging-stopped", _stopped, refused(_stopped), _looks),
    *single("audit-logging-narrowed", _narrowed, refused(_narrowed), _widened),
    Scenario("sequence-cut", "audit.audit-sequence-gap", 5 * MINUTE, _cut_out),
    Scenario("sequence-overtaken", "audit.audit-sequence-gap", 5 * MINUTE, _overtaken, Nature.NEAR_MISS),
    Scenario("sequence-of-two", "audit.audit-sequence-gap", 5 * MINUTE, _repeated, Nature.LOOK_ALIKE),
    Scenario("chain-forged", "audit.audit-hash-chain", 5 * MINUTE, _forged),
    Scenario("chain-shuffled", "audit.audit-hash-chain", 5 * MINUTE, _shuffled, Nature.NEAR_MISS),
    Scenario("chain-copied", "audit.audit-hash-chain", 5 * MINUTE, _copied, Nature.LOOK_ALIKE),
    Scenario("log-silent", "audit.audit-silence", _WEEK, _falls_silent("ledger", HOUR, 180)),
    Scenario("log-pauses", "audit.audit-silence", _WEEK, _pauses("ledger", HOUR, 170, 3 * HOUR), Nature.NEAR_MISS),
    Scenario("log-irregular", "audit.audit-silence", _WEEK, _irregular("ledger", 8 * DAY, 3_000), Nature.LOOK_ALIKE),
    Scenario(
        "heartbeat-of-log-lost", "audit.audit-heartbeat-lost", 3 * HOUR,
        _falls_silent("audit.heartbeat", 5 * MINUTE, 12),
    ),
    Scenario(
        "heartbeat-of-log-late", "audit.audit-heartbeat-lost", 3 * HOUR,
        _pauses("audit.heartbeat", 5 * MINUTE, 12, 15 * MINUTE), Nature.NEAR_MISS,
    ),
    Scenario(
        "heartbeat-of-log-uneven", "audit.audit-heartbeat-lost", 3 * HOUR,
        _irregular("audit.heartbeat", 2 * HOUR, 200), Nature.LOOK_ALIKE,
    ),
)  # fmt: skip
