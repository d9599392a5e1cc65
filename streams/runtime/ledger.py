"""The delivery ledger: per sink and notification every attempt, and what has become of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from confluent_kafka import Message

from streams.codec.outputs import PLAIN, Wire
from streams.model import Delivery, Notification, Outcome, position
from streams.runtime.scan import Scan

_delivery = msgspec.json.Decoder(Delivery).decode
_notification = msgspec.json.Decoder(Notification).decode


class State(StrEnum):
    """What has become of a notification, or for a storage of an alert's version."""

    WAITING = "waiting"  #: no attempt is known yet
    RETRYING = "retrying"  #: the last attempt failed, another follows
    DELIVERED = "delivered"
    REJECTED = "rejected"  #: the receiver refused it for good
    FAILED = "failed"  #: the budget of attempts is spent


_STATES = {
    Outcome.DELIVERED: State.DELIVERED, Outcome.RETRY: State.RETRYING, Outcome.REJECTED: State.REJECTED,
    Outcome.FAILED: State.FAILED,
}  # fmt: skip
#: What needs somebody, unless it is sent again.
LOST = frozenset({State.REJECTED, State.FAILED})


@dataclass(slots=True)
class Entry:
    """One line of the ledger. ``where``: positions of the notification, the first and those of its re-drives."""

    id: str
    sink: str
    alert_id: str
    tenant: str
    reason: str = ""
    at: int = 0  #: when it was to be told
    note: Notification | None = None  #: None: of a storage, or the notification is not retained
    where: list[str] = field(default_factory=list)
    attempts: list[Delivery] = field(default_factory=list)
    redriven: str = ""  #: the last re-drive

    @property
    def state(self) -> State:
        """After a re-drive only its own attempts count."""
        own = [one for one in self.attempts if one.redriven == self.redriven]
        return _STATES[own[-1].outcome] if own else State.WAITING

    @property
    def subject(self) -> str:
        """What it is about over all messages of its sink."""
        return self.note.subject if self.note is not None else self.alert_id

    @property
    def error(self) -> str:
        return next((one.error for one in reversed(self.attempts) if one.error), "")

    @property
    def reference(self) -> str:
        return next((one.reference for one in reversed(self.attempts) if one.reference), "")


@dataclass(frozen=True, slots=True)
class Rate:
    """How a sink does. ``success``: of what is finished, the share that was delivered; None where nothing is."""

    sink: str
    states: Counter[State]
    attempts: int
    latency_p50_ms: int
    latency_p99_ms: int

    @property
    def success(self) -> float | None:
        done = sum(self.states[state] for state in (State.DELIVERED, State.REJECTED, State.FAILED))
        return self.states[State.DELIVERED] / done if done else None


def read_ledger(scan: Scan, since: int = 0, wire: Wire = PLAIN) -> list[Entry]:
    """Everything told or attempted since (ms), oldest first."""
    found: dict[tuple[str, str], Entry] = {}
    for message in scan.records("notifications", since):
        if (note := _note(message, wire)) is not None:
            _told(found, note, position("notifications", message.partition() or 0, message.offset() or 0))
    for message in scan.records("deliveries", since):
        if (delivery := _attempt(message, wire)) is not None:
            entry = _entry(found, delivery.sink, delivery.notification_id, delivery.alert_id, delivery.tenant)
            entry.attempts.append(delivery)
            entry.reason = entry.reason or delivery.reason
            entry.at = entry.at or delivery.caused_at or delivery.at
    for entry in found.values():
        entry.attempts.sort(key=lambda one: one.at)
    return sorted(found.values(), key=lambda entry: (entry.at, entry.id))


def rates(entries: Iterable[Entry]) -> list[Rate]:
    """Per sink, by name."""
    by_sink: dict[str, list[Entry]] = {}
    for entry in entries:
        by_sink.setdefault(entry.sink, []).append(entry)
    found = []
    for sink, own in sorted(by_sink.items()):
        took = sorted(one.latency_ms for entry in own for one in entry.attempts)
        states = Counter(entry.state for entry in own)
        found.append(Rate(sink, states, len(took), _quantile(took, 0.5), _quantile(took, 0.99)))
    return found


def _quantile(values: Sequence[int], share: float) -> int:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def _entry(found: dict[tuple[str, str], Entry], sink: str, identity: str, alert_id: str, tenant: str) -> Entry:
    return found.setdefault((sink, identity), Entry(identity, sink, alert_id, tenant))


def _told(found: dict[tuple[str, str], Entry], note: Notification, where: str) -> None:
    entry = _entry(found, note.receiver, note.id, note.alert_id, note.tenant)
    entry.note, entry.reason, entry.at = note, note.reason.value, note.at
    entry.where.append(where)
    entry.redriven = note.redriven or entry.redriven


def _note(message: Message, wire: Wire) -> Notification | None:
    try:
        return _notification(wire.json("notifications", message.value() or b""))
    except (ValueError, RecursionError):
        return None  # the sinks have put it into the dead letters


def _attempt(message: Message, wire: Wire) -> Delivery | None:
    try:
        return _delivery(wire.json("deliveries", message.value() or b""))
    except (ValueError, RecursionError):
        return None
