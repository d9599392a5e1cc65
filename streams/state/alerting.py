"""State of one partition of ``alert-input``: the alerts of many tenants, and the timers that wait for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any, Final

import msgspec

from streams.alerts.book import Book
from streams.alerts.case import CLOSED, OPEN, Case
from streams.alerts.policy import DEFAULT, Policy, parse_policy
from streams.alerts.remind import remind, set_timer
from streams.errors import ConfigError, StateMismatch
from streams.model import Alert, Control, Group, Notification, Output, Reason, Status, content_hash
from streams.route import reached
from streams.state.oldest import Oldest
from streams.state.partition import Position

FORMAT: Final = 1
POLICY: Final = "policy/default"
MAX_ALERT: Final = 800_000  #: bytes; beyond, an alert loses the copies of its events
MAX_TICK: Final = 1_000  #: reminders and purges in one tick

_encode = msgspec.json.Encoder().encode


class _Memory(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``streams.alerts.case.Memory`` around an alert that is JSON already."""

    v: int
    alert: msgspec.Raw
    findings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    remind_due: int | None = None


class _Notification(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``Notification`` around an alert that is JSON already."""

    id: str
    alert_id: str
    tenant: str
    receiver: str
    reason: Reason
    at: int
    alert: msgspec.Raw
    route: str = ""
    why: str = ""
    to: tuple[str, ...] = ()
    escalation_level: int = 0
    group: Group | None = None


assert _Notification.__struct_fields__ == Notification.__struct_fields__


class AlertState:
    """Satisfies ``PartitionState``. Changelog: ``["alert", id]`` -> ``streams.alerts.case.Memory``, timers included."""

    stirred = True

    topic = "alert-input"

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.position = Position(committed=0, next=0)
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.stopwatch: Callable[[], int] | None = None
        self.book = Book()
        self.policy: Policy = DEFAULT
        self._control: Control | None = None
        self._dirty: dict[str, None] = {}
        self._reminders: list[tuple[int, str]] = []  #: (due, alert id); one that no longer holds is skipped
        self._open, self._closed = Oldest(self._changed_at_if(OPEN)), Oldest(self._changed_at_if(CLOSED))

    @property
    def active(self) -> dict[str, int]:
        """Alerts nobody has closed yet, by severity: a gauge."""
        return {severity.value: n for severity, n in self.book.active.items() if n}

    # --- what the runtime asks for

    def load(self, key: bytes, value: bytes) -> None:
        self._identity(key)
        version = msgspec.json.decode(value, type=_Version).v
        if version != FORMAT:
            raise StateMismatch(
                f"{self.topic}/{self.partition}: an alert is stored in format {version}, this program reads {FORMAT}",
                "run the program that wrote it, or a newer one",
            )
        self.book.take(value)

    def unload(self, key: bytes) -> None:
        self.book.drop(self._identity(key))

    def loaded(self) -> None:
        entries = self.book.entries.items()
        self._reminders = [(entry.remind_due, identity) for identity, entry in entries if entry.remind_due is not None]
        heapify(self._reminders)
        self._open.fill((entry.updated_at, identity) for identity, entry in entries if entry.status in OPEN)
        self._closed.fill((entry.updated_at, identity) for identity, entry in entries if entry.status in CLOSED)

    def due(self) -> int | None:
        reminder = self._next_reminder()
        times = [] if reminder is None else [reminder[0]]
        times += [oldest[0] + retain for ages, retain in self._ages() if (oldest := ages.first()) is not None]
        return min(times, default=None)

    def changes(self) -> Iterable[tuple[bytes, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        entries = self.book.entries
        return [(_encode(["alert", name]), entries[name].value if name in entries else None) for name in dirty]

    def _identity(self, key: bytes) -> str:
        try:
            table, identity = msgspec.json.decode(key, type=tuple[str, str])
        except msgspec.MsgspecError:
            table, identity = "", ""
        if table != "alert":
            raise StateMismatch(f"{self.topic}/{self.partition}: {key[:100]!r} in the changelog is no key of ours")
        return identity

    # --- what the pipeline asks for

    def begin(self, now: int, control: Control) -> int:
        """Adopt a newer control state; returns the ``now`` of this step, which never goes back."""
        position = self.position
        if control is not self._control and control.position >= position.control:
            self._control = control
            position.control = control.position
            position.ruleset = control.ruleset.version if control.ruleset is not None else ""
            self.policy = self._read_policy(control.records.get(POLICY))
            position.stage = {"retain": self.policy.retain, "retain_open": self.policy.retain_open}
        position.now = max(position.now, now)
        return position.now

    def remind_due(self, now: int, limit: int) -> int:
        """Say again what is due, in the order (due, alert id), at most ``limit``; returns how many timers ended."""
        done = 0
        while done < limit and (first := self._next_reminder()) is not None and first[0] <= now:
            heappop(self._reminders)
            case = self.book.case(first[1])
            assert case is not None, "a timer that holds belongs to an alert"
            remind(case, self.policy)
            done += 1
        return done

    def purge(self, now: int, limit: int) -> None:
        """Forget what has not changed for long, at most ``limit``. Only between steps: after ``finish``."""
        for ages, retain in self._ages():
            while limit > 0 and (oldest := ages.first()) is not None and oldest[0] + retain <= now:
                self.book.drop(oldest[1])
                self._dirty[oldest[1]] = None
                self.counts["purged", "open" if ages is self._open else "closed"] += 1
                limit -= 1

    def finish(self, now: int) -> list[Output]:
        """End the step: a version of each alert that changed, and the notifications that follow from it."""
        outputs: list[Output] = []
        for case in self.book.touched.values():
            if case.dirty:
                set_timer(case, self.policy, now)
                self._write(case, now, outputs)
                case.rest()
        self.book.end_step()
        return outputs

    def _write(self, case: Case, now: int, outputs: list[Output]) -> None:
        before = self.book.entries.get(case.base.id)
        if case.why is None:  # only what stands beside the alert has changed
            value = _encode(case.base)
        else:
            alert = case.finish(now)
            value = _encode(alert)
            if len(value) > MAX_ALERT:
                alert = case.without_events()
                value = _encode(alert)
                self.counts["events_left_out", alert.rule] += 1
            if alert.version == 1:
                self.counts["alerts", alert.rule, alert.type, alert.severity.value] += 1
            outputs.append(Output("alerts", alert.id.encode(), value))
            if case.reasons:
                self._notify(alert, value, case.reasons, now, outputs)
        identity, raw = case.base.id, msgspec.Raw(value)
        memory = _Memory(
            v=FORMAT, alert=raw,
            findings=tuple(case.findings), commands=tuple(case.commands), remind_due=case.remind_due,
        )  # fmt: skip
        self.book.settle(case, _encode(memory))
        self._dirty[identity] = None
        if case.remind_due is not None and (before is None or before.remind_due != case.remind_due):
            heappush(self._reminders, (case.remind_due, identity))
        if before is None or (before.status in OPEN) is not case.is_open:
            (self._open if case.is_open else self._closed).add(now, identity)

    def _notify(self, alert: Alert, value: bytes, reasons: Iterable[Reason], now: int, outputs: list[Output]) -> None:
        receivers = reached(self.policy.receivers, alert)
        if not receivers:
            return
        key, raw = alert.id.encode(), msgspec.Raw(value)
        for reason in reasons:
            for receiver in receivers:
                notification = _Notification(
                    id=content_hash("notification", alert.id, receiver, reason.value, alert.version),
                    alert_id=alert.id, tenant=alert.tenant, receiver=receiver, reason=reason, at=now, alert=raw,
                )  # fmt: skip
                outputs.append(Output("notifications", key, _encode(notification)))
                self.counts["notifications", receiver, reason.value] += 1

    def _read_policy(self, document: dict[str, Any] | None) -> Policy:
        if document is None:
            return DEFAULT
        try:
            return parse_policy(document)
        except ConfigError:  # whoever reads the control topic refuses such a record before it comes here
            self.counts["policy", "refused"] += 1
            return DEFAULT

    def _next_reminder(self) -> tuple[int, str] | None:
        """The first timer that still holds."""
        heap, entries = self._reminders, self.book.entries
        while heap:
            entry = entries.get(heap[0][1])
            if entry is not None and entry.remind_due == heap[0][0] and not self._begun(heap[0][1]):
                return heap[0]
            heappop(heap)
        return None

    def _begun(self, identity: str) -> bool:
        """Whether this step has taken the alert's timer already."""
        case = self.book.touched.get(identity)
        return case is not None and case.remind_due is None

    def _ages(self) -> tuple[tuple[Oldest, int], ...]:
        """With how long they are remembered: from the position, because after a restart no policy is at hand yet."""
        stage = self.position.stage
        retain, retain_open = stage.get("retain", DEFAULT.retain), stage.get("retain_open", DEFAULT.retain_open)
        return (self._open, retain_open), (self._closed, retain)

    def _changed_at_if(self, statuses: frozenset[Status]) -> Callable[[str], int | None]:
        def changed_at(identity: str) -> int | None:
            entry = self.book.entries.get(identity)
            return entry.updated_at if entry is not None and entry.status in statuses else None

        return changed_at


class _Version(msgspec.Struct):
    v: int
