"""``tocsin routes show`` and ``test``: the tree as text, and what would be said of an alert, without saying it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from streams.cli.context import Invocation
from streams.cli.routes import command
from streams.errors import ConfigError

#: Three levels of nodes, and an escalation of five.
POLICY = """\
preset: operations
receivers: [{name: pay-team}, {name: pay-pager, min_severity: high}, {name: phone, oncall: primary}]
oncall: {primary: {layers: [{people: [ada, grace], rotation: weekly, starts_at: 2026-01-05T09:00:00+01:00}]}}
intervals: {nights: {hours: "22:00-07:00", timezone: Europe/Amsterdam}}
targets: {}
inhibit: [{name: net, source: ["rule=net.down"], target: ["rule=~pay[.].*"], equal: [metadata.site]}]
route:
  receivers: [team-email]
  routes:
    - name: payments
      match: ['rule=~"pay[.].*"']
      receivers: [pay-team]
      group_by: [rule]
      group_wait: 30s
      continue: true
      routes:
        - {name: worst, match: {severity: critical}, receivers: [pay-pager, pay-team], group_by: alert}
        - {name: quiet, match: ['severity=~"low|info"'], receivers: [pay-team, pay-pager], mute: [nights]}
    - {name: critical, match: {severity: critical}, receivers: [pagerduty]}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "tocsin.yaml"
    file.write_text(POLICY)
    return file


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(), standalone_mode=False)


def tried(tmp_path: Path, policy: Path, alert: str, *args: str) -> dict[str, Any]:
    (tmp_path / "alert.yaml").write_text(alert)
    result = invoke("test", "--alert", tmp_path / "alert.yaml", "--policy", policy, "--json", *args)
    assert result.exception is None, result.exception
    said: dict[str, Any] = msgspec.json.decode(result.output)
    return said


def rows(said: dict[str, Any]) -> list[tuple[str, int, str, int]]:
    return [(one["receiver"], one["after"] // 1000, one["reason"], one["level"]) for one in said["told"]]


def test_show_is_the_tree_as_text(policy: Path) -> None:
    lines = invoke("show", "--policy", policy).output.splitlines()
    assert lines[:9] == [
        "root  → team-email",
        '├─ payments  rule=~"pay[.].*"  → pay-team  (and on)',
        "│  │    grouped by rule: first after 30s, then every 5m",
        '│  ├─ worst  severity="critical"  → pay-pager, pay-team',
        "│  │       each alert by itself",
        '│  └─ quiet  severity=~"low|info"  → pay-team, pay-pager',
        "│          not in nights",
        '└─ critical  severity="critical"  → pagerduty',
        "",
    ]
    assert "  pay-pager: high and worse" in lines
    assert "    5 CEO: ceo after 2h" in lines
    assert "  nights: mon tue wed thu fri sat sun 22:00-07:00 Europe/Amsterdam" in lines


def test_show_for_programs_has_every_node(policy: Path) -> None:
    said = msgspec.json.decode(invoke("show", "--policy", policy, "--json").output)
    payments = said["route"]["routes"][0]
    assert [payments["path"], *(node["path"] for node in payments["routes"])] == [
        "root/payments", "root/payments/worst", "root/payments/quiet",
    ]  # fmt: skip
    assert payments["continue"] is True
    assert [level["after"] for level in said["escalations"]["critical"]] == [m * 60_000 for m in (5, 15, 30, 60, 120)]


def test_an_alert_is_followed_through_the_tree_and_five_levels(tmp_path: Path, policy: Path) -> None:
    said = tried(tmp_path, policy, "{severity: P0, rule: pay.down}", "--at", "2026-01-13T03:00:00+01:00")
    assert said["nodes"] == ["root/payments/worst", "root/critical"]
    assert rows(said) == [
        ("pay-pager", 0, "new", 0), ("pay-team", 0, "new", 0), ("pagerduty", 0, "new", 0),
        ("phone", 300, "escalated", 1), ("engineering-lead", 900, "escalated", 2),
        ("operations-manager", 1800, "escalated", 3), ("cto", 3600, "escalated", 4), ("ceo", 7200, "escalated", 5),
    ]  # fmt: skip
    assert [one["to"] for one in said["told"] if one["receiver"] == "phone"] == [["grace"]]
    assert said["told"][3]["why"] == ["level 1 (on-call engineer) after 5m unacknowledged"]
    assert said["told"][0]["why"] == ['through root/payments/worst (severity="critical")']


def test_the_text_says_why_and_who(tmp_path: Path, policy: Path) -> None:
    (tmp_path / "alert.json").write_text('{"severity": "low", "rule": "pay.slow", "id": "a", "version": 7}')
    output = invoke(
        "test", "--alert", tmp_path / "alert.json", "--policy", policy, "--at", "2026-01-05T06:00:00+01:00"
    ).output  # fmt: skip
    assert "* │  └─ quiet" in output
    assert "2026-01-05T06:00:00Z  +1h      pay-team  new" in output
    assert "nobody is told in nights" in output
    assert "on its way, but not told\n  pay-pager: takes high and worse" in output


def test_an_alert_that_stands_hides_it_until_that_is_over(tmp_path: Path, policy: Path) -> None:
    alert = "alert: {severity: P1, rule: pay.slow, metadata: {site: ams}}\nactive: [{severity: P1, rule: net.down, before: 10m, metadata: {site: %s}}]\n"
    hidden = tried(tmp_path, policy, alert % "ams")
    assert hidden["told"] == []
    assert [one["by"] for one in hidden["hidden"]] == ["inhibition active-0"]
    assert rows(tried(tmp_path, policy, alert % "fra"))[0] == ("pay-team", 30, "new", 0)


def test_a_silence_holds_it_and_lets_it_go(tmp_path: Path, policy: Path) -> None:
    silence = {"matchers": ["rule=pay.slow"], "starts_at": 0, "ends_at": 3_600_000, "author": "ada", "comment": "known"}
    policy.write_text(POLICY + f"silences: {{known: {msgspec.json.encode(silence).decode()}}}\n")
    alert = "{severity: medium, rule: pay.slow}"
    said = tried(tmp_path, policy, alert, "--at", "1970-01-01T00:10:00Z", "--for", "55m")
    assert rows(said)[0] == ("pay-team", 3030, "new", 0)  # the silence ends, and the group waits
    assert [one["by"] for one in said["hidden"]] == ["silence known until 1970-01-01T01:00:00Z", "nothing any more"]


def test_what_waits_beyond_the_look_ahead_is_named(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("preset: operations\n")
    said = tried(tmp_path, file, "{severity: info}", "--at", "2026-01-09T08:00:00Z")
    assert said["told"] == []
    assert [one["receiver"] for one in said["later"]] == ["weekly-summary"]


@pytest.mark.parametrize(
    ("alert", "args", "problems"),
    [
        ("severity: P9\nrul: x\n", [], ["alert.yaml:1: severity: 'P9'", "alert.yaml:2: rul: is no field"]),
        ("alert: {severity: P1}\ndo:\n  - {after: 1m, action: pray}\n", [], ["alert.yaml:3: do[0].action: does not take"]),
        ("{severity: P1}", ["--at", "soon"], ["at: takes a time such as"]),
        ("{severity: P1}", ["--for", "soon"], ["for: 'soon' is not a duration"]),
        ("- 1\n", [], ["takes a mapping of names to values"]),
        ("severity: P1\nseverity_word: 3\n", [], ["alert.yaml:2: severity_word: takes text, not 3"]),
        ("severity: P1\nkey:\n  1: x\n", [], ["alert.yaml:2: key: takes text for its names, not 1"]),
        ("alert: {severity: P1}\nactive:\n  - {severity: P2, severity_word: [a]}\n", [],
         ["alert.yaml:3: active[0].severity_word: takes text, not"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, policy: Path, alert: str, args: list[str], problems: list[str]
) -> None:
    (tmp_path / "alert.yaml").write_text(alert)
    error = invoke("test", "--alert", tmp_path / "alert.yaml", "--policy", policy, *args).exception
    assert isinstance(error, ConfigError)
    for problem in problems:
        assert problem in error.message


def test_a_policy_that_tells_nobody_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("retain: 1d\n")
    error = invoke("show", "--policy", tmp_path / "policy.yaml").exception
    assert isinstance(error, ConfigError)
    assert "tells nobody" in error.message
