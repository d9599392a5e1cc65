"""The mapping language: each form, and every slip of the pen told at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.codec.mapping import MappingErrors, parse_mapping
from streams.errors import USAGE

MISSING = object()


def mapped(rule: Any, payload: dict[str, Any], name: str = "field") -> Any:
    return parse_mapping({name: rule}).apply(json.dumps(payload).encode()).get(name, MISSING)


PAYLOAD = {
    "user": {"name": "ada", "id": 7, "nick": None, "groups": ["a", {"b": "deep"}]},
    "code": "4625", "number": 4625, "float": 4625.0, "flag": True, "null": None, "a.b": "dotted", "0": "zero",
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("user.name", "ada"),
        ("user.id", 7),
        ("user.groups.0", "a"),
        ("user.groups.1.b", "deep"),
        ("user.groups.2", MISSING),
        ("user.groups.-1", MISSING),
        ("user.groups.x", MISSING),
        ("user.name.length", MISSING),
        ("0", "zero"),  # digits are an ordinary name in an object
        ("a.b", MISSING),
        ("a\\.b", "dotted"),
        ("nobody", MISSING),
        ("null", None),  # null is not missing
        (["nobody", "user.nick", "user.name"], "ada"),  # the first that is neither missing nor null
        (["nobody", "user.nick"], None),
        ({"path": ["nobody", "user.id"]}, 7),
        ({"const": "aws"}, "aws"),
        ({"const": None}, None),
        ({"const": 2**64}, "18446744073709551616"),
        ({"path": "nobody", "default": "-"}, "-"),
        ({"path": "null", "default": "-"}, "-"),
        ({"path": "user.name", "default": "-"}, "ada"),
        ({"path": "code", "present": "failure", "absent": "success"}, "failure"),
        ({"path": "nobody", "present": "failure", "absent": "success"}, "success"),
        ({"path": "null", "present": "failure", "absent": "success"}, "success"),
        ({"path": "nobody", "present": "failure"}, MISSING),
        ({"path": "code", "map": {"4625": "failure"}}, "failure"),
        ({"path": "number", "map": {"4625": "failure"}}, "failure"),  # as JSON writes it
        ({"path": "number", "map": {4625: "failure"}}, "failure"),
        ({"path": "number", "map": {"4626": "failure"}}, 4625),
        ({"path": "flag", "map": {1: "one"}}, True),  # true is not 1
        ({"path": "flag", "map": {True: "yes"}}, "yes"),
        ({"path": "flag", "map": {"true": "yes"}}, "yes"),
        ({"path": "flag", "map": {"True": "yes"}}, True),
        ({"path": "float", "map": {"4625": "failure"}}, "failure"),
        ({"path": "code", "map": {"x": "y"}, "default": "other"}, "other"),
        ({"path": "nobody", "map": {"x": "y"}, "default": "other"}, "other"),
        ({"path": "nobody", "map": {"x": "y"}}, MISSING),
        ({"path": "null", "map": {None: "nothing"}}, "nothing"),
        ({"path": "user", "map": {"x": "y"}, "default": "other"}, "other"),  # an object is in no table
        ({"path": "nobody", "format": "rfc3339"}, MISSING),
        ({"path": "null", "format": "rfc3339"}, None),
        ({"path": "number", "format": "epoch_s"}, 4_625_000),
        ({"path": "nobody", "format": "epoch_s", "default": 0}, 0),
    ],
)
def test_a_field_is_read(rule: Any, value: Any) -> None:
    got = mapped(rule, PAYLOAD)
    assert (got, type(got)) == (value, type(value))


def test_everything_else_stays_reachable() -> None:
    envelope = parse_mapping({"actor": "user.name"}).apply(json.dumps(PAYLOAD).encode())
    assert envelope == {**PAYLOAD, "actor": "ada"}


def test_a_mapped_field_hides_the_originals_even_where_it_finds_nothing() -> None:
    assert mapped("nobody", {"field": "the original's"}) is MISSING
    assert mapped("field", {"field": "the original's"}) == "the original's"
    swap = parse_mapping({"a": "b", "b": "a"})
    assert swap.apply(b'{"a":1,"b":2}') == {"a": 2, "b": 1}  # all read the original


def test_a_mapping_is_what_a_source_takes() -> None:
    mapping = parse_mapping({"actor": "who"})
    assert mapping(b'{"who":"ada"}') == {"who": "ada", "actor": "ada"}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a":"\xff"}', b'{"a":' + b"[" * 100_000, b"null"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        parse_mapping({"actor": "who"}).apply(raw)


def test_an_unreadable_time_says_which_field() -> None:
    mapping = parse_mapping({"event_time": {"path": "ts", "format": "epoch_s"}})
    with pytest.raises(ValueError, match=r"^event_time: 'yesterday' is not a number of epoch_s"):
        mapping.apply(b'{"ts":"yesterday"}')
    with pytest.raises(ValueError, match=r"^event_time: True is not"):
        mapping.apply(b'{"ts":true}')


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    document = {
        "a.b": "x", "c": {"pth": "x"}, "d": {"path": "x..y"}, "e": {"const": [1]},
        "f": {"path": "x", "format": "rfc339"},
        "g": {"path": "x", "format": "%Y", "timezone": "Mars/Phobos"}, "h": {"path": "x", "map": {}},
        "i": {"path": "x", "const": 3}, "j": 5, "k": {}, 3: "x", "l": [], "m": {"path": "x", "default": float("nan")},
        "n": {"path": "x", "map": {"a": 1}, "format": "rfc3339"}, "o": {"path": "x", "timezone": "UTC"}, "p": [3],
        "q": {"path": "x", "absent": 1, "default": 2}, "r": {"path": "x", "format": 7}, "s": {"const": "\ud800"},
        "t": {"path": "x", "map": {"a": {}}}, "u": {"path": "x", "timezone": 5, "format": "%Y"},
        "v": {"path": "x", "map": {"1": 1, 1: 2}},
    }  # fmt: skip
    with pytest.raises(MappingErrors) as caught:
        parse_mapping(document)
    told = dict(caught.value.problems)
    assert caught.value.status == USAGE
    assert {path.split(".")[0] for path in told} == {str(name).split(".")[0] for name in document}
    assert "did you mean path?" in told["c.pth"]
    assert told["i"] == "const stands alone"
    assert told["n"] == "format and map do not go together"
    assert "quote a date" in told["e.const"]
    assert str(caught.value).startswith(f"{len(caught.value.problems)} problems in the mapping:")


@pytest.mark.parametrize("document", [None, [], {}, "x", 5, {f"f{i}": "x" for i in range(501)}])
def test_what_is_no_mapping_is_refused(document: Any) -> None:
    with pytest.raises(MappingErrors, match="one problem in the mapping"):
        parse_mapping(document)
