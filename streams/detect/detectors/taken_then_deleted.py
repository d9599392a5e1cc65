"""Much data taken out, then destroyed by the same hand: theft and extortion in one.

The heuristic is that of double extortion without encryption, as reported of cloud ransom notes (MITRE ATT&CK T1537 or
T1567, then T1485). What tells it from work is the size of the first half and the breadth of the second.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from fractions import Fraction
from operator import itemgetter
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.detectors.logins import short
from streams.detect.detectors.rows import Row, after, trim
from streams.detect.exact import exact, plain
from streams.rules.durations import parse_duration

_KEPT, _SIGHTS, _PARENTS = 48, 5, 8
_BYTES = ("bytes", "additionalEventData.bytesTransferredOut")
_AT = itemgetter(0)


class TakenThenDeleted:
    """Fires on the deletion that follows a large taking and is itself large: see below what is.

    Settings: ``deletes``: actions that delete, ``whole``: those that delete a whole store at once; any other action is
    a taking. ``within`` (2h): from a taking to the deletion less; ``min_bytes`` (100000000) and ``min_records``
    (10000): what is taken counts together; ``min_deletes`` (10). A taking that tells no size counts as large, but then
    a single deletion of what was taken does not: people are given their data and erased every day.

    Large is a deletion by its action, as one of ``min_deletes`` after the taking, or as that of something taken (the
    same resource, or one above or below it). Events may come in any order: the finding is about the deletion that
    makes it so, and nothing up to it counts again. A taking at the moment of a deletion lies before it. The state is
    the last 48 takings and 48 deletions.
    """

    fields: Sequence[str] = ("action", "resource", "records", *_BYTES)

    version = "1"
    live = steady = True

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._within = parse_duration(str(settings.get("within", "2h")))
        self._bytes, self._records = int(settings.get("min_bytes", 10**8)), int(settings.get("min_records", 10_000))
        self._deletes = int(settings.get("min_deletes", 10))
        self._whole = frozenset(str(action) for action in settings.get("whole", ()))
        self._single = frozenset(str(action) for action in settings.get("deletes", ()))
        if not 1 <= self._deletes <= _KEPT:
            raise ValueError(f"min_deletes is a number from 1 to {_KEPT}")
        self.keeps: str | int = 2 * self._within

    def step(self, state: Any, event: Event) -> tuple[Any, Sequence[Found]]:
        """State: up to when all is told, takings ``[time, bytes, records, names, sight]``, deletions
        ``[time, whether of a whole store, names, sight]``."""
        action = event.fields.get("action")
        state = state or [-1, [], []]
        told, takes, deletes = state
        if event.time <= told or not isinstance(action, str):
            return state, ()
        at, names, sight = event.time, _names(event.fields.get("resource")), list(event.sight)
        if action in self._whole or action in self._single:
            insort(deletes, [at, action in self._whole, names, sight], key=_AT)
        else:
            size, records = _size(event.fields, *_BYTES), _size(event.fields, "records")
            insort(takes, [at, size, records, names, sight], key=_AT)
        oldest = max(rows[-1][0] for rows in (takes, deletes) if rows) - 2 * self._within
        trim(takes, oldest, _KEPT)
        trim(deletes, oldest, _KEPT)
        # What was deleted before this event has been judged, and less speaks for it with every row that goes.
        for place in range(after(deletes, at - 1), len(deletes)):
            found = self._judged(takes, deletes, place)
            if found is not None:
                state[0] = deletes[place][0]
                trim(takes, state[0], _KEPT)
                trim(deletes, state[0], _KEPT)
                return state, [found]
        return state, ()

    def _judged(self, takes: list[Row], deletes: list[Row], place: int) -> Found | None:
        """What the deletion at that place is, with what was taken before it; None where it is not large."""
        at, is_whole, names, about = deletes[place]
        before = takes[after(takes, at - self._within) : after(takes, at)]
        since = place + 1 - after(deletes, before[0][0] - 1) if before else 0
        size, records = (sum(int(take[field] or 0) for take in before) for field in (1, 2))
        sized = size >= self._bytes or records >= self._records
        unsized = any(take[1] is None and take[2] is None for take in before)
        is_large = (is_whole or since >= self._deletes) and (sized or unsized)
        if not is_large and not (sized and any(_related(take[3], names) for take in before)):
            return None
        detail = {"taken_bytes": plain(Fraction(size)), "takings": len(before), "deletions": since}
        evidence = [take[-1] for take in before[-_SIGHTS:]]
        return Found(since, self._deletes, detail=detail, about=about, evidence=evidence)


def _size(fields: Mapping[str, Any], *names: str) -> int | str | None:
    """The first that is a number from 0 on, as a whole one: text where it is too long for JSON; beyond 10^30 all is
    alike."""
    for name in names:
        number = exact(fields.get(name))
        if number is not None and number >= 0:
            whole = min(int(number), 10**30)
            return whole if whole < 2**63 else str(whole)
    return None


def _names(resource: Any) -> list[str]:
    """The resource and those it lies in, ``a/b/c``, ``a/b``, ``a``, as digests."""
    if not isinstance(resource, str) or not resource:
        return []
    parts = resource.strip("/").split("/")
    above = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return [short(one) for one in above[:_PARENTS]]


def _related(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether they are the same, or one lies in the other."""
    return bool(one and other) and (one[0] in other or other[0] in one)
