"""Kinds, event by event: what fires, what clears, what is not looked at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.detect.base import NEVER, Moment, Observed, Skipped
from streams.detect.kinds.distinct import token
from streams.detect.registry import KINDS
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder

WORD = Ladder(((None, Severity.HIGH, "high"),))
CPU = Ladder(((85.0, Severity.MEDIUM, "warning"), (95.0, Severity.CRITICAL, "critical")))
LTV = Ladder(((75.0, Severity.MEDIUM, "medium"), (85.0, Severity.HIGH, "high"), (95.0, Severity.CRITICAL, "critical")))
UNSET = msgspec.UNSET


def play(block: dict[str, Any], ladder: Ladder, *events: Any, kind: str = "level") -> list[Any]:
    """What each (at, *values) brings: ``fire 96 critical``, ``clear 70``, a reason, or nothing."""
    detector, state, said = KINDS[kind](block).detector(ladder), None, []
    for number, (at, *values) in enumerate(events):
        state, seen = detector.step(state, Moment(at, number, f"e{number}", tuple(values), NEVER))
        if isinstance(seen, Observed):
            word = f" {seen.severity[1]}" if seen.severity and seen.kind == "fire" else ""
            said.append(f"{seen.kind} {seen.value}{word}")
        else:
            said.append(seen)
    return said


@pytest.mark.parametrize(
    ("block", "ladder", "events", "said"),
    [
        ({"above": 85}, CPU, [(1, 85), (2, 86), (3, 90)], [None, "fire 86 warning", None]),  # above is beyond
        ({"above": 85}, CPU, [(1, 86), (2, 96), (3, 97)], ["fire 86 warning", "fire 96 critical", None]),
        ({"above": 85}, CPU, [(1, 99), (2, 90), (3, 96)], ["fire 99 critical", None, None]),  # held until it clears
        ({"above": 85}, CPU, [(1, 99), (2, 85), (3, 96)], ["fire 99 critical", "clear 85", "fire 96 critical"]),
        ({"above": 85, "clear": 70}, CPU, [(1, 99), (2, 80), (3, 70)], ["fire 99 critical", None, "clear 70"]),
        ({"above": 85}, CPU, [(5, 90), (4, 10), (6, 91)], ["fire 90 warning", Skipped.STALE, None]),
        ({"above": 85}, CPU, [(5, 90), (5, 10), (5, 91)], ["fire 90 warning", "clear 10", "fire 91 warning"]),
        ({"at_least": 75}, WORD, [(1, 74.999), (2, 75)], [None, "fire 75 high"]),
        ({"below": 4}, WORD, [(1, 4), (2, 3), (3, 4)], [None, "fire 3 high", "clear 4"]),
        ({"at_most": 4}, WORD, [(1, 5), (2, 4)], [None, "fire 4 high"]),
        ({"above": 85}, CPU, [(1, True), (2, None), (3, UNSET), (4, "x"), (5, [99]), (6, float("nan"))], [Skipped.UNUSABLE] * 6),
        ({"above": 85}, CPU, [(1, "96")], ["fire 96 critical"]),  # decimal strings are numbers
    ],
)  # fmt: skip
def test_levels(block: dict[str, Any], ladder: Ladder, events: list[Any], said: list[Any]) -> None:
    assert play({"value": "v", **block}, ladder, *events) == said


def test_percent_of_a_limit_is_exact_where_floats_are_not() -> None:
    block = {"value": "ltv", "of": "max", "at_least": "75%"}
    events = [(1, 0.7499, 1.0), (2, 0.85, 1.0), (3, 0.57, 0.6), (4, 0.1, 0.6), (5, 1, 0), (6, 1, None), (7, 1, -2)]
    assert play(block, LTV, *events) == [
        None, "fire 85 high", "fire 95 critical", "clear 16.666666666666668", *[Skipped.UNUSABLE] * 3,
    ]  # fmt: skip


def test_amounts_of_256_bits_are_compared_without_rounding() -> None:
    limit = 2**255
    block = {"value": "v", "of": "max", "at_least": "100%"}
    assert play(block, WORD, (1, str(limit - 1), str(limit)), (2, str(limit), str(limit))) == [None, "fire 100 high"]
    assert play({"value": "v", "above": 2**64 - 1}, WORD, (1, str(2**64 - 1)), (2, str(2**64))) == [None, f"fire {float(2**64)} high"]  # fmt: skip


def test_a_consensus_of_less_than_3f_plus_1_fires() -> None:
    block = {"value": "nodes", "below": {"field": "faults", "times": 3, "plus": 1}}
    assert play(block, WORD, (1, 4, 1), (2, 6, 2), (3, 7, 2), (4, 7, None)) == [
        None, "fire 6 high", "clear 7", Skipped.UNUSABLE,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["1e999999999", "٣", "0x10", "1_000", " 96", "9" * 5_000, "inf", "nan", "1/3", ""])
def test_text_that_is_no_plain_number_is_not_looked_at(text: str) -> None:
    assert play({"value": "v", "above": 85}, CPU, (1, text)) == [Skipped.UNUSABLE]


def test_a_level_keeps_its_state_through_an_event_it_cannot_use() -> None:
    assert play({"value": "v", "above": 85}, CPU, (1, 90), (2, "?"), (3, 91), (4, 1)) == [
        "fire 90 warning", Skipped.UNUSABLE, None, "clear 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "block", "problem"),
    [
        ("count", {"at_least": 0, "within": "1m"}, "at_least: takes a whole number from 1 to 1500, not 0"),
        ("count", {"at_least": True, "within": "1m"}, "at_least: takes a whole number from 1 to 1500, not True"),
        ("count", {"at_least": 5, "within": "0s"}, "within: 0s is too short: at least 1 ms"),
        ("count", {"at_least": 5, "wihtin": "1m"}, "wihtin: is not known here (did you mean 'within'?)"),
        ("distinct", {"at_least": 2, "within": "1m"}, "field: is missing"),
        ("distinct", {"field": "f", "at_least": 2, "within": "1m", "every": "1h"}, "every: does not divide within"),
        ("match", {"dedup": 5}, "dedup: 5 is not a duration"),
        ("level", {"value": "v"}, "takes exactly one of above, at_least, below, at_most"),
        ("level", {"value": "v", "above": 1, "below": 2}, "not 2"),
        ("level", {"value": "v", "above": "85%"}, "only with 'of'"),
        ("level", {"value": "v", "above": float("inf")}, "above: takes a number, not inf"),
        ("level", {"value": "v", "above": 85, "clear": 86}, "clear: lies beyond the threshold of 85"),
        ("level", {"value": "v", "below": 5, "clear": 4}, "clear: lies beyond the threshold of 5"),
        ("level", {"value": "v", "of": "m", "below": {"field": "f"}}, "takes a percentage where there is an 'of'"),
        ("count", [1], "takes a mapping"),
        ("level", None, "takes a mapping"),
    ],
)
def test_a_bad_block_says_what_is_wrong(kind: str, block: Any, problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        KINDS[kind](block)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("kind", "block", "ladder", "complains"),
    [
        ("count", {"at_least": 5, "within": "1m"}, Ladder(((5.0, Severity.LOW, "low"), (2e6, Severity.HIGH, "high"))), True),
        ("count", {"at_least": 5, "within": "1m"}, WORD, False),
        ("match", {}, CPU, True),
        ("level", {"value": "v", "above": 90}, CPU, True),  # 85 is passed long before
        ("level", {"value": "v", "above": 85}, CPU, False),
        ("level", {"value": "v", "below": 100}, CPU, False),
    ],
)  # fmt: skip
def test_a_ladder_that_cannot_work_is_named(kind: str, block: Any, ladder: Ladder, complains: bool) -> None:
    assert bool(KINDS[kind](block).against(ladder)) is complains


def test_values_are_told_apart_by_type() -> None:
    values = [1, "1", True, "true", 1.5, "1.5", [1], ["1"], {"a": 1}, "", "x" * 1_000, "x" * 1_001, "\x00", "ä"]
    tokens = [token(value) for value in values]
    assert len(set(tokens)) == len(values)
    assert all(text and len(text) <= 64 and text.isascii() for text in tokens)
    assert token(1.0) == token(1)
    assert token(None) is token(UNSET) is None


def test_evidence_is_the_beginning_of_the_window_and_the_completing_event() -> None:
    detector, state, seen = KINDS["count"]({"at_least": 9, "within": "1m"}).detector(WORD), None, None
    for number in range(9):
        state, seen = detector.step(state, Moment(number, number, f"e{number}", (), NEVER))
    assert isinstance(seen, Observed)
    assert [witness.event_id for witness in seen.evidence] == ["e0", "e1", "e2", "e3", "e4", "e8"]
