"""Taken, then deleted: what is large on both sides, in which order, and what is not told."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.taken_then_deleted import TakenThenDeleted

MINUTE, MEGA = 60_000, 10**6
SETTINGS = {"deletes": ["delete"], "whole": ["drop"]}


def run(events: list[tuple[int, dict[str, Any]]], **settings: Any) -> list[int]:
    """The minutes of the events that findings are about."""
    detector, state, found = TakenThenDeleted({**SETTINGS, **settings}), None, []
    for minute, fields in events:
        event = Event(minute * MINUTE, "", fields, (minute, "ref", "id"))
        state, findings = detector.step(json.loads(json.dumps(state)), event)
        found += [one.about[0] for one in findings if one.about]
    return found


def take(resource: Any = "table/a", **sizes: Any) -> dict[str, Any]:
    return {"action": "export", "resource": resource, **sizes}


def drop(resource: Any = "table/a") -> dict[str, Any]:
    return {"action": "drop", "resource": resource}


def delete(resource: Any = "table/a") -> dict[str, Any]:
    return {"action": "delete", "resource": resource}


TEN = [(5, delete(f"orders/{n}")) for n in range(10)]


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([(0, take(bytes=100 * MEGA)), (1, drop("table/b"))], [1]),
        ([(0, take(bytes=100 * MEGA - 1)), (1, drop())], []),
        ([(0, take(bytes=50 * MEGA)), (1, take(bytes="50000000")), (2, drop())], [2]),
        ([(0, take(records=10_000)), (2, drop())], [2]),
        ([(0, take(**{"additionalEventData.bytesTransferredOut": 1e9})), (2, drop())], [2]),
        ([(0, take()), (2, drop())], [2]),  # of unknown size
        ([(0, take("person/7")), (2, delete("person/7"))], []),  # handed out and erased
        ([(0, take(bytes=100 * MEGA)), (2, delete())], [2]),  # the very thing
        ([(0, take(bytes=100 * MEGA)), (2, delete("table/a/row/7"))], [2]),  # a part of it
        ([(0, take("table/a/x", bytes=100 * MEGA)), (2, delete("table"))], [2]),  # all around it
        ([(0, take(bytes=100 * MEGA)), (2, delete("table/ab"))], []),
        ([(0, take(bytes=100 * MEGA)), *TEN], [5]),
        ([(0, take(bytes=100 * MEGA)), *TEN[1:]], []),
        ([(0, take(bytes=100 * MEGA)), (119, drop())], [119]),
        ([(0, take(bytes=100 * MEGA)), (120, drop())], []),
        ([(0, drop()), (1, take(bytes=100 * MEGA))], []),
        ([(0, take(bytes=100 * MEGA)), (0, drop())], [0]),  # of one moment
        ([(0, take(bytes=10**9)), (1, drop()), (2, drop()), (3, drop())], [1]),  # told once
        ([(0, take(bytes=10**9)), (1, drop()), (2, take(bytes=10**9)), (3, drop())], [1, 3]),
        ([(0, take(bytes=str(10**80))), (1, drop())], [1]),
        ([(0, {"action": ["export"], "bytes": 10**9}), (1, drop())], []),
        ([(0, take(bytes=True)), (1, delete())], []),
        ([(0, take(["x"], bytes=-5)), (1, delete(None))], []),
    ],
)
def test_what_is_found(events: list[tuple[int, dict[str, Any]]], found: list[int]) -> None:
    assert run(events) == found


def test_the_order_of_arrival_does_not_matter() -> None:
    events = [(0, take(bytes=60 * MEGA)), (1, take("table/b", bytes=60 * MEGA)), (2, delete("x")), (3, drop())]
    assert {tuple(run(list(order))) for order in permutations(events)} == {(3,)}


def test_the_state_is_bounded_and_settings_are_checked() -> None:
    detector, state = TakenThenDeleted({**SETTINGS, "min_bytes": 10**40, "min_deletes": 48}), None
    for n in range(600):
        name = "/".join(["\U0001f600" * 90] * 40) + str(n)
        fields = take(name, bytes=10**18) if n % 2 else delete(name)
        state, findings = detector.step(state, Event(n, "", fields, (n, ["t", 1, n], "\U0001f600" * 200)))
        assert not findings
    assert len(json.dumps(state, ensure_ascii=False).encode()) < 131_072
    with pytest.raises(ValueError, match="min_deletes"):
        TakenThenDeleted({**SETTINGS, "min_deletes": 49})
