"""State of one partition of ``alert-input``: the alerts of many tenants, the timers and groups that wait for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Final

import msgspec

from streams.alerts.book import Book, Entry
from streams.alerts.case import OPEN, Case
from streams.alerts.clocks import ring, wind
from streams.alerts.fold import fold
from streams.alerts.glimpse import glimpses
from streams.alerts.inhibition import Standing
from streams.alerts.policy import Policy
from streams.alerts.subject import Subject
from streams.model import Alert, Control, Output, Status
from streams.state.alerts import rates, reminding, tray
from streams.state.alerts.ages import Ages, note_retention
from streams.state.alerts.crowd import Crowd, storm
from streams.state.alerts.held import LOOSE, Held
from streams.state.alerts.inforce import hiding_of, policy_of, records_of
from streams.state.alerts.messages import Message, message_of
from streams.state.alerts.reminding import Reminding
from streams.state.alerts.sending import of_alert, of_group
from streams.state.alerts.stored import alert_in, check_format, memory_of, names_of
from streams.state.alerts.telling import Said, Telling
from streams.state.alerts.tray import Pile
from streams.state.partition import Position

MAX_ALERT: Final = 800_000  #: bytes; beyond, an alert loses the copies of its events
MAX_TICK: Final = 250  #: timers, alerts in groups, and purges in one tick: what people ask for waits while one lasts

_encode = msgspec.json.Encoder().encode


class AlertState:
    """Satisfies ``PartitionState``. Changelog: ``["alert", id]`` -> ``streams.alerts.case.Memory``, timers included;
    ``["group", id]`` -> ``streams.state.alerts.tray.Pile``; ``["rate", tenant, rule]`` -> times;
    ``["reminded", kind/id]`` -> ``streams.state.alerts.reminding``.
    """

    stirred = True

    topic = "alert-input"

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.position = Position(committed=0, next=0)
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.stopwatch: Callable[[], int] | None = None
        self.book = Book()
        self.telling = Telling(self.counts)
        self._crowd = Crowd()
        self._reminding = Reminding(partition)
        self._control: Control | None = None
        self._unread: dict[str, bytes] = {}  #: of alerts that are being restored the last values
        self._dirty: dict[str, None] = {}
        self._timers: list[tuple[int, str]] = []  #: (due, alert id); one that no longer holds is skipped
        self._held, self._ages = Held(), Ages(self.book.entries)

    @property
    def policy(self) -> Policy:
        """What is in force."""
        return self.telling.policy

    @property
    def active(self) -> dict[str, int]:
        """Alerts nobody has closed yet, by severity: a gauge."""
        return {severity.value: n for severity, n in self.book.active.items() if n}

    # --- what the runtime asks for

    def load(self, key: bytes, value: bytes) -> None:
        table, names = names_of(key, self._where)
        if table == tray.TABLE:
            self.telling.tray.load(names[0], value)
        elif table == rates.TABLE:
            self.telling.suppressing.rates.load(names[0], names[1], value)
        elif table == reminding.TABLE:
            self._reminding.load(names[0], value)
        else:
            check_format(value, self._where)
            self._unread.pop(names[0], None)
            self._unread[names[0]] = value

    def load_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        for key, value in zip(keys, values, strict=True):
            self.load(key, value)

    def unload(self, key: bytes) -> None:
        table, names = names_of(key, self._where)
        if table == tray.TABLE:
            self.telling.tray.unload(names[0])
        elif table == rates.TABLE:
            self.telling.suppressing.rates.unload(names[0], names[1])
        elif table == reminding.TABLE:
            self._reminding.unload(names[0])
        else:
            self._unread.pop(names[0], None)
            self.book.drop(names[0])

    def loaded(self) -> None:
        unread, self._unread = self._unread, {}
        for value in unread.values():
            self.book.take(value)
        entries = self.book.entries.items()
        self._timers = [(entry.due, identity) for identity, entry in entries if entry.due is not None]
        heapify(self._timers)
        self._ages.fill()
        for identity, entry in entries:
            place = entry.tenant, entry.entity
            self._crowd.put(identity, place, entry.incident, entry.created_at, is_open=entry.status in OPEN)
            self._held.put(entry.tenant, identity, held=entry.held)
        self.telling.tray.loaded()

    def due(self) -> int | None:
        stage, first = self.position.stage, self._next_timer()
        if stage.get(LOOSE):
            return 0
        times = (first and first[0], self._ages.due(stage), self.telling.tray.next(), stage.get("remind"))
        return min((at for at in times if at is not None), default=None)

    def changes(self) -> Iterable[tuple[bytes, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        entries = self.book.entries
        alerts = [(_encode(["alert", name]), entries[name].value if name in entries else None) for name in dirty]
        telling = self.telling
        return chain(alerts, telling.tray.changes(), telling.suppressing.rates.changes(), self._reminding.changes())

    @property
    def _where(self) -> str:
        return f"{self.topic}/{self.partition}"

    # --- what the pipeline asks for

    def begin(self, now: int, control: Control) -> int:
        """Adopt a newer control state; returns the ``now`` of this step, which never goes back."""
        position = self.position
        if control is not self._control and control.position >= position.control:
            before, self._control = self._control, control
            position.control = control.position
            position.ruleset = control.ruleset.version if control.ruleset is not None else ""
            if before is None or records_of(before) != records_of(control):
                self._adopt(policy_of(control, self.counts), max(position.now, now))
        position.now = max(position.now, now)
        return position.now

    def _adopt(self, policy: Policy, now: int) -> None:
        self.telling.adopt(policy)
        hiding = self.telling.suppressing
        stage, how = self.position.stage, hiding_of(policy)
        changed = stage.get("hiding") != how
        note_retention(policy, stage)
        stage["hiding"] = how
        self._remind_at(self._reminding.adopt(policy, now, self.position.partitions))
        inhibitions = (*policy.inhibit, *policy.dependencies)
        if inhibitions != hiding.standing.inhibitions:
            hiding.standing = Standing(inhibitions)
            glimpse = glimpses(hiding.standing.paths)
            for identity, entry in self.book.entries.items() if inhibitions else ():
                if entry.status in OPEN:
                    hiding.standing.put(identity, entry.tenant, glimpse(entry.value), entry.created_at)
        if changed:
            self._held.free_all(stage)

    def other(self, tenant: str) -> Callable[[str], Case | None]:
        """Finds alerts of a tenant, for commands that name another one."""

        def find(identity: str) -> Case | None:
            case = self.book.case(identity)
            return case if case is not None and case.base.tenant == tenant else None

        return find

    def ring_due(self, now: int, limit: int) -> int:
        """What time brings about, in the order (due, id), at most ``limit``; returns how much was done."""
        done, loose = 0, self._held.take(limit, self.position.stage)
        for identity in loose:
            if (case := self.book.case(identity)) is not None and case.held:
                case.release()
            done += 1
        while done < limit and (first := self._next_timer()) is not None and first[0] <= now:
            heappop(self._timers)
            case = self.book.case(first[1])
            assert case is not None, "a timer that holds belongs to an alert"
            ring(case, self.policy, now, self.counts)
            done += 1
        for identity in loose:  # its timer was passed over, as a step rings a case once: it still holds
            if (entry := self.book.entries.get(identity)) is not None and entry.due is not None:
                heappush(self._timers, (entry.due, identity))
        return done

    def remind(self, now: int) -> None:
        """Raise the reminders that are due, as alerts of the tenant they concern."""
        due, partitions = self.position.stage.get("remind"), self.position.partitions
        if due is None or due > now:
            return
        for one in self._reminding.take(now, partitions):
            self.counts["reminded", one.about.partition("/")[0]] += 1
            fold(self.book, one.finding(now), now)
        self._remind_at(self._reminding.next(now, partitions))

    def _remind_at(self, due: int | None) -> None:
        """In the position, because after a restart no policy is at hand yet."""
        self.position.stage.pop("remind", None)
        if due is not None:
            self.position.stage["remind"] = due

    def purge(self, now: int, limit: int) -> None:
        """Forget what has not changed for long, at most ``limit``. Only between steps: after ``tell``."""
        for identity in self._ages.old(self.position.stage, now, limit):
            self.counts["purged", "open" if self.book.entries[identity].status in OPEN else "closed"] += 1
            self._forget(identity)

    def _forget(self, identity: str) -> None:
        entry = self.book.entries[identity]
        self._crowd.put(identity, (entry.tenant, entry.entity), entry.incident, 0, is_open=False)
        self._loosen(entry.tenant, identity, None)
        self._held.put(entry.tenant, identity, held=False)
        self.book.drop(identity)
        self._dirty[identity] = None

    # --- the end of a step

    def tell(self, decided: Mapping[str, list[Said]], now: int) -> list[Output]:
        """End the step: a version of each alert that changed, what was decided of it, and groups that are due."""
        outputs: list[Output] = []
        for identity, case in self.book.touched.items():
            if case.dirty:
                self._write(case, decided.get(identity, []), now, outputs)
                case.rest()
        self.book.end_step()
        self._flush(now, outputs)
        return outputs

    def decide(self, now: int) -> dict[str, list[Said]]:
        """Who is told of each alert that changed, and of what: suppress → route → escalate. Incidents and storms come
        of what was opened; at the end timers are wound.
        """
        said: dict[str, list[Said]] = {}
        touched, telling, policy = self.book.touched, self.telling, self.policy
        hiding = telling.suppressing
        looked: set[str] = set()
        while fresh := [case for identity, case in touched.items() if identity not in looked and case.dirty]:
            looked.update(case.base.id for case in fresh)
            self._crowd.changed(self.book, fresh, policy, now)
            for case in fresh if hiding.standing.inhibitions else ():  # what came together hides as what came before
                if case.is_open and case.reasons:
                    self._loosen(case.base.tenant, case.base.id, Subject(case), case.base.created_at)
            for case in fresh:
                said[case.base.id] = telling.decide(case, now)
            for tenant in hiding.turned:
                self._held.free(tenant, self.position.stage)
            hiding.turned.clear()
            for case, told in hiding.storms:
                assert policy.storm is not None, "a storm is one by a cap"
                storm(self.book, case, told, policy.storm, now)
            hiding.storms.clear()
        for case in touched.values():
            if case.dirty:
                active = case.status is Status.ACTIVE  # nothing else escalates by time
                wind(case, policy, telling.escalation(case) if active else None, now)
        return said

    def _write(self, case: Case, said: list[Said], now: int, outputs: list[Output]) -> None:
        before, last = self.book.entries.get(case.base.id), case.base
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
        for one in said:
            outputs.append(of_alert(case.base, value, one, self.policy, now))
            self.counts["notifications", one.receiver.name, one.reason.value] += 1
        identity = case.base.id
        self.book.settle(case, memory_of(case, value))
        self._dirty[identity] = None
        self._index(case, before, last, now)

    def _index(self, case: Case, before: Entry | None, last: Alert, now: int) -> None:
        identity, tenant = case.base.id, case.base.tenant
        due = min(case.timers.values(), default=None)
        if due is not None and (before is None or before.due != due):
            heappush(self._timers, (due, identity))
        if before is None or (before.status in OPEN) is not case.is_open:
            self._ages.add(now, identity, is_open=case.is_open)
        self._held.put(tenant, identity, held=bool(case.held))
        stood = before is not None and before.status in OPEN
        if stood is not case.is_open or not self.telling.suppressing.standing.is_same(last, case.base):
            self._loosen(tenant, identity, Subject(case) if case.is_open else None, case.base.created_at)

    def _loosen(self, tenant: str, identity: str, subject: Subject | None, since: int = 0) -> None:
        """An alert stands otherwise now, or not at all: what it hid may be free."""
        standing = self.telling.suppressing.standing
        if standing.inhibitions and standing.put(identity, tenant, subject, since):
            self._held.free(tenant, self.position.stage)

    def _flush(self, now: int, outputs: list[Output]) -> None:
        """Groups that are due: one message each, about all that is ripe. At least one; then no more once
        ``MAX_TICK`` alerts were looked at.
        """
        looked = 0
        for pile in self.telling.tray.take(now, MAX_TICK):
            looked += len(pile.pending) + 1
            message = message_of(pile, self.telling, self.book, now)
            if message is not None:
                self._say(pile, message, now, outputs)
            if looked >= MAX_TICK:
                break
        for case in self.book.touched.values():
            if case.dirty:
                self._write(case, [], now, outputs)
                case.rest()
        self.book.end_step()

    def _say(self, pile: Pile, message: Message, now: int, outputs: list[Output]) -> None:
        worst = alert_in(self.book.entries[message.worst].value)
        outputs.append(of_group(pile, message, worst, self.policy, now))
        self.counts["notifications", pile.receiver, message.reason.value] += 1
        for identity in message.told:
            case = self.book.case(identity)
            if case is not None and case.is_open and pile.receiver not in case.heard:
                case.told = tuple(dict.fromkeys((*case.told, pile.receiver)))
                case.heard[pile.receiver] = None
                case.dirty = True

    def _next_timer(self) -> tuple[int, str] | None:
        """The first timer that still holds."""
        heap, entries = self._timers, self.book.entries
        while heap:
            entry = entries.get(heap[0][1])
            if entry is not None and entry.due == heap[0][0] and heap[0][1] not in self.book.touched:
                return heap[0]
            heappop(heap)
        return None
