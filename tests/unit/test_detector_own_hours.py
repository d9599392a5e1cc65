"""Hours of the week learned from a key's own events, and a log's own pauses: edges, late events, time that jumps."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.falls_silent import FallsSilent
from streams.detect.detectors.own_hours import OwnHours

HOUR, DAY = 3_600_000, 86_400_000
MONDAY = 1_704_067_200_000  # 2024-01-01T00:00:00Z


def fired(hours: list[float], **settings: Any) -> list[int]:
    """The places of the events, by their hours since a Monday, that were found."""
    detector, state, found = OwnHours({"tolerance": 2, "weekends_apart": True, **settings}), None, []
    for n, hour in enumerate(hours):
        event = Event(MONDAY + int(hour * HOUR), f"e-{n}", {})
        state, findings = detector.step(json.loads(json.dumps(state)), event)
        found += [n] * len(findings)
    return found


def office(weeks: int, at: float = 9, days: int = 5) -> list[float]:
    return [week * 168 + day * 24 + at for week in range(weeks) for day in range(days)]


@pytest.mark.parametrize(
    ("last", "fires"),
    [
        (9, False), (7, False), (6.99, True), (11.99, False), (12, True), (3, True), (23, True),
        (24 * 5 + 9, True),  # a Saturday, for the first time
        (24 * 2 + 7, False), (24 * 2 + 3, True),
    ],
)  # fmt: skip
def test_office_hours_of_four_weeks_and_then_once_more(last: float, fires: bool) -> None:
    assert fired([*office(4), 4 * 168 + last]) == ([20] if fires else [])


def test_three_weeks_of_five_days_are_not_yet_hours_of_ones_own() -> None:
    assert fired([*office(3), 3 * 168 + 3]) == []
    assert fired([*office(3), 3 * 168 + 3], surprise=0.1) == [15]


def test_who_comes_at_any_hour_surprises_nobody() -> None:
    rng = Random(5)
    anytime = [day * 24 + rng.random() * 24 for day in range(0, 84, 2)]
    assert fired([*office(4), *(hour + 4 * 168 for hour in anytime)], surprise=1.0) != []
    assert fired(anytime) == []


def test_nothing_is_learned_in_less_than_two_weeks_or_eight_days() -> None:
    assert fired([*office(2)[:-1], 2 * 168 + 8.99 - 24]) == []
    assert fired([0, 100, 200, 300, 400, 500, 600, 700 + 11]) == []


def test_a_day_off_of_the_week_is_usual_at_the_hour_of_the_other_days() -> None:
    mondays_free = [week * 168 + day * 24 + 9 for week in range(3) for day in range(1, 5)]
    assert fired([*mondays_free, 3 * 168 + 9]) == []


def test_a_first_saturday_at_the_hours_of_the_week_is_told_where_weekends_stand_apart() -> None:
    saturday = 4 * 168 + 5 * 24
    assert fired([*office(4), saturday + 9]) == [20]
    assert fired([*office(4), saturday + 9], weekends_apart=False) == []
    assert fired([*office(4), saturday + 3], weekends_apart=False) == [20]


def test_what_was_unusual_once_is_learned_and_forgotten_after_eight_weeks() -> None:
    night = 4 * 168 + 3
    assert fired([*office(4), night, night + 168]) == [20]
    later = [hour + 5 * 168 for hour in office(9)]
    assert fired([*office(4), night, *later, night + 10 * 168]) == [20, 20 + 1 + 45]


def test_over_new_year_of_the_week_the_clock_goes_round() -> None:
    sundays = [week * 168 - 1 for week in range(1, 10)]  # 23:00 on Sundays
    assert fired([*sundays, 9 * 168 + 168 + 0.5]) == []  # half past midnight on a Monday


def test_years_of_silence_and_late_events_do_no_harm() -> None:
    assert fired([*office(3), 168 * 500, 9]) == []  # everything known is too old to judge by
    shuffled = office(8)
    Random(3).shuffle(shuffled)
    assert fired(shuffled) == []


def silences(times: list[int], until: int, **more: Any) -> list[tuple[int, Any]]:
    """(ms, seconds) of what is found, up to ``until``; status in ``more`` is that of the last event."""
    detector, state, found = FallsSilent({"goodbye": ["retired"]}), None, list[tuple[int, Any]]()

    def wait(at: int) -> None:
        nonlocal state
        while state and (due := detector.due(state)) is not None and due <= at:
            state, findings = detector.expire(state, due)
            found.extend((due, one.value) for one in findings)

    for n, at in enumerate(times):
        wait(at)
        fields = more if n == len(times) - 1 else {}
        state, findings = detector.step(json.loads(json.dumps(state)), Event(at, "", fields))
        found.extend((at, 0) for one in findings if one.clear)
    wait(until)
    return found


HOURLY = [n * HOUR for n in range(170)]


def test_three_times_the_longest_pause_is_told_once_and_cleared() -> None:
    end = HOURLY[-1]
    assert silences(HOURLY, end + 3 * HOUR - 1) == []
    assert silences(HOURLY, end + 99 * HOUR) == [(end + 3 * HOUR, 10_800)]
    assert silences([*HOURLY, end + 4 * HOUR], end + 5 * HOUR) == [(end + 3 * HOUR, 10_800), (end + 4 * HOUR, 0)]


def test_a_pause_of_every_week_is_told_in_the_first_week_only() -> None:
    weeks = [week * 7 * DAY + n * HOUR for week in range(4) for n in range(5 * 24)]
    assert [
        at // (7 * DAY)
        for at, value in silences([*HOURLY, *(7 * DAY + 2 * HOUR + t for t in weeks)], 28 * DAY)
        if value
    ] == [1]


def test_too_few_too_young_gone_for_good_or_out_of_order() -> None:
    assert silences([n * 7 * HOUR for n in range(99)], 99 * DAY) == []
    assert silences(HOURLY[:160], 99 * DAY) == []
    assert silences(HOURLY, 99 * DAY, status="retired") == []
    assert silences([*HOURLY, 5, 7], HOURLY[-1] + 3 * HOUR - 1) == []
    with pytest.raises(ValueError, match="times"):
        FallsSilent({"times": 0.5})
