"""Much data taken out, then destroyed by the same hand: theft and extortion in one.

The heuristic is that of double extortion without encryption, as reported of cloud ransom notes (MITRE ATT&CK T1537 or
T1567, then T1485). What tells it from work is the size of the first half and the breadth of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from streams.detect.detectors import Event, Found
from streams.detect.exact import exact, plain
from streams.detect.values import digest, token
from streams.rules.durations import parse_duration

_KEPT, _SIGHTS, _PARENTS = 48, 5, 8


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

    fields: Sequence[str] = ("action", "resource", "bytes", "records", "additionalEventData.bytesTransferredOut")

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
        told: int = state[0] if state else -1
        takes: list[list[Any]] = state[1] if state else []
        deletes: list[list[Any]] = state[2] if state else []
        if event.time <= told:
            return state, ()
        fields, sight = event.fields, list(event.sight)
        action, names = fields.get("action"), _names(fields.get("resource"))
        if not isinstance(action, str):
            return state, ()
        if action in self._whole or action in self._single:
            deletes.append([event.time, action in self._whole, names, sight])
        else:
            sizes = _size(fields, "bytes", "additionalEventData.bytesTransferredOut"), _size(fields, "records")
            takes.append([event.time, *map(_bounded, sizes), names, sight])
        takes, deletes = _sorted(takes), _sorted(deletes)
        newest = max(one[-1][0] for one in (takes, deletes) if one)
        takes, deletes = ([one for one in kept if one[0] > newest - 2 * self._within] for kept in (takes, deletes))
        for place, (at, whole, names, about) in enumerate(deletes):
            before = [take for take in takes if at - self._within < take[0] <= at]
            since = sum(one[0] >= before[0][0] for one in deletes[: place + 1]) if before else 0
            value = self._judged(before, whole or since >= self._deletes, names)
            if value is not None:
                left = [[one for one in kept if one[0] > at] for kept in (takes, deletes)]
                evidence = [take[-1] for take in before[-_SIGHTS:]]
                detail = {"taken_bytes": value, "takings": len(before), "deletions": since}
                return [at, *left], [Found(since, self._deletes, detail=detail, about=about, evidence=evidence)]
        return [told, takes, deletes], ()

    def _judged(self, before: Sequence[Sequence[Any]], is_large: bool, names: Sequence[str]) -> Any:
        """The bytes that were taken, where that and the deletion are large; else None."""
        sizes = [sum((exact(take[field]) or Fraction(0) for take in before), Fraction(0)) for field in (1, 2)]
        sized = sizes[0] >= self._bytes or sizes[1] >= self._records
        unsized = any(take[1] is None and take[2] is None for take in before)
        of_taken = sized and any(_related(take[3], names) for take in before)
        return plain(sizes[0]) if (is_large and (sized or unsized)) or of_taken else None


def _sorted(events: list[list[Any]]) -> list[list[Any]]:
    return sorted(events, key=lambda one: one[0])[-_KEPT:]


def _size(fields: Mapping[str, Any], *names: str) -> Fraction | None:
    """The first that is a number from 0 on."""
    for name in names:
        number = exact(fields.get(name))
        if number is not None and number >= 0:
            return number
    return None


def _bounded(size: Fraction | None) -> int | str | None:
    """Whole, and as text where it is too long for JSON; beyond 10^30 all is alike."""
    if size is None:
        return None
    whole = min(int(size), 10**30)
    return whole if whole < 2**63 else str(whole)


def _names(resource: Any) -> list[str]:
    """The resource and those it lies in, ``a/b/c``, ``a/b``, ``a``, as digests."""
    if not isinstance(resource, str) or not resource:
        return []
    parts = resource.strip("/").split("/")
    above = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return [digest(token(one) or "") for one in above[:_PARENTS]]


def _related(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether they are the same, or one lies in the other."""
    return bool(one and other) and (one[0] in other or other[0] in one)
