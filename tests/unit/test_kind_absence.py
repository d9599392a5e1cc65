"""``absence``, moment by moment: what is closed, what came, what is said."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.base import Skipped
from streams.detect.kinds.absence import parse
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder
from tests.driving import Came, drive, told

WORD = Ladder(((None, Severity.HIGH, "high"),))
S = 1_000


def beat(at: int, closed: int = -1, arms: tuple[int, ...] = (0,), event_id: str = "") -> Came:
    return Came(at * S, event_id, (), closed * S, arms)


def passed(closed: int) -> Came:
    return Came(0, None, (), closed * S)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([beat(0), beat(4), beat(8), passed(12)], []),
        ([beat(0), passed(4)], []),  # the wait is not over
        ([beat(0), passed(5)], ["fire 5 @5000"]),
        ([beat(0), passed(5), passed(500)], ["fire 5 @5000"]),  # one silence is told once
        ([beat(0), passed(5), beat(9, 5)], ["fire 5 @5000", "clear 9"]),
        ([beat(0), beat(9), passed(4)], []),  # it was silent, but what fills the gap may still come
        ([beat(0), beat(9), beat(4), passed(9)], []),  # and it came
        ([beat(0), beat(9), passed(9)], ["fire 5 @5000", "clear 9 @9000"]),
        ([beat(0), passed(5), beat(9, 5), passed(14)], ["fire 5 @5000", "clear 9", "fire 5 @14000"]),
        ([beat(0), passed(20), beat(2, 20), passed(20)], ["fire 5 @5000"]),  # late: it was silent from 7 on all the same
        ([beat(0), passed(20), beat(16, 20), passed(20)], ["fire 5 @5000", "clear 16"]),
        ([beat(9), beat(2, 8)], [str(Skipped.STALE)]),
        ([beat(0, event_id="a"), beat(4, event_id="a"), passed(5)], [str(Skipped.DUPLICATE), "fire 5 @5000"]),
    ],
)  # fmt: skip
def test_heartbeats(events: list[Came], said: list[str]) -> None:
    assert told(drive(parse({"within": "5s"}).detector(WORD), events)) == said


TRIGGER, HEARD = (0,), (1,)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([beat(0, arms=TRIGGER), beat(5, arms=HEARD), passed(50)], []),  # the end of the wait belongs to it
        ([beat(0, arms=TRIGGER), beat(6, arms=HEARD), passed(5)], ["fire 5 @5000", "clear 6 @6000"]),
        ([beat(0, arms=TRIGGER), passed(5), beat(6, 5, HEARD)], ["fire 5 @5000", "clear 6"]),
        ([beat(3, arms=HEARD), beat(0, arms=TRIGGER), passed(50)], []),  # out of order
        ([beat(3, arms=HEARD), beat(4, arms=TRIGGER), passed(50)], ["fire 5 @9000"]),  # it came before
        ([beat(0, arms=TRIGGER), beat(3, arms=TRIGGER), beat(4, arms=HEARD), passed(50)], []),  # one for both
        ([beat(0, arms=TRIGGER), beat(3, arms=TRIGGER), passed(50)], ["fire 5 @5000", "fire 5 @8000"]),
        ([beat(0, arms=TRIGGER), beat(0, arms=TRIGGER), passed(50)], ["fire 5 @5000"]),  # two of one moment, one finding
        ([beat(0, arms=HEARD), passed(50)], []),
        ([beat(0, 5, TRIGGER)], [str(Skipped.STALE)]),  # its wait is over: what came in it is not known any more
        ([beat(3, arms=(0, 1)), passed(50)], []),  # what is awaited begins no wait
    ],
)  # fmt: skip
def test_what_must_follow(events: list[Came], said: list[str]) -> None:
    block = {"within": "5s", "after": {"where": {"type": "authorised"}}, "expect": {"where": {"type": "settled"}}}
    assert told(drive(parse(block).detector(WORD), events)) == said


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({}, "within: is missing"),
        ({"within": "5m", "forget": "1m"}, "forget: is shorter than the wait of 5m"),
        ({"within": "5m", "expect": {"where": {"a": 1}}}, "expect: needs an 'after'"),
        ({"within": "5m", "after": {}}, "after: says neither where nor source"),
        ({"within": "5m", "after": {"where": {"a": {"gt": "x"}}}}, "after.where.a"),
        ({"within": "5m", "after": {"were": {"a": 1}}}, "after.were: is not known here (did you mean 'where'?)"),
        ({"within": "5m", "after": []}, "after: takes a mapping"),
    ],
)
def test_a_bad_block_says_what_is_wrong(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        parse(block)
    assert problem in str(error.value)


def test_a_ladder_over_the_silence_is_refused() -> None:
    ladder = Ladder(((5.0, Severity.LOW, "low"), (60.0, Severity.HIGH, "high")))
    assert parse({"within": "5m"}).against(ladder)
    assert not parse({"within": "5m"}).against(WORD)


def test_ways_in_are_part_of_the_meaning() -> None:
    other = parse({"within": "1h", "after": {"source": "trade", "where": {"type": "order"}, "by": ["account"]}})
    assert [arm.source for arm in other.arms()] == ["trade", ""]
    assert (
        other.document() != parse({"within": "1h", "after": {"source": "trade", "where": {"type": "order"}}}).document()
    )
