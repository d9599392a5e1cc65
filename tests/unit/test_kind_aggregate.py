"""Aggregates, shares and forecasts by timelines: what is said when, and which settings are refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.detect.base import MAX_STATE, NEVER, Moment, Skipped
from streams.detect.kinds import aggregate, forecast, ratio
from streams.rules.block import Block
from streams.rules.ladder import parse_ladder
from streams.rules.problems import BlockErrors
from tests.timelines import Happening, drive


def play(block: dict[str, Any], *events: tuple[int, Any], severity: Any = "high") -> list[Any]:
    """What is said, as (kind, value, event or moment), of events (at, value) in order of time."""
    kind = aggregate.parse({"field": "v", **block})
    detector = kind.detector(parse_ladder(severity, falling=kind.falling))
    happenings = [Happening(NEVER + 1, at, "", (value,)) for at, value in events]
    found, _ = drive(detector, happenings, kind.keeps, eager=True)
    return [(said.kind, said.value, said.ref if said.at is None else f"at {said.at}") for said in found]


def test_a_low_value_leaving_the_window_does_not_raise_the_severity_by_itself() -> None:
    block = {"function": "avg", "above": 5, "within": "10ms"}
    rungs = {"low": 5, "high": 8}
    assert play(block, (0, 2), (1, 12), severity=rungs) == [("fire", 7, 1), ("clear", None, "at 11")]
    assert play(block, (0, 2), (1, 12), (10, 12), severity=rungs)[:2] == [("fire", 7, 1), ("fire", 12, 2)]


def test_a_condition_is_over_when_time_takes_its_events_away() -> None:
    block = {"function": "sum", "above": 10, "within": "10ms"}
    assert play(block, (0, 6), (5, 6)) == [("fire", 12, 1), ("clear", 6, "at 10")]


def test_too_few_events_hold_nothing() -> None:
    block = {"function": "max", "above": 10, "within": "10ms", "min_events": 2}
    assert play(block, (0, 99), (20, 99), (21, 1)) == [("fire", 99, 2), ("clear", None, "at 30")]


def test_a_rate_is_per_unit_and_falls_silent_once() -> None:
    block = {"function": "rate", "per": "1s", "below": 300, "within": "10ms", "forget": "1s"}
    kind = aggregate.parse(block)
    events = [Happening(at - 1, at, f"e{at}", ()) for at in range(0, 40, 2)]
    found, _ = drive(kind.detector(parse_ladder("high", falling=True)), events, kind.keeps, eager=True)
    assert [(said.kind, said.value, said.at, said.ref) for said in found] == [("fire", 200, 44, 19)]


def test_a_silent_key_is_forgotten_with_what_it_holds() -> None:
    kind = aggregate.parse({"function": "rate", "below": 1000, "within": "10ms", "forget": "50ms"})
    detector, state = kind.detector(parse_ladder("high", falling=True)), None
    state, _ = detector.step(state, Moment(0, 0, "", (), NEVER))
    said = 0
    while state is not None:
        assert detector.holds(state)
        due = detector.due(state)  # type: ignore[attr-defined]
        state, seen = detector.expire(state)  # type: ignore[attr-defined]
        said += seen is not None
    assert (due, said) == (60, 1)


def test_a_tumbling_window_that_ends_low_clears_what_it_fired() -> None:
    block = {"function": "avg", "above": 5, "within": "10ms", "window": "tumbling"}
    assert play(block, (1, 9), (2, 0)) == [("fire", 9, 0), ("clear", 4.5, "at 9")]
    assert play(block, (1, 9), (11, 9)) == [("fire", 9, 0), ("clear", None, "at 29")]  # it held in both


def test_a_tumbling_window_that_is_too_low_is_told_when_it_has_closed_and_was_known_whole() -> None:
    block = {"function": "sum", "below": 5, "within": "10ms", "window": "tumbling", "forget": "100ms"}
    told = play(block, (3, 1), (12, 4), (13, 0), (25, 9))
    assert told == [("fire", 4, "at 19"), ("clear", 9, "at 29")]  # not for the first, which may have begun before


def test_a_session_clears_when_it_has_ended() -> None:
    block = {"function": "sum", "at_least": 10, "window": "session", "gap": "5ms"}
    assert play(block, (0, 6), (5, 6), (10, 1)) == [("fire", 12, 1), ("clear", 13, "at 15")]


def test_a_session_is_no_longer_than_within() -> None:
    block = {"function": "sum", "at_least": 3, "window": "session", "gap": "5ms", "within": "10ms"}
    assert play(block, (0, 1), (4, 1), (8, 1), (12, 1)) == [("fire", 3, 2), ("clear", 3, "at 13")]


def test_a_deviation_is_compared_without_rounding() -> None:
    block = {"function": "stddev", "above": 2, "within": "1s"}
    assert play(block, (0, 1), (1, 5)) == []  # it is 2
    assert play(block, (0, "1"), (1, "5.000000000000000000000000000001"))[0][0] == "fire"


def test_amounts_of_256_bits_are_exact() -> None:
    block = {"function": "sum", "above": 0, "within": "1s"}
    huge = str(2**255)
    assert play(block, (0, f"-{huge}"), (1, huge)) == []
    assert play(block, (0, f"-{huge}"), (1, huge), (2, 1))[:1] == [("fire", 1, 2)]


@pytest.mark.parametrize("window", [{}, {"every": "1s"}, {"window": "session", "gap": "5s"}], ids=str)
@pytest.mark.parametrize("function", ["sum", "avg", "p99", "stddev", "max"])
def test_a_state_stays_small_whatever_comes(function: str, window: dict[str, Any]) -> None:
    kind = aggregate.parse(
        {"function": function, "field": "v", "above": 1, "within": "10s", "min_events": 1_400, **window}
    )
    detector, state = kind.detector(parse_ladder("high", falling=False)), None
    for number in range(1_450):
        value = f"{number * 7919 % 3001}{number % 10:020d}.{number:070d}"
        state, _ = detector.step(state, Moment(number, number, "i" * 300 + str(number), (value,), NEVER))
        assert state is not None
        del state[: max(0, len(state) - detector.max_items)]
    assert len(msgspec.json.encode(state)) < MAX_STATE


@pytest.mark.parametrize("value", [None, True, "", "x", "1" * 101, [1], {"a": 1}, "NaN", "1e9999"], ids=repr)
def test_what_is_no_number_is_not_looked_at(value: Any) -> None:
    for kind in (
        aggregate.parse({"function": "avg", "field": "v", "above": 1, "within": "1s"}),
        ratio.parse({"of": {"a": 1}, "weight": "v", "above": "1%", "within": "1s"}),
        forecast.parse({"field": "v", "reaches": 1, "in": "1s", "within": "1s"}),
    ):
        detector = kind.detector(parse_ladder("high", falling=False))
        assert detector.step(None, Moment(1, 1, "a", (value,), NEVER)) == (None, Skipped.UNUSABLE)


AVG = {"function": "avg", "field": "v", "above": 5, "within": "5m"}
RATIO = {"of": {"outcome": "failure"}, "above": "10%", "within": "5m"}
LINE = {"field": "v", "reaches": 100, "in": "4h", "within": "1h"}


@pytest.mark.parametrize(
    ("module", "block", "message"),
    [
        (aggregate, {**AVG, "function": "mean"}, "takes one of sum, avg"),
        (aggregate, {**AVG, "function": "p0"}, "takes one of sum, avg"),
        (aggregate, {**AVG, "function": "p101"}, "takes one of sum, avg"),
        (aggregate, {"function": "avg", "above": 5, "within": "5m"}, "field: is missing"),
        (aggregate, {**AVG, "per": "1m"}, "per: has a meaning only for a rate"),
        (aggregate, {**AVG, "below": 3}, "exactly one of"),
        (aggregate, {**AVG, "clear": 6}, "clear: lies beyond"),
        (aggregate, {**AVG, "above": {"field": "w"}}, "above: takes a number"),
        (aggregate, {**AVG, "min_events": 5_000}, "min_events: takes a whole number from 1"),
        (aggregate, {**AVG, "dedup": 5}, "dedup: has a meaning only where panes are kept"),
        (aggregate, {**AVG, "function": "p99", "within": "1h", "every": "1s"}, "MAX_PANES"),
        (aggregate, {**AVG, "function": "p99", "within": "2h", "every": "1m"}, "at most 60 where each is a sketch"),
        (aggregate, {**AVG, "function": "stddev", "above": -1}, "never below 0"),
        (aggregate, {"function": "rate", "above": 5, "align": "day"}, "write sum"),
        (aggregate, {"function": "rate", "above": 5, "within": "5m"}, "above: needs more events in the window"),
        (aggregate, {"function": "rate", "below": 1, "within": "5m", "min_events": 3}, "no events at all are 0"),
        (aggregate, None, "takes a mapping"),
        (ratio, {**RATIO, "of": {}}, "of: is empty"),
        (ratio, {**RATIO, "of": {"a": {"near": 1}}}, "of.a.near: is not an operator"),
        (ratio, {**RATIO, "above": "101%"}, "above: is a share"),
        (ratio, {**RATIO, "above": 100}, "can never be"),
        (ratio, {"of": {"a": 1}, "below": 0, "within": "5m"}, "can never be"),
        (ratio, {**RATIO, "clear": "20%"}, "clear: lies beyond"),
        (ratio, {**RATIO, "weight": "a..b"}, "weight"),
        (forecast, {**LINE, "falls_to": 0}, "exactly one of reaches, falls_to"),
        (forecast, {**LINE, "in": "0s"}, "in: 0s is too short"),
        (forecast, {**LINE, "clear": 101}, "clear: lies beyond"),
        (forecast, {**LINE, "min_events": 1}, "min_events"),
        (forecast, {**LINE, "reaches": "90%"}, "reaches: takes"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_its_place(module: Any, block: Any, message: str) -> None:
    with pytest.raises(BlockErrors) as errors:
        module.parse(block)
    assert message.replace("MAX_PANES", "panes of a window: at most 1500") in str(errors.value)


@pytest.mark.parametrize("module", [aggregate, ratio, forecast], ids=lambda module: module.__name__.rsplit(".")[-1])
def test_the_reference_page_knows_every_option_and_no_other(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[Block] = []

    def reading(raw: Any) -> Block:
        blocks.append(Block(raw))
        return blocks[-1]

    monkeypatch.setattr(module, "Block", reading)
    with pytest.raises(BlockErrors):
        module.parse({})
    assert blocks[0]._known == {option.name for option in module.OPTIONS}


def test_a_line_says_how_long_is_left() -> None:
    kind = forecast.parse({"field": "v", "reaches": 100, "in": "4h", "within": "1h", "min_events": 2})
    detector, minute = kind.detector(parse_ladder("high", falling=False)), 60_000
    state, seen = detector.step(None, Moment(0, 0, "a", (40,), NEVER))
    assert seen is None
    state, seen = detector.step(state, Moment(10 * minute, 1, "b", (45,), NEVER))
    assert seen.value == 165  # type: ignore[union-attr]
    assert seen.detail == {"events": 2, "eta": "1h50m", "slope_per_hour": 30, "current": 45}  # type: ignore[union-attr]
    state, seen = detector.step(state, Moment(20 * minute, 2, "c", (45,), NEVER))
    assert seen is None  # still rising, at half the speed: it gets there within four hours
    state, seen = detector.step(state, Moment(30 * minute, 3, "d", (40,), NEVER))
    assert (seen.kind, seen.detail["eta"]) == ("clear", "never")  # type: ignore[union-attr, index]


def test_the_limit_may_be_a_field_of_the_newest_event() -> None:
    kind = forecast.parse({
        "field": "v", "reaches": {"field": "capacity", "times": 0.5}, "in": "10ms", "within": "1s", "min_events": 2,
    })  # fmt: skip
    detector = kind.detector(parse_ladder("high", falling=False))
    state, _ = detector.step(None, Moment(0, 0, "", (0, 1000), NEVER))
    state, seen = detector.step(state, Moment(10, 1, "", (10, 1000), NEVER))
    assert seen is None
    state, seen = detector.step(state, Moment(11, 2, "", (11, 30), NEVER))
    assert (seen.value, seen.threshold) == (21, 15)  # type: ignore[union-attr]
    state, seen = detector.step(state, Moment(5, 3, "", (5, 10**9), NEVER))
    assert seen is None  # an older event's capacity is not the one that counts
    assert detector.step(state, Moment(12, 4, "", (5, None), NEVER))[1] is Skipped.UNUSABLE
