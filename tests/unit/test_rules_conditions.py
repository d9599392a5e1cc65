"""What each operator says to a value that is there, missing, null, or of the wrong type."""

from __future__ import annotations

from typing import Any

import pytest

from streams.rules.conditions import identity
from streams.rules.never import why_never
from streams.rules.problems import BlockErrors
from streams.rules.values import read
from streams.rules.where import parse_where

BIG = 2**256


def holds(where: Any, event: dict[str, Any]) -> bool:
    return parse_where(where).holds(lambda path: read(event, path))


PRESENT = [
    # equality: typed, but 1 is 1.0
    ("login", "login", True), ("login", "Login", False), ("1", 1, False), (1, "1", False), (1, 1.0, True),
    (1.0, 1, True), (1, True, False), (True, 1, False), (True, True, True), (False, 0, False), (0, False, False),
    (0, -0.0, True), (None, None, True), (None, "", False), (None, 0, False), ("x", ["x"], False), ("", "", True),
    (0.1, 0.1, True), (2**53, 2.0**53, True), (2**53 + 1, 2.0**53, False),
    # numbers beyond 64 bits are decimal text in events
    (BIG, str(BIG), True), (str(BIG), str(BIG), True), (BIG, str(BIG + 1), False), (2**63, 2**63, True), (5, "5", False),
    ({"ne": "x"}, "y", True), ({"ne": "x"}, "x", False), ({"ne": "x"}, None, True), ({"ne": "x"}, 5, True),
    ({"ne": None}, None, False), ({"ne": None}, 0, True), ({"ne": 1}, True, True),
    # a list is in
    (["a", "b"], "b", True), (["a", "b"], "c", False), ([1, "b"], 1.0, True), ([1], True, False), ([True], True, True),
    ([None, 5], None, True), ([BIG], str(BIG), True), (["a"], ["a"], False), (["a"], {"a": 1}, False),
    ({"not_in": ["a"]}, "b", True), ({"not_in": ["a"]}, "a", False), ({"not_in": ["a"]}, None, True),
    ({"not_in": ["a"]}, ["a"], True), ({"in_list": ["a", "b"]}, "a", True), ({"in_list": ["a"]}, "b", False),
    # order: numbers only, exact at any size
    ({"gt": 5}, 6, True), ({"gt": 5}, 5, False), ({"gt": 5}, 5.0000001, True), ({"gt": 5}, "6", False), ({"gt": 5}, True, False),
    ({"gt": 0}, True, False), ({"gte": 5}, 5, True), ({"lt": 5}, 4, True), ({"lte": 5}, 5.0, True), ({"lt": 5}, None, False),
    ({"gt": 5}, [6], False), ({"gt": BIG}, str(BIG + 1), True), ({"gt": BIG}, str(BIG), False), ({"gte": BIG}, str(BIG), True),
    ({"lt": BIG}, str(BIG - 1), True), ({"lt": BIG}, 1, True), ({"gt": 1}, str(BIG), True), ({"lt": 0}, str(-BIG), True),
    ({"gt": 1}, "0" * 20 + "5", False), ({"gt": 2**53}, 2**53 + 1, True), ({"gt": 1e308}, str(10**400), True),
    ({"lt": 5}, float("nan"), False), ({"gt": 5}, float("inf"), False), ({"gt": 5}, "1e999", False),
    ({"gte": 1, "lt": 3}, 2, True), ({"gte": 1, "lt": 3}, 3, False), ({"gt": 5}, "9" * 5000, False),
    # a bound written as text asks for amounts: decimal text of any size counts
    ({"gt": "1000"}, "1001", True), ({"gt": "1000"}, "999", False), ({"gt": "1000"}, 1001, True), ({"lt": "0.5"}, "0.49999999999999999999", True),
    ({"gte": "0.1"}, 0.1, True), ({"gt": "5"}, "six", False), ({"gt": "5"}, "६", False), ({"gt": "5"}, " 6", False), ({"gt": "5"}, True, False),
    # text
    ({"contains": "oo"}, "foot", True), ({"contains": "oo"}, ["oo"], True), ({"contains": "oo"}, ["foot"], False),
    ({"contains": 5}, [1, 5.0], True), ({"contains": 5}, "5", False), ({"contains": "5"}, 5, False), ({"contains": 1}, [True], False),
    ({"contains": ["a", "b"]}, "xbx", True), ({"contains": None}, [None], True), ({"contains": "a"}, {"a": 1}, False),
    ({"contains": BIG}, [str(BIG)], True), ({"contains": "x"}, None, False),
    ({"not_contains": "a"}, "b", True), ({"not_contains": "a"}, "a", False), ({"not_contains": "a"}, ["b"], True),
    ({"not_contains": "a"}, 5, False), ({"not_contains": "a"}, None, False),
    ({"starts_with": "ad"}, "ada", True), ({"starts_with": ["x", "ad"]}, "ada", True), ({"starts_with": "da"}, "ada", False),
    ({"starts_with": "1"}, 12, False), ({"ends_with": "da"}, "ada", True), ({"ends_with": "ad"}, "ada", False),
    ({"regex": "^l.g"}, "login", True), ({"regex": "g"}, "login", True), ({"regex": "^g"}, "login", False), ({"regex": "."}, 5, False),
    ({"regex": ["^x", "n$"]}, "login", True), ({"regex": "é"}, "café", True), ({"regex": "(a+)+$"}, "a" * 5000 + "b", False),
    ({"cidr": "10.0.0.0/8"}, "10.255.255.255", True), ({"cidr": "10.0.0.0/8"}, "11.0.0.0", False), ({"cidr": "10.0.0.0/8"}, "::ffff:10.1.1.1", True),
    ({"cidr": ["192.0.2.0/24", "2001:db8::/32"]}, "2001:db8::5", True), ({"cidr": "0.0.0.0/0"}, "::1", False), ({"cidr": "::/0"}, "1.2.3.4", False),
    ({"cidr": "10.0.0.0/8"}, "not an address", False), ({"cidr": "10.0.0.0/8"}, 167772161, False), ({"cidr": "10.0.0.1"}, "10.0.0.1", True),
    # case
    ({"eq": "LOGIN", "case_sensitive": False}, "login", True), ({"eq": "STRASSE", "case_sensitive": False}, "straße", True),
    ({"in": ["A"], "case_sensitive": False}, "a", True), ({"ne": "A", "case_sensitive": False}, "a", False), ({"regex": "LOG", "case_sensitive": False}, "login", True),
    ({"contains": "OO", "case_sensitive": False}, "foot", True), ({"contains": "OO", "case_sensitive": False}, ["oo"], True),
    ({"starts_with": "AD", "case_sensitive": False}, "ada", True), ({"eq": 5, "case_sensitive": False}, 5, True),
    # presence
    ({"exists": True}, None, True), ({"exists": True}, "", True), ({"exists": False}, None, False),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "value", "expected"), PRESENT)
def test_a_value_that_is_there(wanted: Any, value: Any, expected: bool) -> None:
    assert holds({"f": wanted}, {"f": value}) is expected
    assert holds({"a.b": wanted}, {"a": {"b": value}}) is expected
    assert holds({"not": {"f": wanted}}, {"f": value}) is not expected


POSITIVE = [
    "x", ["x"], None, 5, {"gt": 1}, {"contains": "x"}, {"starts_with": "x"}, {"regex": ""}, {"cidr": "::/0"},
    {"in_list": ["x"]}, {"ne": "x"}, {"not_in": ["x"]}, {"not_contains": "x"}, {"lt": 1}, {"exists": True},
]  # fmt: skip


@pytest.mark.parametrize("wanted", POSITIVE)
@pytest.mark.parametrize(
    "event", [{}, {"a": None}, {"a": 5}, {"a": []}, {"a": [{"b": "x"}]}, {"a": {"c": "x"}}, {"a.b": "x"}]
)
def test_nothing_holds_for_a_missing_field(wanted: Any, event: dict[str, Any]) -> None:
    assert not holds({"a.b": wanted}, event)
    assert holds({"not": {"a.b": wanted}}, event)
    if wanted != {"exists": True}:
        said = wanted if isinstance(wanted, dict) else {"in" if isinstance(wanted, list) else "eq": wanted}
        assert holds({"a.b": {**said, "if_missing": True}}, event)


def test_absence_can_be_asked_for() -> None:
    assert holds({"a.b": {"exists": False}}, {"a": 5})
    assert not holds({"a.b": {"exists": False}}, {"a": {"b": None}})


def test_groups_nest() -> None:
    where = {"type": "data", "any": [{"action": "read"}, {"all": [{"action": "write"}, {"not": {"actor": "root"}}]}]}
    assert holds(where, {"type": "data", "action": "read"})
    assert holds(where, {"type": "data", "action": "write", "actor": "ada"})
    assert holds(where, {"type": "data", "action": "write"})
    assert not holds(where, {"type": "data", "action": "write", "actor": "root"})
    assert not holds(where, {"action": "read"})
    assert holds(None, {})
    assert holds({}, {"a": 1})


def test_shorthands_and_order_of_writing_change_no_hash() -> None:
    one = parse_where({"a": "x", "b": ["p", "q"], "c": 1})
    two = parse_where({"c": {"eq": 1.0}, "b": {"in": ["q", "p"]}, "a": {"eq": "x"}})
    assert identity(one) == identity(two)
    assert identity(parse_where({"a": 1})) != identity(parse_where({"a": True})) != identity(parse_where({"a": "1"}))


BAD = [
    ("x", "", "takes fields"), ({"a": {}}, "a", "names no operator"), ({"a": []}, "a", "at least one value"),
    ({"a": {"in": "x"}}, "a.in", "takes a list"), ({"a": {"eqs": 1}}, "a.eqs", "did you mean 'eq'"),
    ({"user": {"name": "x"}}, "user.name", "a nested field is written user.name"), ({"a": {"gt": "ten"}}, "a.gt", "takes a number"),
    ({"a": {"gt": True}}, "a.gt", "takes a number"), ({"a": {"gt": None}}, "a.gt", "takes a number"), ({"a": {"eq": [1]}}, "a.eq", "takes one value"),
    ({"a": {"regex": "(a"}}, "a.regex", "missing )"), ({"a": {"regex": "(?=a)"}}, "a.regex", "invalid perl operator"), ({"a": {"regex": 5}}, "a.regex", "takes text"),
    ({"a": {"regex": "a{1000}{1000}"}}, "a.regex", "RE2"), ({"a": {"cidr": "10.0.0.1/8"}}, "a.cidr", "host bits"), ({"a": {"cidr": "lan"}}, "a.cidr", "not a network"),
    ({"a": float("nan")}, "a", "no value an event can have"), ({"a": {"exists": "yes"}}, "a.exists", "true or false"),
    ({"a": {"gt": 1, "case_sensitive": False}}, "a.case_sensitive", "no meaning"), ({"a": {"eq": 1, "case_sensitive": 0}}, "a.case_sensitive", "true or false"),
    ({"a": {"exists": True, "if_missing": True}}, "a.if_missing", "no meaning"), ({"a..b": 1}, "a..b", "empty"), ({"": 1}, "", "not a field"), ({5: 1}, "5", "not a field"),
    ({'a"b': 1}, 'a"b', "a quote"), ({"a\\b": 1}, "a\\b", "a quote"), ({"a\nb": 1}, "a\nb", "a quote"), ({"any": {}}, "any", "list of conditions"), ({"all": []}, "all", "at least one"), ({"any": [{}]}, "any.0", "every event"), ({"not": {}}, "not", "empty"),
    ({"any": [{"a": {"gtt": 1}}, {"b": []}]}, "any.0.a.gtt", "did you mean"), ({"a": {"in": [{"b": 1}]}}, "a.in", "not text, a number"),
    ({"a": "x" * 5000}, "a", "longer than"), ({f"f{n}": 1 for n in range(1001)}, "", "more than 1000"), ({".".join("a" * 17): 1}, ".".join("a" * 17), "too long"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "path", "message"), BAD)
def test_what_cannot_be_read_says_where_and_why(where: Any, path: str, message: str) -> None:
    with pytest.raises(BlockErrors) as caught:
        parse_where(where)
    assert any(at == path and message in text for at, text in caught.value.problems), caught.value.problems


def test_nesting_is_bounded() -> None:
    where: Any = {"a": 1}
    for _ in range(100):
        where = {"not": where}
    with pytest.raises(BlockErrors, match="nests deeper"):
        parse_where(where)


NEVER = [
    {"all": [{"a": "x"}, {"a": "y"}]}, {"a": {"eq": "x", "ne": "x"}}, {"a": {"in": ["x", "y"], "not_in": ["x", "y"]}}, {"a": {"gt": 5, "lt": 3}},
    {"a": {"gt": 5, "lte": 5}}, {"a": {"gt": "10.5", "lt": 10}}, {"a": {"eq": 5, "gt": 5}}, {"a": {"eq": "x", "regex": "^y"}},
    {"all": [{"a": 1}, {"a": True}]}, {"all": [{"a": 1}, {"a": "1"}]}, {"all": [{"a": {"exists": False}}, {"a": "x"}]},
    {"a": "x", "a.b": 1}, {"a": 1, "not": {"a": 1}}, {"any": [{"a": {"gt": 5, "lt": 3}}, {"b": {"eq": 1, "ne": 1}}]}, {"a": "x", "all": [{"any": [{"a": {"eq": 1, "ne": 1}}]}]},
]  # fmt: skip
POSSIBLE = [
    {"a": "x", "b": "y"}, {"a": {"gt": 3, "lt": 5}}, {"a": {"gte": 5, "lte": 5}}, {"all": [{"a": 1}, {"a": 1.0}]}, {"a": {"exists": True}, "a.b": 1},
    {"a": {"ne": "x"}, "a.b": 1}, {"a": {"exists": False}, "b": 1}, {"any": [{"a": {"eq": 1, "ne": 1}}, {"b": 1}]},
    {"all": [{"a": {"eq": "x", "if_missing": True}}, {"a": {"eq": "y", "if_missing": True}}]}, {"a": {"gt": 5, "ne": 6}},
    {"a": {"eq": "x", "case_sensitive": False}}, {"a": {"contains": "x", "not_contains": "y"}}, {"a": BIG, "b": {"gt": BIG}},
]  # fmt: skip


@pytest.mark.parametrize("where", NEVER)
def test_contradictions_are_seen(where: Any) -> None:
    assert why_never(parse_where(where))


@pytest.mark.parametrize("where", POSSIBLE)
def test_what_can_match_is_let_be(where: Any) -> None:
    assert why_never(parse_where(where)) is None
