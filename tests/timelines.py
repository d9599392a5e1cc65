"""Driving the state machine of one key as the engine does: events, time that closes, timers, cuts and forgetting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.detect.base import NEVER, Moment, Observed, Skipped, State


@dataclass(frozen=True)
class Happening:
    """An event, or (``at`` None) a tick; before it time closes up to ``closed``."""

    closed: int
    at: int | None = None
    event_id: str = ""
    values: tuple[Any, ...] = ()
    arms: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Said:
    """A finding: the number of the event it is named after, and ``at`` where time alone brought it about."""

    ref: int
    kind: str
    value: Any
    at: int | None
    severity: str


def drive(
    detector: Any, happenings: Iterable[Happening], keeps: int, *, eager: bool, cuts: frozenset[int] = frozenset(),
    sweeps: bool = False,
) -> tuple[list[Said], list[tuple[int, Skipped]]]:  # fmt: skip
    """What is found and what is skipped. ``eager``: timers are looked at with every tick, else only before an event.

    Events older than what is kept are left out, as the engine does. ``cuts``: happenings after which the state goes through JSON. ``sweeps``: what may be forgotten is, at every tick.
    Checks on the way that no step changes the state it was given, that no two findings of a kind share a name, that
    ``expire`` makes progress and that ``newest`` never decreases.
    """
    state: State | None = None
    found: list[Said] = []
    skipped: list[tuple[int, Skipped]] = []
    closed = NEVER

    def told(seen: Any, ref: int | None) -> None:
        for one in seen if isinstance(seen, list) else [] if seen is None else [seen]:
            assert isinstance(one, Observed)
            assert one.severity is not None
            name = one.evidence[-1].ref if ref is None else ref
            assert name in [witness.ref for witness in one.evidence]
            assert (ref is None) == (one.at is not None)
            found.append(Said(int(name), one.kind.value, one.value, one.at, one.severity[1]))

    def expire() -> None:
        nonlocal state
        looks = 0
        while state is not None and (due := detector.due(state)) is not None and due <= closed:
            before = msgspec.json.encode(state)
            after, seen = detector.expire(state)
            assert msgspec.json.encode(state) == before
            told(seen, None)
            state, looks = after, looks + 1
            assert looks < 10_000

    newest = NEVER
    for number, happening in enumerate(happenings):
        closed = max(closed, happening.closed)
        if happening.at is None:
            if eager:
                expire()
            if sweeps and state is not None and detector.newest(state) <= closed - keeps and not detector.holds(state):
                assert detector.due(state) is None or detector.due(state) > closed or not eager
                if detector.due(state) is None:
                    state, newest = None, NEVER
            continue
        if happening.at <= closed - keeps:
            continue  # late: the engine does not let it through
        expire()
        if state is None:
            newest = NEVER
        before = msgspec.json.encode(state)
        moment = Moment(
            happening.at, number, happening.event_id, happening.values, closed - keeps, closed, happening.arms
        )
        after, seen = detector.step(state, moment)
        assert msgspec.json.encode(state) == before
        if isinstance(seen, Skipped):
            skipped.append((number, seen))
            assert after is state
        else:
            told(seen, number)
            state = after
        if state is not None:
            assert detector.newest(state) >= newest
            newest = detector.newest(state)
            assert len(state) <= detector.max_items
        if number in cuts and state is not None:
            state = msgspec.json.decode(msgspec.json.encode(state))
    closed = 1 << 60
    expire()
    names = [(said.ref, said.kind) for said in found]
    assert len(names) == len(set(names))
    return found, skipped
