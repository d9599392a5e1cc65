"""The compiled program where properties do not look: its index, its text, its faults."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from streams.detect.registry import KINDS
from streams.model import Source
from streams.rules.compiled import CompiledProgram, compiled
from streams.rules.conditions import All, Leaf
from streams.rules.lists import bind
from streams.rules.operators import bound_of
from streams.rules.parse import parse_rule
from streams.rules.plain import plain
from streams.rules.rule import Rule, RuleSet
from tests.unit.test_rules_load import changed

AUDIT = Source("audit", "audit.events")


def rule(number: int, where: Any, **changes: Any) -> Rule:
    return parse_rule(changed(id=f"r{number:04}", where=where, **changes), KINDS)


def program(*wheres: Any) -> CompiledProgram:
    return compiled(RuleSet(tuple(rule(number, where) for number, where in enumerate(wheres))), AUDIT)


def matched(made: CompiledProgram, event: dict[str, Any]) -> tuple[int, ...] | None:
    found: tuple[int, ...] | None = made.match(made.decode(msgspec.json.encode(event)))
    return found


def test_rules_that_an_event_cannot_match_are_not_asked() -> None:
    asked: list[int] = []

    def watch(number: int) -> Rule:
        def test(value: Any) -> bool:
            asked.append(number)
            return True

        made = rule(number, {"action": f"a{number}"})
        return dataclasses.replace(made, where=All((made.where, Leaf("x", "regex", ("",), True, False, test))))

    made = compiled(RuleSet(tuple(map(watch, range(200)))), AUDIT)
    assert matched(made, {"action": "a7", "x": "y"}) == (7,)
    assert asked == [7]
    assert matched(made, {"action": ["a7"], "x": "y"}) is None
    assert matched(made, {"x": "y"}) is None
    assert asked == [7]


def test_negations_and_alternatives_are_never_filed_away() -> None:
    made = program(
        {"action": "a"}, {"action": "b"}, {"action": "c"},
        {"not": {"action": "a"}}, {"any": [{"action": "a"}, {"n": 1}]}, {"action": {"ne": "b"}},
        {"action": {"eq": "c", "if_missing": True}}, {"action": {"eq": "A", "case_sensitive": False}}, {},
    )  # fmt: skip
    assert matched(made, {"action": "a"}) == (0, 4, 5, 7, 8)
    assert matched(made, {"action": "b", "n": 1}) == (1, 3, 4, 8)
    assert matched(made, {"action": "c"}) == (2, 3, 5, 6, 8)
    assert matched(made, {}) == (3, 6, 8)
    assert matched(made, {"action": {"a": 1}}) == (3, 5, 8)


def test_numbers_and_text_are_filed_apart() -> None:
    made = program({"n": 1}, {"n": "1"}, {"n": [1, 2]}, {"n": ["1", "x"]}, {"n": 1.5}, {"n": True}, {"n": [True, 1]})
    assert matched(made, {"n": 1}) == (0, 2, 6)
    assert matched(made, {"n": 1.0}) == (0, 2, 6)
    assert matched(made, {"n": "1"}) == (1, 3)
    assert matched(made, {"n": True}) == (5, 6)
    assert matched(made, {"n": 1.5}) == (4,)


def test_rules_filed_under_several_fields_keep_their_order() -> None:
    wheres = [{"a": "x"}, {"b": "y"}, {"a": "x", "b": "y"}, {"b": "y"}, {"a": "x"}, {"b": ["y", "z"]}, {"c": {"gt": 1}}]
    assert matched(program(*wheres), {"a": "x", "b": "y", "c": 2}) == (0, 1, 2, 3, 4, 5, 6)


def test_nothing_a_user_wrote_becomes_python() -> None:
    evil = '"""\n\\\0\'); raise SystemExit #{}'
    field = "');\u2028raise SystemExit #{}"
    wheres = [
        {field: evil},
        {field: [evil, "x"]},
        {f"{field}x": {"starts_with": evil}},
        {"class": {"contains": evil}},
        {"e": 1, "r": 2, "v": 3, "n": 4},
    ]
    made = compiled(RuleSet(tuple(rule(n, where, group_by=[field, "import"]) for n, where in enumerate(wheres))), AUDIT)
    assert "SystemExit" not in "".join(line for line in made.source_code.splitlines() if not line.startswith("#"))
    event = {field: evil, f"{field}x": evil, "class": evil, "e": 1, "r": 2, "v": 3, "n": 4, "import": 7}
    assert matched(made, event) == (0, 1, 2, 3, 4)
    assert made.key(0)(made.decode(msgspec.json.encode(event))) == (evil, ("i", 7))


@pytest.mark.parametrize("make", [plain, compiled])
def test_a_rule_that_raises_can_be_named(make: Any) -> None:
    def broken(value: Any) -> bool:
        raise RuntimeError("broken")

    rules = [rule(0, {"a": 1}), rule(1, {"a": 1}), rule(2, {"a": 1})]
    rules[1] = dataclasses.replace(
        rules[1], where=All((rules[1].where, Leaf("b", "regex", ("",), True, False, broken)))
    )
    made = make(RuleSet(tuple(rules)), AUDIT)
    fine, bad = made.decode(b'{"a":1}'), made.decode(b'{"a":1,"b":"x"}')
    assert made.match(fine) == (0, 2)
    with pytest.raises(RuntimeError, match="broken"):
        made.match(bad)
    assert [made.match_one(number, bad) for number in (0, 2)] == [True, True]
    with pytest.raises(RuntimeError, match="broken"):
        made.match_one(1, bad)


@pytest.mark.parametrize("make", [plain, compiled])
@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"ada"', ("ada",)), (b'""', ("",)), (b"1", (("i", 1),)), (b"1.0", (("i", 1),)), (b"1e2", (("i", 100),)), (b"1.5", (("f", 1.5),)),
        (b"true", (("b", True),)), (b'"1"', ("1",)), (b"-0.0", (("i", 0),)), (b"1e300", (("f", 1e300),)), (b"18446744073709551615", (("i", 2**64 - 1),)),
        (b"18446744073709551616", ("18446744073709551616",)), (b"1e999", ("1e999",)), (b"null", None), (b"[1]", None), (b"{}", None),
    ],
)  # fmt: skip
def test_keys_are_typed_and_canonical(make: Any, value: bytes, key: Any) -> None:
    made = make(RuleSet((rule(0, {}),)), AUDIT)
    found = made.key(0)(made.decode(b'{"actor":' + value + b"}"))
    assert found == key
    assert msgspec.json.encode(found) == msgspec.json.encode(key)


@pytest.mark.parametrize("make", [plain, compiled])
def test_an_absent_part_of_a_key_skips_the_event_or_counts_as_null(make: Any) -> None:
    made = make(
        RuleSet((rule(0, {}), rule(1, {}, missing="null", group_by=["actor", "user.id"]), rule(2, {}, group_by=[]))),
        AUDIT,
    )
    event = made.decode(b'{"user":{"id":7}}')
    assert made.key(0)(event) is None
    assert made.key(1)(event) == (("n", None), ("i", 7))
    assert made.key(1)(made.decode(b'{"actor":null,"user":5}')) == (("n", None), ("n", None))
    assert made.key(1)(made.decode(b'{"actor":[]}')) is None
    assert made.key(2)(event) == ()


@pytest.mark.parametrize("make", [plain, compiled])
def test_values_tell_missing_from_null(make: Any) -> None:
    level = {"level": {"value": "a.b", "of": "n", "above": "5%"}}
    made = make(RuleSet((rule(0, {}, detect=level),)), AUDIT)
    assert made.values(0)(made.decode(b'{"a":{"b":null}}')) == (None, UNSET)
    assert made.values(0)(made.decode(b'{"a":[1],"n":[18446744073709551616]}')) == (UNSET, ["18446744073709551616"])


@pytest.mark.parametrize("make", [plain, compiled])
def test_a_mapping_that_makes_no_envelope_is_refused(make: Any) -> None:
    made = make(RuleSet((rule(0, {}),)), dataclasses.replace(AUDIT, mapping=lambda raw: [raw]))  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="made a list"):
        made.decode(b"{}")
    with pytest.raises(ValueError, match="made a list"):
        made.document(b"{}")


def test_only_enabled_rules_of_the_source_run() -> None:
    rules = (rule(2, {}), rule(1, {}, enabled=False), rule(0, {}, source="trade"), rule(3, {}))
    assert [arm.rule.id for arm in compiled(RuleSet(rules), AUDIT).arms] == ["r0002", "r0003"]


def test_a_field_read_whole_and_through() -> None:
    made = program({"user": {"exists": True}, "user.id": 1}, {"user.id": 1, "user.org.name": "x"})
    assert matched(made, {"user": {"id": 1, "org": {"name": "x"}}}) == (0, 1)
    assert matched(made, {"user": {"id": 1, "org": ["x"]}}) == (0,)
    assert matched(made, {"user": 1}) is None


def test_overlapping_lists_make_no_endless_text() -> None:
    values = [f"v{number}" for number in range(200)]
    wheres = [{"a": values[number:] + values[: number // 2], "b": values[: 200 - number]} for number in range(100)]
    made = program(*wheres)
    assert made.source_code.count("\n") < 20_000
    assert matched(made, {"a": "v60", "b": "v5"}) == tuple(number for number in range(61))


def test_texts_and_numbers_of_one_condition_are_filed_in_one_table() -> None:
    made = program(
        {"n": ["StopLogging", "1102", 1102]},
        {"n": ["a", 1]},
        {"n": [2, "b"]},
        {"n": {"in": ["A", "b"], "case_sensitive": False}},
    )
    assert made.source_code.count("casefold") == 1
    assert [matched(made, {"n": n}) for n in ("1102", 1102, 1102.0, True, 1, "b", [1])] == [
        (0,), (0,), (0,), None, (1,), (2, 3), None,
    ]  # fmt: skip


@pytest.mark.parametrize("lists", [{}, {"bad": []}])
def test_a_list_with_nothing_in_it_is_not_asked(lists: dict[str, list[str]]) -> None:
    bad = {"actor": {"in_list": "bad"}}
    rules = [
        rule(0, bad),
        rule(1, {"not": bad}),
        rule(2, {"any": [bad, {"action": "x"}]}),
        rule(3, {"action": "x", **bad}),
    ]
    made = compiled(bind(RuleSet(tuple(rules)), lists), AUDIT)
    assert matched(made, {"actor": "eve", "action": "x"}) == (1, 2)
    assert "(0,)" not in made.source_code
    assert "(3,)" not in made.source_code


def test_what_is_compared_without_case_is_folded_once() -> None:
    folds = [{"to": {op: "Eve", "case_sensitive": False}} for op in ("ne", "contains", "starts_with")]
    made = program(*folds, {"to": {"not_in": ["ada", 7], "case_sensitive": False}})
    assert made.source_code.count("casefold") == 1
    assert matched(made, {"to": "EVElyn"}) == (0, 1, 2, 3)
    assert matched(made, {"to": "eve"}) == (1, 2, 3)
    assert matched(made, {"to": ["EVE"]}) == (0, 1, 3)
    assert matched(made, {"to": "ADA"}) == (0,)
    assert matched(made, {"to": 7}) == (0,)


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1000", 1000), ("-2.0", -2), ("0.5", 0.5), ("0.1", Decimal("0.1")), (7, 7), (0.1, 0.1)],
)
def test_a_bound_is_kept_exactly(written: Any, kept: Any) -> None:
    bound = bound_of(written)
    assert (type(bound), bound) == (type(kept), kept)
