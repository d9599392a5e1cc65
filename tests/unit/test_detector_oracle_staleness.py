"""A feed's silence against its own heartbeat."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.oracle_staleness import OracleStaleness
from tests.stepping import event, walk

SECOND, HOUR = 1_000, 3_600_000
NOW = 1_700_000_000_000
_ALLOWED = 4_200 * SECOND  #: an hour and ten minutes


def told(at: int, **more: Any) -> Event:
    return event(NOW + at, type="oracle.price", **more)


def due(events: list[Event]) -> int | None:
    detector, state = OracleStaleness({}), None
    for one in events:
        state, _ = detector.step(state, one)
    waits = detector.due(state)
    return None if waits is None else waits - NOW


@pytest.mark.parametrize(
    ("events", "waits"),
    [
        ([told(0)], _ALLOWED + 1),
        ([told(0), told(HOUR)], HOUR + _ALLOWED + 1),
        ([told(HOUR), told(0)], HOUR + _ALLOWED + 1),  # a late one changes nothing
        ([told(0, heartbeat_seconds=60)], 660 * SECOND + 1),
        ([told(0, heartbeat_seconds="86400")], (86_400 + 8_640) * SECOND + 1),
        ([told(0, heartbeat_seconds=-5)], _ALLOWED + 1),
        ([told(0, heartbeat_seconds=True)], _ALLOWED + 1),
        ([told(0, heartbeat_seconds=10**12)], _ALLOWED + 1),
        ([told(0, updated_at=NOW // 1000 - 600)], _ALLOWED - 600 * SECOND + 1),
        ([told(0, updated_at=NOW - 5_000)], _ALLOWED - 5_000 + 1),  # in ms
        ([told(0, updated_at=NOW // 1000 + 600)], _ALLOWED + 1),  # nothing is answered in the future
        ([told(0, updated_at="soon")], _ALLOWED + 1),
        ([told(0), event(NOW + 1, type="Oracle.Retired")], None),
        ([told(0), event(NOW + 1, type="oracle.retired"), told(2)], _ALLOWED + 3),
    ],
)
def test_until_when_an_answer_may_take(events: list[Event], waits: int | None) -> None:
    assert due(events) == waits


def test_silence_is_told_once_and_cleared_by_an_answer() -> None:
    detector = OracleStaleness({})
    state, _ = detector.step(None, told(0))
    state, found = detector.expire(state, NOW + _ALLOWED + 1)
    assert [one.value for one in found] == [4_200]
    assert detector.due(state) is None
    again = walk(detector, [told(2 * HOUR), told(2 * HOUR + 1)], state)
    assert [(at - NOW, one.clear) for at, one in again] == [(2 * HOUR, True)]


def test_a_gap_that_ends_before_time_could_tell_it_is_told_by_its_end() -> None:
    found = walk(OracleStaleness({}), [told(0), told(2 * HOUR), told(3 * HOUR)])
    assert [(at - NOW, one.clear, one.value) for at, one in found] == [(2 * HOUR, False, 7_200), (2 * HOUR, True, 0)]


def test_an_old_answer_is_stale_however_often_it_is_sent() -> None:
    old = NOW // 1000 - 90_000
    found = walk(OracleStaleness({}), [told(n, updated_at=old) for n in range(3)] + [told(9)])
    assert [(at - NOW, one.clear) for at, one in found] == [(0, False), (9, True)]
