"""The book: every alert of a partition, found by its id or by its fold key. Cold ones are kept as bytes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.alerts.case import OPEN, Case, Memory, Thread
from streams.model import Alert, Severity, Status

#: (rule, tenant, canonical JSON of the key): typed, so that 1, true and "1" are three keys.
ThreadKey = tuple[str, str, bytes]
CASES_KEPT = 2_000  #: decoded ones, ready to be changed again

_canonical = msgspec.json.Encoder(order="sorted").encode
_memory = msgspec.json.Decoder(Memory)


def thread_key(rule: str, tenant: str, key: dict[str, Any]) -> ThreadKey:
    """What findings that belong together share."""
    return rule, tenant, _canonical(key)


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


class _Peek(msgspec.Struct, frozen=True):
    v: int
    alert: _Head
    remind_due: int | None = None


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
    remind_due: int | None


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
                memory = _memory.decode(entry.value)
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

    def thread_of(self, case: Case) -> ThreadKey:
        """The fold key of a case."""
        return thread_key(case.base.rule, case.base.tenant, case.base.key)

    def settle(self, case: Case, value: bytes) -> None:
        """A touched case has been written as ``value``: remember it so."""
        alert = case.base
        before = self.entries.get(alert.id)
        if before is None:
            thread = self.thread_of(case)
        else:
            thread = before.thread
            self._count(before, -1)
        self.entries[alert.id] = entry = Entry(
            value, thread, alert.event_time, alert.status, alert.severity, alert.updated_at, case.remind_due
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
        key = thread_key(head.rule, head.tenant, head.key)
        entry = Entry(value, key, head.event_time, head.status, head.severity, head.updated_at, peek.remind_due)
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
