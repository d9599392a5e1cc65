"""Sigma's eight correlation types through the engine: firing, not firing just below, and refused where no equal is."""

from __future__ import annotations

from typing import Any

import pytest

from streams.cli.rules_import import NotImported, proven
from streams.detect.registry import KINDS
from streams.replay.rules.cases import test_rules
from streams.rules.load import ruleset_from_documents
from streams.rules.proving import UNPROVEN
from tests.sigma import imported

RULES = """
title: Failed login
id: 5638f7c0-70bf-4d4f-9a26-6b5e2f1f0a01
name: failed_login
logsource: {product: app}
detection: {sel: {action: login, outcome: failure}, condition: sel}
---
title: Successful login
name: login
logsource: {product: app}
detection: {sel: {action: login, outcome: success}, condition: sel}
---
title: Upload
name: upload
logsource: {product: app}
detection: {sel: {action: upload}, condition: sel}
"""


def correlation(body: str, *, title: str = "the correlation", more: str = "") -> str:
    lines = "\n".join(f"  {line}" for line in body.strip().splitlines())
    return f"{RULES}\n---\ntitle: {title}\ncorrelation:\n{lines}\n{more}"


def fail(at: str, actor: str = "ada", **more: Any) -> dict[str, Any]:
    return {"at": at, "actor": actor, "action": "login", "outcome": "failure", **more}


def ok(at: str, actor: str = "ada", **more: Any) -> dict[str, Any]:
    return {**fail(at, actor), "outcome": "success", **more}


def up(at: str, size: Any, actor: str = "ada", **more: Any) -> dict[str, Any]:
    return {"at": at, "actor": actor, "action": "upload", "size": size, **more}


_BY = "rules: [failed_login]\ngroup-by: [actor]\ntimespan: 5m\n"
_UP = "rules: [upload]\ngroup-by: [actor]\ntimespan: 1h\n"
_TWO = "rules: [failed_login, login]\ngroup-by: [actor]\ntimespan: 5m\n"

#: correlation, events, when it fires (empty: not at all)
CASES: dict[str, tuple[str, list[dict[str, Any]], list[str]]] = {
    "event_count gte reached": (f"type: event_count\n{_BY}condition: {{gte: 3}}", [fail("0s"), fail("1m"), fail("2m")], ["2m"]),
    "event_count gte just below": (f"type: event_count\n{_BY}condition: {{gte: 3}}", [fail("0s"), fail("1m")], []),
    "event_count gt is one more": (f"type: event_count\n{_BY}condition: {{gt: 2}}", [fail("0s"), fail("1m"), fail("2m")], ["2m"]),
    "event_count of a fraction": (f"type: event_count\n{_BY}condition: {{gte: 1.5}}", [fail("0s"), fail("1m")], ["1m"]),
    "event_count outside the timespan": (f"type: event_count\n{_BY}condition: {{gte: 3}}", [fail("0s"), fail("1m"), fail("5m")], []),
    "event_count by key": (f"type: event_count\n{_BY}condition: {{gte: 3}}", [fail("0s"), fail("1m"), fail("2m", "bob")], []),
    "event_count without a key": ("type: event_count\nrules: [failed_login]\ntimespan: 5m\ncondition: {gte: 2}", [fail("0s"), fail("1m", "bob")], ["1m"]),
    "event_count of two rules": (f"type: event_count\n{_TWO}condition: {{gte: 2}}", [fail("0s"), ok("1m")], ["1m"]),
    "event_count by a rule's id": ("type: event_count\nrules: 5638f7c0-70bf-4d4f-9a26-6b5e2f1f0a01\ngroup-by: actor\ntimespan: 5m\ncondition: {gte: 2}", [fail("0s"), fail("1m")], ["1m"]),
    "event_count by an alias": ("type: event_count\nrules: [failed_login]\ngroup-by: [who]\naliases: {who: {failed_login: user.name}}\ntimespan: 5m\ncondition: {gte: 2}", [fail("0s", user={"name": "x"}), fail("1m", "bob", user={"name": "x"})], ["1m"]),
    "value_count gte reached": (f"type: value_count\n{_BY}condition: {{gte: 2, field: ip}}", [fail("0s", ip="1"), fail("1m", ip="1"), fail("2m", ip="2")], ["2m"]),
    "value_count gt just below": (f"type: value_count\n{_BY}condition: {{gt: 2, field: ip}}", [fail("0s", ip="1"), fail("1m", ip="1"), fail("2m", ip="2")], []),
    "temporal in any order": (f"type: temporal\n{_TWO}", [ok("0s"), fail("1m")], ["1m"]),
    "temporal with one of them": (f"type: temporal\n{_TWO}", [fail("0s"), fail("1m")], []),
    "temporal outside the timespan": (f"type: temporal\n{_TWO}", [ok("0s"), fail("5m")], []),
    "temporal by key": (f"type: temporal\n{_TWO}", [ok("0s"), fail("1m", "bob")], []),
    "temporal by aliases that differ": ("type: temporal\nrules: [failed_login, upload]\ngroup-by: [who]\naliases: {who: {failed_login: actor, upload: owner}}\ntimespan: 5m", [fail("0s"), up("1m", 1, "bob", owner="ada")], ["1m"]),
    "temporal of all, said": (f"type: temporal\n{_TWO}condition: {{gte: 2}}", [ok("0s"), fail("1m")], ["1m"]),
    "temporal as an expression": ("type: temporal\ngroup-by: [actor]\ntimespan: 5m\ncondition: failed_login and login", [ok("0s"), fail("1m")], ["1m"]),
    "temporal_ordered in order": (f"type: temporal_ordered\n{_TWO}", [fail("0s"), ok("1m")], ["1m"]),
    "temporal_ordered in the other order": (f"type: temporal_ordered\n{_TWO}", [ok("0s"), fail("1m")], []),
    "temporal_ordered outside the timespan": (f"type: temporal_ordered\n{_TWO}", [fail("0s"), ok("6m")], []),
    "temporal_ordered by aliases that differ": ("type: temporal_ordered\nrules: [failed_login, upload]\ngroup-by: [who]\naliases: {who: {failed_login: actor, upload: owner}}\ntimespan: 5m", [fail("0s"), up("1m", 1, "bob", owner="ada")], ["1m"]),
    "value_sum gte reached": (f"type: value_sum\n{_UP}condition: {{gte: 100, field: size}}", [up("0s", 60), up("1m", "40")], ["1m"]),
    "value_sum gt just below": (f"type: value_sum\n{_UP}condition: {{gt: 100, field: size}}", [up("0s", 60), up("1m", 40)], []),
    "value_sum of huge numbers": (f"type: value_sum\n{_UP}condition: {{gt: 18446744073709551616, field: size}}", [up("0s", "18446744073709551616"), up("1m", 1)], ["1m"]),
    "value_avg gt reached": (f"type: value_avg\n{_UP}condition: {{gt: 10, field: size}}", [up("0s", 10), up("1m", 10.5)], ["1m"]),
    "value_avg gt just below": (f"type: value_avg\n{_UP}condition: {{gt: 10, field: size}}", [up("0s", 9), up("1m", 11)], []),
    "value_median gte reached": (f"type: value_median\n{_UP}condition: {{gte: 5, field: size}}", [up("0s", 1), up("1m", 5), up("2m", 9)], ["2m"]),
    "value_median gte just below": (f"type: value_median\n{_UP}condition: {{gte: 5, field: size}}", [up("0s", 1), up("1m", 4), up("2m", 90)], []),
    "value_percentile gt reached": (f"type: value_percentile\n{_UP}condition: {{gt: 8, field: size, percentile: 90}}", [up("0s", 1), up("1m", 2), up("2m", 100)], ["2m"]),
    "value_percentile gt just below": (f"type: value_percentile\n{_UP}condition: {{gt: 100, field: size, percentile: 90}}", [up("0s", 1), up("1m", 2), up("2m", 100)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_correlation_fires_when_sigma_says(name: str) -> None:
    body, events, moments = CASES[name]
    found = imported(correlation(body))
    assert found.refused == []
    (document,) = [document for _, document in found.rules if document["id"] == "sigma.the-correlation"]
    # the silent cases need a test that fires beside them, so every document is given the one that proves it
    case = {"name": "the case", "events": events, "expect": [{"at": at} for at in moments]}
    whole = {**proven(document, {}), "cooldown": "1h"}
    whole["tests"] = [case, *whole["tests"]]
    problems = [
        problem for result in test_rules(ruleset_from_documents([whole], KINDS), {}) for problem in result.problems
    ]
    assert problems == []


#: correlation, a part of the reason
REFUSED = {
    "few events": (f"type: event_count\n{_BY}condition: {{lt: 3}}", "what is too low"),
    "few or equal": (f"type: event_count\n{_BY}condition: {{lte: 3}}", "what is too low"),
    "exactly so many": (f"type: event_count\n{_BY}condition: {{eq: 3}}", "windows slide"),
    "not so many": (f"type: event_count\n{_BY}condition: {{neq: 3}}", "windows slide"),
    "no event at all": (f"type: event_count\n{_BY}condition: {{gte: 0}}", "without any event"),
    "few values": (f"type: value_count\n{_BY}condition: {{lt: 3, field: ip}}", "what is too low"),
    "values of several fields": (f"type: value_count\n{_BY}condition: {{gte: 3, field: [ip, port]}}", "several fields"),
    "a low average": (f"type: value_avg\n{_UP}condition: {{lt: 3, field: size}}", "what is too low"),
    "an exact sum": (f"type: value_sum\n{_UP}condition: {{eq: 3, field: size}}", "windows slide"),
    "a percentile without its number": (f"type: value_percentile\n{_UP}condition: {{gt: 3, field: size}}", "a percentile from 1 to 99"),
    "two of three": ("type: temporal\nrules: [failed_login, login, upload]\ntimespan: 5m\ncondition: {gte: 2}", "2 of its 3 rules"),
    "one or the other": ("type: temporal\ntimespan: 5m\ncondition: failed_login or login", "extended condition"),
    "one without the other": ("type: temporal\ntimespan: 5m\ncondition: failed_login and not login", "extended condition"),
    "an order of an expression": ("type: temporal_ordered\ntimespan: 5m\ncondition: failed_login and login", "extended condition"),
    "a rule that is not there": ("type: event_count\nrules: [nobody]\ntimespan: 5m\ncondition: {gte: 2}", "'nobody' not found"),
    "an alias without the rule": (f"type: temporal\n{_TWO}aliases: {{actor: {{login: actor}}}}", "names no field of the rule failed_login"),
    "aliases that differ, counted": (f"type: event_count\n{_TWO}aliases: {{actor: {{login: actor, failed_login: user}}}}\ncondition: {{gte: 2}}", "aliases name different fields"),
    "a bad timespan": ("type: event_count\nrules: [login]\ntimespan: 5 minutes\ncondition: {gte: 2}", "Timespan"),
    "an unknown type": ("type: value_mode\nrules: [login]\ntimespan: 5m\ncondition: {gte: 2}", "no valid Sigma correlation type"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_correlation_without_an_equal_is_refused_and_not_written(name: str) -> None:
    body, reason = REFUSED[name]
    found = imported(correlation(body))
    assert "sigma.the-correlation" not in [document["id"] for _, document in found.rules]
    ((file, rule, why),) = found.refused
    assert (rule, reason in why) == ("the correlation", True), why
    assert file.endswith("rule.yml")


def test_a_correlation_over_a_refused_rule_is_refused_with_its_reason() -> None:
    text = (
        "title: kw\nname: kw\nlogsource: {product: app}\ndetection: {sel: [a], condition: sel}\n---\n"
        "title: c\ncorrelation: {type: event_count, rules: [kw], timespan: 5m, condition: {gte: 2}}\n"
    )
    reasons = {rule: reason for _, rule, reason in imported(text).refused}
    assert "it needs the rule kw, which says: a value without a field" in reasons["c"]


def test_correlations_of_correlations_are_refused() -> None:
    text = correlation(f"type: event_count\n{_BY}condition: {{gte: 3}}", more="name: burst")
    text += (
        "\n---\ntitle: bursts\ncorrelation: {type: event_count, rules: [burst], timespan: 1h, condition: {gte: 2}}\n"
    )
    assert [refusal.rule for refusal in imported(text).refused] == ["bursts"]


@pytest.mark.parametrize(("generate", "rules"), [("", 3), ("generate: false\n", 3), ("generate: true\n", 4)])
def test_rules_that_only_a_correlation_needs_are_not_written_unless_it_generates_them(
    generate: str, rules: int
) -> None:
    found = imported(correlation(f"type: event_count\n{_BY}{generate}condition: {{gte: 3}}"))
    assert len(found.rules) == rules


def test_a_temporal_correlation_reads_several_sources() -> None:
    mapping = {
        "logsources": [
            {"match": {"product": "app"}, "source": "audit"},
            {"match": {"product": "chain"}, "source": "chain"},
        ]
    }
    text = correlation("type: temporal_ordered\nrules: [failed_login, transfer]\ngroup-by: [actor]\ntimespan: 5m")
    text += "\n---\ntitle: Transfer\nname: transfer\nlogsource: {product: chain}\ndetection: {sel: {type: transfer}, condition: sel}\n"
    found = imported(text, mapping)
    assert found.refused == []
    (document,) = [document for _, document in found.rules if "correlation" in document["id"]]
    assert document["source"] == "audit"
    assert [step.get("source") for step in document["detect"]["sequence"]["steps"]] == [None, "chain"]
    proven(document, {})
    counted = text.replace("temporal_ordered", "event_count").replace(
        "timespan: 5m", "timespan: 5m\n  condition: {gte: 2}"
    )
    assert "over several sources" in imported(counted, mapping).refused[0].reason


def test_a_rule_whose_test_fails_is_not_imported() -> None:
    document = imported(RULES).rules[0][1]
    with pytest.raises(NotImported, match="detect"):
        proven({**document, "detect": {"wish": {}}}, {})
    with pytest.raises(NotImported, match="no event was found"):
        proven({**document, "where": {"not": {"any": [{"a": {"exists": True}}, {"a": {"exists": False}}]}}}, {})
    assert proven(document, {})["tests"] != UNPROVEN
