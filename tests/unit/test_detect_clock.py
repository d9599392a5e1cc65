"""Event time and watermarks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.detect.base import NEVER
from streams.detect.clock import MAX_TIME, event_id_of, event_time, tenant_of
from streams.model import Batch, Source
from tests.detecting import BASE, batch, control, detecting, event, findings, letters, records, rule

COUNT = rule("count", {"count": {"at_least": 2, "within": "10s"}}, allowed_lateness="3s")
MATCH = rule("match", {"match": {}}, title="{action}")


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (0, 0), (1.9, 1), (MAX_TIME, MAX_TIME), ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20Z", BASE), ("2023-11-14T22:13:20.123456Z", BASE + 123), ("2023-11-14t23:13:20.5+01:00", BASE + 500),
        ("9999-12-31T23:59:59.999Z", MAX_TIME),
    ],
)  # fmt: skip
def test_times_that_are_understood(value: Any, ms: int) -> None:
    assert event_time(value, 5) == (ms, False)


@pytest.mark.parametrize(
    "value",
    [
        True, False, -1, MAX_TIME + 1, 2**63, float("nan"), float("inf"), -0.5 - 1, "", "yesterday", "2023-11-14", "1700000000000",
        "2023-11-14T22:13:20", "2023-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", [], {}, "x" * 10_000,
    ],
)  # fmt: skip
def test_times_that_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="event_time"):
        event_time(value, 5)


@pytest.mark.parametrize("value", [None, msgspec.UNSET])
def test_a_missing_time_is_the_records(value: Any) -> None:
    assert event_time(value, 5) == (5, True)
    with pytest.raises(ValueError, match="no timestamp"):
        event_time(value, -1)


@pytest.mark.parametrize("value", [5, True, [], {}, "*", "x" * 201, 1.5])
def test_tenants_that_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="tenant"):
        tenant_of(value, "default")


def test_ids_and_tenants_that_are_missing() -> None:
    assert [tenant_of(value, "d") for value in ("", None, msgspec.UNSET, "acme")] == ["d", "d", "d", "acme"]
    assert [event_id_of(value) for value in (None, msgspec.UNSET, 7, "7")] == ["", "", "7", "7"]
    for value in (True, 1.5, [], {}):
        with pytest.raises(ValueError, match="event_id"):
            event_id_of(value)


def test_the_records_time_is_marked_in_the_finding() -> None:
    outputs = pipeline.detect(detecting(), batch([event(0, 1, event_time=...)], stamp=BASE + 7), 5, control(MATCH))
    assert [(f["event_time"], f["metadata"]) for f in findings(outputs)] == [
        (BASE + 7, {"event_time_source": "record"})
    ]


def test_an_event_is_late_where_the_rule_has_forgotten_and_not_before() -> None:
    # newest 60 s, disorder 5 s, lateness 3 s, window 10 s: the horizon is at 42 s.
    state, in_force = detecting(), control(COUNT, MATCH)
    payloads = [event(60_000, 1), event(42_001, 2), event(42_000, 3), event(42_002, 4)]
    outputs = pipeline.detect(state, batch(payloads), 5, in_force)
    assert [f["position"] for f in findings(outputs) if f["rule"] == "count"] == ["audit.events/0/3"]
    (late,) = letters(outputs, "late")
    assert (late["origin"], late["rule"], late["reason"]) == ("audit.events/0/2", "count", "late")
    assert late["headers"] == [["h", "Mg=="]]
    assert state.counts["late", "count"] == 1
    assert len([f for f in findings(outputs) if f["rule"] == "match"]) == 4  # a match has no window to be late for


def test_a_time_in_the_far_future_makes_nothing_late() -> None:
    state, in_force = detecting(), control(COUNT)
    payloads = [event(0, 1), event(75 * 365 * 86_400_000, 2), event(1_000, 3)]
    outputs = pipeline.detect(state, batch(payloads), 5, in_force)
    assert [f["observed"] for f in findings(outputs)] == [2]
    assert not letters(outputs, "late")
    assert state.counts["skewed", "audit"] == 1
    assert state.clock.newest == BASE + 1_000


def test_a_time_in_the_far_future_does_not_blind_its_key() -> None:
    level = rule("level", {"level": {"value": "n", "above": 5}}, title="{value}")
    payloads = [event(0, 1, n=1), event(10**12, 2, n=9), event(3_700_000, 3, n=2), event(3_701_000, 4, n=8)]
    outputs = pipeline.detect(detecting(), batch(payloads), 5, control(level))
    assert [(f["kind"], f["event_time"] - BASE, f.get("metadata", {})) for f in findings(outputs)] == [
        ("fire", 3_600_000, {"event_time_source": "record"}), ("clear", 3_700_000, {}), ("fire", 3_701_000, {}),
    ]  # fmt: skip


def test_records_without_a_timestamp_cannot_be_skewed() -> None:
    state = detecting()
    pipeline.detect(state, Batch([(0, event(10**9, 1), -1)]), 5, control(COUNT))
    assert (state.clock.newest, state.counts["skewed", "audit"]) == (BASE + 10**9, 0)


def test_an_idle_partition_goes_on_by_processing_time_and_never_back() -> None:
    state, in_force = detecting(Source("audit", "audit.events", ("tenant", "actor"), idle_after=3_000)), control(COUNT)
    assert state.clock.mark == NEVER
    pipeline.detect(state, batch([event(0, 1)]), 100_000, in_force)
    assert state.clock.mark == BASE - 5_000
    for now, at_end, mark in [
        (102_999, True, -5_000),  # not idle long enough
        (110_000, False, -5_000),  # more is waiting to be read
        (110_000, True, 5_000),
        (104_000, True, 5_000),  # a clock that ran back
        (160_000, True, 55_000),
    ]:
        pipeline.detect_tick(state, now, in_force, at_end=at_end)
        assert state.clock.mark == BASE + mark, now
    pipeline.detect(state, Batch(records([event(1_000, 2)])), 161_000, in_force)
    assert state.clock.mark == BASE + 55_000
    assert state.position.stage["watermark"] == BASE + 55_000
