"""Policy JSON of an alerting service as rules: operators, templates, hours, throttling, and every problem with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.registry import KINDS
from streams.replay.rules.cases import test_rules
from streams.rules.load import load_rules, ruleset_from_documents
from streams.rules.policies import OPERATORS, load_policy, read_policies
from streams.rules.problems import BlockErrors, Problem, RuleErrors
from streams.rules.throttle import Throttle
from tests.sigma import matches

POLICY: dict[str, Any] = {
    "name": "Failed Login Alerts", "description": "Many failed logins", "enabled": True,
    "rules": [
        {"field": "event_type", "operator": "eq", "value": "user_login", "case_sensitive": True},
        {"field": "status", "operator": "eq", "value": "failed", "case_sensitive": False},
    ],
    "match_all": True, "severity": "high", "message_template": "Failed login of {user_id} from {ip_address}",
    "summary_template": "Failed login of {user_id}", "throttle_minutes": 5, "max_alerts_per_hour": 10,
    "providers": ["pagerduty-001", "slack-001"],
}  # fmt: skip


def policy(**more: Any) -> dict[str, Any]:
    return {**POLICY, **more}


def one(field: str, operator: str, value: Any, **more: Any) -> dict[str, Any]:
    return policy(rules=[{"field": field, "operator": operator, "value": value, **more}])


def test_a_policy_becomes_a_rule_with_everything_it_said() -> None:
    document = load_policy(POLICY, KINDS)
    assert document["id"] == "policy.failed-login-alerts"
    assert document["title"] == "Failed login of {user_id}"
    assert document["description"] == "Failed login of {user_id} from {ip_address}"
    assert document["severity"] == "high"
    assert document["detect"] == {"match": {}}
    assert document["tags"] == ["policy", "provider:pagerduty-001", "provider:slack-001"]
    assert document["metadata"] == {
        "policy": "Failed Login Alerts",
        "providers": "pagerduty-001, slack-001",
        "about": "Many failed logins",
    }
    assert document["cooldown"] == "5m"
    (rule,) = ruleset_from_documents([document], KINDS).rules
    assert rule.throttle == Throttle(every=300_000, per_hour=10)
    assert [result.problems for result in test_rules(ruleset_from_documents([document], KINDS), {})] == [(), ()]


@pytest.mark.parametrize(
    ("operator", "value", "case_sensitive", "yes", "no"),
    [
        ("eq", "Ab", True, ["Ab"], ["ab", 1, None]),
        ("eq", "Ab", False, ["AB", "ab"], ["abc"]),
        ("eq", 5, True, [5, 5.0], ["5", True]),
        ("ne", "a", True, ["b", 1, None], ["a"]),
        ("ne", "a", False, ["b"], ["A"]),
        ("gt", 5, True, [6, 5.1], [5, "6", True]),
        ("gt", "5", True, [6, "6"], [5, "5"]),
        ("lt", 5, False, [4], [5]),
        ("gte", 5, True, [5], [4]),
        ("lte", 5, True, [5], [6]),
        ("in", ["a", 1], True, ["a", 1], ["A", "1"]),
        ("in", ["a"], False, ["A"], ["b"]),
        ("not_in", ["a"], True, ["b", 1], ["a"]),
        ("contains", "b", True, ["abc", ["b"]], ["aBc", ["abc"]]),
        ("contains", "b", False, ["aBc"], ["ac"]),
        ("regex", "^a+$", True, ["aa"], ["AA", "ab"]),
        ("regex", "^a+$", False, ["AA"], ["ab"]),
    ],
)  # fmt: skip
def test_an_operator_holds_as_the_service_had_it(
    operator: str, value: Any, case_sensitive: bool, yes: list[Any], no: list[Any]
) -> None:
    document = load_policy(one("f.g", operator, value, case_sensitive=case_sensitive), KINDS)
    assert [item for item in yes if not matches(document, {"f": {"g": item}})] == []
    assert [item for item in no if matches(document, {"f": {"g": item}})] == []
    assert not matches(document, {})


def test_every_operator_is_tried_above() -> None:
    marks = test_an_operator_holds_as_the_service_had_it.pytestmark[0].args[1]
    assert {row[0] for row in marks} == set(OPERATORS)


def test_match_all_false_is_any_of_the_rules() -> None:
    events = ({"event_type": "user_login"}, {"status": "FAILED"}, {"event_type": "user_login", "status": "failed"}, {})
    assert [matches(load_policy(POLICY, KINDS), event) for event in events] == [False, False, True, False]
    assert [matches(load_policy(policy(match_all=False), KINDS), event) for event in events] == [
        True,
        True,
        True,
        False,
    ]


def test_a_tenants_policy_holds_for_its_tenant() -> None:
    event = {"event_type": "user_login", "status": "failed"}
    own = load_policy(policy(tenant_id="acme"), KINDS)
    assert [matches(own, {**event, **who}) for who in ({"tenant": "acme"}, {"tenant": "other"}, {})] == [
        True,
        False,
        False,
    ]
    default = load_policy(policy(tenant_id="default"), KINDS)
    assert [
        matches(default, {**event, **who}) for who in ({"tenant": "default"}, {}, {"tenant": None}, {"tenant": "x"})
    ] == [True, True, True, False]


@pytest.mark.parametrize(
    ("window", "active"),
    [
        ({"start": "18:00", "end": "08:00"}, {"hours": "18:00-08:00"}),
        ({"start_time": "09:00:00", "end_time": "17:30:00", "days_of_week": ["Monday", "tue"], "timezone": "Europe/Berlin"}, {"days": ["mon", "tue"], "hours": "09:00-17:30", "timezone": "Europe/Berlin"}),
        ([{"days": ["saturday", "sunday"]}], {"days": ["sat", "sun"]}),
        ([], None),
        (None, None),
    ],
)  # fmt: skip
def test_a_time_window_is_when_the_rule_looks(window: Any, active: Any) -> None:
    document = load_policy(policy(time_window=window), KINDS)
    assert document.get("active") == active
    assert all(not result.problems for result in test_rules(ruleset_from_documents([document], KINDS), {}))


@pytest.mark.parametrize(
    ("template", "title"),
    [("{a.b}", "{a.b}"), ("{a[b]}", "{a.b}"), ("{a['b']}", "{a.b}"), ("{{x}} {a}", "{{x}} {a}"), ("{ a }", "{a}")],
)
def test_templates_are_translated(template: str, title: str) -> None:
    assert load_policy(policy(summary_template=template), KINDS)["title"] == title


@pytest.mark.parametrize(
    ("more", "path", "message"),
    [
        ({"rules": []}, "rules", "at least one"),
        ({"rules": None}, "rules", "at least one"),
        ({"rules": ["x"]}, "rules.0", "takes a mapping"),
        ({"rules": [{"field": "a", "operator": "starts_with", "value": "x"}]}, "rules.0.operator", "starts_with"),
        ({"rules": [{"field": "a", "operator": "gt", "value": "x"}]}, "rules.0.value", "takes a number"),
        ({"rules": [{"field": "a", "operator": "in", "value": "x"}]}, "rules.0.value", "takes a list"),
        ({"rules": [{"field": "a", "operator": "eq"}]}, "rules.0.value", "is missing"),
        ({"rules": [{"field": "a", "operator": "eq", "value": {"b": 1}}]}, "rules.0.value", "one value"),
        ({"rules": [{"field": "a..b", "operator": "eq", "value": 1}]}, "rules.0.field", "not a field"),
        ({"rules": [{"field": "not", "operator": "eq", "value": 1}]}, "rules.0.field", "cannot be addressed"),
        ({"rules": [{"field": "a", "operator": "eq", "value": 1, "extra": 2}]}, "rules.0.extra", "not known"),
        ({"rules": [{"field": "a", "operator": "eq", "value": 1, "case_sensitive": "no"}]}, "rules.0.case_sensitive", "true or false"),
        ({"name": ""}, "name", "takes text"),
        ({"match_all": "yes"}, "match_all", "true or false"),
        ({"throttle_minutes": -1}, "throttle_minutes", "whole number"),
        ({"throttle_minutes": True}, "throttle_minutes", "whole number"),
        ({"max_alerts_per_hour": 1.5}, "max_alerts_per_hour", "whole number"),
        ({"providers": ["a", "a"]}, "providers", "twice"),
        ({"summary_template": "{a:>10}"}, "summary_template", "no meaning"),
        ({"summary_template": "{a!r}"}, "summary_template", "no meaning"),
        ({"message_template": "{"}, "message_template", "never closes"),
        ({"time_window": {"start": "25:00", "end": "01:00"}}, "time_window.start", "takes a time"),
        ({"time_window": {"start": "09:00"}}, "time_window", "not both"),
        ({"time_window": {"days": [0]}}, "time_window.days", "Sunday or Monday"),
        ({"time_windows": [{"days": ["mon"]}, {"days": ["tue"]}]}, "time_windows", "one window"),
        ({"escalate": True}, "escalate", "not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(more: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(BlockErrors) as caught:
        load_policy(policy(**more), KINDS)
    first, *others = caught.value.problems
    assert first[0] == path
    assert message in first[1]
    assert all(place.startswith(path) for place, _ in others)


def test_a_pattern_that_is_none_and_a_bad_severity_are_problems_too() -> None:
    for more, text in (
        ({"severity": "hot"}, "hot"),
        ({"rules": [{"field": "a", "operator": "regex", "value": "("}]}, "RE2"),
        (
            {"rules": [{"field": "a", "operator": "eq", "value": 1}, {"field": "a", "operator": "eq", "value": 2}]},
            "never match",
        ),
    ):
        with pytest.raises(BlockErrors, match=text):
            load_policy(policy(**more), KINDS)


def _written(folder: Path, content: Any, name: str = "some.policies.json") -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return file


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"policies": [one], "total": 1}])
def test_files_hold_one_policy_or_many_and_stand_beside_rules(tmp_path: Path, wrap: Any) -> None:
    _written(tmp_path, wrap(POLICY))
    (rule,) = load_rules([tmp_path], KINDS).rules
    assert rule.id == "policy.failed-login-alerts"
    assert rule.file.endswith("some.policies.json")
    assert rule.document["id"] == rule.id


def test_problems_of_files_name_the_line(tmp_path: Path) -> None:
    file = _written(tmp_path, [POLICY, policy(name="b", rules=[{"field": "a", "operator": "like", "value": 1}])])
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if '"like"' in text)
    with pytest.raises(RuleErrors) as caught:
        load_rules([tmp_path], KINDS)
    ((place, path, _),) = caught.value.problems
    assert (place, path) == (f"{file}:{line}", "policies.1.rules.0.operator")


def test_two_policies_of_one_name_are_a_problem(tmp_path: Path) -> None:
    _written(tmp_path, [POLICY, policy(name="failed login alerts")])
    with pytest.raises(RuleErrors, match="is the id of the rule in"):
        load_rules([tmp_path], KINDS)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1, 2",
        "null",
        "3",
        '"x"',
        "[[[]]]",
        '{"policies": 3}',
        "[" * 5_000,
        '[{"name": "\\ud800"}]',
        '{"policies": [null]}',
    ],
)
def test_hostile_files_are_problems(tmp_path: Path, content: str) -> None:
    problems: list[Problem] = []
    assert read_policies(_written(tmp_path, content), problems, KINDS) == []
    assert problems


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([*POLICY, "time_window", "time_windows", "tenant_id", "id"]), _json))
def test_whatever_a_policy_says_it_becomes_a_rule_that_fires_or_a_problem(more: dict[str, Any]) -> None:
    try:
        document = load_policy(policy(**more), KINDS)
    except BlockErrors as errors:
        assert errors.problems
        return
    assert all(not result.problems for result in test_rules(ruleset_from_documents([document], KINDS), {}))
