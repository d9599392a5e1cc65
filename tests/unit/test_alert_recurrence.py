"""Recurring windows on real clocks, and rules that are meant to hurt."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.alerts.maintenance import Window, parse_window
from streams.alerts.recurrence import Recurrence
from streams.rules.problems import BlockErrors

AMSTERDAM = "Europe/Amsterdam"
HOUR = 3_600_000


def ms(text: str) -> int:
    """Of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def utc(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def following(rule: str, begins: str, many: int, timezone: str = AMSTERDAM, after: str | None = None) -> list[str]:
    one = Recurrence(rule, ms(begins), timezone)
    at, found = ms(after or begins) - 1, []
    while len(found) < many and (following := one.next(at)) is not None:
        found.append(utc(at := following))
    return found


#: (rule, DTSTART in UTC, after, what follows in UTC)
CASES = [
    # 02:00 in Amsterdam stays 02:00 when summer time ends on 25 October 2026
    ("FREQ=WEEKLY;BYDAY=SU", "2026-10-11T00:00", None, ["2026-10-11T00:00", "2026-10-18T00:00", "2026-10-25T00:00", "2026-11-01T01:00"]),
    # 02:30 is skipped on 29 March 2026: it is 03:30 that day, as the RFC has it
    ("FREQ=DAILY", "2026-03-28T01:30", None, ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"]),
    # 02:30 comes twice on 25 October 2026: the first counts, once
    ("FREQ=DAILY", "2026-10-24T00:30", None, ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    ("FREQ=MONTHLY;BYDAY=2TU", "2026-01-01T21:00", None, ["2026-01-13T21:00", "2026-02-10T21:00", "2026-03-10T21:00", "2026-04-14T20:00"]),
    ("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-31T12:00", None, ["2026-01-31T12:00", "2026-03-31T11:00", "2026-05-31T11:00"]),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-01-01T12:00", None, ["2026-01-30T12:00", "2026-02-27T12:00"]),
    ("FREQ=YEARLY", "2024-02-29T12:00", None, ["2024-02-29T12:00", "2028-02-29T12:00", "2032-02-29T12:00"]),
    ("FREQ=DAILY;COUNT=3", "2026-01-01T12:00", None, ["2026-01-01T12:00", "2026-01-02T12:00", "2026-01-03T12:00"]),
    ("FREQ=DAILY;UNTIL=20260102T120000Z", "2026-01-01T12:00", None, ["2026-01-01T12:00", "2026-01-02T12:00"]),
    ("FREQ=DAILY;UNTIL=20260102", "2026-01-01T12:00", None, ["2026-01-01T12:00", "2026-01-02T12:00"]),
    ("RRULE:FREQ=DAILY\nEXDATE:20260102,20260103T130000", "2026-01-01T12:00", None, ["2026-01-01T12:00", "2026-01-04T12:00", "2026-01-05T12:00"]),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO", "2026-01-04T12:00", None, ["2026-01-04T12:00", "2026-01-12T12:00", "2026-01-18T12:00"]),
    ("freq=hourly;interval=6", "1970-01-01T00:00", "2026-01-01T00:00", ["2026-01-01T00:00", "2026-01-01T06:00"]),
    ("FREQ=YEARLY;INTERVAL=7;BYMONTH=6;BYMONTHDAY=1", "1970-06-01T10:00", "2026-01-01T00:00", ["2026-06-01T09:00", "2033-06-01T09:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "begins", "after", "expected"), CASES)
def test_a_rule_follows_the_wall_clock(rule: str, begins: str, after: str | None, expected: list[str]) -> None:
    many = len(expected) if "COUNT" not in rule and "UNTIL" not in rule else 99
    assert following(rule, begins, many, after=after) == expected


def test_an_hour_of_work_is_an_hour_when_clocks_change() -> None:
    window = Window("w", (), ms("2026-10-24T00:30"), 2 * HOUR, "FREQ=DAILY", AMSTERDAM)
    begin = ms("2026-10-25T00:30")  # the night that has 02:30 twice
    assert [window.end(begin + n * HOUR) == begin + 2 * HOUR for n in (0, 1, 2)] == [True, True, False]


def test_windows_that_overlap_end_when_the_last_ends() -> None:
    window = Window("w", (), ms("2026-01-01T00:00"), 36 * HOUR, "FREQ=DAILY;COUNT=3", "UTC")
    assert utc(window.end(ms("2026-01-01T23:59"))) == "2026-01-02T12:00"
    assert utc(window.end(ms("2026-01-02T01:00"))) == "2026-01-03T12:00"
    assert utc(window.end(ms("2026-01-04T11:59"))) == "2026-01-04T12:00"
    assert window.end(ms("2026-01-04T12:00")) is None
    assert window.end(ms("2025-12-31T23:59")) is None


def test_one_taken_back_is_over_at_once_and_never_comes_again() -> None:
    began = ms("2026-01-01T00:00")
    window = Window("w", (), began, 2 * HOUR, "FREQ=DAILY", "UTC", expires=began + 25 * HOUR)
    assert window.end(began + 24 * HOUR) == began + 25 * HOUR
    assert window.end(began + 25 * HOUR) is None
    assert window.next_begin(began) == began + 24 * HOUR
    assert window.next_begin(began + 24 * HOUR) is None


def test_what_begins_in_a_hundred_years_is_found_from_here() -> None:
    one = Recurrence("FREQ=HOURLY", ms("2126-01-01T00:00"), AMSTERDAM)
    assert utc(one.next(ms("2026-01-01T00:00"))) == "2126-01-01T00:00"


def test_seconds_count() -> None:
    window = Window("w", (), ms("2026-01-01T00:00:30"), HOUR, "FREQ=DAILY", "UTC")
    assert window.end(ms("2026-01-05T00:00:29")) is None
    assert window.end(ms("2026-01-05T00:00:30")) is not None


#: (rule, what is said of it)
HOSTILE = [
    ("FREQ=DAILY;COUNT=999999999", "COUNT takes a number from 0 to 1000"),
    ("FREQ=DAILY;COUNT=" + "9" * 500, "COUNT takes a number"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1000", "say UNTIL"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never happens"),
    ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "never happens"),
    ("FREQ=WEEKLY;BYDAY=SU;BYSETPOS=60", "never happens"),
    ("FREQ=DAILY;UNTIL=19690101", "never happens"),
    ("FREQ=DAILY;COUNT=1\nEXDATE:19700101", "never happens"),
    ("FREQ=DAILY;INTERVAL=0", "INTERVAL takes a number from 1"),
    ("FREQ=DAILY;INTERVAL=-1", "INTERVAL takes"),
    ("FREQ=WEEKLY;INTERVAL=1000000000", "INTERVAL takes"),
    ("FREQ=SECONDLY", "needs FREQ"),
    ("FREQ=MINUTELY;INTERVAL=600", "needs FREQ"),
    ("FREQ=DAILY;BYSECOND=1,2,3", "BYSECOND"),
    ("FREQ=DAILY;BYMINUTE=0,30", "BYMINUTE takes one value"),
    ("FREQ=DAILY;BYEASTER=0", "BYEASTER"),
    ("FREQ=WEEKLY;BYDAY=2TU", "only with YEARLY and MONTHLY"),
    ("FREQ=MONTHLY;BYDAY=0TU", "takes days"),
    ("FREQ=MONTHLY;BYMONTHDAY=0", "does not take 0"),
    ("FREQ=MONTHLY;BYMONTHDAY=32", "from -31 to 31"),
    ("FREQ=DAILY;COUNT=3;UNTIL=20300101", "both COUNT and UNTIL"),
    ("FREQ=DAILY;FREQ=DAILY", "each once"),
    ("FREQ=DAILY;UNTIL=99999999", "takes a date"),
    ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", "neither its one RRULE nor EXDATE"),
    ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "neither its one RRULE"),
    ("EXDATE:20260101", "has no RRULE"),
    ("FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 500), "more than 100 values"),
    ("\n".join(["EXDATE:20260101"] * 101), "at most 99 EXDATE lines"),
    ("FREQ", "NAME=VALUE"),
    ("FREQ=DAILY;BYHOUR=٣", "BYHOUR takes a number"),
]


@pytest.mark.parametrize(("rule", "said"), HOSTILE)
def test_a_hostile_rule_is_refused_and_not_computed(rule: str, said: str) -> None:
    with pytest.raises(BlockErrors) as caught:
        parse_window("w", {"matchers": ["rule=a"], "starts_at": 0, "duration": "1h", "rrule": rule})
    (problem,) = caught.value.problems
    assert problem[0] == "rrule"
    assert said in problem[1]


def test_the_last_ms_of_time_is_no_way_to_break_it() -> None:
    window = parse_window(
        "w", {"matchers": ["rule=a"], "starts_at": 0, "duration": "31d", "rrule": "FREQ=YEARLY", "timezone": AMSTERDAM}
    )
    for now in (0, 253_402_300_799_999, -1):
        window.end(now)
        window.next_begin(now)


def test_zones_are_those_of_the_document() -> None:
    local = datetime.fromtimestamp(ms("2026-07-05T17:00") / 1000, ZoneInfo("Asia/Tokyo"))
    assert local.strftime("%a %H:%M") == "Mon 02:00"
    assert following("FREQ=WEEKLY;BYDAY=MO", "2026-07-05T17:00", 2, "Asia/Tokyo") == [
        "2026-07-05T17:00", "2026-07-12T17:00",
    ]  # fmt: skip
