"""ALERT over the findings of a replay, under a simulated clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from streams import pipeline
from streams.model import Alert, Batch, Output, Record
from streams.replay.controls import Controls
from streams.replay.spool import Waiting
from streams.state.alerts.alerting import AlertState

_alert = msgspec.json.Decoder(Alert)


@dataclass
class Folded:
    """What ALERT made of the findings. ``versions``: of all alerts, where rules look at them; ``about``: how many
    findings of such rules were among its input.
    """

    alerts: list[Alert] = field(default_factory=list)
    versions: list[tuple[int, bytes]] = field(default_factory=list)
    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    refused: list[Output] = field(default_factory=list)
    notifications: int = 0
    about: int = 0


def fold(findings: Iterator[Waiting], controls: Controls, until: int, *, versions: bool, about: int = 0) -> Folded:
    """ALERT over the findings, and then up to ``until``, ms. All of one moment are one step; timers run at their time
    in between, and what comes into force does at its own.
    """
    state = AlertState(0)
    state.loaded()
    folded = Folded(about=about)
    last: dict[bytes, bytes] = {}

    def take(outputs: Iterable[Output], now: int) -> None:
        for output in outputs:
            if output.topic == "alerts":
                last[output.key] = output.value
                if versions:
                    folded.versions.append((now, output.value))
            elif output.topic == "notifications":
                folded.notifications += 1
            else:
                folded.refused.append(output)
        state.changes()  # nobody stores them

    def wait(until: int) -> None:
        for at in _passing(state, controls, clock, until):
            take(pipeline.alert_tick(state, at, controls.at(at), at_end=False), at)

    offset, clock = 0, 0
    for now, group in groupby(_clocked(findings), key=lambda waiting: waiting.at):
        wait(now)
        records: list[Record] = [(offset + n, waiting.value, now) for n, waiting in enumerate(group)]
        take(pipeline.alert(state, Batch(records), now, controls.at(now)), now)
        offset, clock = offset + len(records), now
    if offset:
        wait(until)
    folded.counts = state.counts
    decoded = (_alert.decode(value) for value in last.values())
    folded.alerts = sorted(decoded, key=lambda alert: (alert.event_time, alert.id))
    return folded


def _clocked(findings: Iterator[Waiting]) -> Iterator[Waiting]:
    """The clock never goes back."""
    clock = 0
    for waiting in findings:
        clock = max(clock, waiting.at)
        yield waiting._replace(at=clock)


def _passing(state: AlertState, controls: Controls, clock: int, until: int) -> Iterator[int]:
    """The times from ``clock`` to ``until`` at which a timer is due or something else comes into force."""
    for change in controls.changes(clock, until) if clock else ():
        yield from _due(state, clock, change)
        yield change
        clock = change
    yield from _due(state, clock, until)


def _due(state: AlertState, clock: int, until: int) -> Iterator[int]:
    """The times at which a timer is due before ``until``; a tick does part of what is due, so a time may come again."""
    while (due := state.due()) is not None and due <= until:
        yield max(due, clock)
