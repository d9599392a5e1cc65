"""Heartbeats: lost when nothing came for too long, unless the host said goodbye."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.heartbeat import Heartbeat

SETTINGS = {"within_seconds": 300, "goodbye": ["stopping"]}


def told(beats: list[tuple[float, Any]], until: float = 0) -> list[tuple[float, str, Any]]:
    """(second, what, silent seconds): time goes on with each beat, and then up to ``until``."""
    detector, state, found = Heartbeat(SETTINGS), None, []
    clock = 0.0

    def passes(now: float) -> None:
        nonlocal state, clock
        clock = max(clock, now)
        while state is not None and (due := detector.due(state)) is not None and due < clock * 1_000:
            state, findings = detector.expire(state, due)
            found.extend((due / 1_000, "lost", one.value) for one in findings)

    for n, (at, status) in enumerate(beats):
        passes(at)
        fields = {} if status is None else {"status": status}
        state, findings = detector.step(state, Event(int(at * 1_000), f"e{n}", fields))
        found += [(at, "back" if one.clear else "lost", one.value) for one in findings]
    passes(until)
    return found


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ([(0, None), (60, None)], [(360.001, "lost", 300)]),
        ([(0, None), (300, None), (600, "stopping")], []),  # just in time, and then goodbye
        ([(0, None), (400, None), (500, "Stopping")], [(300.001, "lost", 300), (400, "back", 0)]),
        ([(0, "stopping")], []),
        ([(0, "stopping"), (9_000, "up")], [(9_300.001, "lost", 300)]),
        ([(60, None), (0, None), (100, "stopping"), (100, None)], []),  # out of order, and in one moment
        ([(0, 7), (10, ["stopping"]), (20, True)], [(320.001, "lost", 300)]),  # no words
    ],
)
def test_silence_is_told_once_unless_it_was_announced(beats: list[Any], expected: list[Any]) -> None:
    assert told(beats, 10_000) == expected


def test_a_gap_that_is_over_when_it_is_seen_is_told_and_cleared() -> None:
    detector = Heartbeat(SETTINGS)
    state, _ = detector.step(None, Event(0, "a", {}))
    _, findings = detector.step(state, Event(400_000, "b", {}))
    assert [(one.value, one.clear) for one in findings] == [(400, False), (0, True)]


@pytest.mark.parametrize("seconds", [0, -1, 10**9])
def test_a_wait_that_cannot_be_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="within_seconds"):
        Heartbeat({"within_seconds": seconds})
