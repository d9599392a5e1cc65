"""Configuration changes thresholds, windows, hours, severity, cooldown and whether a rule is on; and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.detect.registry import KINDS
from streams.detect.tuning import TUNABLE
from streams.model import Batch, Control, Finding
from streams.rules.compiled import compiled
from streams.rules.load import ruleset_from_documents
from streams.rules.overrides import concerning, overridden
from streams.rules.problems import RuleErrors
from streams.rules.rule import Rule, RuleSet
from streams.runtime.control import ControlLog, ruleset_record
from streams.state.detect.detecting import DetectState
from tests.detecting import AUDIT, batch, event, rule
from tests.detecting import BASE as BASE_TIME

RULES = [
    rule("audit.burst", {"count": {"at_least": 5, "within": "10m"}}, severity={"medium": 5, "high": 20}),
    rule("audit.login", {"match": {}}),
    rule("trade.all", {"count": {"at_least": 5, "within": "10m"}}, scope="global"),
]
BASE = ruleset_from_documents(RULES, KINDS)


def override(document: Any, base: RuleSet = BASE) -> RuleSet:
    return overridden(base, document, KINDS, TUNABLE)


def named(ruleset: RuleSet, name: str) -> Rule:
    return next(rule for rule in ruleset.rules if rule.id == name)


def burst(document: Any) -> Rule:
    return named(override(document), "audit.burst")


def test_every_setting_that_may_be_overridden_is() -> None:
    changes = {
        "detect": {"count": {"at_least": 8}}, "severity": {"low": 8, "critical": 30}, "cooldown": "30m",
        "enabled": False, "active": {"hours": "18:00-08:00"},
    }  # fmt: skip
    changed = burst({"audit.burst": changes})
    assert changed.detect.document() == {"at_least": 8, "within": "10m"}
    assert [word for _, _, word in changed.severity.rungs] == ["low", "critical"]
    assert (changed.cooldown, changed.enabled, changed.active.start) == (1_800_000, False, 18 * 60)
    assert changed.version != named(BASE, "audit.burst").version
    assert changed.overridden == (
        "for all: count.at_least: 8 (was 5); severity: {low: 8, critical: 30} (was {medium: 5, high: 20}); "
        "cooldown: 30m; enabled: false; active: {hours: 18:00-08:00}"
    )


@pytest.mark.parametrize("change", [{"severity": "low"}, {"cooldown": "1s"}, {"enabled": False}], ids=str)
def test_what_is_not_the_meaning_leaves_the_version_and_so_the_state(change: dict[str, Any]) -> None:
    assert burst({"audit.burst": change}).version == named(BASE, "audit.burst").version


def test_the_version_of_the_set_follows_and_none_is_the_one_without() -> None:
    versions = {override(document).version for document in (None, {}, {"audit.*": {"cooldown": "1h"}})}
    assert len(versions) == 2
    assert BASE.version in versions


@pytest.mark.parametrize(
    ("document", "cooldown"),
    [
        ({"*": {"cooldown": "1m"}}, 60_000),
        ({"audit.*": {"cooldown": "2m"}, "*": {"cooldown": "1m"}}, 120_000),  # the longer pattern
        ({"audit.burst": {"cooldown": "3m"}, "audit.*": {"cooldown": "2m"}}, 180_000),  # the rule itself
        ({"audit.burst": {"enabled": True}, "audit.*": {"cooldown": "2m"}}, 120_000),  # setting by setting
        ({"trade.*": {"cooldown": "1m"}}, 600_000),
        ({"audit.burst": {"detect": {"count": {"within": "20m"}}}}, 1_200_000),  # it follows the window
    ],
)
def test_the_nearer_entry_wins(document: dict[str, Any], cooldown: int) -> None:
    assert burst(document).cooldown == cooldown


def test_a_pattern_changes_the_settings_of_those_rules_that_have_them() -> None:
    changed = override({"*": {"detect": {"count": {"at_least": 9}}}})
    assert [rule.detect.document().get("at_least") for rule in changed.rules] == [9, None, 9]
    assert named(changed, "audit.login") is named(BASE, "audit.login")


def test_a_tenant_has_a_rule_of_its_own_over_what_holds_for_all() -> None:
    changed = override(
        {
            "audit.burst": {"cooldown": "30m"},
            "tenants": {
                "acme": {"audit.burst": {"detect": {"count": {"at_least": 20}}}},
                "beta": {"audit.burst": {"enabled": False}},
            },
        }
    )
    own = changed.variants["audit.burst"]["acme"]
    assert own is not None
    assert (own.detect.document()["at_least"], own.cooldown, own.variant) == (20, 1_800_000, "acme")
    assert own.overridden == "for acme: cooldown: 30m; count.at_least: 20 (was 5)"
    assert own.ref.endswith("~acme")
    assert changed.variants["audit.burst"]["beta"] is None
    assert own in list(changed.in_force())


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"audit.brust": {"cooldown": "1h"}}, "audit.brust: fits no rule (did you mean 'audit.burst'?)"),
        ({"chain.*": {"cooldown": "1h"}}, "chain.*: fits no rule"),
        ({"audit.burst": {"where": {}}}, "audit.burst.where: cannot be overridden"),
        ({"audit.burst": {"group_by": ["a"]}}, "audit.burst.group_by: cannot be overridden"),
        ({"audit.burst": {"colldown": "1h"}}, "cannot be overridden (did you mean 'cooldown'?)"),
        ({"audit.burst": {"cooldown": "soon"}}, "audit.burst.cooldown: 'soon' is not a duration"),
        ({"audit.burst": {"cooldown": None}}, "audit.burst.cooldown: None is not a duration"),
        ({"audit.burst": {"enabled": 1}}, "audit.burst.enabled: takes true or false"),
        ({"audit.burst": {"severity": "loud"}}, "audit.burst.severity: 'loud' is not a severity"),
        ({"audit.burst": {"detect": {"match": {}}}}, "audit.burst.detect: is about match, where the kind is count"),
        ({"audit.burst": {"detect": {"count": {"at_least": 0}}}}, "detect.count.at_least: takes a whole number"),
        ({"audit.burst": {"detect": {"count": {"atleast": 9}}}}, "detect.count.atleast: cannot be overridden"),
        ({"audit.burst": {"detect": {"count": 5}}}, "audit.burst.detect: takes the rule's kind with what changes"),
        ({"audit.burst": {}}, "audit.burst: takes settings"),
        ({"audit.burst": [1]}, "audit.burst: takes settings"),
        ([1], "overrides: takes a mapping"),
        ({"tenants": {"": {}}}, "'' is not the name of a tenant"),
        ({"tenants": {"*": {}}}, "'*' is not the name of a tenant"),
        ({"tenants": {"acme": 5}}, "tenants.acme: takes rules with their settings"),
        ({"tenants": [1]}, "tenants: takes tenants"),
        ({"tenants": {"acme": {"trade.all": {"cooldown": "1h"}}}}, "counts over all tenants"),
        (
            {"audit.burst": {"enabled": False}, "tenants": {"acme": {"audit.burst": {"enabled": True}}}},
            "tenants.acme.audit.burst.enabled: audit.burst is off for everybody",
        ),
    ],
)
def test_what_cannot_be_is_a_problem_with_its_place(document: Any, says: str) -> None:
    with pytest.raises(RuleErrors) as caught:
        override(document)
    assert says in str(caught.value)


def test_all_problems_come_at_once_each_from_its_line() -> None:
    document = {"nobody": {"cooldown": "1h"}, "audit.burst": {"cooldown": "x"}, "tenants": {"a": {"none": {"x": 1}}}}
    with pytest.raises(RuleErrors) as caught:
        overridden(BASE, document, KINDS, TUNABLE, lambda path: f"c.yaml:{len(path)}")
    assert [(problem.place, problem.path) for problem in caught.value.problems] == [
        ("c.yaml:6", "overrides.nobody"),
        ("c.yaml:14", "overrides.tenants.a.none"),
        ("c.yaml:16", "overrides.tenants.a.none.x"),
        ("c.yaml:20", "overrides.audit.burst.cooldown"),
    ]


def test_a_look_at_a_few_rules_leaves_the_others_entries_out() -> None:
    few = RuleSet((named(BASE, "audit.login"),))
    document = {"audit.*": {"cooldown": "1h"}, "trade.all": {}, "tenants": {"a": {"trade.all": {}}}}
    assert concerning(document, few) == {"audit.*": {"cooldown": "1h"}}
    assert override(concerning(document, few), few).rules[0].cooldown == 3_600_000


def test_the_control_record_carries_both_and_gives_the_same_set_again() -> None:
    document = {"audit.burst": {"cooldown": "30m"}, "tenants": {"acme": {"audit.burst": {"severity": "low"}}}}
    applied = override(document)
    log = ControlLog()
    log.apply(0, b"ruleset/default", msgspec.json.encode(ruleset_record(applied)))
    assert log.refused == []
    again = log.current.ruleset
    assert again.version == applied.version
    assert [rule.ref for rule in again.in_force()] == [rule.ref for rule in applied.in_force()]
    assert override(document, again).version == applied.version, "overriding twice is overriding once"


def test_a_record_with_a_bad_override_is_refused_whole() -> None:
    log = ControlLog()
    log.apply(0, b"ruleset/default", msgspec.json.encode(ruleset_record(BASE)))
    record = ruleset_record(override({"audit.burst": {"cooldown": "30m"}}))
    record.document["overrides"]["audit.burst"]["cooldown"] = "soon"
    log.apply(1, b"ruleset/default", msgspec.json.encode(record))
    assert len(log.refused) == 1
    assert log.current.ruleset.version == BASE.version


def found(state: DetectState, ruleset: RuleSet, position: int, at: int, first: int) -> list[Finding]:
    payload = event(at, first)
    stamped = [(offset + first, value, stamp) for offset, value, stamp in batch([payload]).records]
    outputs = pipeline.detect(state, type(batch([]))(stamped), 0, Control(position, ruleset))
    findings = [msgspec.json.decode(o.value, type=Finding) for o in outputs if o.topic == "alert-input"]
    return [finding for finding in findings if finding.rule == "audit.burst"]


def test_findings_show_what_was_used_and_state_follows_the_meaning() -> None:
    state = DetectState(AUDIT, 0, rekeyed_partitions=1, program=compiled)
    state.loaded()
    two = override({"audit.burst": {"detect": {"count": {"at_least": 2}}}})
    milder = override({"audit.burst": {"detect": {"count": {"at_least": 2}}, "severity": "low", "cooldown": "1h"}})
    three = override({"audit.burst": {"detect": {"count": {"at_least": 3}}}})
    assert found(state, two, 1, 0, 0) == []
    (second,) = found(state, two, 1, 1_000, 1)
    assert (second.threshold, second.metadata["overridden"]) == (2, "for all: count.at_least: 2 (was 5)")
    (third,) = found(state, milder, 2, 2_000, 2)
    assert (third.observed, third.severity, third.cooldown) == (3, "low", 3_600_000)  # the state was kept
    assert found(state, three, 3, 3_000, 3) == [], "another threshold begins anew"
    gone = [key for key, value in state.changes() if value is None]
    assert any(two.rules[0].ref.encode() in key for key in gone), "and the rows of the old one are deleted"


ALL_TWO: dict[str, Any] = {"audit.burst": {"detect": {"count": {"at_least": 2}}}}
FOR_ALL = override(ALL_TWO)
FOR_ACME = override({**ALL_TWO, "tenants": {"acme": {"audit.burst": {"severity": "critical"}}}})
NOT_ACME = override({**ALL_TWO, "tenants": {"acme": {"*": {"enabled": False}}}})


def observed(*rulesets: RuleSet) -> list[dict[str, tuple[Any, str]]]:
    """An event of acme and one of beta under each set, in one partition: what each tenant's finding says."""
    state = DetectState(AUDIT, 0, rekeyed_partitions=1, program=compiled)
    state.loaded()
    seen: list[dict[str, tuple[Any, str]]] = []
    for position, ruleset in enumerate(rulesets):
        seen.append({})
        for place, tenant in enumerate(("acme", "beta")):
            number = 2 * position + place
            one = Batch([(number, event(number * 1_000, number, tenant=tenant), BASE_TIME + 3_600_000)])
            for output in pipeline.detect(state, one, 0, Control(position + 1, ruleset)):
                found = msgspec.json.decode(output.value, type=Finding) if output.topic == "alert-input" else None
                if found is not None and found.rule == "audit.burst":
                    seen[-1][found.tenant] = found.observed, found.severity.value
    return seen


def test_a_tenant_begins_anew_with_an_override_and_others_do_not_notice() -> None:
    assert observed(FOR_ALL, FOR_ALL, FOR_ACME, FOR_ACME) == [
        {},
        {"acme": (2, "medium"), "beta": (2, "medium")},
        {"beta": (3, "medium")},
        {"acme": (2, "critical"), "beta": (4, "medium")},
    ]


def test_a_rule_that_is_off_for_one_tenant_is_off_for_no_other() -> None:
    assert observed(NOT_ACME, NOT_ACME, NOT_ACME) == [{}, {"beta": (2, "medium")}, {"beta": (3, "medium")}]


@pytest.mark.parametrize("between", [FOR_ACME, NOT_ACME], ids=["own", "off"])
def test_a_tenant_begins_anew_when_its_override_goes(between: RuleSet) -> None:
    *_, last = observed(FOR_ALL, FOR_ALL, between, FOR_ALL)
    assert last == {"beta": (4, "medium")}
