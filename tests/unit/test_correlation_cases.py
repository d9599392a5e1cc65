"""Multi-step rules as another engine's users test them, through the rule language and the production engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.correlation_cases import Inexpressible, convert, fires

CASES = Path(__file__).parents[3] / "shared/data/audit/panther_correlation_tests.jsonl"
LINES = [json.loads(line) for line in CASES.read_text().splitlines()] if CASES.exists() else []


@pytest.mark.skipif(not LINES, reason="the shared data (../shared/data) is not here")
def test_all_published_cases_are_there() -> None:
    assert len(LINES) == 57
    assert sum(line["expected"] for line in LINES) == 22


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['rule_id']}: {line['test']}")
def test_a_published_case(line: dict[str, Any]) -> None:
    assert fires(line) is line["expected"]


# -- shapes that the published ones do not have --------------------------------------------------------------------------


def step(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "signal": f"Signal.{id}", "absence": False, "min_match": 1, "max_match": None, **more}


def move(one: str, two: str, within: int | None = None, match: Any = None) -> dict[str, Any]:
    return {"id": f"{one}-{two}", "from": one, "to": two, "within_minutes": within, "match": match}


def line(kind: str, steps: list[dict[str, Any]], events: str, lookback: int = 60, **more: Any) -> dict[str, Any]:
    """``"A0 B10/bob"``: events by step, minute and, with a slash, who; ``ada`` without."""
    told = []
    for word in events.split():
        moment, _, who = word.partition("/")
        told.append(
            {"ts": f"2024-01-01T{int(moment[1:]) // 60:02}:{int(moment[1:]) % 60:02}:00Z", "step": moment[0],
             "signal": f"Signal.{moment[0]}", "match_field": "user.name", "match_value": who or "ada"}
        )  # fmt: skip
    return {
        "rule_id": "Some.Rule.WITH.Steps", "severity": "High", "kind": kind, "test": events, "steps": steps,
        "transitions": None, "match_criteria": None, "order": None, "lookback_minutes": lookback, "events": told, **more,
    }  # fmt: skip


A, B, C = step("A"), step("B"), step("C")
ON = [{"On": "user.name"}]
CRITERIA = {"who": [{"GroupID": one, "Match": "user.name"} for one in "AB"]}


def sequence(steps: list[dict[str, Any]], events: str, *transitions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return line("sequence", steps, events, transitions=list(transitions), **more)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (sequence([A, B], "A0 B5", move("A", "B")), True),
        (sequence([A, B], "B0 A5", move("A", "B")), False),  # the order counts
        (sequence([B, A], "A0 B5", move("A", "B")), True),  # that of the transitions
        (line("sequence", [A, B], "A0 B5"), True),
        (line("sequence", [A, B], "B0 A5"), False),
        (sequence([A, B], "A0 B15", move("A", "B", 15)), True),
        (sequence([A, B], "A0 B16", move("A", "B", 15)), False),
        (sequence([A, B], "A0 A10 B20", move("A", "B", 15)), True),
        (sequence([A, B], "A0 B61", move("A", "B")), False),  # beyond the look-back
        (sequence([A, B], "A0 B5/bob", move("A", "B", 15, ON)), False),
        (sequence([A, B], "A0/bob A1 B5/bob", move("A", "B", 15, ON)), True),
        (sequence([A, B, C], "A0 B5 C9", move("A", "B", 6, ON), move("B", "C", 5, ON)), True),
        (sequence([A, B, C], "A0 B5 C11", move("A", "B", 6, ON), move("B", "C", 5, ON)), False),
        (sequence([A, B, C], "A0 B5 C9/bob", move("A", "B", None, ON), move("B", "C", None, ON)), False),
        (sequence([A, step("B", absence=True), C], "A0 C9", move("A", "B"), move("B", "C")), True),
        (sequence([A, step("B", absence=True), C], "A0 B5 C9", move("A", "B"), move("B", "C")), False),
        (sequence([A, step("B", absence=True), C], "B0 A1 C9", move("A", "B"), move("B", "C")), True),
        (sequence([A, step("B", absence=True), C], "A0 C9", move("A", "B", 5), move("B", "C", 4)), True),
        (sequence([A, step("B", absence=True)], "A0", move("A", "B", 15)), True),
        (sequence([A, step("B", absence=True)], "A0 B5", move("A", "B", 15)), False),
        (sequence([A, step("B", absence=True)], "A0 B16", move("A", "B", 15)), True),
        (sequence([A, step("B", absence=True)], "A0 B5/bob", move("A", "B", 15, ON)), True),
        (sequence([step("B", absence=True), A], "A5", move("B", "A")), True),
        (sequence([step("B", absence=True), A], "B0 A5", move("B", "A")), False),
        (sequence([step("A", min_match=3), B], "A0 A1 B2", move("A", "B")), False),
        (sequence([step("A", min_match=3), B], "A0 A1 A2 B3", move("A", "B")), True),
        (line("group", [A, B], "B0 A59"), True),
        (line("group", [A, B], "B0 A61"), False),
        (line("group", [A, B], "A0 B1/bob"), True),  # nothing has to be equal
        (line("group", [A, B], "A0 B1/bob", match_criteria=CRITERIA), False),
        (line("group", [step("A", max_match=2), B], "A0 A1 B2"), True),
        (line("group", [step("A", max_match=2), B], "A0 A1 A2 B3"), False),
        (line("group", [step("A", min_match=2, max_match=2), B], "A0 B3"), False),
        (line("group", [A, step("B", absence=True)], "A0 B50"), False),
        (line("group", [A, step("B", absence=True)], "A0 B61"), True),
    ],
    ids=lambda value: f"{value['kind']} {value['test']}" if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_case_of_our_own(case: dict[str, Any], expected: bool) -> None:
    assert fires(case) is expected


def test_names_of_transitions_are_read_however_they_are_written() -> None:
    foreign = {
        "ID": "x",
        "From": "A",
        "To": "B",
        "WithinTimeFrameMinutes": 15,
        "Match": [{"From": "user.name", "To": "user.name"}],
    }
    assert fires(sequence([A, B], "A0 B15", foreign))
    assert not fires(sequence([A, B], "A0 B16", foreign))
    assert not fires(sequence([A, B], "A0 B15/bob", foreign))


def test_a_field_may_have_another_name_in_each_step() -> None:
    case = sequence([A, B], "A0 B5", move("A", "B", 15, [{"from": "user.name", "to": "actor.id"}]))
    assert not fires(case)
    case["events"][1] |= {"match_field": "actor.id"}
    assert fires(case)
    case["events"][1] |= {"match_value": "bob"}
    assert not fires(case)


@pytest.mark.parametrize(("second", "expected"), [(["eve", "ada"], True), (["eve", "bob"], False), ("ada", True)])
def test_a_list_speaks_for_each_of_its_items(second: Any, expected: bool) -> None:
    case = line("group", [A, B], "A0 B1", match_criteria=CRITERIA)
    case["events"][0]["match_value"], case["events"][1]["match_value"] = ["ada", "zoe"], second
    assert fires(case) is expected


@pytest.mark.parametrize(("host", "expected"), [("h1", True), ("h2", False)])
def test_several_fields_must_all_be_equal(host: str, expected: bool) -> None:
    criteria = {**CRITERIA, "host": [{"GroupID": one, "Match": "host"} for one in "AB"]}
    case = line("group", [A, B], "A0 B1", match_criteria=criteria)
    case["events"][0] |= {"match_field": ["user.name", "host"], "match_value": ["ada", "h1"]}
    beside = {**case["events"][1], "match_field": "host", "match_value": host}  # the same event, its other field
    case["events"].append(beside)
    assert fires(case) is expected


def test_times_may_have_an_offset_and_fractions() -> None:
    case = line("sequence", [A, B], "A0 B5")
    case["events"][0]["ts"] = "2024-01-01T05:04:59.999+05:00"
    assert [event["event_time"] for event in convert(case)[1]] == [1_704_067_499_999, 1_704_067_500_000]
    assert fires(case)
    case["events"][0]["ts"] = "2024-01-01T05:05:00.001+05:00"
    assert not fires(case)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (sequence([step("A", max_match=2), B], "A0", move("A", "B")), "at most"),
        (sequence([A, B, C], "A0", move("A", "B"), move("A", "C")), "one chain"),
        (
            sequence([A, B, C], "A0", move("A", "B", None, ["x"]), move("B", "C", None, [{"from": "y", "to": "z"}])),
            "by another",
        ),
        (line("group", [A, B, C], "A0", match_criteria=CRITERIA), "some step has none"),
        (line("other", [A, B], "A0"), "kind other"),
    ],
    ids=lambda value: value if isinstance(value, str) else "case",
)
def test_what_the_language_cannot_say_is_said(case: dict[str, Any], why: str) -> None:
    with pytest.raises(Inexpressible, match=why):
        convert(case)
