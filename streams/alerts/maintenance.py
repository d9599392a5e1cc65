"""Maintenance windows, once or recurring (RFC 5545): what is worked on alarms nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr  # type: ignore[import-untyped]

from streams.route.intervals import parse_zone
from streams.route.matchers import Labelled, Matcher, all_hold, parse_matchers
from streams.rules.block import Block

MAINTENANCE = "maintenance"
_MAX_TIME = 253_402_300_799_999
_MAX_RULE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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

    def covers(self, tenant: str, subject: Labelled, now: int) -> int | None:
        """When it ends, if it hides the alert now; else None."""
        if self.tenant not in ("", tenant) or (end := self.end(now)) is None:
            return None
        return end if all_hold(self.matchers, subject) else None

    def end(self, now: int) -> int | None:
        """When it ends, if it is under way; the last end of those that overlap."""
        if not self.rule:
            return self.begins + self.lasts if self.begins <= now < self.begins + self.lasts else None
        before = _occurrence(self, now, after=False)
        return before + self.lasts if before is not None and now < before + self.lasts else None

    def next_begin(self, now: int) -> int | None:
        """When it next begins, strictly after ``now``; None: not any more."""
        if not self.rule:
            return self.begins if self.begins > now else None
        return _occurrence(self, now, after=True)


@lru_cache(maxsize=1_000)
def _rule(text: str, begins: int, timezone: str) -> rrule | rruleset:
    """The rule on the wall clock of its zone, without a zone itself: 02:00 stays 02:00 when clocks change."""
    local = (_EPOCH + timedelta(milliseconds=begins)).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return rrulestr(text, dtstart=local)


@lru_cache(maxsize=10_000)
def _near(window: Window, minute: int, *, after: bool) -> int | None:
    zone = ZoneInfo(window.timezone)
    local = (_EPOCH + timedelta(minutes=minute)).astimezone(zone).replace(tzinfo=None)
    made = _rule(window.rule, window.begins, window.timezone)
    found = made.after(local) if after else made.before(local, inc=True)
    return None if found is None else int(found.replace(tzinfo=zone).timestamp() * 1000)


def _occurrence(window: Window, now: int, *, after: bool) -> int | None:
    """The occurrence nearest to ``now``: after it, or at or before it."""
    found = _near(window, now // 60_000, after=after)
    if after and found is not None and found <= now:
        found = _near(window, now // 60_000 + 1, after=after)
    return found


def parse_window(identity: str, raw: Any) -> Window:
    """``{matchers, starts_at, duration | ends_at, rrule, timezone, tenant, author, comment, remind}``, times in ms.

    Raises BlockErrors.
    """
    block = Block(raw)
    begins = block.integer("starts_at", most=_MAX_TIME)
    ends = block.integer("ends_at", None, most=_MAX_TIME)
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
    )
    if window.matchers == ():
        block.problem("matchers", "names none: it would hide everything")
    if window.rule and not block.problems:
        problem = _rule_problem(window)
        if problem:
            block.problem("rrule", problem)
    block.check()
    return window


def _rule_problem(window: Window) -> str:
    if "SECONDLY" in window.rule.upper() or "MINUTELY" in window.rule.upper():
        return "may not come more often than every hour"
    if "DTSTART" in window.rule.upper():
        return "says DTSTART: that is starts_at"
    try:
        _rule(window.rule, window.begins, window.timezone).after(datetime(2000, 1, 1))  # noqa: DTZ001  # a wall clock
    except Exception as error:  # whatever the library makes of it
        return f"is no RRULE: {error}"[:200]
    return ""
