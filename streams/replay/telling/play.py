"""The same input under several policies: each through the ALERT stage itself, on one clock.

Of a live run the journal has the clock, with every tick. A policy under which more is due than was then gets ticks of
its own, but only at times at which the live worker had nothing to do: so a policy that is no other makes the same
steps, and the same notifications by id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from streams import pipeline
from streams.model import Action, Batch, Command, Control, Finding, Output, Record
from streams.replay.telling.given import Given, Lane, Moment
from streams.replay.telling.heard import Heard
from streams.runtime.transaction import MAX_VALUE
from streams.state.alerts.alerting import AlertState
from streams.state.partition import Position

#: The control state in force at a position.
Controls = Callable[[int], Control]
_TELLS: Final = 500  #: records, after so many it is told how far it has come
_decode = msgspec.json.Decoder(Finding | Command).decode
_encode = msgspec.json.Encoder().encode


def play(
    given: Given, variants: Sequence[Controls], begin: int = 0, progress: Callable[[int], None] | None = None
) -> list[Heard]:
    """What each of ``variants`` tells from ``begin`` on, ms. The first is that by which the input came about: people
    did what they did because of what it told. ``progress`` is told the records stepped.
    """
    heard = [Heard(begin) for _ in variants]
    stepped = 0
    for lane in given.lanes:
        players = [_Player(lane, controls, one) for controls, one in zip(variants, heard, strict=True)]
        first, others = players[0], players[1:]
        for moment in lane.moments:
            if moment.now >= given.end:
                break
            _wait(players, moment.now, ticked=given.ticked)
            first.step(moment, moment.records)
            for other in others:
                other.step(moment, _as_they_would(moment.records, other.heard, heard[0]))
            before, stepped = stepped, stepped + len(moment.records)
            if progress is not None and before // _TELLS != stepped // _TELLS:
                progress(stepped)
        _wait(players, given.end, ticked=given.ticked)
        for player in players:
            player.ends()
    return heard


def _wait(players: Sequence[_Player], until: int, *, ticked: bool) -> None:
    """Time passes to ``until``. Of a live run the first has its own ticks, and the others have till it was busy."""
    if not ticked:
        for player in players:
            player.until(until + 1)
        return
    due = players[0].state.due()
    for player in players[1:]:
        player.until(until if due is None else min(due, until))


def _as_they_would(records: list[Record], heard: Heard, before: Heard) -> list[Record]:
    """What comes in where other things are told: no failure of what was never sent; and what somebody did stands,
    though the alert has other version numbers.
    """
    found: list[Record] = []
    for offset, value, stamp in records:
        raw = value or b""
        if b'"expected_version"' in raw or f'"{Action.DELIVERY_FAILED}"'.encode() in raw:
            try:
                command = _decode(raw)
            except (msgspec.MsgspecError, ValueError):  # a dead letter under any policy
                command = None
            if isinstance(command, Command):
                failed = command.action is Action.DELIVERY_FAILED
                if failed and not heard.was_told(command.alert_id, command.receiver):
                    continue
                if command.expected_version is not None and command.id in before.applied:
                    value = _encode(msgspec.structs.replace(command, expected_version=None))
        found.append((offset, value, stamp))
    return found


class _Player:
    """One partition under one policy."""

    def __init__(self, lane: Lane, controls: Controls, heard: Heard) -> None:
        self.state, self.heard = AlertState(lane.number), heard
        self.state.position = Position(committed=lane.begin, next=lane.begin, partitions=lane.partitions)
        self.state.loaded()
        self._controls, self._partitions = controls, lane.partitions
        self._control: Control | None = None
        self._now = 0

    def until(self, end: int) -> None:
        """Let time pass up to, but not including, ``end``: from one due moment to the next."""
        if self._control is None:
            return
        while (due := self.state.due()) is not None and max(due, self._now) < end:
            self._tick(max(due, self._now), at_end=True)

    def ends(self) -> None:
        """Time has ended: what waits in groups is not told any more."""
        for pile in self.state.telling.tray.piles.values():
            self.heard.waiting.update(pile.pending)

    def step(self, moment: Moment, records: list[Record]) -> None:
        self._control = self._controls(moment.control)
        self._now = max(self._now, moment.now)
        if not moment.records:
            self._tick(self._now, at_end=moment.at_end)
            return
        self._took(pipeline.alert(self.state, Batch(records), self._now, self._control), len(records))

    def _tick(self, now: int, *, at_end: bool) -> None:
        assert self._control is not None
        self._now = now
        self._took(pipeline.alert_tick(self.state, now, self._control, at_end=at_end))

    def _took(self, outputs: Sequence[Output], records: int = 0) -> None:
        self.heard.take(outputs, self.state.policy, self._now, records)
        self.state.position.partitions = self._partitions
        for key, value in self.state.changes():  # nobody stores them; what is too large to be stored was forgotten
            if value is not None and len(value) > MAX_VALUE:
                self.state.unload(key)
