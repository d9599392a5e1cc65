"""Days and hours: a pure function of event time, whatever the clocks do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from streams.rules.active import parse_active


def covers(raw: dict[str, Any], moment: str) -> bool:
    return parse_active(raw).covers(round(datetime.fromisoformat(moment).timestamp() * 1000))


NIGHT = {"hours": "18:00-08:00"}
OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "hours": "08:00-18:00", "timezone": "Europe/Berlin"}
FRIDAY_NIGHT = {"days": ["fri"], "hours": "18:00-08:00"}
TWO_TO_THREE = {"hours": "02:00-03:00", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("active", "moment", "expected"),
    [
        (NIGHT, "2024-01-03T18:00:00Z", True),
        (NIGHT, "2024-01-03T17:59:59.999Z", False),
        (NIGHT, "2024-01-04T07:59:59.999Z", True),
        (NIGHT, "2024-01-04T08:00:00Z", False),
        (NIGHT, "2024-01-04T00:00:00Z", True),
        (OFFICE, "2024-01-03T07:00:00Z", True),  # eight o'clock in Berlin
        (OFFICE, "2024-07-03T06:00:00Z", True),  # in summer an hour earlier
        (OFFICE, "2024-01-03T06:59:59Z", False),
        (OFFICE, "2024-01-06T10:00:00Z", False),  # a Saturday
        (FRIDAY_NIGHT, "2024-01-05T20:00:00Z", True),
        (FRIDAY_NIGHT, "2024-01-06T07:00:00Z", True),  # still Friday's night
        (FRIDAY_NIGHT, "2024-01-05T07:00:00Z", False),  # that was Thursday's
        (FRIDAY_NIGHT, "2024-01-06T20:00:00Z", False),
        (TWO_TO_THREE, "2024-03-31T00:59:59Z", False),  # 01:59:59; the hour is skipped
        (TWO_TO_THREE, "2024-03-31T01:00:00Z", False),  # 03:00
        (TWO_TO_THREE, "2024-10-27T00:30:00Z", True),  # 02:30 in summer time
        (TWO_TO_THREE, "2024-10-27T01:30:00Z", True),  # 02:30 again
        (TWO_TO_THREE, "2024-10-27T02:00:00Z", False),
        ({"days": ["sun"]}, "2024-01-07T23:59:59Z", True),
        ({"days": ["sun"], "timezone": "Pacific/Auckland"}, "2024-01-06T11:00:00Z", True),  # Sunday already
        ({"hours": "00:00-24:00"}, "2024-01-01T23:59:59Z", True),
        ({"hours": "20:00-24:00"}, "2024-01-01T23:59:59Z", True),
        ({"hours": "20:00-24:00"}, "2024-01-02T00:00:00Z", False),
    ],
)
def test_when_a_rule_looks(active: dict[str, Any], moment: str, expected: bool) -> None:
    assert covers(active, moment) is expected


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("at", [0, 1, 253_402_300_799_999])
def test_the_calendars_ends_raise_nothing(zone: str, at: int) -> None:
    active = parse_active({"days": ["fri", "thu", "wed", "sat"], "timezone": zone})
    assert active.covers(at) is True


def test_the_order_of_days_changes_no_hash() -> None:
    one, two = parse_active({"days": ["mon", "fri"]}), parse_active({"days": ["fri", "mon", "fri"], "timezone": "UTC"})
    assert one == two
    assert one.document() == two.document()
