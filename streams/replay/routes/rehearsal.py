"""A rehearsal: what would be said of an alert, to whom and when, on a simulated clock; nobody is told.

It is the stage itself that runs (``streams.pipeline.alert`` over an ``AlertState``): a made-up finding goes in, time is
moved from one due moment to the next, and the notifications that come out are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from streams import pipeline
from streams.model import Action, Alert, Batch, Command, Control, Finding, Notification, Operation, Output
from streams.state.alerts.alerting import AlertState

SUBJECT: Final = "rehearsed"  #: id of the alert that is asked about
MOST_TOLD: Final = 1_000
_MOST_STEPS: Final = 20_000
_COOLDOWN: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does, or what comes in, ``after`` ms: the fields of a command, or of a finding (``kind``)."""

    after: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """``alert`` and the ``active`` ones are fields of a finding; ``active`` with how long before they were opened."""

    alert: Mapping[str, Any]
    at: int  #: ms
    lasts: int  #: how long is looked ahead, ms
    active: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it. ``told``: notifications that are about the alert, or about a group it is in."""

    told: tuple[Notification, ...]
    versions: tuple[Alert, ...]
    refused: tuple[str, ...]  #: commands, with the named reason
    cut: bool  #: more would have been told than is shown
    later: tuple[tuple[int, str], ...]  #: (when, receiver) of what still waits at the end


@dataclass(slots=True)
class _Stage:
    state: AlertState
    control: Control
    now: int
    told: list[Notification] = field(default_factory=list)
    versions: list[Alert] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    offset: int = 0
    steps: int = 0

    @property
    def cut(self) -> bool:
        return self.steps >= _MOST_STEPS or len(self.told) >= MOST_TOLD

    def until(self, end: int) -> None:
        """Let time pass, from one due moment to the next."""
        while not self.cut and (due := self.state.due()) is not None and max(due, self.now) <= end:
            self.now = max(due, self.now)
            self.steps += 1
            self.take(pipeline.alert_tick(self.state, self.now, self.control, at_end=True))
        self.now = max(self.now, end)

    def give(self, record: Finding | Command) -> None:
        batch = Batch([(self.offset, msgspec.json.encode(record), self.now)])
        self.offset += 1
        self.take(pipeline.alert(self.state, batch, self.now, self.control))

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            if output.topic == "notifications":
                notification = msgspec.json.decode(output.value, type=Notification)
                if _concerns(notification):
                    self.told.append(notification)
            elif output.topic == "alerts" and output.key == SUBJECT.encode():
                self.versions.append(msgspec.json.decode(output.value, type=Alert))
            elif output.topic == "operations":
                done = msgspec.json.decode(output.value, type=Operation)
                if done.reason:
                    self.refused.append(f"{done.action}: {done.reason}")


def rehearse(records: Mapping[str, dict[str, Any]], given: Given) -> Rehearsed:
    """Let ``given`` happen under the control records ``records`` (``policy/default`` and what stands beside it)."""
    state = AlertState(0)
    state.loaded()
    before = sorted(given.active, key=lambda one: -one[0])
    stage = _Stage(state, Control(1, None, dict(records)), given.at - (before[0][0] if before else 0))
    for number, (ago, fields) in enumerate(before):
        stage.until(given.at - ago)
        stage.give(_finding(fields, f"active-{number}", number, stage.now))
    stage.until(given.at)
    stage.told.clear()  # of the others
    stage.give(_finding(given.alert, SUBJECT, -1, stage.now))
    for number, act in enumerate(sorted(given.acts, key=lambda one: one.after)):
        stage.until(given.at + act.after)
        stage.give(_record(given, act, number, stage))
    stage.until(given.at + given.lasts)
    piles = state.telling.tray.piles.values()
    later = sorted((pile.due, pile.receiver) for pile in piles if SUBJECT in pile.pending)
    return Rehearsed(tuple(stage.told), tuple(stage.versions), tuple(stage.refused), stage.cut, tuple(later))


def _concerns(notification: Notification) -> bool:
    group = notification.group
    return notification.alert_id == SUBJECT or (
        group is not None and any(member.id == SUBJECT for member in group.alerts)
    )


def _record(given: Given, act: Act, number: int, stage: _Stage) -> Finding | Command:
    if "kind" in act.fields:
        return _finding({**given.alert, **act.fields}, SUBJECT, -1, stage.now, number + 1)
    document = {"id": f"act-{number}", "alert_id": SUBJECT, "by": "rehearsal", "at": stage.now, **act.fields}
    document["tenant"] = given.alert["tenant"]
    if "lasts" in document:
        document["until"] = stage.now + document.pop("lasts")
    if document["action"] == Action.DELIVERY_FAILED:  # of the last message to that receiver
        sent = [one.id for one in stage.told if one.receiver == document.get("receiver")]
        document["notification_id"] = sent[-1] if sent else ""
    return msgspec.convert(document, Command)


def _finding(fields: Mapping[str, Any], alert: str, apart: int, now: int, number: int = 0) -> Finding:
    """A finding that folds with those of the same ``apart`` alone."""
    document: dict[str, Any] = {
        "id": f"{alert}-{number}", "kind": "fire", "rule_version": "", "ruleset": "", "alert_id": alert,
        "event_time": now, "position": f"rehearsal/0/{number}", "fingerprint": {"rehearsal": apart},
        "cooldown": _COOLDOWN, **fields,
    }  # fmt: skip
    return msgspec.convert(document, Finding)
