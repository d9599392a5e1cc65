"""A night that a live worker went through: its steps and ticks as a journal would have them, and what was told."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import msgspec

from streams import pipeline
from streams.alerts.policy import parse_policy
from streams.model import Alert, Batch, Command, Control, Finding, Notification, Output
from streams.replay.telling.given import Given, Lane, Moment
from streams.simulate.night.operators import Operators
from streams.simulate.night.play import loud
from streams.simulate.night.script import HOUR, written
from streams.state.alerts.alerting import AlertState

EVENING = 1_704_744_000_000  # 2024-01-08T20:00:00Z
LENGTH = 12 * HOUR


class Past:
    """``given``: what ALERT was given; ``sent``: notifications, by id, in order. ``down``: an hour without a worker;
    ``prompt``: one that comes within a millisecond."""

    def __init__(self, document: dict[str, Any], seed: int = 1, *, down: bool = False, prompt: bool = False) -> None:
        self._rnd, self._order = Random(seed), count()
        script = written(seed, EVENING, LENGTH)
        self.records: dict[str, dict[str, Any]] = {"policy/default": document}
        self.history = {1: Control(1, None, dict(self.records))}
        self._waiting: list[tuple[int, int, Any]] = []
        for at, name, record in script.records:
            heappush(self._waiting, (at, next(self._order), (name, record)))
        for one in script.happenings:
            heappush(self._waiting, (one.at, next(self._order), one.finding))
        self._state = AlertState(0)
        self._state.position.partitions = 1
        self._state.loaded()
        policy = parse_policy(document)
        self._people = Operators(script.plans, loud(policy), EVENING + 11 * HOUR)
        self._down = (EVENING + 5 * HOUR, EVENING + 6 * HOUR) if down else (0, 0)
        self._late = (1,) if prompt else (0, 1, 3, 20, 400)  # ms
        self.moments: list[Moment] = []
        self.sent: dict[str, Notification] = {}
        self.alerts: dict[str, Alert] = {}
        self._offset = 0
        self._run()
        self.given = Given([Lane(self.moments)], EVENING + LENGTH, ticked=True)

    def control(self, position: int) -> Control:
        return self.history[position]

    def _run(self) -> None:
        now = EVENING
        while (following := min(self._times(), default=None)) is not None and following < EVENING + LENGTH:
            now = max(now, following) + self._rnd.choice(self._late)  # a worker comes when it can
            if self._down[0] <= now < self._down[1]:
                now = self._down[1]
            records: list[Any] = []
            while self._waiting and self._waiting[0][0] <= now:
                came = heappop(self._waiting)[2]
                if isinstance(came, tuple):
                    self.records[came[0]] = came[1]
                    position = max(self.history) + 1
                    self.history[position] = Control(position, None, dict(self.records))
                    break
                records.append(came)
            self._step(now, records)

    def _times(self) -> Iterator[int]:
        if self._waiting:
            yield self._waiting[0][0]
        if (due := self._state.due()) is not None:
            yield due

    def _step(self, now: int, records: list[Finding | Command]) -> None:
        position = max(self.history)
        batch = [(self._offset + n, msgspec.json.encode(record), now) for n, record in enumerate(records)]
        self._offset += len(batch)
        self.moments.append(Moment(now, list(batch), position))
        control = self.history[position]
        if batch:
            self._take(pipeline.alert(self._state, Batch(list(batch)), now, control))
        else:
            self._take(pipeline.alert_tick(self._state, now, control, at_end=True))

    def _take(self, outputs: list[Output]) -> None:
        list(self._state.changes())
        for output in outputs:
            if output.topic == "alerts":
                alert = msgspec.json.decode(output.value, type=Alert)
                self.alerts[alert.id] = alert
            elif output.topic == "notifications":
                one = msgspec.json.decode(output.value, type=Notification)
                self.sent[one.id] = one
                for at, command in self._people.told(one):
                    heappush(self._waiting, (at, next(self._order), command))
