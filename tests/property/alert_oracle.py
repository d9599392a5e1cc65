"""What everybody outside may rely on, held against what came out: written from the promises, not from the code.

It knows what was put in (findings, commands, silences) and what came out (versions, notifications, operations), and
keeps for each alert no more than a person would: who believes that it stands, and whether anything is new since
somebody took it in hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.model import Alert, Command, Notification, Operation
from streams.model.severity import severity_rank

CLOSED = ("resolved", "dismissed")
IN_HAND = ("acknowledged", "snoozed")


@dataclass
class Cover:
    """A silence or a maintenance window, in force from ``begins`` until before ``ends``."""

    field: str
    value: str
    begins: int
    ends: int
    tenant: str = ""

    def hides(self, alert: Alert, now: int) -> bool:
        applies = self.tenant in ("", alert.tenant) and self.begins <= now < self.ends
        return applies and str(getattr(alert, self.field)) == self.value


@dataclass
class Life:
    """One alert, as seen from outside."""

    latest: Alert
    believers: set[str] = field(default_factory=set)  #: told that it began, and not yet that it is over
    news: bool = False  #: since it was taken in hand something new happened
    was_told: bool = False  #: somebody heard of it since it was last opened
    notes: list[str] = field(default_factory=list)
    active_since: int = 0


class Oracle:
    """``deaf``: receivers that do not want to hear that something is over, or only hear of it in summaries."""

    def __init__(self, deaf: Iterable[str]) -> None:
        self.lives: dict[str, Life] = {}
        self.deaf = frozenset(deaf)
        self._ids: set[str] = set()
        self._causes: set[tuple[str, int, str, str]] = set()

    def step(
        self,
        commands: Sequence[Command],
        versions: Sequence[Alert],
        notifications: Sequence[Notification],
        operations: Sequence[Operation],
        covers: Sequence[Cover],
        now: int,
    ) -> None:
        """Take one step's input and output; raises AssertionError where a promise is broken."""
        before = {one.id: self.lives[one.id].latest for one in versions if one.id in self.lives}
        for version in versions:
            self._lived(version, now)
        self._obeyed(commands, operations)
        for version in versions:
            assert [note["text"] for note in version.notes] == self.lives[version.id].notes, "a note was lost"
        changed = {version.id for version in versions}
        for notification in notifications:
            self._told(notification, before, changed, covers, now)
        for version in versions:
            life = self.lives[version.id]
            if version.status in CLOSED:
                assert not life.believers, f"{life.believers} still believe that {version.id} stands"

    # --- what happened

    def _lived(self, after: Alert, now: int) -> None:
        life = self.lives.get(after.id)
        if life is None:
            life = self.lives[after.id] = Life(after, active_since=now)
            moves: list[Any] = list(after.history)
        else:
            assert after.version == life.latest.version + 1
            old = list(life.latest.history)
            moves = [one for one in after.history if one not in old]
        moves = [one for one in moves if one["from"] != one["to"]]
        for one in moves:
            if one["to"] in IN_HAND:
                life.news = False
            elif one["to"] == "active":
                life.active_since = now
                if one["from"] in CLOSED:
                    life.was_told = False
        before = life.latest
        if (
            severity_rank(after.severity) > severity_rank(before.severity)
            or len(after.breached) > len(before.breached)
            or after.phase != before.phase
            or any(one["to"] == "active" for one in moves)
            or before is after
        ):
            life.news = True
        life.latest = after

    def _obeyed(self, commands: Sequence[Command], operations: Sequence[Operation]) -> None:
        assert [one.command_id for one in operations] == [one.id for one in commands]
        for command, operation in zip(commands, operations, strict=True):
            life = self.lives.get(command.alert_id)
            if operation.outcome != "applied" or life is None:
                continue
            if command.note and command.action != "delivery_failed":
                life.notes.append(command.note)
            if command.action in ("escalate", "phase", "reopen", "unacknowledge"):
                life.news = True

    # --- who was told

    def _told(
        self, one: Notification, before: dict[str, Alert], changed: set[str], covers: Sequence[Cover], now: int
    ) -> None:
        assert one.id not in self._ids, f"{one.id} was used before"
        self._ids.add(one.id)
        cause = one.alert.id, one.alert.version, one.receiver, one.reason.value
        repeated = one.group is not None or one.reason == "repeated"  # a route says it again without a new version
        assert repeated or cause not in self._causes, f"{cause} was told before"
        self._causes.add(cause)
        if one.group is not None and one.reason == "resolved":
            assert {member.status for member in one.group.alerts} <= set(CLOSED)
            if not any(one.receiver in self.lives[member.id].believers for member in one.group.alerts):
                return  # each was told by itself: it is the group's incident that ends
        alerts = [(one.alert_id, one.reason.value)]
        if one.group is not None:
            alerts = [(member.id, member.reason) for member in one.group.alerts]
        for name, reason in alerts:
            life = self.lives[name]
            if reason == "resolved":
                assert one.receiver in life.believers, f"{one.receiver} hears that {name} is over, and had not begun"
                life.believers.discard(one.receiver)
                continue
            life.was_told = True
            if one.receiver not in self.deaf:
                life.believers.add(one.receiver)
            elif one.reason == "digest":  # a summary tells of what is over, too
                continue
            self._fits(
                name, life, reason, before.get(name) if name in changed else life.latest, name in changed, covers, now
            )

    def _fits(
        self, name: str, life: Life, reason: str, before: Alert | None, stepped: bool, covers: Sequence[Cover], now: int
    ) -> None:
        """Whether this may be said of an alert as it stood before the step, and stands now."""
        after = life.latest
        if before is None:
            before = after if after.status not in (*IN_HAND, *CLOSED) else None
        if before is None:  # opened in this step, and more
            return
        if before.status in IN_HAND and after.status in IN_HAND:
            assert life.news, f"{reason} of {name}, which somebody has in hand since, and nothing is new"
        if before.status in CLOSED and after.status in CLOSED:
            reopened = stepped and before.history != after.history
            assert reopened, f"{reason} of {name}, which is closed"
        hiding = [cover for cover in covers if cover.hides(after, now) and after.rule != "tocsin.reminder"]
        assert not hiding, f"{reason} of {name}, under {hiding[0]}"

    # --- the end

    def settled(self) -> None:
        """Nothing suppresses anything any more, and everything that waits has come due."""
        for name, life in self.lives.items():
            throttled = [one for one in life.latest.suppressed if one.stage == "throttle"]
            assert life.latest.status != "active" or life.was_told or throttled, f"nobody was ever told of {name}"
            if life.latest.status == "active":
                assert list(life.latest.suppressed) == throttled, f"{name} says that something still hides it"
