"""The shipped rules: complete, with what they rest on, and with a page for the person on call."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.config.settings import PACKS
from streams.detect.registry import KINDS
from streams.rules.load import load_rules
from streams.rules.rule import Rule
from streams.rules.testing import cases
from tests.showcase import IDS

RULES = load_rules([PACKS], KINDS).rules
#: Pack -> the sources its rules may read first.
SOURCES = {"audit": {"audit"}, "trade": {"trade"}, "chain": {"chain", "alerts"}, "ops": {"metric", "audit", "alerts"}}
#: Topic -> what it is partitioned by.
PARTITION_BY = {
    "audit": ("tenant", "actor"),
    "trade": ("tenant", "account"),
    "chain": ("tenant", "pool"),
    "metric": ("tenant", "host"),
}
LEAST_CASES = 3

THRESHOLDS = {  # id -> settings that the systems we replace had
    "audit.failed-login-burst": (("actor",), {"at_least": 5, "within": "10m"}),
    "audit.unauthorized-access": (("actor",), {"at_least": 3, "within": "10m"}),
    "audit.data-access-velocity": (("actor",), {"at_least": 100, "within": "10m"}),
    "audit.bulk-operation": (("actor",), {"at_least": 50, "within": "10m"}),
}


def test_the_four_domains_are_covered() -> None:
    assert {rule.id.partition(".")[0] for rule in RULES} == set(SOURCES)
    assert set(IDS) <= {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_is_complete(rule: Rule) -> None:
    domain, stem = Path(rule.file).parent.name, Path(rule.file).stem
    assert rule.id == f"{domain}.{stem}"
    assert rule.source in SOURCES[domain]
    lacking = [
        name
        for name in ("description", "tags", "violation_type", "references", "false_positives", "runbook")
        if not getattr(rule, name)
    ]
    assert lacking == []
    assert rule.violation_type == rule.violation_type.lower()
    assert "-" not in rule.violation_type, "violation types are snake_case"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_has_a_page_for_the_person_on_call(rule: Rule) -> None:
    stem, page = Path(rule.file).stem, (Path(rule.file).parent / rule.runbook).read_text()
    heads = [line for line in page.splitlines() if line.startswith("#")]
    assert any(line.lstrip("#").startswith(f" {stem}: ") for line in heads), heads
    assert page.startswith("# ")
    assert len([line for line in page.splitlines() if line.strip()]) >= 5, "a page says what to check and what to do"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_shows_when_it_fires_when_just_not_and_when_it_keeps_silent(rule: Rule) -> None:
    shown = cases(rule)
    assert len(shown) >= LEAST_CASES
    assert [case.name for case in shown if not case.expect], "no test shows where the rule keeps silent"
    assert [case.name for case in shown if case.expect], "no test shows where it fires"


def test_of_the_first_rules_one_takes_the_hop() -> None:
    hopping = [rule.id for rule in RULES if rule.id in IDS and not rule.is_local(PARTITION_BY[rule.source])]
    assert hopping == ["audit.failed-logins-by-ip"]


def test_thresholds_are_those_of_the_systems_replaced() -> None:
    for rule in RULES:
        if rule.id in THRESHOLDS:
            key, settings = THRESHOLDS[rule.id]
            assert rule.group_by == key
            assert settings.items() <= rule.detect.document().items()
    ladders = {rule.id: [(limit, word) for limit, _, word in rule.severity.rungs] for rule in RULES}
    assert (
        ladders["trade.ltv-threshold"]
        == ladders["trade.exposure-threshold"]
        == [(75, "medium"), (85, "high"), (95, "critical")]
    )
    assert {limit for limit, _ in ladders["ops.cpu"]} >= {85, 95}
