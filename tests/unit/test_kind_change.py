"""``change``, event by event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.detect.base import Observed, Skipped
from streams.detect.kinds.change import parse
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))
UNSET = msgspec.UNSET
STALE, UNUSABLE, DUPLICATE = Skipped.STALE, Skipped.UNUSABLE, Skipped.DUPLICATE


def play(block: dict[str, Any], *events: Any, horizon: int = -1_000_000_000_000) -> list[Any]:
    """(at, *values): ``(before, after)`` where it fires, or the reason why it was not looked at."""
    came = [Came(at, f"e{number}", tuple(values), horizon=horizon) for number, (at, *values) in enumerate(events)]
    seen = drive(parse(block).detector(WORD), came)
    return [(one.detail["previous"], one.detail["current"]) if isinstance(one, Observed) else one for _, one in seen]  # type: ignore[index]  # always there


@pytest.mark.parametrize(
    ("block", "events", "said"),
    [
        ({}, [(1, "DE"), (2, "DE"), (3, "FR"), (4, "FR"), (5, "DE")], [("DE", "FR"), ("FR", "DE")]),
        ({}, [(1, "DE")], []),  # the first of a key has nothing to differ from
        ({}, [(1, "DE"), (5, "FR"), (3, "IT"), (6, "FR")], [("DE", "FR"), STALE]),  # what is older changes nothing
        ({}, [(1, "DE"), (1, "FR"), (1, "DE")], [("DE", "FR"), ("FR", "DE")]),  # of one time: as they arrive
        ({}, [(1, 1), (2, 1.0), (3, "1"), (4, True), (5, [1]), (6, {"a": 1})], [(1.0, "1"), ("1", True), (True, "[1]"), ("[1]", '{"a":1}')]),
        ({}, [(1, {"a": 1, "b": 2}), (2, {"b": 2, "a": 1})], []),
        ({}, [(1, "DE"), (2, None), (3, UNSET), (4, "DE")], [UNUSABLE, UNUSABLE]),
        ({"ignore_missing": False}, [(1, "DE"), (2, None), (3, UNSET), (4, "DE")], [("DE", None), (None, None), (None, "DE")]),
        ({"from": "DE"}, [(1, "DE"), (2, "FR"), (3, "IT")], [("DE", "FR")]),
        ({"to": ["IT", "AT"]}, [(1, "DE"), (2, "FR"), (3, "IT")], [("FR", "IT")]),
        ({"from": ["DE"], "to": ["IT"]}, [(1, "DE"), (2, "FR"), (3, "IT"), (4, "DE"), (5, "IT")], [("DE", "IT")]),
        ({"to": 1}, [(1, 0), (2, "1"), (3, 1.0)], [("1", 1.0)]),
        ({"from": None, "ignore_missing": False}, [(1, None), (2, 1), (3, 2)], [(None, 1)]),
        ({"forget": "1s"}, [(1, "DE"), (1_000, "FR"), (2_000, "IT")], [("DE", "FR")]),  # a second later it is a new key
        ({}, [(1, str(2**255)), (2, str(2**255 - 1))], [(str(2**255), str(2**255 - 1))]),
        ({}, [(1, "x" * 500), (2, "x" * 501)], [("x" * 119 + "…", "x" * 119 + "…")]),  # told apart in full, shown in short
        ({}, [(1, "😀"), (2, "ä\x00")], [("😀", "ä\x00")]),
    ],
)  # fmt: skip
def test_changes(block: dict[str, Any], events: list[Any], said: list[Any]) -> None:
    assert play({"field": "v", **block}, *events) == said


def test_several_fields_are_watched_as_one() -> None:
    said = play({"fields": ["country", "asn"]}, (1, "DE", 1), (2, "DE", 1), (3, "DE", 2), (4, "FR", None), (5, "FR", 2))
    assert said == [
        ("country=DE, asn=1", "country=DE, asn=2"), UNUSABLE, ("country=DE, asn=2", "country=FR, asn=2"),
    ]  # fmt: skip
    joined = play({"fields": ["a", "b"]}, (1, "x", "yz"), (2, "xy", "z"))
    assert len(joined) == 1  # the border between two values counts


def test_a_redelivered_event_does_not_change_things_back() -> None:
    came = [Came(1, "a", ("DE",)), Came(2, "b", ("FR",)), Came(3, "a", ("DE",)), Came(4, "c", ("FR",))]
    seen = [one for _, one in drive(parse({"field": "v"}).detector(WORD), came)]
    assert [one if isinstance(one, Skipped) else one.value for one in seen] == ["FR", DUPLICATE]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({}, "takes either 'field' or 'fields'"),
        ({"field": "a", "fields": ["b"]}, "takes either 'field' or 'fields'"),
        ({"fields": []}, "fields: takes one to 8 fields, not 0"),
        ({"fields": ["a", "a"]}, "fields: names something twice"),
        ({"field": "a..b"}, "field: 'a..b' is not a field"),
        ({"fields": ["a", "b"], "to": "x"}, "to: takes values of a single 'field'"),
        ({"field": "a", "to": []}, "to: takes a value or a list"),
        ({"field": "a", "to": {"b": 1}}, "to: takes a value or a list"),
        ({"field": "a", "to": None}, "to: names null"),
        ({"field": "a", "from": 1, "to": [1.0]}, "to: is the value that it changes from"),
        ({"field": "a", "forget": 30}, "forget: 30 is not a duration"),
        ({"field": "a", "form": "x"}, "form: is not known here"),
    ],
)
def test_a_bad_block_says_what_is_wrong(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        parse(block)
    assert problem in str(error.value)
