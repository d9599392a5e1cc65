"""The shipped rules: complete, local where they can be, and with a page for the person on call."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.detect.registry import KINDS
from streams.rules.load import load_rules
from streams.rules.rule import Rule
from streams.rules.testing import cases

PACKS = Path(__file__).parents[2] / "streams" / "packs"
RULES = load_rules([PACKS], KINDS).rules
PARTITION_BY = {
    "audit": ("tenant", "actor"),
    "trade": ("tenant", "account"),
    "chain": ("tenant", "pool"),
    "metric": ("tenant", "host"),
}

THRESHOLDS = {  # id -> (key, settings that the systems we replace had)
    "audit.failed-login-burst": (("actor",), {"at_least": 5, "within": "10m"}),
    "audit.unauthorized-access": (("actor",), {"at_least": 3, "within": "10m"}),
    "audit.data-access-velocity": (("actor",), {"at_least": 100, "within": "10m"}),
    "audit.bulk-operation": (("actor",), {"at_least": 50, "within": "10m"}),
}


def test_the_four_domains_are_covered() -> None:
    assert {rule.source for rule in RULES} == set(PARTITION_BY)
    assert len(RULES) == 13


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_is_complete(rule: Rule) -> None:
    assert rule.description
    assert rule.tags
    assert rule.violation_type
    assert rule.id == f"{Path(rule.file).parent.name}.{Path(rule.file).stem}"
    runbook = Path(rule.file).parent / rule.runbook
    assert runbook.read_text().startswith(f"# {Path(rule.file).stem}: ")
    silent = [case for case in cases(rule) if not case.expect]
    assert silent, "no test shows where the rule keeps silent"


def test_one_takes_the_hop() -> None:
    assert [rule.id for rule in RULES if not rule.is_local(PARTITION_BY[rule.source])] == ["audit.failed-logins-by-ip"]


def test_thresholds_are_those_of_the_systems_replaced() -> None:
    for rule in RULES:
        if rule.id in THRESHOLDS:
            assert (rule.group_by, rule.detect.document()) == THRESHOLDS[rule.id]
    ladders = {rule.id: [(limit, word) for limit, _, word in rule.severity.rungs] for rule in RULES}
    assert (
        ladders["trade.ltv-threshold"]
        == ladders["trade.exposure-threshold"]
        == [(75, "medium"), (85, "high"), (95, "critical")]
    )
    assert ladders["ops.cpu"] == [(85, "WARNING"), (95, "CRITICAL")]
