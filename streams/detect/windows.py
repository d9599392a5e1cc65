"""The stretches of event time that a kind looks at: sliding, hopping, tumbling, by the calendar, or by session.

{within: 5m}                                 sliding: at any moment t, what lies in (t - 5m, t]
{within: 1h, every: 5m}                      hopping: hours that end at 12:00, 12:05, …, kept as panes of five minutes
{window: tumbling, within: 5m}               one after the other: 12:00 up to 12:05, counted from 1970 in UTC
{align: day, timezone: Europe/Berlin}        one after the other, as a wall clock has them
{window: session, gap: 30m, within: 8h}      from the first event to a pause longer than the gap, or to 8 h
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from streams.detect.base import Option
from streams.detect.calendars import LONGEST, Bucket, bucket
from streams.rules.block import Block
from streams.rules.durations import format_duration, shown

__all__ = ["MAX_PANES", "WINDOW_OPTIONS", "Bucket", "Shape", "Window", "parse_window"]

#: Panes of a hopping window: each is state.
MAX_PANES = 1_500
_SESSION = 86_400_000

WINDOW_OPTIONS = (
    Option(
        "within",
        "duration",
        "1d for sessions",
        "length of the window; required but for sessions, which are cut there; not with align",
    ),
    Option("window", "one of sliding, tumbling, session", "sliding", "how windows follow each other"),
    Option("every", "duration", "", "windows end at its multiples only; kept are panes, not events"),
    Option("gap", "duration", "", "a longer pause ends a session"),
    Option("align", "one of hour, day, week, month", "", "windows as a wall clock has them; weeks begin on Monday"),
    Option("timezone", "text", "UTC", "whose clock, with align"),
)


class Shape(StrEnum):
    """How windows follow each other."""

    SLIDING = "sliding"
    HOPPING = "hopping"
    TUMBLING = "tumbling"
    CALENDAR = "calendar"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Window:
    """``within``: its length in ms; of a session the longest; by the calendar the longest that there can be."""

    within: int
    shape: Shape = Shape.SLIDING
    every: int = 0  #: hopping: length of a pane; ``within`` is a multiple
    gap: int = 0
    align: str = ""
    timezone: str = "UTC"

    @property
    def keeps(self) -> int:
        """How long an entry matters, ms."""
        return self.within

    @property
    def panes(self) -> int:
        """How many buckets make a window: 1 but for hopping ones."""
        return self.within // self.every if self.every else 1

    @property
    def bucketed(self) -> bool:
        """Whether its events lie in buckets that do not depend on other events."""
        return self.shape in (Shape.HOPPING, Shape.TUMBLING, Shape.CALENDAR)

    def bucket(self, at: int) -> Bucket:
        """The window, or of a hopping one the pane, that ``at`` lies in. Sliding windows and sessions have none."""
        if self.shape is Shape.CALENDAR:
            return bucket(self.align, _zone(self.timezone), at)
        length = self.every or self.within
        start = at - at % length
        return Bucket(start, start + length)

    def document(self) -> dict[str, Any]:
        """Canonical, for the rule's version."""
        document: dict[str, Any] = {}
        if self.shape is not Shape.CALENDAR:
            document["within"] = format_duration(self.within)
        match self.shape:
            case Shape.HOPPING:
                document["every"] = format_duration(self.every)
            case Shape.TUMBLING:
                document["window"] = "tumbling"
            case Shape.CALENDAR:
                document |= {"align": self.align, "timezone": self.timezone}
            case Shape.SESSION:
                document |= {"window": "session", "gap": format_duration(self.gap)}
        return document


def parse_window(read: Block) -> Window:
    """``WINDOW_OPTIONS`` of a kind's block; problems are noted there, and some window is given back all the same."""
    shape = read.choice("window", ("sliding", "tumbling", "session"), "sliding")
    align = read.choice("align", LONGEST, "")
    timezone = read.read("timezone", _timezone, "UTC")
    every, gap = read.duration("every", 0, least=1), read.duration("gap", 0, least=1)
    within = _length(read, shape, align)
    if read.has("timezone") and not read.has("align"):
        read.problem("timezone", "has a meaning only with align")
    if read.has("gap") and shape != "session":
        read.problem("gap", "has a meaning only with window: session")
    if read.has("every") and (shape != "sliding" or align):
        read.problem("every", "has a meaning only for a sliding window with within")
    if align:
        if shape == "session":
            read.problem("align", "has no meaning for a session")
        return Window(LONGEST[align], Shape.CALENDAR, align=align, timezone=timezone or "UTC")
    if shape == "session":
        if not read.has("gap"):
            read.problem("gap", "is missing: how long a pause ends the session")
        elif within and gap and gap >= within:
            read.problem("gap", f"is not shorter than the longest session ({format_duration(within)})")
        return Window(within or _SESSION, Shape.SESSION, gap=gap or 1)
    if shape == "tumbling":
        return Window(within or 1, Shape.TUMBLING)
    if not every or not within:
        return Window(within or 1)
    if within % every:
        read.problem("every", f"does not divide within ({format_duration(within)})")
        return Window(within)  # a window has at least one pane
    if within // every > MAX_PANES:
        read.problem("every", f"makes {within // every} panes of a window: at most {MAX_PANES}")
    return Window(within, Shape.TUMBLING) if every == within else Window(within, Shape.HOPPING, every=every)


def _length(read: Block, shape: str, align: str) -> int:
    if align:
        if read.has("within"):
            read.problem("within", f"has no meaning with align: each {align} is a window")
        return LONGEST[align]
    return read.duration("within", _SESSION, least=1) if shape == "session" else read.duration("within", least=1)


def _timezone(value: Any) -> str:
    """A name of the time zone database. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"takes the name of a time zone, not {shown(value)}")
    try:
        _zone(value)
    except (ValueError, OSError) as error:  # an unknown key is a KeyError, dressed as ZoneInfoNotFoundError
        raise ValueError(f"{shown(value)} is not a time zone, such as Europe/Berlin") from error
    except KeyError as error:
        raise ValueError(f"{shown(value)} is not a time zone, such as Europe/Berlin") from error
    return value


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
