"""Validation finds everything, says where, and survives what nobody should send."""

from __future__ import annotations

import json
from typing import Any

import pytest

import schemas
from schemas.validation import MOST, problems

RECORD = {
    "type": "record",
    "name": "t.R",
    "fields": [
        {"name": "n", "type": ["null", "long"], "default": None},
        {"name": "x", "type": {"type": "map", "values": {"type": "string", "tocsin": "json"}}, "default": {}},
        {"name": "f", "type": "double", "default": 0},
        {"name": "s", "type": "string", "default": ""},
        {"name": "b", "type": "boolean", "default": False},
        {"name": "t", "type": ["null", {"type": "string", "tocsin": "rfc3339"}], "default": None},
        {"name": "d", "type": ["null", {"type": "string", "tocsin": "decimal"}], "default": None},
    ],
}


def told(value: Any) -> list[str]:
    return problems(RECORD, {}, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", None), ("n", 0), ("n", 2**63 - 1), ("n", -(2**63)),
        ("f", 1), ("f", 1.5), ("f", -0.0), ("f", 2**70),
        ("s", ""), ("s", "\x00"), ("s", "🔔" * 1000), ("b", True),
        ("t", "2024-02-29T23:59:60.123456789Z"), ("t", "2024-05-01 00:00:00+14:00"),
        ("d", "-0"), ("d", str(2**256)), ("d", "0." + "1" * 100),
        ("x", {"": None, "a.b": [1, "1", True, {"c": []}]}),
    ],
)  # fmt: skip
def test_what_may_stand_there(field: str, value: Any) -> None:
    assert told({field: value}) == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("n", True, "n: expected integer or null, found boolean"),  # a boolean is never a number
        ("n", 1.0, "n: expected integer or null, found number"),
        ("n", "1", "n: expected integer or null, found string"),
        ("n", 2**63, f"n: {2**63} is above {2**63 - 1}"),
        ("f", True, "f: expected number, found boolean"),
        ("f", float("nan"), "f: nan is not a number of JSON"),
        ("f", float("-inf"), "f: -inf is not a number of JSON"),
        ("f", None, "f: expected number, found null"),
        ("s", "\ud800", "s: is no valid Unicode text"),
        ("s", b"x", "s: expected string, found Python bytes"),
        ("b", 1, "b: expected boolean, found integer"),
        ("b", "true", "b: expected boolean, found string"),
        ("t", "2024-13-01T00:00:00Z", "t: '2024-13-01T00:00:00Z' is not an RFC 3339 time"),
        ("t", "2024-01-01T00:00:00Z\n", "t: '2024-01-01T00:00:00Z\\n' is not an RFC 3339 time"),
        ("d", "1e5", "d: '1e5' is not a decimal number"),
        ("d", "٣", "d: '٣' is not a decimal number"),
        ("x", {"a": float("inf")}, "x.a: inf is not a number of JSON"),
        ("x", {"a": [{"b": {1: 2}}]}, "x.a[0].b: key 1 is not a string"),
        ("x", {"a": {1, 2}}, "x.a: Python set is not JSON"),
        ("x", [], "x: expected object, found array"),
    ],
)
def test_what_may_not_and_how_it_is_told(field: str, value: Any, problem: str) -> None:
    assert told({field: value}) == [problem]


def test_all_problems_are_told_at_once_up_to_a_limit() -> None:
    assert told({"n": "x", "b": 0, "zz": 1}) == [
        "n: expected integer or null, found string",
        "b: expected boolean, found integer",
        "zz: is not a field of this record",
    ]
    assert len(told({f"field{i}": i for i in range(1000)})) == MOST


@pytest.mark.parametrize("record", [None, 5, "x", [], [1], True, b"{}", object()])
def test_a_record_that_is_no_object_is_one_problem_in_every_subject(record: Any) -> None:
    for subject in schemas.subjects():
        assert len(schemas.validate(subject, record)) == 1


def test_hostile_records_end_quickly_and_in_words() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(100_000):
        inner["a"] = {}
        inner = inner["a"]
    assert schemas.validate("audit.events", {"extra": deep}) == []
    inner["a"] = float("nan")
    (problem,) = schemas.validate("audit.events", {"extra": deep})
    assert len(problem) < 1000
    assert schemas.validate("audit.events", {"actor": deep}) == ["actor: expected string or null, found object"]
    assert schemas.validate("chain.events", {"tx_index": 10**100_000})[0].startswith("tx_index: an integer is above")
    assert schemas.validate("rekeyed", {"record": deep})[0].startswith("record: an object is not one of")
    assert all(len(line) < 1000 for line in schemas.validate("alert", {"\ud800" * 10_000: 1, "x" * 10_000: 2}))


def test_an_unknown_subject_or_version_names_those_there_are() -> None:
    with pytest.raises(LookupError, match=r"no schema 'alerts'; there are: alert, audit\.events"):
        schemas.validate("alerts", {})
    with pytest.raises(LookupError, match="'alert' has no version 9; it has: 1"):
        schemas.load("alert", 9)
    with pytest.raises(LookupError):
        schemas.load("../schemas/alert")


def test_a_schema_is_self_contained_and_parsed() -> None:
    text = json.dumps(schemas.load("notification"))
    assert "references" not in text
    assert text.count('"type": "record", "name": "tocsin.Evidence"') <= 2  # once in the tree, once in fastavro's index
    assert {"tocsin.Alert", "tocsin.Evidence"} <= set(json.loads(text)["__named_schemas"])
