"""Maintenance windows, once or recurring (RFC 5545): what is worked on alarms nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.alerts.recurrence import Recurrence, check
from streams.route.intervals import parse_zone
from streams.route.matchers import Labelled, Matcher, all_hold, parse_matchers
from streams.route.oncall import parse_moment
from streams.rules.block import Block

MAINTENANCE = "maintenance"
_MAX_RULE = 4_000
_MAX_LASTS = 31 * 86_400_000  #: of what recurs


@dataclass(frozen=True, slots=True)
class Window:
    """From ``begins`` for ``lasts`` ms; with ``rule`` (an RRULE) again and again, on the clock of ``timezone``."""

    id: str
    matchers: tuple[Matcher, ...]
    begins: int
    lasts: int
    rule: str = ""
    timezone: str = "UTC"
    tenant: str = ""  #: empty: of every tenant
    author: str = ""
    comment: str = ""
    remind: int = 3_600_000  #: before it begins; 0: nobody is reminded
    expires: int | None = None  #: taken back: from then on it is in force no more

    def covers(self, tenant: str, subject: Labelled, now: int) -> int | None:
        """When it ends, if it hides the alert now; else None."""
        if self.tenant not in ("", tenant) or (end := self.end(now)) is None:
            return None
        return end if all_hold(self.matchers, subject) else None

    def end(self, now: int) -> int | None:
        """When it ends, if it is under way; the last end of those that overlap."""
        if self.expires is not None and now >= self.expires:
            return None
        begin: int | None = self.begins
        if self.rule:
            begin = self._recurrence.last(now, now - self.lasts)
        if begin is None or not begin <= now < begin + self.lasts:
            return None
        return begin + self.lasts if self.expires is None else min(begin + self.lasts, self.expires)

    def next_begin(self, now: int) -> int | None:
        """When it next begins, strictly after ``now``; None: not any more."""
        begin = self._recurrence.next(now) if self.rule else self.begins
        if begin is None or begin <= now or (self.expires is not None and begin >= self.expires):
            return None
        return begin

    @property
    def _recurrence(self) -> Recurrence:
        return Recurrence(self.rule, self.begins, self.timezone)


def parse_window(identity: str, raw: Any) -> Window:
    """``{matchers, starts_at, duration | ends_at, rrule, timezone, tenant, author, comment, remind, expires_at}``.

    Times in ms or RFC 3339.
    Raises BlockErrors.
    """
    block = Block(raw)
    begins = block.read("starts_at", parse_moment)
    ends = block.read("ends_at", parse_moment, None)
    lasts = block.duration("duration", None)
    if isinstance(raw, Mapping) and (ends is None) is (lasts is None):
        block.problem("", "needs either ends_at or duration")
    if ends is not None and lasts is None and begins is not None:
        lasts = ends - begins
    if lasts is not None and lasts <= 0:
        block.problem("ends_at", "is not after starts_at")
    timezone = block.read("timezone", parse_zone, "UTC")
    window = Window(
        id=identity,
        matchers=block.read("matchers", parse_matchers),
        begins=begins,
        lasts=lasts,
        rule=block.text("rrule", "", longest=_MAX_RULE),
        timezone=timezone,
        tenant=block.text("tenant", ""),
        author=block.text("author", ""),
        comment=block.text("comment", ""),
        remind=block.duration("remind", 3_600_000),
        expires=block.read("expires_at", parse_moment, None),
    )
    if window.matchers == ():
        block.problem("matchers", "names none: it would hide everything")
    if window.rule and not block.problems:
        try:
            check(Recurrence(window.rule, begins, timezone))
        except ValueError as error:
            block.problem("rrule", str(error))
        if window.lasts > _MAX_LASTS:
            block.problem("duration", "of what recurs is at most 31d")
    block.check()
    return window
