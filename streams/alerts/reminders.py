"""Reminders: that a long silence is about to end, and that maintenance is about to begin. Said once each, as alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streams.alerts.maintenance import MAINTENANCE, Window
from streams.alerts.policy import Policy
from streams.alerts.silences import SILENCE, Silence
from streams.model import Finding, FindingKind, Severity, content_hash

REMINDER: Final = "tocsin.reminder"
#: Whose alert it is where what it is about is of every tenant.
NOBODYS: Final = "tocsin"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Due:
    """``about`` (``silence/<id>``) is to be reminded of at ``at``, ms, unless it is ``when`` already; ``when``: its end
    or its beginning, by which one reminder differs from the next.
    """

    about: str
    at: int
    when: int
    tenant: str
    one: Silence | Window

    def finding(self, now: int) -> Finding:
        """What opens the alert. It resolves by itself at ``when``."""
        kind, _, identity = self.about.partition("/")
        verb = "ends" if kind == SILENCE else "begins"
        what = f"{'silence' if kind == SILENCE else 'maintenance'} {identity}"
        alert = content_hash(REMINDER, self.tenant, self.about, self.when)
        metadata: dict[str, Any] = {
            "about": self.about, "author": self.one.author, "comment": self.one.comment,
            "matchers": [str(matcher) for matcher in self.one.matchers], f"{verb}_at": _text(self.when),
        }  # fmt: skip
        return Finding(
            id=content_hash("finding", alert), kind=FindingKind.FIRE, rule=REMINDER, rule_version="", ruleset="",
            tenant=self.tenant, key={kind: identity}, alert_id=alert, source="tocsin", event_time=now, position="",
            severity=Severity.INFO, severity_word=Severity.INFO.value, type="system",
            title=f"{what} {verb} at {_text(self.when)}", description=self._says(kind), cooldown=0,
            resolve_after=self.when - now, metadata=metadata,
        )  # fmt: skip

    def _says(self, kind: str) -> str:
        by = f" ({self.one.author}: {self.one.comment})" if self.one.author or self.one.comment else ""
        if kind == SILENCE:
            return f"What it hides and still stands is told then. Prolong it, or see to what it hides.{by}"
        return f"What it covers is told to nobody until it is over.{by}"


def dues(policy: Policy, now: int) -> Iterator[Due]:
    """The next reminder of everything in force that has one."""
    for silence in policy.silences:
        if (at := silence.reminder) is not None and now < silence.ends:
            yield Due(f"{SILENCE}/{silence.id}", at, silence.ends, silence.tenant or NOBODYS, silence)
    for window in policy.maintenance:
        if window.remind and (begin := window.next_begin(now)) is not None:
            yield Due(f"{MAINTENANCE}/{window.id}", begin - window.remind, begin, window.tenant or NOBODYS, window)


def _text(at: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at)).strftime("%Y-%m-%dT%H:%M:%SZ")
