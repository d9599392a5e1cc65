"""The book: every alert of a partition, found by its id or by its fold key. Cold ones are kept as bytes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.alerts.case import OPEN, Case, Thread
from streams.alerts.memory import read_memory
from streams.model import Alert, Severity, Status, content_hash

#: A fingerprint: typed, so that 1, true and "1" are three keys.
ThreadKey = str
CASES_KEPT = 2_000  #: decoded ones, ready to be changed again


def fingerprint(rule: str, tenant: str, key: dict[str, Any], more: dict[str, Any] | None = None) -> ThreadKey:
    """What findings share that belong together: ``more`` is what the rule adds to its key for that."""
    return content_hash("fold", rule, tenant, key, more or {})


class _Head(msgspec.Struct, frozen=True):
    """As much of an alert as the indexes need."""

    id: str
    tenant: str
    rule: str
    key: dict[str, Any]
    event_time: int
    status: Status
    severity: Severity
    updated_at: int
    created_at: int
    fingerprint: str = ""
    incident: str = ""


class _Peek(msgspec.Struct, frozen=True):
    v: int
    alert: _Head
    timers: dict[str, int] = {}
    held: tuple[str, ...] = ()
    entity: str = ""


_peek = msgspec.json.Decoder(_Peek)


@dataclass(slots=True, eq=False)
class Entry:
    """One alert at rest. ``value`` is its ``Memory`` as JSON."""

    value: bytes
    thread: ThreadKey
    event_time: int
    status: Status
    severity: Severity
    updated_at: int
    created_at: int
    tenant: str
    due: int | None  #: of its timers the first
    held: bool  #: something is not told because something suppresses it
    entity: str
    incident: str


class Book:
    """``touched`` are the cases of the step under way, in the order in which they were first touched."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.threads: dict[ThreadKey, Thread] = {}
        self.touched: dict[str, Case] = {}
        self.active: Counter[Severity] = Counter()  #: alerts nobody has closed, by severity
        self._cases: dict[str, Case] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self.entries or identity in self.touched

    def case(self, identity: str) -> Case | None:
        """The working copy of an alert; None if it is not known."""
        case = self.touched.get(identity)
        if case is None:
            case = self._cases.pop(identity, None)
            if case is None:
                entry = self.entries.get(identity)
                if entry is None:
                    return None
                memory = read_memory(entry.value)
                case = Case.of(memory.alert, self.threads[entry.thread], memory)
            self._cases[identity] = self.touched[identity] = case
        return case

    def open(self, alert: Alert, key: ThreadKey) -> Case:
        """A new case in the thread ``key``. ``alert.id`` must not be known yet, ``alert.status`` is active."""
        thread = self.threads.setdefault(key, Thread())
        place = alert.event_time, alert.id
        insort(thread.all, place)
        insort(thread.open, place)
        case = self._cases[alert.id] = self.touched[alert.id] = Case.of(alert, thread)
        return case

    def settle(self, case: Case, value: bytes) -> None:
        """A touched case has been written as ``value``: remember it so."""
        alert = case.base
        before = self.entries.get(alert.id)
        if before is None:
            thread = alert.fingerprint
        else:
            thread = before.thread
            self._count(before, -1)
        self.entries[alert.id] = entry = Entry(
            value,
            thread,
            alert.event_time,
            alert.status,
            alert.severity,
            alert.updated_at,
            alert.created_at,
            alert.tenant,
            min(case.timers.values(), default=None),
            bool(case.held),
            case.entity,
            alert.incident,
        )
        self._count(entry, +1)

    def end_step(self) -> None:
        """Nothing is under way any more."""
        self.touched = {}
        excess = len(self._cases) - CASES_KEPT
        if excess > 0:
            for identity in list(self._cases)[:excess]:
                del self._cases[identity]

    def take(self, value: bytes) -> str:
        """Index an alert that was remembered as ``value``; returns its id. One of the same id is replaced."""
        head = (peek := _peek.decode(value)).alert
        self.drop(head.id)
        key = head.fingerprint or fingerprint(head.rule, head.tenant, head.key)
        entry = Entry(
            value, key, head.event_time, head.status, head.severity, head.updated_at, head.created_at, head.tenant,
            min(peek.timers.values(), default=None), bool(peek.held), peek.entity, head.incident,
        )  # fmt: skip
        self.entries[head.id] = entry
        self._count(entry, +1)
        thread = self.threads.setdefault(key, Thread())
        insort(thread.all, (head.event_time, head.id))
        if head.status in OPEN:
            insort(thread.open, (head.event_time, head.id))
        return head.id

    def drop(self, identity: str) -> None:
        """Forget an alert, between steps."""
        entry = self.entries.pop(identity, None)
        if entry is None:
            return
        self._cases.pop(identity, None)
        self._count(entry, -1)
        thread, place = self.threads[entry.thread], (entry.event_time, identity)
        for places in (thread.all, thread.open):
            at = bisect_left(places, place)
            if at < len(places) and places[at] == place:
                del places[at]
        if not thread.all:
            del self.threads[entry.thread]

    def _count(self, entry: Entry, change: int) -> None:
        if entry.status in OPEN:
            self.active[entry.severity] += change
