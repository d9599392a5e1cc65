"""Volumes against what is usual: far off in percent, beyond chance, and whatever order trades come in."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from streams.detect.detectors import Event, Found
from streams.detect.detectors.volumes import HOUR, VolumeShift

HOSTILE = [None, True, "NaN", "1e999", "x", -5, 0, [1], {"qty": 1}, float("inf"), "-1"]


def run(detector: VolumeShift, trades: list[tuple[int, Any]], until: int) -> list[tuple[int, Found]]:
    """What is found, by time: windows close in order behind the trades, as the watermark lets them."""
    state: Any = None
    found: list[tuple[int, Found]] = []
    for n, (at, qty) in enumerate([*trades, (until, None)]):
        while state is not None and (due := detector.due(state)) is not None and due < at:
            state, seen = detector.expire(json.loads(json.dumps(state)), due)
            found += [(due, one) for one in seen]
        state, seen = detector.step(state, Event(at, f"e{n}", {} if qty is None else {"qty": qty}))
        found += [(at, one) for one in seen]
    return found


def hours(*counts: int, qty: Any = 10) -> list[tuple[int, Any]]:
    """So many trades in each hour, evenly."""
    return [(hour * HOUR + n * HOUR // count, qty) for hour, count in enumerate(counts) for n in range(count)]


STEADY = (40,) * 30  # the first hour began before us and does not count


@pytest.mark.parametrize(
    ("last", "fires"),
    [
        (60, False),  # 59 of 39 without the largest: 51 %, but not four deviations of sqrt(39)
        (64, False),
        (65, True),  # 64 of 39: 25 more, and four deviations are 24.98
        (90, True),
    ],
)  # fmt: skip
def test_a_busy_hour_must_be_beyond_percent_and_beyond_chance(last: int, fires: bool) -> None:
    found = run(VolumeShift({"direction": "up"}), hours(*STEADY, last), 31 * HOUR)
    assert [one.clear for _, one in found] == [False] * fires
    if fires:
        at, one = found[0]
        assert at // HOUR == 30
        assert one.value == pytest.approx(100 * (64 - 39) / 39, abs=0.01), "the trade that makes it so tells it"


@pytest.mark.parametrize(("last", "fires"), [(20, True), (21, False), (1, True)])
def test_a_quiet_hour_is_told_when_it_is_over(last: int, fires: bool) -> None:
    found = run(VolumeShift({"direction": "down", "deviations": 3}), hours(*STEADY, last), 32 * HOUR)
    assert [at for at, _ in found] == [31 * HOUR - 1] * fires


def test_silence_is_not_told_nor_does_it_end_anything() -> None:
    found = run(VolumeShift({"direction": "down"}), hours(*STEADY), 60 * HOUR)
    assert found == []


def test_a_frenzy_is_over_with_the_next_hour_that_is_not_one_even_if_it_is_silent() -> None:
    found = run(VolumeShift({"direction": "up"}), hours(*STEADY, 400), 40 * HOUR)
    assert [(at // HOUR, one.clear) for at, one in found] == [(30, False), (31, True)]


def test_the_hour_of_the_day_is_compared_with_its_like_once_five_days_are_known() -> None:
    day = [200] * 6 + [40] * 18
    found = run(VolumeShift({"direction": "up"}), hours(*day * 6), 6 * 24 * HOUR)
    assert found == [], "mornings are busy every day"
    night = [*day * 6, *[200] * 6, *[40] * 4, 200]
    assert len(run(VolumeShift({"direction": "up"}), hours(*night), 7 * 24 * HOUR)) == 2, "and nights are not"


@pytest.mark.parametrize("amount", HOSTILE)
def test_what_is_no_amount_does_not_count(amount: Any) -> None:
    detector = VolumeShift({})
    assert detector.step(None, Event(0, "e", {"qty": amount})) == (None, ())


def test_one_absurd_trade_neither_fires_nor_spoils_the_baseline() -> None:
    trades = hours(*STEADY, 66)
    trades.insert(500, (trades[500][0], "1" + "0" * 60))
    assert len(run(VolumeShift({"direction": "up"}), trades, 31 * HOUR)) == 1


def test_an_event_from_the_far_future_stops_nothing() -> None:
    trades = hours(*STEADY, 66)
    detector, state, found = VolumeShift({"direction": "up"}), None, []
    state, _ = detector.step(state, Event(10**6 * HOUR, "future", {"qty": 1}))
    assert state is not None
    detector, state = VolumeShift({"direction": "up"}), None
    for n, (at, qty) in enumerate(trades):
        if n == 700:
            state, _ = detector.step(state, Event(10**6 * HOUR, "future", {"qty": 10**9}))
        while (due := detector.due(state) if state else None) is not None and due < at:
            state, seen = detector.expire(state, due)
            found += seen
        state, seen = detector.step(state, Event(at, f"e{n}", {"qty": qty}))
        found += seen
    assert [one.clear for one in found] == [False]


def test_trades_of_open_hours_may_come_in_any_order() -> None:
    trades = hours(*STEADY, 300)
    mixed = [*trades[: 40 * 28]]
    late = trades[40 * 28 :]  # the last two hours of the baseline and the busy one
    Random(3).shuffle(late)
    detector = VolumeShift({"direction": "down"})
    states = []
    for order in (trades[40 * 28 :], late):
        state: Any = None
        for n, (at, qty) in enumerate([*mixed, *order]):
            while n < len(mixed) and state and (due := detector.due(state)) is not None and due < at:
                state, _ = detector.expire(state, due)
            state, _ = detector.step(state, Event(at, f"e{n}", {"qty": qty}))
        while (due := detector.due(state)) is not None:
            state, _ = detector.expire(state, due)
        states.append(state)
    assert states[0] == states[1]


def test_state_is_bounded() -> None:
    detector = VolumeShift({"days": 29})
    state: Any = None
    for hour in range(1_500):
        while state and (due := detector.due(state)) is not None and due < hour * HOUR:
            state, _ = detector.expire(state, due)
        state, _ = detector.step(state, Event(hour * HOUR, "e", {"qty": "0.1234567890123456789"}))
    assert len(json.dumps(state)) < 128 * 1024
    for ahead in range(50):
        state, _ = detector.step(state, Event((2_000 + ahead * 100) * HOUR, "e", {"qty": 1}))
    assert len(state["open"]) <= 4


@pytest.mark.parametrize(
    "settings",
    [{"direction": "sideways"}, {"window": 7_000_000}, {"learn": 1}, {"days": 90}, {"percent": 0}, {"min_trades": -1}],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        VolumeShift(settings)
