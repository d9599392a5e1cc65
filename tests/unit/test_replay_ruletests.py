"""``tocsin rules test``: what passes, what fails, and how a failure is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner, Result

from streams.cli.context import Invocation
from streams.cli.rules import command
from streams.config import event_sources, load_config
from streams.config.settings import PACKS
from streams.detect.registry import KINDS
from streams.replay.rules.cases import test_rules as run_tests
from streams.rules.load import load_rules

SOURCES = {source.name: source for source in event_sources(load_config(None, {}))}
RULE: dict[str, Any] = {
    "id": "test.burst",
    "title": "{count} failures of {actor}",
    "description": "For these tests.",
    "source": "audit",
    "where": {"outcome": "failure"},
    "group_by": ["actor"],
    "detect": {"count": {"at_least": 3, "within": "1m"}},
    "severity": {"P2": 3, "P0": 5},
    "cooldown": "5m",
    "type": "security",
    "metadata": {"from": "{source_ip}"},
}
BURST = [{"at": "0s", "actor": "ada", "source_ip": "192.0.2.1", "outcome": "failure", "times": 5, "every": "5s"}]
OPENED = {"at": "10s", "actor": "ada", "count": 3, "severity": "medium"}
RAISED = {"at": "20s", "actor": "ada", "count": 5, "severity": "critical"}


def rule(folder: Path, expect: list[dict[str, Any]], events: list[dict[str, Any]] | None = None, **more: Any) -> Path:
    # A rule needs a test that fires; the second one is the one looked at.
    tests = [
        {"name": "fires", "events": BURST, "expect": [OPENED, RAISED]},
        {"name": "the case", "events": events or BURST, "expect": expect},
    ]
    (folder / "rule.yaml").write_text(yaml.safe_dump({**RULE, "tests": tests, **more}))
    return folder / "rule.yaml"


def problems(path: Path) -> tuple[str, ...]:
    fires, case = run_tests(load_rules([path], KINDS), SOURCES)
    assert fires.passed or fires.problems
    return case.problems


@pytest.mark.parametrize(
    "expect",
    [
        [OPENED, RAISED],
        [RAISED, OPENED],  # moments are told by what they are
        [{"count": 3}, {"count": 5}],
        [{"severity": "P2"}, {"severity": "p0"}],
        [{"at": "10s", "observed": 3.0, "value": 3, "threshold": 3}, {"title": "5 failures of ada"}],
        [{"from": "192.0.2.1", "at": "10s"}, {"metadata": {"from": "192.0.2.1"}, "tenant": "default"}],
    ],
)
def test_complete_and_true_expectations_pass(tmp_path: Path, expect: list[dict[str, Any]]) -> None:
    assert problems(rule(tmp_path, expect)) == ()


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ([], ["not expected: it opened at 10s: medium, observed 3 (actor=ada)", "not expected: it raised at 20s"]),
        ([OPENED], ["not expected: it raised at 20s: critical, observed 5 (actor=ada)"]),
        ([OPENED, RAISED, OPENED], ["but nothing happened"]),
        ([{**OPENED, "at": "11s"}, RAISED], ["at is 10s, not 11s"]),
        ([{**OPENED, "count": 4}, RAISED], ["count is 3, not 4"]),
        ([{**OPENED, "count": "3"}, RAISED], ["count is 3, not '3'"]),
        ([{**OPENED, "severity": "high"}, RAISED], ["severity is medium, not high"]),
        ([{**OPENED, "actor": "bea"}, RAISED], ["actor is 'ada', not 'bea'"]),
        ([{**OPENED, "host": "h"}, RAISED], ["host is not a field of the alert or of its key"]),
        ([{**OPENED, "metadata": {"from": "x"}}, RAISED], ["metadata is"]),
    ],
)
def test_what_is_not_so_fails_and_says_what_is(tmp_path: Path, expect: list[dict[str, Any]], says: list[str]) -> None:
    found = problems(rule(tmp_path, expect))
    assert len(found) == len(says)
    for text, said in zip(found, says, strict=True):
        assert said in text


def test_silence_is_expected_by_an_empty_list(tmp_path: Path) -> None:
    assert problems(rule(tmp_path, [], [{**BURST[0], "times": 2}])) == ()


def test_a_refused_event_fails_its_case(tmp_path: Path) -> None:
    (found,) = problems(rule(tmp_path, [], [{"at": "0s", "event_time": "soon", "outcome": "failure"}]))
    assert "event 1 (at 0s) is refused: invalid" in found


def test_a_rule_of_another_key_goes_through_the_hop(tmp_path: Path) -> None:
    expect = [{"at": "10s", "source_ip": "192.0.2.1", "count": 3}, {"at": "20s", "count": 5}]
    path = rule(tmp_path, expect, group_by=["source_ip"])
    assert problems(path) == ()


def test_a_rule_that_is_off_is_tested_all_the_same(tmp_path: Path) -> None:
    assert problems(rule(tmp_path, [], enabled=False)) != ()


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(), standalone_mode=False)


def test_a_failing_test_is_status_1_with_place_and_reason(tmp_path: Path) -> None:
    path = rule(tmp_path, [])
    result = invoke("test", path)
    assert result.return_value == 1
    assert f"{path}:" in result.output
    assert "the case" in result.output
    assert "2 tests of 1 rules, 1 failed" in result.output
    assert invoke("test", rule(tmp_path, [OPENED, RAISED])).return_value == 0


def test_junit_holds_every_case_and_what_failed(tmp_path: Path) -> None:
    assert invoke("test", rule(tmp_path, [OPENED]), "--junit", tmp_path / "out.xml").return_value == 1
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["fires", "the case"]
    (failure,) = suite.iter("failure")
    assert "not expected" in (failure.text or "")


def test_json_results_are_a_line_a_case(tmp_path: Path) -> None:
    lines = [yaml.safe_load(line) for line in invoke("test", rule(tmp_path, []), "--json").output.splitlines()]
    assert [line["passed"] for line in lines] == [True, False]


def test_the_shipped_rules_are_the_default_and_pass() -> None:
    result = invoke("test")
    assert result.return_value == 0
    assert ", 0 failed" in result.output
    listed = [yaml.safe_load(line)["id"] for line in invoke("list", "--json").output.splitlines()]
    assert listed == sorted(rule.id for rule in load_rules([PACKS], KINDS).rules)
    assert "no problems" in invoke("check").output


def test_problems_are_status_2_also_as_json(tmp_path: Path) -> None:
    path = rule(tmp_path, [], typ="security", detect={"cuont": {}})
    result = invoke("check", path, "--json")
    assert result.return_value == 2
    assert all(f"{path}:" in line for line in result.output.splitlines())
    assert len(result.output.splitlines()) >= 2


def test_a_folder_without_rules_says_so(tmp_path: Path) -> None:
    result = invoke("check", tmp_path)
    assert result.exception is not None
    assert "there are no rules" in str(result.exception) or "no rule" in str(result.exception)


def test_rules_whose_tests_fail_are_not_applied(tmp_path: Path) -> None:
    result = invoke("apply", rule(tmp_path, []))
    assert "not applied" in str(result.exception)
