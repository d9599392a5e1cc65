"""Changing, deleting, exporting and encrypting much: clean-ups, reports and queues, and those who destroy."""

from __future__ import annotations

from random import Random

from streams.simulate.deeds import (
    HOUR,
    MINUTE,
    SECOND,
    Ration,
    amid,
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
_MEGA, _GIGA = 10**6, 10**9


def _bulk(rng: Random, who: int, n: int) -> Event:
    return deed(who, rng.choice(("bulk_update", "bulk_delete", "batch_update")), resource=f"table/{n % 7}")


def _delete(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.3:
        return call(who, rng.choice(("DeleteSnapshot", "DeleteTable", "DeleteBucket")), resource=f"store-{n}")
    return deed(who, rng.choice(("delete", "remove", "purge")), resource=f"orders/{n}")


def _export(rng: Random, who: int, n: int) -> Event:
    return deed(who, rng.choice(("export", "dump")), resource=f"report/{n}", bytes=rng.randrange(10**5))


def _encrypt(rng: Random, who: int, n: int) -> Event:
    if rng.random() < 0.5:
        own_key = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
        return call(who, "CopyObject", resource=f"vault/{n}", requestParameters=own_key)
    return deed(who, "encrypt", kind="file", resource=f"share/{n}.locked")


def _edit(rng: Random, who: int, n: int) -> Event:
    return deed(who, rng.choice(("update", "create", "read")), resource=f"orders/{n}")


class Clerks:
    """Small exports and deletions by day, imports in bulk, and programs that write, read and remove objects."""

    source = SOURCE
    share = 3

    def __init__(self) -> None:
        self._deletes, self._bulk, self._sizes = Ration(8, 2 * HOUR), Ration(40, 10 * MINUTE), Ration(4, HOUR)

    def background(self, rng: Random, at: int) -> Event:
        who, dice = crowd(rng, 2, 5_000), rng.random()
        if dice < 0.10 and not at_night(at) and self._deletes.allows(who, at):
            return deed(who, "delete", resource=f"draft/{rng.randrange(10**6)}")
        if dice < 0.15 and not at_night(at) and self._sizes.allows(who, at):
            size = min(int(rng.lognormvariate(12, 2.5)), 90 * _MEGA)
            return deed(who, "export", resource=f"report/{rng.randrange(99)}", bytes=size // 4)
        if dice < 0.25 and self._bulk.allows(who, at):
            return deed(who, "bulk_update", resource=f"table/{who % 9}")
        if dice < 0.3:
            return deed(who, "delete", kind="mail", resource=f"mail/{rng.randrange(10**6)}")
        if dice < 0.7:
            worker = crowd(rng, 3, 8)
            action = rng.choice(("GetObject", "PutObject", "DeleteObject"))
            kms = {"x-amz-server-side-encryption": "aws:kms"}
            return call(
                worker, action, identity="AssumedRole", resource=f"queue/{rng.randrange(999)}", requestParameters=kms
            )
        return _edit(rng, who, rng.randrange(10**4))


def _volume(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A gigabyte in pieces, among small ones."""
    pieces = rng.randrange(3, 9)
    size = _GIGA // pieces + 1
    times = spread(rng, pieces, rng.choice((MINUTE, 50 * MINUTE)))
    events = [
        (t, deed(who, rng.choice(("export", "download")), resource=f"share/{n}", bytes=rng.choice((size, str(size)))))
        for n, t in enumerate(times)
    ]
    return one(who, events, amid(rng, events, [_edit(rng, who, n) for n in range(4)])[-1])


def _megabytes(rng: Random, who: int, begin: int, span: int) -> Attack:
    times = spread(rng, 9, 50 * MINUTE)
    return one(
        who, [(t, deed(who, "download", resource=f"s/{n}", bytes=111 * _MEGA)) for n, t in enumerate(times)], None
    )


def _large_files(rng: Random, who: int) -> list[tuple[int, Event]]:
    """A designer: a large file now and then, and many large ones that are only looked at."""
    events = [(n * 2 * HOUR, deed(who, "download", resource=f"film/{n}", bytes=700 * _MEGA)) for n in range(4)]
    return [*events, (7 * HOUR, deed(who, "open", kind="file", resource="film/9", bytes=5 * _GIGA))]


def _steals_and_destroys(rng: Random, who: int, begin: int, span: int) -> Attack:
    """Much is taken, at once or in pieces; then a store goes, ten things go, or the very thing that was taken."""
    pieces = rng.choice((1, 1, 5))
    takes = [
        deed(who, rng.choice(("export", "download")), resource=f"table/{n}", bytes=120 * _MEGA // pieces + 1)
        for n in range(pieces)
    ]
    way = rng.randrange(3)
    deletes = [deed(who, rng.choice(("drop", "truncate", "bulk_delete")), resource="table/x")]
    if way == 1:
        deletes = [deed(who, "delete", resource=f"orders/{n}") for n in range(10)]
    if way == 2:
        deletes = [deed(who, "delete", resource="table/0")]
    first = spread(rng, pieces, rng.choice((MINUTE, 40 * MINUTE)))
    second = [first[-1] + 1 + t for t in spread(rng, len(deletes), rng.choice((MINUTE, 30 * MINUTE)))]
    events = list(zip([*first, *second], [*takes, *deletes], strict=True))
    return one(who, events, amid(rng, events, [_edit(rng, who, n) for n in range(rng.randrange(6))])[-1])


def _small_or_late(rng: Random, who: int, begin: int, span: int) -> Attack:
    """A megabyte less than is large; or a deletion just when two hours are over."""
    size, after = rng.choice(((99 * _MEGA, HOUR), (300 * _MEGA, 2 * HOUR)))
    take = deed(who, "export", resource="table/a", bytes=size)
    return one(who, [(0, take), (after, deed(who, "drop", resource="table/a"))], None)


def _erasure(rng: Random, who: int) -> list[tuple[int, Event]]:
    """The rights of people: their data is handed out, then erased; nine in an afternoon."""
    events = []
    for n in range(9):
        events.append((n * 20 * MINUTE, deed(who, "export", resource=f"person/{n}", bytes=_MEGA)))
        events.append((n * 20 * MINUTE + MINUTE, deed(who, "delete", resource=f"person/{n}")))
    return events


def _inbox(rng: Random, who: int) -> list[tuple[int, Event]]:
    return [
        (t, deed(who, "delete", kind="mail", resource=f"mail/{n}")) for n, t in enumerate(spread(rng, 90, 5 * MINUTE))
    ]


def _slowly(rng: Random, who: int) -> list[tuple[int, Event]]:
    return [(t, _export(rng, who, n)) for n, t in enumerate(spread(rng, 200, 9 * HOUR))]


def _one_by_one(rng: Random, who: int) -> list[tuple[int, Event]]:
    return [(t, _edit(rng, who, n)) for n, t in enumerate(spread(rng, 300, 10 * MINUTE))]


def _writes(rng: Random, who: int) -> list[tuple[int, Event]]:
    """An application that writes objects, encrypted as ever."""
    kms = {"x-amz-server-side-encryption": "aws:kms"}
    times = spread(rng, 300, 10 * MINUTE)
    return [(t, call(who, "PutObject", resource=f"app/{n}", requestParameters=kms)) for n, t in enumerate(times)]


BACKGROUNDS = (Clerks,)
SCENARIOS: tuple[Scenario, ...] = (
    *bursts("bulk-operation", _bulk, 50, 10 * MINUTE, _edit),
    look_alike("bulk-operation", 10 * MINUTE, _one_by_one),
    *bursts("bulk-delete", _delete, 50, 10 * MINUTE, _edit),
    look_alike("bulk-delete", 5 * MINUTE, _inbox),
    *bursts("bulk-export", _export, 50, 10 * MINUTE, _edit),
    look_alike("bulk-export", 9 * HOUR, _slowly),
    *bursts("bulk-encrypt", _encrypt, 50, 10 * MINUTE, _edit),
    look_alike("bulk-encrypt", 10 * MINUTE, _writes),
    Scenario("export-volume", "audit.export-volume", HOUR, _volume),
    Scenario("export-volume-less", "audit.export-volume", HOUR, _megabytes, Nature.NEAR_MISS),
    look_alike("export-volume", 8 * HOUR, _large_files),
    Scenario("exfil-then-delete", "audit.exfil-then-delete", 90 * MINUTE, _steals_and_destroys),
    Scenario("exfil-or-delete", "audit.exfil-then-delete", 2 * HOUR + SECOND, _small_or_late, Nature.NEAR_MISS),
    look_alike("exfil-then-delete", 3 * HOUR, _erasure),
)
