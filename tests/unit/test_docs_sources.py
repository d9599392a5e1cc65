"""The page on the five systems that were replaced: every rule it names is shipped, and every test it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.config.settings import PACKS
from streams.detect.findings import ANALYSIS_FAILED
from streams.detect.registry import KINDS
from streams.rules.load import load_rules
from streams.rules.testing import cases

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "streams" / "docs" / "sources.md").read_text()
ROWS = [tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in re.findall(r"^\| .* \|$", PAGE, re.M)]
DETECTIONS = [(row[0], row[2].strip("`"), row[3]) for row in ROWS if row[0] != "it names"]
RULES = {rule.id: rule for rule in load_rules([PACKS], KINDS).rules}
SYSTEMS = 5
#: Detections by which the systems are known, each with the words that the page must have for it.
NAMED = (
    "LTV threshold", "USDTz exposure", "deal failure", "system error", "node_count >= 3f+1", "certificate expiry",
    "encryption strength", "backup age", "compound failure", "FAILED_AUTH", "UNAUTHORIZED_ACCESS", "DATA_VELOCITY",
    "BULK_OPERATION", "OFF_HOURS", "Failed Login Alerts", "P0: MEV protection failure", "P1: trading volume drops",
    "P3: configuration drift", "fork detection", "sandwich attacks",
)  # fmt: skip


def test_each_system_has_its_table() -> None:
    assert len(re.findall(r"^\| it names \|", PAGE, re.M)) == SYSTEMS
    assert all(len(row) == 4 for row in ROWS)
    assert [name for name in NAMED if not any(name in row[0] for row in DETECTIONS)] == []


@pytest.mark.parametrize(("name", "rule", "shown"), DETECTIONS, ids=lambda value: str(value)[:40])
def test_a_detection_has_a_rule_and_a_test_that_shows_it(name: str, rule: str, shown: str) -> None:
    if rule == ANALYSIS_FAILED:  # the engine's own
        file, _, function = shown.strip("`").partition("::")
        assert f"def {function}(" in (ROOT / file).read_text()
        return
    assert rule in RULES, f"{name}: no shipped rule is called {rule}"
    fires = [case.name for case in cases(RULES[rule]) if case.expect]
    assert shown in fires, f"{name}: {rule} fires in {fires}"


def test_other_rules_and_pages_that_it_names_are_there() -> None:
    prose = re.sub(r"^\|.*$", "", PAGE, flags=re.M)
    named = {
        word for word in re.findall(r"`([a-z]+\.[a-z-]+)`", prose) if word.split(".")[0] in ("audit", "ops", "trade")
    }
    assert named - set(RULES) == set()
    missing = [page for page in re.findall(r"\]\((\w+\.md)", PAGE) if not (ROOT / "streams" / "docs" / page).is_file()]
    assert missing == []
