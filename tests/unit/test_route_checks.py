"""``tocsin routes check``: what a case may say, what a failure says, and that the presets keep to theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner, Result

from streams.alerts.policy import parse_policy
from streams.cli.context import Invocation
from streams.cli.routes import command
from streams.errors import ConfigError
from streams.replay.routes.checks import load
from streams.route.presets import NAMES
from streams.runtime.control import policy_record

PRESETS = Path(__file__).parents[1] / "routing"
POLICY = """\
policy:
  receivers: [{name: chat}, {name: pager, oncall: primary}]
  remind_severities: []
  oncall: {primary: {layers: [{people: [ada, grace], rotation: daily, starts_at: 0}]}}
  escalations: {ladder: {levels: [{name: first, after: 5m, notify: [pager]}]}}
  route: {receivers: [chat], escalation: ladder}
"""


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(), standalone_mode=False)


def cases(tmp_path: Path, text: str, policy: str = POLICY) -> Path:
    file = tmp_path / "cases.yaml"
    file.write_text(policy + "cases:\n" + text)
    return file


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_does_what_its_file_says(name: str) -> None:
    result = invoke("check", PRESETS / f"{name}.yaml")
    assert result.return_value == 0, result.output


def test_the_person_on_call_at_that_moment_goes_along(tmp_path: Path) -> None:
    said = """\
  - alert: {severity: high}
    at: 1970-01-01T23:58:00Z
    expect:
      - {receiver: chat, after: 0s, reason: new}
      - {receiver: pager, after: 5m, to: grace, level: 1}
"""
    assert invoke("check", cases(tmp_path, said)).return_value == 0
    assert invoke("check", cases(tmp_path, said.replace("grace", "ada"))).return_value == 1


CHAT, PAGER = {"receiver": "chat"}, {"receiver": "pager"}
ACK = {"after": "4m", "action": "acknowledge"}
#: (what the case says beside alert and at, what the report says; empty: it passes)
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"expect": ["chat", "pager"]}, []),
    ({"expect": ["pager", {**CHAT, "reason": "new"}]}, []),
    ({"expect": [{"reason": "escalated"}, {"after": "0s"}]}, []),
    ({"expect": [{"route": "root"}, {"after": "5m"}]}, []),  # either may be taken for the first, one for the second
    ({"for": "4m", "expect": ["chat"]}, []),
    ({"never": [{**PAGER, "to": "nobody"}]}, []),
    ({"expect": ["chat"], "do": [ACK]}, []),
    ({"expect": ["chat"], "do": [{"after": "4m", "action": "snooze", "for": "2d"}]}, []),
    (
        {"expect": ["chat", {**CHAT, "after": "1m", "reason": "resolved"}], "do": [{"after": "1m", "action": "clear"}]},
        [],
    ),
    (
        {
            "for": "3m",
            "expect": ["chat", {"reason": "severity_raised", "after": "2m"}],
            "do": [{"after": "2m", "action": "fire", "severity": "P0"}],
        },
        [],
    ),
    ({"expect": []}, ["was told, and is not expected: receiver chat, after 0s, reason new, route root"]),
    ({"expect": ["chat"]}, ["was told, and is not expected: receiver pager, after 5m, reason escalated"]),
    ({"expect": ["chat", "pager", "pager"]}, ["was not told: receiver pager"]),
    ({"expect": ["chat", {**PAGER, "after": "6m"}]}, ["was not told: receiver pager, after 6m", "pager, after 5m"]),
    ({"never": [{"reason": "escalated"}]}, ["must never be told: receiver pager"]),
    ({"expect": ["chat"], "do": [ACK, ACK]}, ["refused: acknowledge: already_acknowledged"]),
]


@pytest.mark.parametrize(("said", "problems"), CASES)
def test_a_case_passes_if_what_is_told_is_what_it_expects(
    tmp_path: Path, said: dict[str, Any], problems: list[str]
) -> None:
    result = invoke("check", one_case(tmp_path, **said))
    assert result.return_value == (1 if problems else 0), result.output
    for problem in problems:
        assert problem in result.output
    assert f"{tmp_path / 'cases.yaml'}:" in result.output


def one_case(tmp_path: Path, **said: Any) -> Path:
    document = {"alert": {"severity": "high"}, "at": "1970-01-01T03:00:00Z", **said}
    return cases(tmp_path, "  - " + msgspec.json.encode(document).decode() + "\n")


#: (the case, what the report says)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"alert": {"rule": "x"}, "expect": []}, "cases[0].alert.severity: is missing"),
    ({"alert": {"severity": "P9"}, "expect": []}, "cases[0].alert.severity: 'P9' is not a severity"),
    ({"alert": {"severity": "P1", "rul": "x"}, "expect": []}, "cases[0].alert.rul: is no field of an alert (did you mean 'rule'?)"),
    ({"at": "tomorrow", "expect": []}, "cases[0].at: takes a time such as"),
    ({"for": "99d", "expect": []}, "cases[0].for: 99d is too far ahead"),
    ({}, "cases[0]: expects nothing: say `expect` or `never`"),
    ({"expect": [{"reciever": "chat"}]}, "cases[0].expect[0].reciever: is not known here (did you mean 'receiver'?)"),
    ({"expect": [{}]}, "cases[0].expect[0]: names nothing that could be compared"),
    ({"expect": [{"reason": "newer"}]}, "cases[0].expect[0].reason: does not take 'newer' (did you mean 'new'?)"),
    ({"expect": [], "do": [{"after": "1m", "action": "pray"}]}, "cases[0].do[0].action: does not take 'pray'"),
    ({"expect": [], "active": [{"severity": "P1", "before": "soon"}]}, "cases[0].active[0].before: 'soon' is not a duration"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "problem"), WRONG)
def test_what_is_wrong_with_a_case_is_said_with_its_line(tmp_path: Path, said: dict[str, Any], problem: str) -> None:
    file = one_case(tmp_path, **said)
    found, problems = load(file)
    assert found is None
    assert [str(one) for one in problems if problem in str(one)], list(map(str, problems))
    assert all(one.place == f"{file}:8" for one in problems)


def test_all_problems_of_all_files_come_in_one_report(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("cases: [{alert: {severity: high}, at: 0, expect: 3}]\n")
    (tmp_path / "b.yaml").write_text(
        "policy: {preset: nothing}\ncases: [{alert: {severity: high}, at: 0, expect: []}]\n"
    )
    (tmp_path / "c.yaml").write_text("policy: gone.yaml\ncasse: []\n")
    error = invoke("check", tmp_path).exception
    assert isinstance(error, ConfigError)
    for said in (
        "5 problems",
        "a.yaml:1: cases[0].expect: ",
        "preset 'nothing'",
        "gone.yaml",
        "casse: is not known here",
    ):
        assert said in error.message


def test_results_go_out_as_junit_and_as_json(tmp_path: Path) -> None:
    file = one_case(tmp_path, name="nobody", expect=[])
    result = invoke("check", file, "--json", "--junit", tmp_path / "out.xml")
    said = msgspec.json.decode(result.output)
    assert (said["test"], said["line"], said["passed"], len(said["problems"])) == ("nobody", 8, False, 2)
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "receiver chat" in str(failure.text)


def test_a_policy_of_its_own_file_stands_beside_the_cases(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "tocsin.yaml").write_text("policy: {preset: trading}\n")
    file = tmp_path / "cases.yaml"
    file.write_text(
        "policy: policies/tocsin.yaml\ncases: [{alert: {severity: low}, at: 0, expect: [slack, pagerduty]}]\n"
    )
    assert invoke("check", file).return_value == 0


def test_the_record_of_a_preset_says_all_of_it() -> None:
    document: dict[str, Any] = {"preset": "operations", "retain": "1d"}
    record = policy_record(document)
    assert "preset" not in record.document
    assert parse_policy(record.document) == parse_policy(document)
