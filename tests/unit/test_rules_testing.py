"""A rule's tests become timed events."""

from __future__ import annotations

from typing import Any

from streams.detect.registry import KINDS
from streams.rules.parse import parse_rule
from streams.rules.testing import BASE, Case, cases
from tests.unit.test_rules_load import changed


def made(**case: Any) -> Case:
    document = {"name": "one", "expect": [{"at": "4s"}], **case}
    return cases(parse_rule(changed(tests=[document]), KINDS))[0]


def test_events_repeat_in_time_and_have_ids_of_their_own() -> None:
    case = made(events=[{"at": "1m", "actor": "ada", "times": 3, "every": "30s"}])
    assert [arrival.at for arrival in case.events] == [60_000, 90_000, 120_000]
    assert [event["event_time"] for _, _, event in case.events] == [BASE + 60_000, BASE + 90_000, BASE + 120_000]
    assert len({event["event_id"] for _, _, event in case.events}) == 3
    assert all(event.keys() == {"event_id", "event_time", "source", "actor"} for _, _, event in case.events)


def test_entries_interleave_by_arrival_and_keep_their_order_at_one_moment() -> None:
    case = made(events=[{"a": 1, "at": "2s"}, {"a": 2, "times": 3, "every": "1s"}, {"a": 3, "at": "2s"}])
    assert [(at, event["a"]) for at, _, event in case.events] == [(0, 2), (1000, 2), (2000, 1), (2000, 2), (2000, 3)]


def test_an_event_may_come_late() -> None:
    ((at, _, event),) = made(events=[{"at": "5m", "late_by": "3m"}]).events
    assert (at, event["event_time"]) == (300_000, BASE + 120_000)


def test_repetitions_may_be_numbered() -> None:
    case = made(events=[{"actor": "user-{n}", "deep": {"l": ["{n}", 5]}, "event_id": "e{n}", "times": 2}])
    assert [(e["actor"], e["deep"], e["event_id"]) for _, _, e in case.events] == [
        ("user-1", {"l": ["1", 5]}, "e1"),
        ("user-2", {"l": ["2", 5]}, "e2"),
    ]


def test_a_case_may_begin_at_any_time() -> None:
    case = made(start="2024-03-31T02:30:00.5+02:00", events=[{"at": "1s"}], expect=[{"at": "1s", "count": 1}])
    assert case.start == 1_711_845_000_500
    assert case.events[0].event["event_time"] == case.start + 1000
    assert case.expect == ({"at": "1s", "count": 1},)
