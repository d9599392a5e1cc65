"""Silences: for a time somebody does not want to hear of what matches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streams.route.matchers import Labelled, Matcher, all_hold, parse_matchers
from streams.route.oncall import parse_moment
from streams.rules.block import Block

SILENCE = "silence"
#: A silence that lasts longer is reminded of, this long before it ends.
LONG, REMIND = 86_400_000, 3_600_000


class Phase(StrEnum):
    """Where a silence stands."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """In force from ``begins`` until before ``ends``, ms; never where they are the same: it was taken back before."""

    id: str
    matchers: tuple[Matcher, ...]
    begins: int
    ends: int
    author: str
    comment: str
    tenant: str = ""  #: empty: of every tenant

    def covers(self, tenant: str, subject: Labelled, now: int) -> int | None:
        """When it ends, if it hides the alert now; else None."""
        if not self.begins <= now < self.ends or self.tenant not in ("", tenant):
            return None
        return self.ends if all_hold(self.matchers, subject) else None

    def phase(self, now: int) -> Phase:
        """One that was taken back before it began has expired."""
        if now >= self.ends or self.ends <= self.begins:
            return Phase.EXPIRED
        return Phase.ACTIVE if now >= self.begins else Phase.PENDING

    @property
    def reminder(self) -> int | None:
        """When its author is to be reminded that it ends; None for a short one."""
        return self.ends - REMIND if self.ends - self.begins > LONG else None


def parse_silence(identity: str, raw: Any) -> Silence:
    """``{matchers, starts_at, ends_at, author, comment, tenant}``, times in ms or RFC 3339. Raises BlockErrors."""
    block = Block(raw)
    silence = Silence(
        id=identity,
        matchers=block.read("matchers", parse_matchers),
        begins=block.read("starts_at", parse_moment),
        ends=block.read("ends_at", parse_moment),
        author=block.text("author"),
        comment=block.text("comment"),
        tenant=block.text("tenant", ""),
    )
    if silence.matchers == ():
        block.problem("matchers", "names none: it would hide everything")
    if not block.problems and silence.ends < silence.begins:
        block.problem("ends_at", "is before starts_at")
    block.check()
    return silence
