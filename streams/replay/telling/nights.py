"""Whom it rings for, and how often while they sleep: in the hours of the night where they live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from streams.replay.telling.heard import Told

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 1_440


@dataclass(frozen=True, slots=True)
class Night:
    """From ``begins`` until before ``ends``, minutes of the day; ``zone``: of those of whom no rotation knows it."""

    begins: int = 22 * 60
    ends: int = 7 * 60
    zone: str = "UTC"

    def of(self, at: int, zone: str = "") -> str | None:
        """The date on whose evening the night began in which ``at`` (ms) lies, in ``zone``; None: by day."""
        local = (_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone or self.zone))
        minute = local.hour * 60 + local.minute
        if (minute - self.begins) % _DAY >= (self.ends - self.begins) % _DAY:
            return None
        after_midnight = self.ends <= self.begins and minute < self.ends
        return (local - timedelta(days=after_midnight)).date().isoformat()


@dataclass(slots=True)
class Rung:
    """What rang for one person. ``nights``: by the evening's date, how often it rang."""

    person: str
    zone: str
    rang: int = 0
    at_night: int = 0
    nights: dict[str, int] = field(default_factory=dict)


def rung(told: Iterable[Told], night: Night) -> dict[str, Rung]:
    """By person. A message that rings for several rings for each."""
    found: dict[str, Rung] = {}
    for one in told:
        for person in one.people if one.loud else ():
            own = found.setdefault(person, Rung(person, one.zone or night.zone))
            own.rang += 1
            if (evening := night.of(one.at, one.zone)) is not None:
                own.at_night += 1
                own.nights[evening] = own.nights.get(evening, 0) + 1
    return dict(sorted(found.items()))
