"""A partition of ``alert-input`` to play with: give it records, let time pass, restart it, look at what came out."""

from __future__ import annotations

from typing import Any

import msgspec

from streams import pipeline
from streams.model import Alert, Batch, Command, Control, Evidence, Finding, Notification, Operation, Output
from streams.model.dead import DeadLetter
from streams.state.alerts.alerting import AlertState

MINUTE = 60_000
START = 1_700_000_000_000

POLICY = {
    "receivers": [{"name": "console"}, {"name": "pager", "min_severity": "critical"}],
    "remind_after": "5m",
    "max_reminders": 3,
}


def finding(n: int, minute: float = 0, **fields: Any) -> Finding:
    """The n-th event completed the rule's condition ``minute`` minutes after the start."""
    at = START + int(minute * MINUTE)
    place = f"audit.events/0/{n}"
    document: dict[str, Any] = {
        "id": f"finding-{n}", "kind": "fire", "rule": "audit.burst", "rule_version": "v1", "ruleset": "s1",
        "tenant": "acme", "key": {"actor": "ada"}, "alert_id": f"alert-{n}", "source": "audit", "event_time": at,
        "position": place, "severity": "medium", "severity_word": "medium", "type": "security",
        "title": f"title {n}", "observed": 5, "threshold": 5, "within": 600_000, "cooldown": 15 * MINUTE,
        "evidence": (Evidence(position=place, event_id=f"e{n}", event_time=at, event={"actor": "ada"}),),
    }  # fmt: skip
    return msgspec.convert({**document, **fields}, Finding)


def command(n: int, action: str, alert: str = "alert-0", **fields: Any) -> Command:
    document = {"id": f"command-{n}", "action": action, "alert_id": alert, "tenant": "acme", "by": "grace", "at": START}
    return msgspec.convert({**document, **fields}, Command)


class World:
    """Keeps every output, and holds after every step that versions have no gaps and none has two in one step."""

    def __init__(self, policy: dict[str, Any] | None = POLICY) -> None:
        self.changelog: dict[bytes, bytes] = {}  #: as compaction leaves it
        self.history: list[tuple[bytes, bytes | None]] = []  #: as it was written
        self.state = AlertState(3)
        self.state.loaded()
        self.control = Control(1, None, {} if policy is None else {"policy/default": policy})
        self.now = START
        self.versions: dict[str, list[Alert]] = {}
        self.notifications: list[Notification] = []
        self.operations: list[Operation] = []
        self.dead: list[DeadLetter] = []
        self.outputs: list[Output] = []
        self._offset = 0

    def policy(self, document: dict[str, Any]) -> None:
        """Another policy is in force from the next step on."""
        self.control = Control(self.control.position + 1, None, {"policy/default": document})

    def give(self, *records: Finding | Command | bytes | None, minute: float | None = None) -> list[Output]:
        """One batch, at ``minute`` minutes after the start (if given: else at the same time as before)."""
        self._at(minute)
        batch = []
        for record in records:
            raw = record if isinstance(record, bytes) or record is None else msgspec.json.encode(record)
            batch.append((self._offset, raw, self.now))
            self._offset += 1
        return self._take(pipeline.alert(self.state, Batch(batch), self.now, self.control))

    def tick(self, minute: float | None = None) -> list[Output]:
        self._at(minute)
        return self._take(pipeline.alert_tick(self.state, self.now, self.control, at_end=True))

    def commit(self) -> list[tuple[bytes, bytes | None]]:
        changes = list(self.state.changes())
        self.history += changes
        for key, value in changes:
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value
        return changes

    def restart(self, compacted: bool = False) -> None:
        """Commit, forget everything, and come back from the changelog."""
        self.commit()
        position = msgspec.json.encode(self.state.position)
        self.state = AlertState(3)
        for key, value in self.changelog.items() if compacted else self.history:
            if value is None:
                self.state.unload(key)
            else:
                self.state.load(key, value)
        self.state.position = msgspec.json.decode(position, type=type(self.state.position))
        self.state.loaded()

    def alert(self, name: str = "alert-0") -> Alert:
        """The latest version."""
        return self.versions[name][-1]

    def told(self, name: str = "alert-0") -> list[tuple[str, str]]:
        """(receiver, reason) of every notification, in order."""
        return [(one.receiver, one.reason.value) for one in self.notifications if one.alert_id == name]

    def decided(self) -> list[str]:
        """What became of the commands: ``applied`` or the reason of the refusal."""
        return [one.reason or one.outcome.value for one in self.operations]

    def _at(self, minute: float | None) -> None:
        if minute is not None:
            self.now = START + int(minute * MINUTE)

    def _take(self, outputs: list[Output]) -> list[Output]:
        self.outputs += outputs
        stepped = set()
        for output in outputs:
            match output.topic:
                case "alerts":
                    alert = msgspec.json.decode(output.value, type=Alert)
                    before = self.versions.setdefault(alert.id, [])
                    assert output.key == alert.id.encode()
                    assert alert.id not in stepped
                    assert alert.version == len(before) + 1
                    assert alert.why
                    stepped.add(alert.id)
                    before.append(alert)
                case "notifications":
                    notification = msgspec.json.decode(output.value, type=Notification)
                    assert output.key == notification.subject.encode()
                    # Whom a group has told stands beside the alert until its next version says so.
                    known = msgspec.structs.replace(self.alert(notification.alert_id), told=notification.alert.told)
                    assert notification.alert == known
                    self.notifications.append(notification)
                case "operations":
                    self.operations.append(msgspec.json.decode(output.value, type=Operation))
                case "dead-letter":
                    self.dead.append(msgspec.json.decode(output.value, type=DeadLetter))
                case other:
                    raise AssertionError(other)
        return outputs
