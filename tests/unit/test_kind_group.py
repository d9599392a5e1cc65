"""Groups as timelines: a letter for each member that an event fits, and its time."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.base import NEVER, Moment, Observed
from streams.detect.kinds.group import Group, parse
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))


def member(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "where": {"action": name}, **more}


def group(*members: dict[str, Any], within: str = "10s", **more: Any) -> Group:
    return parse({"within": within, "members": list(members), **more})


A, B, NO_B = member("a"), member("b"), member("b", absent=True)
AB = group(A, B)
ABB = group(A, member("b", at_least=2))
FEW = group(A, member("b", at_most=2), wait="3s")
WITHOUT = group(A, NO_B, wait="3s")
NOT_BEFORE = group(A, NO_B, absent_side="before")


def told(kind: Group, timeline: str) -> list[str]:
    """``"a0 b5"``: which event was told of, and with how many; for timed kinds ``@`` when."""
    detector, state, found, newest = kind.detector(LADDER), None, [], 0

    def look(closed: int) -> None:
        nonlocal state
        while kind.timed and state is not None and (due := detector.due(state)) is not None and due <= closed:
            state, seen = detector.expire(state)
            if isinstance(seen, Observed):
                found.append(f"{seen.evidence[-1].ref}:{seen.value}@{(seen.at or 0) // 1_000}")

    for word in timeline.split():
        fits, at = word.rstrip("0123456789"), int(word.lstrip("abc")) * 1_000
        look(newest - 1)
        arms = tuple(sorted("abc".index(letter) for letter in fits))
        state, seen = detector.step(state, Moment(at, word, f"id-{word}", (), NEVER, newest - 1, arms))
        newest = max(newest, at)
        if isinstance(seen, Observed):
            found.append(f"{word}:{seen.value}")
    look(1 << 40)
    return found


@pytest.mark.parametrize(
    ("kind", "timeline", "expected"),
    [
        (AB, "a0 b5", ["b5:2"]),
        (AB, "b0 a5", ["a5:2"]),  # in any order
        (AB, "b5 a0", ["a0:2"]),  # of arrival too
        (AB, "a0 b9", ["b9:2"]),
        (AB, "a0 b10", []),  # the window's edge
        (AB, "a0 b5 b6", ["b5:2", "b6:3"]),
        (AB, "a0 b5 b5", ["b5:2"]),  # a duplicate
        (AB, "ab0", []),  # one event is one member
        (AB, "ab0 ab1", ["ab1:2"]),
        (ABB, "a0 b1", []),
        (ABB, "b0 a1 b2", ["b2:3"]),
        (ABB, "a0 ab1 ab2", ["ab2:3"]),
        (ABB, "ab1 ab2", []),
        (FEW, "a0 b1", ["b1:2@4"]),
        (FEW, "a0 b1 b2", ["b1:2@4", "b2:3@5"]),
        (FEW, "a0 b1 b2 b3", []),
        (FEW, "a0 b1 b4 b6", ["b1:2@4"]),
        (WITHOUT, "a0", ["a0:1@3"]),
        (WITHOUT, "a0 b2", []),
        (WITHOUT, "a0 b3", ["a0:1@3"]),
        (WITHOUT, "b0 a9", []),
        (WITHOUT, "b0 a10", ["a10:1@13"]),
        (WITHOUT, "ab0", []),
        (NOT_BEFORE, "a0", ["a0:1"]),
        (NOT_BEFORE, "a0 b1", ["a0:1"]),  # it came too late
        (NOT_BEFORE, "b0 a1", []),
        (NOT_BEFORE, "a0 b1 a2", ["a0:1"]),
    ],
)
def test_a_timeline(kind: Group, timeline: str, expected: list[str]) -> None:
    assert told(kind, timeline) == expected


def test_a_flood_is_kept_small_and_counted_up_to_its_need() -> None:
    detector, state, seen = AB.detector(LADDER), None, None
    state, _ = detector.step(None, Moment(0, "b", "b", (), NEVER, NEVER, (1,)))
    for number in range(2_000):
        state, seen = detector.step(state, Moment(number, number, f"e{number}", (), NEVER, NEVER, (0,)))
    assert isinstance(seen, Observed)
    assert state is not None
    assert len(state) <= 42 * 4 + 1
    assert (seen.value, seen.threshold, seen.detail) == (21, 2, {"members": "a 20, b 1"})
    assert [witness.ref for witness in seen.evidence] == ["b", 0, 1_999]


@pytest.mark.parametrize(
    ("block", "path", "part"),
    [
        ({"members": [A, B]}, "within", "missing"),
        ({"within": "1m", "members": [A]}, "members", "2 to 12"),
        ({"within": "1m", "members": [A, A]}, "members", "alike"),
        ({"within": "1m", "members": [NO_B, member("a", absent=True)]}, "members", "all absent"),
        ({"within": "1m", "members": [A, member("b", absent=True, at_most=2)]}, "members.1.absent", "neither"),
        ({"within": "1m", "members": [A, member("b", at_least=3, at_most=2)]}, "members.1.at_most", "below"),
        ({"within": "1m", "members": [A, B], "wait": "1m"}, "wait", "no meaning"),
        ({"within": "1m", "members": [A, NO_B], "wait": "1m", "absent_side": "before"}, "wait", "no meaning"),
        ({"within": "1m", "members": [A, member("b", at_least=501)]}, "members.1.at_least", "1 to 500"),
        ({"within": "1m", "members": [member("a", at_least=300), member("b", at_least=300)]}, "members", "500"),
        ({"within": "1m", "members": [A, B], "absentside": "x"}, "absentside", "did you mean"),
    ],
    ids=lambda value: value if isinstance(value, str) else "block",
)
def test_what_cannot_be_meant_is_named(block: dict[str, Any], path: str, part: str) -> None:
    with pytest.raises(BlockErrors) as caught:
        parse(block)
    assert [message for place, message in caught.value.problems if place == path and part in message]


def test_a_ladder_beyond_what_is_counted_is_refused() -> None:
    assert AB.against(Ladder(((2.0, Severity.LOW, "low"), (501.0, Severity.HIGH, "high"))))
    assert not AB.against(Ladder(((2.0, Severity.LOW, "low"), (100.0, Severity.HIGH, "high"))))


def test_of_a_flood_both_ends_can_still_be_met() -> None:
    detector, state = AB.detector(LADDER), None
    for moment in range(0, 10_000, 200):
        state, _ = detector.step(state, Moment(moment, moment, f"e{moment}", (), NEVER, NEVER, (0,)))
    for at, partner in ((-9_900, 0), (19_700, 9_800)):  # so far away that only one of them is in reach
        _, seen = detector.step(state, Moment(at, "b", "b", (), NEVER, NEVER, (1,)))
        assert isinstance(seen, Observed)
        assert sorted(map(str, [witness.ref for witness in seen.evidence])) == sorted((str(partner), "b"))
