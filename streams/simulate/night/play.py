"""The clock of the night: findings, people and timers in order of time through ``pipeline.alert``."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from streams import pipeline
from streams.alerts.policy import Policy, parse_policy
from streams.model import Alert, Batch, Command, Control, Finding, Notification, Operation, Output
from streams.simulate.night.lines import Narrator
from streams.simulate.night.operators import Operators
from streams.simulate.night.script import written
from streams.simulate.night.tale import Kind, Line, Tale
from streams.state.alerts.alerting import AlertState

_MORNING: Final = 7  #: o'clock
_DAY: Final = 86_400_000


def default_policy() -> dict[str, Any]:
    """The policy of the night, where the user brings none."""
    document: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "policy.yaml").read_text(encoding="utf-8"))
    return document


def play(document: Mapping[str, Any], seed: int, begin: int, length: int) -> Tale:
    """A night of ``length`` ms from ``begin`` on, under a policy. Raises ConfigError where that is wrong."""
    return _Night(document, seed, begin, length).played()


class _Night:
    def __init__(self, document: Mapping[str, Any], seed: int, begin: int, length: int) -> None:
        self._policy = parse_policy(document)
        self._script = written(seed, begin, length)
        self._state = AlertState(0)
        self._state.loaded()
        self._control = Control(1, None, {"policy/default": dict(document)})
        self._now, self._end, self._offset = begin, begin + length, 0
        self._tale = Tale(begin, self._end, findings=sum(1 for _ in self._script.happenings))
        self._loud = loud(self._policy)
        self._narrator = Narrator(self._tale, self._loud)
        morning = begin - begin % _DAY + _MORNING * 3_600_000
        self._morning = morning if morning > begin else morning + _DAY
        self._people = Operators(self._script.plans, self._loud, self._morning)
        self._latest: dict[str, Alert] = {}
        self._waiting: list[tuple[int, int, Any]] = []
        self._order = count()

    def played(self) -> Tale:
        self._on_call()
        for at, remark in self._script.remarks:
            self._later(at, Line(at, Kind.REMARK, remark))
        for at, name, document in self._script.records:
            self._later(at, (name, document))
        for one in self._script.happenings:
            self._later(one.at, one.finding)
        self._later(self._morning, None)
        while (following := self._next()) is not None and following < self._end:
            self._now = max(self._now, following)
            due = self._state.due()
            if due is not None and due <= self._now:
                self._take(pipeline.alert_tick(self._state, self._now, self._control, at_end=True))
            else:
                self._come(heappop(self._waiting)[2])
        self._tale.opened = len(self._latest)
        self._tale.still_open = [one.title for one in self._latest.values() if one.status.value in _OPEN]
        self._tale.lines.sort(key=lambda line: line.at)
        return self._tale

    def _later(self, at: int, what: Any) -> None:
        heappush(self._waiting, (at, next(self._order), what))

    def _next(self) -> int | None:
        times = [self._waiting[0][0]] if self._waiting else []
        if (due := self._state.due()) is not None:
            times.append(due)
        return min(times, default=None)

    def _come(self, what: Any) -> None:
        match what:
            case Line():
                self._tale.lines.append(what)
            case (name, document):
                records = {**self._control.records, name: document}
                self._control = Control(self._control.position + 1, None, records)
                self._take(pipeline.alert(self._state, Batch([]), self._now, self._control))
            case None:
                self._tale.lines.append(Line(self._now, Kind.REMARK, "the day shift comes in"))
                for at, command in self._people.morning(list(self._latest.values())):
                    self._later(at, command)
            case _:
                self._give(what)

    def _give(self, record: Finding | Command) -> None:
        batch = Batch([(self._offset, msgspec.json.encode(record), self._now)])
        self._offset += 1
        self._take(pipeline.alert(self._state, batch, self._now, self._control), record)

    def _take(self, outputs: list[Output], record: Finding | Command | None = None) -> None:
        for _ in self._state.changes():
            pass  # nobody keeps them
        told = [msgspec.json.decode(one.value, type=Notification) for one in outputs if one.topic == "notifications"]
        for output in outputs:
            if output.topic == "alerts":
                alert = msgspec.json.decode(output.value, type=Alert)
                self._narrator.changed(alert, self._latest.get(alert.id), record, told)
                self._latest[alert.id] = alert
            elif output.topic == "operations":
                self._narrator.refused(msgspec.json.decode(output.value, type=Operation))
        for notification in told:
            self._narrator.told(notification)
            for at, command in self._people.told(notification):
                self._later(at, command)

    def _on_call(self) -> None:
        """Who is on call when it begins, and every hand-over."""
        for name, schedule in sorted(self._policy.oncall.items()):
            at, who = self._tale.begin, schedule.who(self._tale.begin)
            self._later(at, Line(at, Kind.ON_CALL, f"{name}: {who or 'nobody'} is on call"))
            while (over := schedule.hand_over(at)) is not None and over[0] < self._end:
                at, who = over
                self._later(at, Line(at, Kind.ON_CALL, f"{name}: {who or 'nobody'} takes over"))


_OPEN: Final = frozenset({"active", "acknowledged", "snoozed"})


def loud(policy: Policy) -> frozenset[str]:
    """Receivers that ring: those of escalation levels, their fallbacks, and those that name a rotation."""
    names = {name for one in policy.escalations.values() for level in one.levels for name in level.receivers}
    names |= {one.name for one in policy.receivers if one.oncall}
    names |= {one.fallback for one in policy.receivers if one.name in names and one.fallback}
    return frozenset(names) - {one.name for one in policy.receivers if one.digest}
