"""A field against another: numbers without rounding, texts as they are, and what is told of a slip."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from streams.rules.never import why_never
from streams.rules.problems import BlockErrors
from streams.rules.values import read
from streams.rules.where import parse_where


def holds(operators: dict[str, Any], a: Any, b: Any) -> bool:
    event = {name: value for name, value in (("a", a), ("b", b)) if value is not UNSET}
    return parse_where({"a": operators}).holds(lambda path: read(event, path))


@pytest.mark.parametrize(
    ("op", "a", "b", "expected"),
    [
        ("gt", 2, 1, True), ("gt", 1, 1, False), ("gte", 1, 1.0, True), ("lt", "9", "10", True), ("lt", "9", 10, True),
        ("gt", str(2**256), str(2**256 - 1), True), ("gt", "0.1", 0.1, False), ("gte", "0.1", 0.1, True),
        ("lte", 10**23, 1e23, True), ("gte", 10**23, 1e23, True), ("gt", 2**64, str(2**64), False),
        ("gt", True, 0, False), ("gt", 1, False, False), ("gt", None, 1, False), ("gt", "b", "a", False), ("gt", [2], [1], False),
        ("gt", "1e9", 1, False), ("gt", UNSET, 1, False), ("gt", 1, UNSET, False),
        ("eq", "x", "x", True), ("eq", "x", "X", False), ("eq", 1, 1.0, True), ("eq", 1, "1", False), ("eq", 1, True, False),
        ("eq", None, None, True), ("eq", True, True, True), ("eq", True, False, False), ("eq", [1], [1], False), ("eq", {}, {}, False),
        ("eq", str(2**70), str(2**70), True), ("eq", "1.0", "1", False), ("eq", None, False, False),
        ("ne", "x", "y", True), ("ne", 1, 1.0, False), ("ne", [1], [1], True), ("ne", UNSET, 1, False), ("ne", 1, UNSET, False),
        ("ne", None, 0, True),
    ],
    ids=range(38),
)  # fmt: skip
def test_one_field_against_the_other(op: str, a: Any, b: Any, expected: bool) -> None:
    assert holds({op: {"field": "b"}}, a, b) is expected


@pytest.mark.parametrize(
    ("calculated", "a", "b", "expected"),
    [
        ({"times": 0.9}, 90, 100, False), ({"times": 0.9}, 91, 100, True), ({"times": "0.9"}, 90.000001, 100, True),
        ({"times": 3, "plus": 1}, 31, 10, False), ({"times": 3, "plus": 1}, 32, 10, True), ({"plus": -1}, 10, 10, True),
        ({"times": -1}, 0, 5, True), ({"times": "0.000000000000000001"}, 1, str(10**18), False),
        ({"times": "0.000000000000000001"}, 1, str(10**18 - 1), True), ({"times": 2}, "x", 1, False), ({"times": 2}, 1, None, False),
    ],
    ids=range(11),
)  # fmt: skip
def test_more_than_so_many_times_the_other(calculated: dict[str, Any], a: Any, b: Any, expected: bool) -> None:
    assert holds({"gt": {"field": "b", **calculated}}, a, b) is expected


def test_equality_with_a_calculation_is_of_numbers() -> None:
    assert holds({"eq": {"field": "b", "times": 2}}, "20", 10)
    assert not holds({"eq": {"field": "b", "times": 2}}, "x", "x")
    assert holds({"ne": {"field": "b", "times": 2}}, "x", "x")


def test_the_modifiers_are_about_both_fields() -> None:
    assert holds({"gt": {"field": "b"}, "if_missing": True}, 1, UNSET)
    assert holds({"gt": {"field": "b"}, "if_missing": True}, UNSET, 1)
    assert not holds({"gt": {"field": "b"}, "if_missing": True}, 1, 2)
    assert holds({"eq": {"field": "b"}, "case_sensitive": False}, "Straße", "STRASSE")


def test_both_fields_are_read() -> None:
    condition = parse_where({"not": {"a.b": {"lt": {"field": "c.d"}}}})
    assert [leaf.paths for leaf in condition.leaves()] == [("a.b", "c.d")]


def test_the_same_calculation_written_otherwise_is_the_same_condition() -> None:
    documents = [
        parse_where({"a": {"gt": {"field": "b", **how}}}).document()
        for how in ({}, {"times": 1}, {"plus": 0.0}, {"times": "1.0", "plus": "0"})
    ]
    assert all(document == documents[0] for document in documents)
    assert documents[0] != parse_where({"a": {"gt": {"field": "b", "times": 2}}}).document()


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ({"gt": {"field": "a"}}, "with itself"), ({"gt": {}}, "field: is missing"), ({"gt": {"field": 5}}, "is not a field"),
        ({"gt": {"field": "b..c"}}, "empty"), ({"gt": {"field": "b", "time": 2}}, "did you mean 'times'"),
        ({"gt": {"field": "b", "times": "x"}}, "takes a number"), ({"gt": {"field": "b", "times": True}}, "takes a number"),
        ({"gt": {"field": "b", "times": None}}, "takes a number"), ({"gt": {"field": "b", "times": float("inf")}}, "takes a number"),
        ({"gt": {"field": "b", "plus": "9" * 200}}, "takes a number"), ({"gt": {"field": "b", "times": 0}}, "no comparison"),
        ({"in": {"field": "b"}}, "takes a list"), ({"contains": {"field": "b"}}, "is not text"),
        ({"gt": {"field": "b"}, "case_sensitive": False}, "has no meaning for gt"),
    ],
    ids=range(14),
)  # fmt: skip
def test_each_slip_is_told(operators: dict[str, Any], message: str) -> None:
    with pytest.raises(BlockErrors) as told:
        parse_where({"a": operators})
    assert any(message in problem for _, problem in told.value.problems), told.value.problems


@pytest.mark.parametrize(
    ("where", "never"),
    [
        ({"a": {"gt": {"field": "b"}}, "b": {"exists": False}}, True),
        ({"a": {"gt": {"field": "b"}, "if_missing": True}, "b": {"exists": False}}, False),
        ({"a": {"gt": {"field": "b"}, "lt": 5}}, False),
        ({"a": {"eq": {"field": "b"}, "in": [1, 2]}}, False),
        ({"a": {"gt": {"field": "b"}, "eq": 1, "ne": 1}}, True),
        ({"a": {"in_list": "one"}, "b": 5}, False),
        ({"a": {"in_list": "one", "eq": "x"}}, False),
        ({"all": [{"a": {"in_list": "one"}}, {"not": {"a": {"in_list": "one"}}}]}, True),
        ({"a": {"in_list": "one", "exists": False}}, True),
    ],
    ids=range(9),
)
def test_what_can_never_hold(where: dict[str, Any], never: bool) -> None:
    assert (why_never(parse_where(where)) is not None) is never


def test_numbers_of_any_size_are_compared_soon() -> None:
    large, larger = "9" * 4_300, "9" * 4_300 + "." + "9" * 4_300
    assert holds({"lt": {"field": "b", "times": "0.9999", "plus": "1.5"}}, 5, larger)
    assert holds({"lt": {"field": "b"}}, large, larger)


@pytest.mark.parametrize("times", ["0.9", "-3", "1", "0.333", "-0.7"])
@pytest.mark.parametrize("plus", ["0", "-0.25", "7"])
def test_whole_numbers_and_their_decimal_text_are_compared_alike(times: str, plus: str) -> None:
    for a in (-10, -3, 0, 1, 9, 10, 2**63):
        for b in (-10, 0, 1, 3, 10):
            for op in ("gt", "gte", "lt", "lte", "eq", "ne"):
                operators = {op: {"field": "b", "times": times, "plus": plus}}
                assert holds(operators, a, b) is holds(operators, str(a), str(b))
