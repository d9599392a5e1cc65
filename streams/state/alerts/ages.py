"""Which alerts have not changed for so long that they are forgotten, open ones later than closed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streams.alerts.book import Entry
from streams.alerts.case import CLOSED, OPEN
from streams.alerts.policy import DEFAULT, Policy
from streams.model import Status
from streams.state.alerts.oldest import Oldest


def note_retention(policy: Policy, stage: dict[str, Any]) -> None:
    """Into the position, because after a restart no policy is at hand yet."""
    stage |= {"retain": policy.retain, "retain_open": policy.retain_open}


class Ages:
    """Of the alerts in ``entries``, which may change without a word unless they are opened or closed."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._open, self._closed = Oldest(self._changed_at_if(OPEN)), Oldest(self._changed_at_if(CLOSED))

    def fill(self) -> None:
        """Begin anew with all that is there."""
        for ages, statuses in ((self._open, OPEN), (self._closed, CLOSED)):
            ages.fill((entry.updated_at, name) for name, entry in self._entries.items() if entry.status in statuses)

    def add(self, at: int, identity: str, *, is_open: bool) -> None:
        """It was opened or closed."""
        (self._open if is_open else self._closed).add(at, identity)

    def due(self, stage: Mapping[str, Any]) -> int | None:
        """When the first of them is old enough, ms."""
        times = (oldest[0] + retain for ages, retain in self._each(stage) if (oldest := ages.first()) is not None)
        return min(times, default=None)

    def old(self, stage: Mapping[str, Any], now: int, limit: int) -> Iterator[str]:
        """Those to forget, oldest first, at most ``limit``; each must be gone before the next is asked for."""
        for ages, retain in self._each(stage):
            while limit > 0 and (oldest := ages.first()) is not None and oldest[0] + retain <= now:
                yield oldest[1]
                limit -= 1

    def _each(self, stage: Mapping[str, Any]) -> tuple[tuple[Oldest, int], ...]:
        retain, retain_open = stage.get("retain", DEFAULT.retain), stage.get("retain_open", DEFAULT.retain_open)
        return (self._open, retain_open), (self._closed, retain)

    def _changed_at_if(self, statuses: frozenset[Status]) -> Callable[[str], int | None]:
        def changed_at(identity: str) -> int | None:
            entry = self._entries.get(identity)
            return entry.updated_at if entry is not None and entry.status in statuses else None

        return changed_at
