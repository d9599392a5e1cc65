"""``tocsin backtest --routes``: who would have been told what of the candidate's alerts, against today's policy."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli import main
from streams.model import Control
from streams.replay.backtest.run import Ran
from streams.replay.controls import Controls
from streams.replay.logs import Facts
from streams.replay.moments import rfc3339
from streams.replay.runner import Replayed
from streams.replay.spool import Spool, Waiting
from streams.replay.telling.document import Range
from streams.replay.telling.tried import range_of
from streams.rules.rule import RuleSet
from tests.unit.test_backtest_cli import HOSTILE, RULE, START, Elements, failures

POLICY = {
    "receivers": [{"name": "chat"}, {"name": "phone", "min_severity": "high", "oncall": "first"}],
    "route": {"receivers": ["chat", "phone"]},
    "escalate": {"medium": "slow"},
    "escalations": {"slow": {"levels": [{"after": "5m", "notify": ["phone"]}]}},
    "oncall": {"first": {"timezone": "Asia/Tokyo", "layers": [{"people": ["ada"], "starts_at": 0}]}},
    "remind_severities": [],
}
EVENTS = [*failures("ada", 7), *failures("bea", 4, minute=1), *failures(HOSTILE, 5, minute=2), *failures("eve", 1, 4)]
SOURCE = ("--source", "audit=audit.jsonl", "--rules", "rule.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with events, a rule that says three times something, and a configuration with a policy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (tmp_path / "rule.yaml").write_text(RULE.replace("AT_LEAST", "4"))
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump({"policy": POLICY}))
    (tmp_path / "same.yaml").write_text(yaml.safe_dump(POLICY))
    (tmp_path / "few.yaml").write_text(yaml.safe_dump({"receivers": [{"name": "chat", "min_severity": "high"}]}))
    return tmp_path


def backtest(*args: str, status: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--config", "tocsin.yaml", "backtest", *args])
    assert ended.value.code == status


def reported(here: Path, *args: str) -> dict[str, Any]:
    backtest(*SOURCE, *args, "--out", "out")
    found: dict[str, Any] = json.loads((here / "out/report.json").read_bytes())
    return found


def test_the_policy_of_today_changes_nothing_and_another_tells_fewer(here: Path) -> None:
    told = reported(here, "--routes", "same.yaml")["told"]
    assert (told["today"]["policy"], told["candidate"]["policy"]) == ("as configured", "same.yaml")
    assert (told["today"]["alerts"], told["same"]) == (3, 5)  # one got worse: in the chat again, and on the phone
    assert [told[name] for name in ("new", "gone", "later", "earlier", "reassigned", "untold")] == [[]] * 6
    report = reported(here, "--routes", "few.yaml")
    told = report["told"]
    assert sorted((one["receiver"], one["severity"]) for one in told["gone"]) == [
        ("chat", "high"), ("chat", "medium"), ("chat", "medium"), ("phone", "high"),
    ], "of the one that got high the chat hears then"  # fmt: skip
    assert sorted(one["title"] for one in told["untold"]) == sorted(
        alert["title"] for alert in report["alerts"] if alert["severity"] == "medium"
    )
    assert told["people"] == [{
        "person": "ada", "timezone": "Asia/Tokyo", "today": {"rang": 1, "at_night": 0, "nights": {}},
        "candidate": {"rang": 0, "at_night": 0, "nights": {}},
    }]  # fmt: skip


def test_the_report_is_the_same_bytes_over_processes_and_by_its_own_command(here: Path) -> None:
    (here / "more.jsonl").write_text("".join(json.dumps(event) + "\n" for event in failures("dot", 5, minute=3)))
    (here / "metric.jsonl").write_text(json.dumps({"event_id": "m", "event_time": START, "host": "db"}) + "\n")
    (here / "metric.yaml").write_text(
        "id: test.hot\ntitle: hot\nsource: metric\ngroup_by: [host]\ndetect: {match: {}}\nseverity: critical\n"
        "type: metrics\ntests: [{name: hot, events: [{at: 0s, host: db}], expect: [{at: 0s}]}]\n"
    )
    more = ("--source", "audit=more.jsonl", "--source", "metric=metric.jsonl", "--rules", "metric.yaml",
            "--routes", "few.yaml")  # fmt: skip
    made = {}
    for jobs in ("1", "2"):
        reported(here, *more, "--to", rfc3339(START + 600_000), "--jobs", jobs)
        made[jobs] = (here / "out/report.json").read_bytes()
    assert made["1"] == made["2"]
    program, command, *args = shlex.split(json.loads(made["1"])["command"])
    assert (program, command, "--routes" in args) == ("tocsin", "backtest", True)
    backtest(*args, "--out", "again")
    assert (here / "again/report.json").read_bytes() == made["1"]


def test_escalations_go_on_to_where_the_events_were_to_end(here: Path) -> None:
    short = reported(here, "--routes", "same.yaml")["told"]
    long = reported(here, "--routes", "same.yaml", "--to", rfc3339(START + 600_000))["told"]
    assert [one["candidate"]["rang"] for told in (short, long) for one in told["people"]] == [1, 3]
    assert long["to"] == rfc3339(START + 600_000)


def test_a_silence_of_the_time_stands_under_both_policies_where_it_is_part_of_them_under_one(here: Path) -> None:
    silence = {
        "matchers": ["severity=medium"],
        "starts_at": START,
        "ends_at": START + 10**7,
        "author": "a",
        "comment": "b",
    }
    (here / "quiet.yaml").write_text(yaml.safe_dump({**POLICY, "silences": {"night": silence}}))
    told = reported(here, "--routes", "quiet.yaml")["told"]
    assert told["candidate"]["hidden"] == {"silence": 3}
    assert [one["hidden_by"] for one in told["untold"]] == [[{"stage": "silence", "by": "night"}]] * 2


def test_what_waits_for_its_group_when_the_range_ends_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    route = {"receivers": ["chat"], "group_by": ["key.actor"], "group_wait": "2m"}
    (here / "slow.yaml").write_text(yaml.safe_dump({**POLICY, "route": route}))
    untold = reported(here, "--routes", "slow.yaml")["told"]["untold"]
    assert [(HOSTILE in one["title"], one["waits"]) for one in untold] == [(True, True)], "the last of three"
    assert "1 of them still wait to be told when the range ends" in capsys.readouterr().out
    longer = reported(here, "--routes", "slow.yaml", "--to", rfc3339(START + 600_000))["told"]
    assert longer["untold"] == []


def test_without_it_there_is_no_such_section(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "told" not in reported(here)
    assert "who would have been told" not in capsys.readouterr().out
    assert "Who would have been told" not in (here / "out/report.html").read_text("utf-8")


def test_it_stands_in_the_terminal_and_in_the_page_as_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reported(here, "--routes", "few.yaml")
    out = capsys.readouterr().out
    assert "who would have been told what\n" in out
    assert "nobody would have been told of 2 alerts; today somebody is told of 2 of these" in out
    page = Elements((here / "out/report.html").read_text("utf-8"))
    assert "Nobody would have heard of (2)" in page.text
    assert f"5 failures of {HOSTILE}"[2:] in page.text.partition("Nobody would have heard of")[2]
    assert page.tags.isdisjoint({"script", "img", "link", "iframe"})


def test_history_that_was_written_later_is_heard_from_its_own_time_on() -> None:
    found = Spool()
    found.add(Waiting(1_000, b"acme", b"{}"))
    controls = Controls.throughout(Control(1, RuleSet(())))
    ran = Ran(RuleSet(()), Replayed(found=[found]), [Facts(1, 5_000, 6_000)], controls)
    assert range_of(ran, None) == Range(1_000, 6_001)
    assert range_of(ran, 9_000) == Range(1_000, 9_000)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("receivers: [{name: chat}]\nroute: {receivers: [chta]}\n", "bad.yaml:2: route root: no receiver is called 'chta'"),
        ("receivers: []\n", "the policy tells nobody"),
        ("receivers: [\n", "bad.yaml"),
        (None, "bad.yaml: cannot be read"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_said_before_the_work(
    here: Path, capsys: pytest.CaptureFixture[str], policy: str | None, said: str
) -> None:
    if policy is not None:
        (here / "bad.yaml").write_text(policy)
    backtest(*SOURCE, "--routes", "bad.yaml", "--resume", "work", status=2)
    error = capsys.readouterr().err
    assert said in " ".join(error.split())
    assert "Traceback" not in error
