"""Buckets of event time against walls of clocks: every millisecond lies in exactly one, DST and leaps of a day included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.clock import MAX_TIME
from streams.detect.windows import Shape, Window

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo",
    "Asia/Beirut", "Asia/Gaza", "Pacific/Apia", "America/St_Johns", "Africa/Monrovia", "Pacific/Kwajalein",
)  # fmt: skip
ALIGNS = ("hour", "day", "week", "month")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

times = st.integers(0, 60 * 365 * 86_400_000) | st.integers(0, MAX_TIME)


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


@settings(max_examples=1_000, deadline=None)
@given(times, st.sampled_from(ALIGNS), st.sampled_from(ZONES))
def test_buckets_of_the_calendar_cover_all_time_and_none_overlap(at: int, align: str, zone: str) -> None:
    window = Window(1, Shape.CALENDAR, align=align, timezone=zone)
    start, end = window.bucket(at)
    assert start <= at < end
    assert window.bucket(start) == window.bucket((start + end) // 2) == window.bucket(end - 1) == (start, end)
    assert window.bucket(end)[0] == end
    assert window.bucket(start - 1)[1] == start


@settings(max_examples=500, deadline=None)
@given(times, st.sampled_from(("day", "week", "month")), st.sampled_from(("Europe/Berlin", "America/New_York")))
def test_a_bucket_begins_at_midnight_of_its_first_day(at: int, align: str, zone: str) -> None:
    if at > 7_900 * 365 * 86_400_000:
        at -= 146_097 * 86_400_000
    start, end = Window(1, Shape.CALENDAR, align=align, timezone=zone).bucket(at)
    for edge in (start, end):
        local = (EPOCH + timedelta(milliseconds=edge)).astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
        assert align != "week" or local.weekday() == 0
        assert align != "month" or local.day == 1


@settings(max_examples=300, deadline=None)
@given(st.integers(0, MAX_TIME), st.integers(1, 10**9))
def test_tumbling_windows_stand_at_multiples_of_their_length(at: int, within: int) -> None:
    start, end = Window(within, Shape.TUMBLING).bucket(at)
    assert start <= at < end == start + within
    assert start % within == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2024, 3, 31), 23),  # the clocks go forward
        ("Europe/Berlin", (2024, 10, 27), 25),  # and back
        ("Europe/Berlin", (2024, 10, 28), 24),
        ("America/Sao_Paulo", (2018, 11, 4), 23),  # this midnight never was
        ("Pacific/Apia", (2011, 12, 29), 24),  # the day after it was the 31st
        ("Australia/Lord_Howe", (2024, 10, 6), 23.5),
    ],
)  # fmt: skip
def test_days_are_as_long_as_the_clocks_make_them(zone: str, day: tuple[int, int, int], hours: float) -> None:
    noon = ms(datetime(*day, 12, tzinfo=ZoneInfo(zone)))
    start, end = Window(1, Shape.CALENDAR, align="day", timezone=zone).bucket(noon)
    assert (end - start) / 3_600_000 == hours


def test_a_repeated_hour_is_two_windows() -> None:
    window = Window(1, Shape.CALENDAR, align="hour", timezone="Europe/Berlin")
    first = ms(datetime(2024, 10, 27, 0, 30, tzinfo=UTC))  # 02:30, for the first time
    assert window.bucket(first)[1] == window.bucket(first + 3_600_000)[0]
