"""Silences: for a time somebody does not want to hear of what matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams.route.matchers import Labelled, Matcher, all_hold, parse_matchers
from streams.rules.block import Block

SILENCE = "silence"
#: A silence that lasts longer is reminded of, this long before it ends.
LONG, REMIND = 86_400_000, 3_600_000


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

    @property
    def reminder(self) -> int | None:
        """When its author is to be reminded that it ends; None for a short one."""
        return self.ends - REMIND if self.ends - self.begins > LONG else None


def parse_silence(identity: str, raw: Any) -> Silence:
    """``{matchers, starts_at, ends_at, author, comment, tenant}``, times in ms. Raises BlockErrors."""
    block = Block(raw)
    most = 253_402_300_799_999
    silence = Silence(
        id=identity,
        matchers=block.read("matchers", parse_matchers),
        begins=block.integer("starts_at", most=most),
        ends=block.integer("ends_at", most=most),
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
