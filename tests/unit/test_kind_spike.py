"""``spike``, window by window: how many events each has, and what is said."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from streams.detect.base import MAX_STATE, Skipped
from streams.detect.history import MAX_OPEN, History
from streams.detect.kinds.spike import MAX_NUMBERS, MAX_WINDOWS, parse
from streams.detect.seasons import HOUR, Season
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder
from tests.driving import Came, cut, drive, told

WORD = Ladder(((None, Severity.HIGH, "high"),))
RUNGS = Ladder(((3.0, Severity.MEDIUM, "medium"), (10.0, Severity.CRITICAL, "critical")))
MINUTE = 60_000
EASY: dict[str, Any] = {"window": "1m", "baseline": "10m", "min_baseline": 3, "floor": 5}


def volumes(*counts: int, value: Any = None) -> list[Came]:
    """So many events in each minute, in order; then that the last minute is over."""
    events = [
        Came(minute * MINUTE + copy * 100, f"e{minute}.{copy}", () if value is None else (value,), minute * MINUTE - 1)
        for minute, count in enumerate(counts) for copy in range(count)
    ]  # fmt: skip
    return [*events, Came(0, None, (), len(counts) * MINUTE - 1)]


def play(block: dict[str, Any], *counts: int, ladder: Ladder = WORD) -> list[str]:
    return told(drive(parse({**EASY, **block}).detector(ladder), volumes(*counts)))


@pytest.mark.parametrize(
    ("block", "counts", "said"),
    [
        ({"ratio": 3}, [4, 4, 4, 11], []),
        ({"ratio": 3}, [4, 4, 4, 12], ["fire 3"]),  # with the twelfth event, not at the end of the minute
        ({"ratio": 3}, [4, 4, 4, 40], ["fire 3"]),  # once
        ({"ratio": 3}, [4, 4, 12], []),  # two windows are too little to know
        ({"ratio": 3}, [4, 4, 4, 12, 4], ["fire 3", "clear 0 @299999"]),
        ({"ratio": 3}, [4, 4, 4, 40, 40, 4], ["fire 3", "clear 0 @359999"]),  # cut to 12, the first 40 leaves 6 as usual
        ({"ratio": 3}, [4, 4, 4, 40, 30, 4], ["fire 3", "clear 0 @359999"]),
        ({"ratio": 3, "adapt": True}, [4, 4, 4, 40, 30, 4], ["fire 3", "clear 2.3076923076923075 @299999"]),  # 13 is usual
        ({"ratio": 3}, [1, 1, 1, 4], []),  # below the floor
        ({"ratio": 3}, [1, 1, 1, 5], ["fire 5"]),
        ({"ratio": 3}, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], ["fire 1000000"]),  # where nothing is usual anything is much
        ({"ratio": 3, "direction": "down"}, [9, 9, 9, 4, 2], ["fire 3.875 @299999"]),
        ({"ratio": 3, "direction": "down"}, [9, 9, 9, 0, 9], ["fire 1000000 @239999", "clear 0 @299999"]),
        ({"ratio": 3, "direction": "down"}, [4, 4, 4, 0], []),  # its average is below the floor
        ({"ratio": 3, "direction": "down"}, [9, 9, 9, 90], []),
        ({"z_score": 3}, [9, 9, 9, 17], []),  # the deviation of nine events is taken to be three at least
        ({"z_score": 3}, [9, 9, 9, 18], ["fire 3"]),
        ({"z_score": 2}, [4, 14, 4, 14, 18], []),
        ({"z_score": 2}, [4, 14, 4, 14, 19], ["fire 2"]),
        ({"z_score": 3, "direction": "both"}, [16, 16, 16, 4], ["fire 3 @239999"]),
    ],
)  # fmt: skip
def test_volumes(block: dict[str, Any], counts: list[int], said: list[str]) -> None:
    assert play(block, *counts) == said


def test_a_higher_rung_is_told_by_the_event_that_reaches_it() -> None:
    detector = parse({**EASY, "ratio": 3}).detector(RUNGS)
    seen = [(one.value, one.severity[1], one.evidence[-1].event_id) for _, one in drive(detector, volumes(4, 4, 4, 60))]
    assert seen == [(3, "medium", "e3.11"), (10, "critical", "e3.39")]


def test_a_clear_is_named_after_what_fired() -> None:
    fire, clear = (one for _, one in drive(parse({**EASY, "ratio": 3}).detector(WORD), volumes(4, 4, 4, 12, 4)))
    assert fire.evidence == clear.evidence
    assert fire.detail == {"current": 12, "baseline": 4, "windows": 3, "direction": "up"}
    assert clear.detail["current"] == 4


def test_averages_are_judged_when_their_window_is_closed() -> None:
    block = {"window": "1m", "baseline": "10m", "min_baseline": 3, "function": "avg", "field": "ms", "ratio": 2}
    quiet = volumes(3, 3, 3, value=100)[:-1]
    slow = [
        Came(3 * MINUTE + copy, f"s{copy}", (value,), 3 * MINUTE - 1) for copy, value in enumerate((900, 100, "50.5"))
    ]
    seen = drive(parse(block).detector(WORD), [*quiet, *slow, Came(0, None, (), 4 * MINUTE - 1)])
    assert told(seen) == ["fire 3.5016666666666665 @239999"]


@pytest.mark.parametrize("value", [None, msgspec.UNSET, True, "x", [1], {}, "1e9999"])
def test_what_is_no_number_is_not_looked_at(value: Any) -> None:
    block = {"window": "1m", "function": "sum", "field": "v", "ratio": 2}
    assert told(drive(parse(block).detector(WORD), [Came(1, "a", (value,))])) == [str(Skipped.UNUSABLE)]


def test_amounts_of_256_bits_are_summed_exactly() -> None:
    block = {"window": "1m", "function": "sum", "field": "v", "ratio": 2, "min_baseline": 2}
    usual = [Came(minute * MINUTE, f"u{minute}", (str(10**60),), minute * MINUTE - 1) for minute in range(3)]
    less = [*usual, Came(3 * MINUTE, "x", (str(2 * 10**60 - 1),), 3 * MINUTE - 1)]
    assert told(drive(parse(block).detector(WORD), less)) == []
    assert told(drive(parse(block).detector(WORD), [*less, Came(3 * MINUTE, "y", ("1",), 3 * MINUTE - 1)])) == [
        "fire 2"
    ]


def test_an_event_counts_once_and_none_counts_in_a_closed_window() -> None:
    events = [
        Came(1, "a", (), -1),
        Came(2, "a", (), -1),
        Came(MINUTE, "b", (), MINUTE - 1),
        Came(5, "c", (), MINUTE - 1),
    ]
    assert told(drive(parse({**EASY, "ratio": 3}).detector(WORD), events)) == [
        str(Skipped.DUPLICATE),
        str(Skipped.STALE),
    ]


def test_a_window_is_held_against_its_like() -> None:
    block = {"window": "1h", "baseline": "7d", "ratio": 3, "floor": 5, "min_baseline": 2, "season": "hour_of_day"}
    busy = [(day * 24 + 9, 50) for day in range(5)] + [(day * 24 + 3, 2) for day in range(4)]
    events = [
        Came(hour * HOUR + copy, f"e{hour}.{copy}", (), hour * HOUR - 1) for hour, count in sorted(busy) for copy in range(count)
    ]  # fmt: skip
    night = [Came((4 * 24 + 3) * HOUR + copy, f"n{copy}", (), (4 * 24 + 3) * HOUR - 1) for copy in range(20)]
    events = sorted([*events, *night], key=lambda came: came.closed)
    seen = drive(parse(block).detector(WORD), events)
    assert [one.evidence[-1].event_id for _, one in seen if one.kind == "fire"] == [
        "n5"
    ]  # fifty at nine are as ever, six at three are not
    assert len({(Season.HOUR_OF_WEEK.slot(day * 24 * HOUR, ZoneInfo("UTC"))) for day in range(7)}) == 7


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    winter, summer = 1_704_096_000_000, 1_720_000_800_000  # 8:00 UTC on 2024-01-01, 10:00 UTC on 2024-07-03
    assert Season.HOUR_OF_DAY.slot(winter, berlin) == 9
    assert Season.HOUR_OF_DAY.slot(summer, berlin) == 12
    assert Season.HOUR_OF_WEEK.slot(summer, berlin) == 2 * 24 + 12
    assert Season.HOUR_OF_DAY.slot(253_402_300_799_999, berlin) == 23  # the last moment there is


@pytest.mark.parametrize(("function", "windows"), [("count", MAX_WINDOWS), ("sum", MAX_NUMBERS)])
def test_the_largest_state_fits_into_the_changelog(function: str, windows: int) -> None:
    block = {"window": "10m", "baseline": f"{windows * 10}m", "function": function, "ratio": 1.1}
    detector = parse(block | ({} if function == "count" else {"field": "v"})).detector(WORD)
    history = History.of(windows)
    history.close([-1.2345678901234567e-300 if function == "sum" else 33.333333333333336] * windows, windows)
    amount = "1." + "1" * 400 + "e-999"
    state: Any = history.state()
    for number in range(MAX_OPEN):
        values = () if function == "count" else (amount,)
        state, _ = detector.step(
            state, Came((history.next + number) * 600_000, f"{number:032d}", values).moment(number)
        )
    assert len(cut(state)) <= detector.max_items
    assert len(msgspec.json.encode(state)) <= MAX_STATE


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({}, "takes either 'ratio' or 'z_score'"),
        ({"ratio": 3, "z_score": 3}, "takes either 'ratio' or 'z_score'"),
        ({"ratio": 1}, "ratio: must be more than 1"),
        ({"z_score": 0}, "z_score: must be more than 0"),
        ({"ratio": 3, "function": "sum"}, "field: is what sum needs"),
        ({"ratio": 3, "field": "v"}, "field: is counted by nothing"),
        ({"ratio": 3, "min_baseline": 200}, "min_baseline: is never reached: the baseline holds 144 windows"),
        ({"ratio": 3, "season": "hour_of_week"}, "min_baseline: is never reached: the baseline holds 0 windows"),
        ({"ratio": 3, "season": "hour_of_day", "window": "7m"}, "window: must divide an hour"),
        ({"ratio": 3, "window": "1s", "baseline": "7d"}, "baseline: holds 604800 windows; at most 4032"),
        (
            {"ratio": 3, "baseline": "20d", "function": "avg", "field": "v"},
            "baseline: holds 2880 windows; at most 1440",
        ),
        ({"ratio": 3, "window": "1ms"}, "window: 1ms is too short"),
        ({"ratio": 3, "timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not a time zone"),
        ({"ratio": 3, "direction": "sideways"}, "direction: does not take 'sideways'"),
    ],
)
def test_a_bad_block_says_what_is_wrong(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        parse({"window": "10m", **block})
    assert problem in str(error.value)


def test_a_ladder_that_begins_below_the_threshold_is_refused() -> None:
    assert parse({**EASY, "ratio": 4}).against(RUNGS)
    assert not parse({**EASY, "ratio": 3}).against(RUNGS)
