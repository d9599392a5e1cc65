"""Indicator lists: what an entry holds, what cannot be one, and how lists meet rules."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from streams.detect.registry import KINDS
from streams.rules.indicators import MAX_ENTRIES, MAX_ENTRY, ListProblems, entry_problem, named_list
from streams.rules.lists import bind, names_in, used
from streams.rules.load import load_rules, ruleset_from_documents
from streams.rules.problems import RuleErrors
from streams.rules.rule import RuleSet


def rule(where: dict[str, Any] | None, name: str = "audit.bad", **changes: Any) -> dict[str, Any]:
    return {
        "id": name, "title": "t", "source": "audit", "detect": {"match": {}}, "severity": "low", "type": "security",
        "tests": [{"name": "t", "events": [{}], "expect": [{"severity": "low"}]}], "where": where or {}, **changes,
    }  # fmt: skip


def rules(*documents: dict[str, Any]) -> RuleSet:
    return ruleset_from_documents(documents, KINDS)


@pytest.mark.parametrize(
    ("entry", "value", "holds"),
    [
        ("login", "login", True), ("login", "Login", False), ("5", 5, False), ("true", True, False), ("a", ["a"], False),
        ("10.0.0.0/8", "10.255.0.1", True), ("10.0.0.0/8", "11.0.0.1", False), ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "10.0.0.0/8", False), ("10.1.2.3", "10.1.2.3", True), ("10.1.2.3", "::ffff:a01:203", True),
        ("::ffff:10.0.0.0/104", "10.9.9.9", True), ("::/0", "10.1.2.3", False), ("::/0", "fe80::1", True),
        ("0.0.0.0/0", "255.255.255.255", True), ("2001:db8::/32", "2001:DB8:0:0::1", True),
        ("2001:DB8::1", "2001:db8:0:0:0:0:0:1", True), ("10.0.0.0/8", "10.1.2.3 ", False), ("10.0.0.0/8", 167837955, False),
        (".evil.example", "evil.example", True), (".evil.example", "a.b.EVIL.example.", True),
        (".evil.example", "notevil.example", False), (".Evil.Example", "x.evil.example", True), ("evil.example", "a.evil.example", False),
        (".example", "example", True), (".evil.example", "evil.example.org", False), ("1.2.3", "1.2.3", True),
        ("a/b", "a/b", True), ("http://x/1", "http://x/1", True), ("é", "é", True), ("10.0.0.0/8", None, False),
        ("10.0.0.0/8", "x" * 10_000_000, False), (".x", "." * 250, False), (".x", "", False), ("a", "", False),
    ],
    ids=range(35),
)  # fmt: skip
def test_what_an_entry_holds(entry: str, value: Any, holds: bool) -> None:
    assert named_list("l", [entry, "another"]).holds(value) is holds


def test_case_is_folded_where_the_rule_says_so() -> None:
    content = named_list("l", ["STRASSE", "10.0.0.0/8"])
    assert content.holds("straße", case_sensitive=False)
    assert not content.holds("straße")
    assert content.holds("10.1.1.1", case_sensitive=False)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (5, "not text"), (None, "not text"), (True, "not text"), (["a"], "not text"), ("", "blank"), (" a", "blank"),
        ("a\x00b", "control character"), ("a\nb", "control character"), ("a\x7f", "control character"),
        ("a\u2028b", "control character"), ("\ud800", "control character"), ("x" * (MAX_ENTRY + 1), "longer than"),
        (".", "no domain"), ("..a", "no domain"), (".a..b", "no domain"), ("." + "a" * 300, "no domain"),
        ("10.0.0.0/33", "no network"), ("10.1.2.3/8", "no network"), ("10.0.0.256", "no network"), ("10.0.0.01", "no network"),
        ("2001:db8::1/32", "no network"), ("::/129", "no network"), ("10.0.0.0/", "no network"),
    ],
    ids=range(23),
)  # fmt: skip
def test_what_cannot_be_an_entry(entry: Any, message: str) -> None:
    assert message in (entry_problem(entry) or "")
    with pytest.raises(ListProblems):
        named_list("l", ["good", entry if entry != " a" else "\u2028"])


@pytest.mark.parametrize(
    "entry", ["a", "1.2.3", "2024-01-01", "a/b", "+49 170 1", "12:30", "d41d8cd98f00b204", "1/2", "x" * MAX_ENTRY]
)
def test_what_only_looks_like_a_network_is_text(entry: str) -> None:
    assert entry_problem(entry) is None
    assert named_list("l", [entry]).holds(entry)


def test_the_number_of_each_bad_entry_is_told_but_not_of_a_million() -> None:
    with pytest.raises(ListProblems) as told:
        named_list("l", ["good", 5, "fine", "\x00"])
    assert [number for number, _ in told.value.problems] == [2, 4]
    with pytest.raises(ListProblems) as told:
        named_list("l", [None] * 1_000_000)
    assert len(told.value.problems) == 20
    assert len(str(told.value)) < 500


def test_too_many_entries_are_refused_as_they_come() -> None:
    with pytest.raises(ListProblems, match="too many"):
        named_list("l", (str(number) for number in iter(int, 1) for number in range(MAX_ENTRIES + 2)))


def test_the_order_and_repetition_of_entries_change_nothing() -> None:
    assert named_list("a", ["y", " x ", "y"]) == named_list("a", ["x", "y"])
    assert named_list("a", ["x"]).version == named_list("b", ["x"]).version != named_list("a", []).version


def test_two_hundred_thousand_members_are_ready_soon() -> None:
    entries = [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(120_000)]
    entries += [f"2001:db8:{n:x}::/48" for n in range(40_000)] + [f".host{n}.example" for n in range(40_000)]
    content = named_list("l", entries)
    began = time.process_time()
    assert content.holds("10.0.200.1")
    assert content.holds("x.host39999.example")
    assert content.holds("2001:db8:7f::1")
    assert not content.holds("192.0.2.1")
    assert time.process_time() - began < 3  # measured: well below 1; a matcher of another order takes minutes


# --- rules


def test_a_rule_says_the_name_and_the_version_follows_from_it_alone() -> None:
    named = rules(rule({"ip": {"in_list": "bad-ips"}}))
    other = rules(rule({"ip": {"in_list": "other"}}))
    written = rules(rule({"ip": {"in_list": ["bad-ips"]}}))
    assert len({named.rules[0].version, other.rules[0].version, written.rules[0].version}) == 3
    bound = bind(named, {"bad-ips": ["1.2.3.4"]})
    assert bound.rules[0].version == named.rules[0].version
    assert bound.version == named.version
    assert bound.identity != named.identity


def test_only_what_rules_use_is_bound() -> None:
    ruleset = rules(rule({"ip": {"in_list": "bad-ips"}}), rule({"a": 1}, "audit.other"))
    assert used(ruleset) == {"bad-ips": ("audit.bad",)}
    bound = bind(ruleset, {"bad-ips": ["1.2.3.4"], "unused": ["x"]})
    assert set(bound.lists) == {"bad-ips"}
    assert bound.rules[1] is ruleset.rules[1]
    assert bind(bound, {"bad-ips": ["1.2.3.4"]}) is bound
    assert bind(bound, {}).lists == {}


def test_a_list_inside_not_any_and_all_is_bound() -> None:
    where = {"not": {"ip": {"in_list": "good"}}, "any": [{"a": 1}, {"all": [{"user": {"in_list": "vip"}}]}]}
    (bound,) = bind(rules(rule(where)), {"good": ["1.2.3.4"], "vip": ["ada"]}).rules
    (arm,) = bound.arms
    event = {"ip": "1.2.3.5", "user": "ada", "a": 0}
    assert names_in(bound) == ("good", "vip")
    assert arm.where.holds(event.__getitem__)
    assert not arm.where.holds({**event, "ip": "1.2.3.4"}.__getitem__)
    assert not arm.where.holds({**event, "user": "bob"}.__getitem__)


def test_without_the_list_its_negation_holds() -> None:
    (unbound,) = rules(rule({"not": {"ip": {"in_list": "good"}}})).rules
    assert unbound.arms[0].where.holds({"ip": "1.2.3.4"}.__getitem__)


def test_variants_of_tenants_are_bound_too() -> None:
    ruleset = rules(rule({"ip": {"in_list": "bad-ips"}}))
    variant = replace(ruleset.rules[0], variant="acme", cooldown=1)
    bound = bind(replace(ruleset, variants={"audit.bad": {"acme": variant, "off": None}}), {"bad-ips": ["x"]})
    of = bound.variants["audit.bad"]
    assert of["acme"] is not None
    assert set(of["acme"].lists) == {"bad-ips"}
    assert of["off"] is None


@pytest.mark.parametrize("name", ["Bad", "bad.txt", "a/b", "", "-a", "bad ips", "a" * 101, 5, None, {"a": 1}])
def test_a_name_that_is_none_is_told(name: Any) -> None:
    with pytest.raises(RuleErrors) as told:
        rules(rule({"ip": {"in_list": name}}))
    assert "takes" in str(told.value)


def test_a_name_with_an_ending_is_a_file_beside_the_rule_and_one_without_a_list(tmp_path: Any) -> None:
    text = """
id: audit.bad
title: t
source: audit
where: {ip: {in_list: bad-ips.txt}, user: {in_list: vip}}
detect: {match: {}}
severity: low
type: security
tests: [{name: t, events: [{}], expect: [{severity: low}]}]
"""
    (tmp_path / "rule.yaml").write_text(text)
    (tmp_path / "bad-ips.txt").write_text("1.2.3.4\n")
    (loaded,) = load_rules([tmp_path / "rule.yaml"], KINDS).rules
    assert loaded.document["where"] == {"ip": {"in_list": ["1.2.3.4"]}, "user": {"in_list": "vip"}}
    assert names_in(loaded) == ("vip",)


def test_a_file_is_read_wherever_a_condition_stands(tmp_path: Any) -> None:
    text = """
id: audit.bad
title: t
source: audit
where: {any: [{ip: {in_list: bad-ips.txt}}, {not: {user: {in_list: gone.txt}}}]}
group_by: [actor]
detect: {ratio: {of: {ip: {in_list: bad-ips.txt}}, above: 0.5, at_least: 2, within: 1m}}
severity: low
type: security
tests: [{name: t, events: [{}], expect: [{severity: low}]}]
"""
    (tmp_path / "rule.yaml").write_text(text)
    (tmp_path / "bad-ips.txt").write_text("1.2.3.4\n")
    with pytest.raises(RuleErrors) as told:
        load_rules([tmp_path / "rule.yaml"], KINDS)
    assert "where.any.1.not.user.in_list: gone.txt cannot be read" in str(told.value)
    assert "bad-ips.txt" not in str(told.value)
