"""What is told of a night: lines in order of time, and what it came to for each person and receiver."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Hours of the night, when a page wakes somebody.
NIGHT: Final = (22, 7)


class Kind(StrEnum):
    """What a line is about."""

    REMARK = "remark"  #: something the reader should know
    ON_CALL = "on_call"  #: somebody takes over
    TOLD = "told"  #: a notification
    HIDDEN = "hidden"  #: somebody would have been told
    QUIET = "quiet"  #: it came again, and there is a reason to tell nobody
    PEOPLE = "people"  #: somebody did something
    ITSELF = "itself"  #: an alert changed by itself


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. ``who``: the receiver that was told, or who did it; ``to``: the person behind it."""

    at: int
    kind: Kind
    what: str
    why: str = ""
    who: str = ""
    to: str = ""
    alert: str = ""
    severity: str = ""
    reason: str = ""
    rule: str = ""
    loud: bool = False  #: it rings

    def says(self) -> tuple[str, ...]:
        """What is the same of lines that tell the same of several alerts of a rule."""
        own = "" if self.rule else self.what
        return self.kind, self.who, self.to, self.rule, self.reason, self.why, own


@dataclass(slots=True)
class Tale:
    """All lines of a night. Times in ms, UTC."""

    begin: int
    end: int
    lines: list[Line] = field(default_factory=list)
    opened: int = 0
    findings: int = 0
    still_open: list[str] = field(default_factory=list)  #: titles of alerts that nobody has closed

    def together(self) -> list[Line]:
        """The lines with those that say the same of several alerts next to each other, minute by minute."""
        found: list[Line] = []
        for _, minute in groupby(self.lines, lambda line: line.at // 60_000):
            alike: dict[tuple[str, ...], list[Line]] = {}
            for line in minute:
                alike.setdefault(line.says(), []).append(line)
            found += [line for lines in alike.values() for line in lines]
        return found

    def receivers(self) -> dict[str, Counter[str]]:
        """How many messages each receiver had, by reason."""
        found: dict[str, Counter[str]] = {}
        for line in self.lines:
            if line.kind is Kind.TOLD:
                found.setdefault(line.who, Counter())[line.reason] += 1
        return dict(sorted(found.items()))

    def people(self) -> dict[str, dict[str, int]]:
        """Of each person who is woken: what rang, and how much of it at night."""
        found: dict[str, dict[str, int]] = {}
        for line in self.lines:
            if line.kind is Kind.TOLD and line.loud:
                person = found.setdefault(line.to or line.who, {"rung": 0, "at_night": 0})
                person["rung"] += 1
                person["at_night"] += at_night(line.at)
        return dict(sorted(found.items()))

    def hidden(self) -> Counter[str]:
        """How often nobody was told, by what hid it."""
        return Counter(line.reason for line in self.lines if line.kind is Kind.HIDDEN)

    def quiet(self) -> int:
        """How often something came again and nobody was told."""
        return sum(1 for line in self.lines if line.kind is Kind.QUIET)

    def as_json(self) -> dict[str, Any]:
        """All of it, with times in RFC 3339."""
        return {
            "begin": shown(self.begin), "end": shown(self.end), "findings": self.findings, "alerts": self.opened,
            "timeline": [
                {"at": shown(line.at), "kind": line.kind.value,
                 **{name: value for name in _SHOWN if (value := getattr(line, name))}}
                for line in self.lines
            ],
            "receivers": {name: dict(sorted(counts.items())) for name, counts in self.receivers().items()},
            "people": self.people(), "hidden": dict(sorted(self.hidden().items())), "quiet": self.quiet(),
            "still_open": self.still_open,
        }  # fmt: skip


_SHOWN: Final = ("what", "why", "who", "to", "alert", "rule", "severity", "reason", "loud")


def moment(ms: int) -> datetime:
    """UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


def shown(ms: int) -> str:
    """RFC 3339, to the second."""
    return f"{moment(ms):%Y-%m-%dT%H:%M:%SZ}"


def at_night(ms: int) -> bool:
    """Whether people sleep."""
    return moment(ms).hour >= NIGHT[0] or moment(ms).hour < NIGHT[1]
