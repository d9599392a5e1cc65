"""Sequences as timelines: a letter for each step that an event fits, and its time."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from streams.detect.base import NEVER, Moment, Observed, Skipped
from streams.detect.kinds.sequence import Sequence, parse
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))


def step(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "where": {"action": name}, **more}


def sequence(*steps: dict[str, Any], within: str = "10s", **more: Any) -> Sequence:
    return parse({"within": within, "steps": list(steps), **more})


A, B, C = step("a"), step("b"), step("c")
AB = sequence(A, B)
FAILS = sequence(step("a", runs=3), B)
NOT_BETWEEN = sequence(A, step("b", absent=True), C)
NOT_AFTER = sequence(A, step("b", absent=True, within="3s"))
NOT_BEFORE = sequence(step("a", absent=True, within="3s"), B)
UNTIL = sequence(A, B, until={"action": "logout"})
ALL = sequence(A, B, overlap="all")


def told(kind: Sequence, timeline: str, closed_behind: int | None = None) -> list[str]:
    """``"a0 b5"``: who was told of, as ``first>named`` with the times in seconds; for timed kinds ``@`` when."""
    letters = "abcdefgh"[: len(kind.steps)] + "u"
    detector, state, found, newest = kind.detector(LADDER), None, [], 0

    def look(closed: int) -> None:
        nonlocal state
        while kind.timed and state is not None and (due := detector.due(state)) is not None and due <= closed:
            state, seen = detector.expire(state)
            if isinstance(seen, Observed):
                found.append(f"{_ends(seen)}@{(seen.at or 0) // 1_000}")

    for word in timeline.split():
        fits, at = word.rstrip("0123456789"), int(word.lstrip("abcdefghu")) * 1_000
        closed = NEVER if closed_behind is None else newest - closed_behind - 1
        look(closed)
        arms = tuple(sorted(letters.index(letter) for letter in fits))
        state, seen = detector.step(state, Moment(at, word, f"id-{word}", (), NEVER, closed, arms))
        newest = max(newest, at)
        if isinstance(seen, Observed):
            found.append(_ends(seen))
        elif seen is Skipped.DUPLICATE:
            found.append("again")
    look(1 << 40)
    return found


def _ends(seen: Observed) -> str:
    return f"{seen.evidence[0].ref}>{seen.evidence[-1].ref}"


@pytest.mark.parametrize(
    ("kind", "timeline", "expected"),
    [
        (AB, "a0 b5", ["a0>b5"]),
        (AB, "b0 a5", []),  # the order counts
        (AB, "b5 a0", ["a0>b5"]),  # in event time, not of arrival
        (AB, "a5 b5", ["a5>b5"]),  # at one time, that of arrival
        (AB, "b5 a5", []),
        (AB, "a0 b9", ["a0>b9"]),
        (AB, "a0 b10", []),  # the window's edge
        (AB, "a0 a3 b5", ["a3>b5"]),  # the latest beginning
        (AB, "a0 b5 b6", ["a0>b5"]),  # used up
        (AB, "a0 a3 b5 b6", ["a3>b5"]),  # what began before a match does not go on after it
        (AB, "a0 b5 a5 b6", ["a0>b5", "a5>b6"]),
        (AB, "a3 b5 a0 b2", ["a3>b5", "a0>b2"]),  # a whole match that came late
        (AB, "a0 a0", ["again"]),
        (AB, "ab0", []),  # one event is one step
        (AB, "ab0 ab1", ["ab0>ab1"]),
        (AB, "ab0 ab1 ab2", ["ab0>ab1"]),
        (ALL, "a0 a3 b5 b6", ["a3>b5", "a3>b6"]),
        (ALL, "ab0 ab1 ab2", ["ab0>ab1", "ab1>ab2"]),
        (FAILS, "a0 a1 b2", []),
        (FAILS, "a0 a1 b2 a3 b4", ["a0>b4"]),  # others may lie between
        (FAILS, "a0 a1 a2 a3 b4", ["a1>b4"]),
        (FAILS, "a0 a5 a9 b10", []),
        (NOT_BETWEEN, "a0 c5", ["a0>c5"]),
        (NOT_BETWEEN, "a0 b2 c5", []),
        (NOT_BETWEEN, "a0 b2 a3 c5", ["a3>c5"]),
        (NOT_BETWEEN, "b0 a1 c2 b3", ["a1>c2"]),
        (NOT_BETWEEN, "a1 b1 c1", []),
        (NOT_AFTER, "a0", ["a0>a0@3"]),
        (NOT_AFTER, "a0 b2", []),
        (NOT_AFTER, "a0 b3", ["a0>a0@3"]),
        (NOT_AFTER, "b0 a0", ["a0>a0@3"]),
        (NOT_AFTER, "a0 a1 b2", []),
        (NOT_AFTER, "a0 b2 a4 a5", ["a4>a4@7", "a5>a5@8"]),
        (NOT_BEFORE, "b5", ["b5>b5"]),
        (NOT_BEFORE, "a3 b5", []),
        (NOT_BEFORE, "a2 b5", ["b5>b5"]),
        (NOT_BEFORE, "a5 b5", []),
        (NOT_BEFORE, "b5 a5", ["b5>b5"]),
        (UNTIL, "a0 u2 b5", []),
        (UNTIL, "a0 u2 a3 b5", ["a3>b5"]),
        (UNTIL, "a2 u2 b2 a3 b4", ["a3>b4"]),
        (UNTIL, "u0 a2 b5 u6", ["a2>b5"]),
        (UNTIL, "a0 ub2", ["a0>ub2"]),  # it ends what goes on after it
    ],
)
def test_a_timeline(kind: Sequence, timeline: str, expected: list[str]) -> None:
    assert told(kind, timeline) == expected


@pytest.mark.parametrize(
    ("kind", "timeline"),
    [
        (sequence(A, step("b", within="3s"), C), "a0 b1 b5 c6"),  # the first of two alike is the one in time
        (sequence(step("a", absent=True, within="8s"), B, C, until={"action": "x"}), "a0 u1 b5 c6"),
        (sequence(A, step("b", absent=True, within="2s"), step("c", absent=True, within="8s")), "a0 b1 b3 b4"),
        (sequence(A, step("b", absent=True), C), "a0 b1 b2 b3 c4 a5 c6"),
        (FAILS, "a0 a1 a2 a3 a4 a5 b6"),
        (AB, "a0 b1 b2 b3 a4 b5"),
        (sequence(A, B, within="1h"), "a0 b1 a2 u2 a3 b4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "rule",
)
def test_forgetting_what_is_needless_changes_nothing(kind: Sequence, timeline: str) -> None:
    whole = told(kind, timeline, closed_behind=0)
    with patch("streams.detect.patterns.sequencing.THIN_ABOVE", 0):
        assert told(kind, timeline, closed_behind=0) == whole


def test_a_flood_of_beginnings_is_kept_small() -> None:
    detector, state = AB.detector(LADDER), None
    for number in range(2_000):
        state, _ = detector.step(state, Moment(number, number, f"e{number}", (), NEVER, number - 100, (0,)))
    assert state is not None
    assert len(state) <= 130 * 4 + 1
    assert state[0] > 0


def test_it_says_which_steps_were_seen_how_many_events_and_where_it_began() -> None:
    detector, state, seen = FAILS.detector(LADDER), None, None
    for number in range(6):
        state, seen = detector.step(state, Moment(number, number, f"e{number}", (), NEVER, NEVER, (0,)))
    _, seen = detector.step(state, Moment(9, "last", "x", (), NEVER, NEVER, (1,)))
    assert isinstance(seen, Observed)
    assert (seen.value, seen.threshold, seen.detail) == (7, 4, {"steps": "a, b"})
    assert [witness.ref for witness in seen.evidence] == [3, "last"]


@pytest.mark.parametrize(
    ("block", "path", "part"),
    [
        ({"steps": [A, B]}, "within", "missing"),
        ({"within": "1m", "steps": [A]}, "steps", "2 to 12"),
        ({"within": "1m", "steps": [A, A]}, "steps", "alike"),
        ({"within": "1m", "steps": [A, {"name": "x"}]}, "steps.1", "neither where nor source"),
        ({"within": "1m", "steps": [A, 5]}, "steps.1", "mapping"),
        ({"within": "1m", "steps": [A, step("b", within="2m")]}, "steps.1.within", "longer than the whole"),
        ({"within": "1m", "steps": [step("a", within="2s"), B]}, "steps.0.within", "no step comes before"),
        ({"within": "1m", "steps": [A, step("b", absent=True, within="1s"), C]}, "steps.1.within", "no meaning"),
        ({"within": "1m", "steps": [step("a", absent=True), step("b", absent=True)]}, "steps", "all absent"),
        ({"within": "1m", "steps": [A, step("b", absent=True, runs=2)]}, "steps.1.runs", "no meaning"),
        ({"within": "1m", "steps": [step("a", runs=60), step("b", runs=60)]}, "steps", "more than 100"),
        ({"within": "1m", "steps": [A, step("b", where={"x": {"gtt": 1}})]}, "steps.1.where.x.gtt", "not an operator"),
        ({"within": "1m", "steps": [A, B], "overlap": "some"}, "overlap", "some"),
        ({"within": "1m", "steps": [A, B], "until": {"wher": {"x": 1}}}, "until.where.wher.x", "not an operator"),
        ({"within": "1m", "steps": [A, B], "untl": {}}, "untl", "did you mean 'until'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_meant_is_named(block: dict[str, Any], path: str, part: str) -> None:
    with pytest.raises(BlockErrors) as caught:
        parse(block)
    assert [message for place, message in caught.value.problems if place == path and part in message]


def test_a_ladder_beyond_what_a_match_holds_is_refused() -> None:
    assert AB.against(Ladder(((2.0, Severity.LOW, "low"), (3.0, Severity.HIGH, "high"))))
    assert not FAILS.against(Ladder(((4.0, Severity.LOW, "low"), (50.0, Severity.HIGH, "high"))))
