"""``tocsin routes backtest`` and ``tocsin silences backtest`` over exported alerts and over events."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from connectors.times import for_people
from streams.cli import cli
from streams.cli.context import Invocation
from streams.simulate.night.play import default_policy
from tests.unit.nights_past import Past
from tests.unit.test_backtest_cli import EVENTS, HOSTILE, RULE

AT = "2024-01-09T02:30:00Z"
ALERT = {"id": "a1", "rule": "ops.down", "severity": "critical", "tenant": "acme", "title": "it is down",
         "created_at": AT, "version": 1, "status": "active"}  # fmt: skip
PHONE = {
    "receivers": [{"name": "chat"}, {"name": "phone", "oncall": "first"}],
    "route": {"receivers": ["chat"]},
    "escalate": {"critical": "urgent"},
    "escalations": {"urgent": {"levels": [{"after": "10m", "notify": ["phone"]}]}},
    "oncall": {"first": {"timezone": "America/New_York", "layers": [{"people": ["ada"], "starts_at": 0}]}},
    "remind_severities": [],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration that has a policy of its own."""
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tocsin.yaml").write_text(yaml.safe_dump({"policy": PHONE}))
    return tmp_path


def invoked(*args: str | Path) -> Result:
    return CliRunner().invoke(
        cli, ["--config", "tocsin.yaml", *map(str, args)], obj=Invocation(), standalone_mode=False
    )  # fmt: skip


def said(*args: str | Path, status: int = 0) -> dict[str, Any]:
    done = invoked(*args, "--json")
    assert done.exception is None, done.exception
    assert done.return_value in (status, None)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*args: str | Path) -> str:
    done = invoked(*args)
    assert isinstance(done.exception, Exception), done.output
    return getattr(done.exception, "message", str(done.exception))


def alerts(here: Path, *some: dict[str, Any], name: str = "alerts.jsonl") -> Path:
    file = here / name
    file.write_text("".join(json.dumps(ALERT | one) + "\n" for one in some))
    return file


def policy(here: Path, **sections: Any) -> Path:
    file = here / "candidate.yaml"
    file.write_text(yaml.safe_dump({**PHONE, **sections}))
    return file


def backtest(*args: str | Path, **more: Any) -> dict[str, Any]:
    return said("routes", "backtest", *args, **more)


# --- who is told


def test_nights_are_those_of_the_person_and_levels_those_of_the_candidate(here: Path) -> None:
    """02:30 UTC is 21:30 in New York, where ada is: ten minutes later it is day, after fifty it is night."""
    file = alerts(
        here, {}, {"id": "a2", "created_at": "2024-01-09T02:32:00Z", "acknowledged_at": "2024-01-09T02:35:00Z"}
    )
    late = {"urgent": {"levels": [{"after": "50m", "notify": ["phone"]}]}}
    made = backtest("--policy", policy(here, escalations=late), "--alerts", file, "--to", "2024-01-09T12:00:00Z")
    (ada,) = made["people"]
    assert (ada["person"], ada["timezone"]) == ("ada", "America/New_York")
    assert (ada["today"]["rang"], ada["today"]["at_night"]) == (1, 0)
    assert (ada["candidate"]["rang"], ada["candidate"]["nights"]) == (1, {"2024-01-08": 1})
    ((later,), rest) = made["later"], [made[name] for name in ("new", "gone", "earlier", "untold")]
    assert (later["alert_id"], later["receiver"], later["by_ms"], later["rings"]) == ("a1", "phone", 2_400_000, True)
    assert rest == [[], [], [], []]
    assert made["same"] == 2
    assert "2024-01-08: 1" in invoked("routes", "backtest", "--policy", "candidate.yaml", "--alerts", file,
                                      "--to", "2024-01-09T12:00:00Z").stdout  # fmt: skip


def test_who_is_on_call_instead_is_named(here: Path) -> None:
    grace = {"first": {"layers": [{"people": ["grace"], "starts_at": 0}]}}
    made = backtest(
        "--policy", policy(here, oncall=grace), "--alerts", alerts(here, {}), "--to", "2024-01-09T04:00:00Z"
    )
    assert [(one["receiver"], one["to"], one["today_to"]) for one in made["reassigned"]] == [
        ("phone", ["grace"], ["ada"])
    ]  # fmt: skip
    assert [(one["person"], one["today"]["rang"], one["candidate"]["rang"]) for one in made["people"]] == [
        ("ada", 1, 0), ("grace", 0, 1)
    ]  # fmt: skip
    assert made["same"] == 1


def test_an_alert_nobody_would_be_told_of_is_named_and_fails_the_check(here: Path) -> None:
    file = alerts(here, {}, {"id": "low", "severity": "low", "title": "[bold]rather low[/bold]"})
    candidate = policy(here, route={"receivers": ["chat"], "match": {}, "routes": [
        {"match": {"severity": "low"}, "receivers": []}]})  # fmt: skip
    made = backtest("--policy", candidate, "--alerts", file, "--check", status=1)
    assert [(one["alert_id"], one["today"]) for one in made["untold"]] == [("low", ["chat"])]
    assert [(one["alert_id"], one["receiver"]) for one in made["gone"]] == [("low", "chat")]
    assert made["receivers"][0]["candidate"] == {"messages": 1, "alerts": 1, "reasons": {"new": 1}}
    done = invoked("routes", "backtest", "--policy", candidate, "--alerts", file, "--check")
    assert done.return_value == 1
    assert "[bold]rather low[/bold]" in done.stdout, "a title is text"
    assert "nobody would be told of 1 alerts" in done.stderr
    assert backtest("--policy", candidate, "--alerts", alerts(here, {}), "--check", status=0)["untold"] == []


def test_the_page_says_the_same_and_a_title_is_text_in_it(here: Path) -> None:
    file = alerts(here, {"title": HOSTILE}, {"id": "a2", "severity": "low"})
    changes = {"route": {"receivers": ["chat"], "delay": {"low": "2m"}}, "oncall": {"first": {"layers": [
        {"people": ["grace"], "starts_at": 0}]}}}  # fmt: skip
    made = backtest(
        "--policy", policy(here, **changes), "--alerts", file, "--to", "2024-01-09T04:00:00Z", "--html", "p.html"
    )
    text = (here / "p.html").read_text()
    assert "<script" not in text
    assert "<img" not in text
    assert HOSTILE.replace("<", "&lt;").split("&lt;img")[0].replace(">", "&gt;").replace('"', "&#34;") in text
    assert (len(made["later"]), len(made["reassigned"])) == (1, 1)
    assert "today 2024-01-09T02:30:00.000Z, 2m later" in text
    assert "today ada" in text
    assert "cannot write nowhere/p.html" in refused("routes", "backtest", "--policy", "candidate.yaml", "--alerts", file,
                                                     "--html", "nowhere/p.html")  # fmt: skip


def test_a_policy_compared_with_itself_changes_nothing_however_the_alerts_are_packed(here: Path) -> None:
    past = Past(default_policy())
    lines = [msgspec.json.encode(for_people(msgspec.to_builtins(one))) for one in past.alerts.values()]
    (here / "plain.jsonl").write_bytes(b"\n".join(lines))
    (here / "packed.gz").write_bytes(gzip.compress(b"\n".join(reversed(lines))))
    (here / "night.yaml").write_text(yaml.safe_dump(default_policy()))
    both = [backtest("--policy", "night.yaml", "--baseline", "night.yaml", "--alerts", name)
            for name in ("plain.jsonl", "packed.gz")]  # fmt: skip
    assert both[0] == both[1]
    assert [both[0][name] for name in ("new", "gone", "later", "earlier")] == [[], [], [], []]
    own = sum(one.rule.startswith("tocsin.") for one in past.alerts.values())
    assert both[0]["notes"] == [f"{own} alerts of Tocsin's own are left out: it makes them again"]
    assert both[0]["same"] > 100
    live = {one.alert_id for one in past.sent.values() if one.group is None}
    again = {one["alert_id"] for one in backtest("--policy", policy(here, route={"receivers": ["chat"]}),
                                                 "--baseline", "night.yaml", "--alerts", "plain.jsonl")["gone"]}  # fmt: skip
    assert len(live & again) > 0.8 * len({one for one in live if not past.alerts[one].rule.startswith("tocsin.")}), (
        "ids are those of the alerts"
    )


def test_versions_of_one_alert_are_one_that_gets_worse(here: Path) -> None:
    first = {"severity": "low", "updated_at": AT}
    worse = {"severity": "critical", "version": 2, "updated_at": "2024-01-09T02:40:00Z"}
    made = backtest("--policy", policy(here), "--alerts", alerts(here, worse, first), "--to", "2024-01-09T03:30:00Z",
                    "--baseline", policy(here))  # fmt: skip
    assert made["today"]["alerts"] == 1
    assert [(one["receiver"], one["today"]["reasons"]) for one in made["receivers"]] == [
        ("chat", {"new": 1, "severity_raised": 1}), ("phone", {"escalated": 1})
    ]  # fmt: skip


def test_what_rules_find_in_events_is_told_too(here: Path) -> None:
    (here / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (here / "rule.yaml").write_text(RULE.replace("AT_LEAST", "4"))
    candidate = policy(here, route={"receivers": ["chat", "phone"], "delay": {"medium": "30s"}})
    made = backtest("--policy", candidate, "--source", "audit=audit.jsonl", "--rules", "rule.yaml")
    assert made["today"]["alerts"] == 3
    assert {(one["receiver"], one["reason"]) for one in made["new"]} == {("phone", "new"), ("phone", "severity_raised")}
    assert [one["by_ms"] for one in made["later"] if one["reason"] == "new"] == [30_000] * 3
    (medium,) = [one for one in made["first_told"] if one["severity"] == "medium"]
    assert (medium["today"]["p50_ms"], medium["candidate"]["p50_ms"]) == (0, 30_000)


# --- silences


def test_a_silence_hides_what_it_would_have_hidden_and_says_what_was_real(here: Path) -> None:
    file = alerts(
        here, {"disposition": "true_positive", "resolved_at": "2024-01-09T02:45:00Z"},
        {"id": "a2", "created_at": "2024-01-09T02:31:00Z"}, {"id": "a3", "rule": "other"},
        {"id": "a4", "created_at": "2024-01-09T05:00:00Z"},
    )  # fmt: skip
    quiet = ("silences", "backtest", "--match", "rule=ops.down", "--alerts", file, "--to", "2024-01-09T03:00:00Z")
    made = said(*quiet)
    assert [(one["alert_id"], one["disposition"], one["never_told"], list(one["told_later"])) for one in made["hidden"]] == [
        ("a1", "true_positive", ["chat", "phone"], []), ("a2", "", [], ["chat", "phone"]),
    ]  # fmt: skip
    assert (made["alerts"], made["true_positives"]) == (3, 1)
    assert made["hidden"][1]["told_later"]["chat"] == "2024-01-09T03:00:00.000Z", "when it ends"
    text = invoked(*quiet).stdout
    assert "it would have hidden 2, 1 of them true positives (1 true positive, 1 unlabelled)" in text
    labels = here / "labels.jsonl"
    labels.write_text(json.dumps({"alert_id": "a2", "rule": "ops.down", "tenant": "acme", "key": {}, "event_ids": [],
                                  "disposition": "benign", "first_event_time": 1, "last_event_time": 1}) + "\n")  # fmt: skip
    assert said(*quiet, "--labels", labels)["dispositions"] == {"benign": 1, "true_positive": 1}
    assert "would have hidden none" in invoked(*quiet[:2], "--match", "rule=nothing", *quiet[4:]).stdout
    assert said(*quiet, "--tenant", "beta")["hidden"] == []


# --- what is wrong

#: (arguments, what is said)
WRONG = [
    (("routes", "backtest", "--policy", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
    (("routes", "backtest", "--policy", "bad.yaml"), "bad.yaml:3: route root/x: no receiver is called 'chta' (did you mean"),
    (("routes", "backtest", "--policy", "bad.yaml"), "bad.yaml:4: remind_after: 'soon' is not a duration"),
    (("routes", "backtest", "--policy", "bad.yaml"), "bad.yaml:5: unknown key 'recievers'"),
    (("routes", "backtest", "--policy", "nobody.yaml"), "the policy tells nobody"),
    (("routes", "backtest", "--policy", "good.yaml", "--baseline", "bad.yaml", "--alerts", "a.jsonl"), "bad.yaml:3"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "no.jsonl"), "there is no such file"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "empty.jsonl"), "holds no alert"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "odd.jsonl"), "odd.jsonl:2: alert b: severity: 'awful'"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "word.jsonl"), "word.jsonl:1: alert c: severity_word: takes text, not 3"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "a.jsonl", "--from", "2030-01-01T00:00:00Z"),
     "there were no alerts from 2030-01-01"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "a.jsonl", "--from", "100"), "is no time"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "a.jsonl", "--night", "noon"), "write hours such as"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "a.jsonl", "--timezone", "Mars/X"), "no time zone 'Mars/X'"),
    (("routes", "backtest", "--policy", "good.yaml", "--alerts", "a.jsonl", "--source", "audit=x"), "exclude each other"),
    (("routes", "backtest", "--policy", "good.yaml", "--rules", "x.yaml"), "belong to --source"),
    (("silences", "backtest", "--match", "severity", "--alerts", "a.jsonl"), "takes a matcher such as"),
    (("silences", "backtest", "--match", "a=b", "--alerts", "a.jsonl", "--labels", "labels.jsonl"), "none of its 1 labels"),
]  # fmt: skip


def test_what_is_wrong_is_said_with_its_place(here: Path) -> None:
    alerts(here, {}, name="a.jsonl")
    alerts(here, {}, {"id": "b", "severity": "awful"}, name="odd.jsonl")
    alerts(here, {"id": "c", "severity_word": 3, "disposition": {}}, name="word.jsonl")
    (here / "empty.jsonl").write_text("\n")
    (here / "good.yaml").write_text(yaml.safe_dump(PHONE))
    (here / "nobody.yaml").write_text("receivers: []\n")
    (here / "bad.yaml").write_text(
        "receivers: [{name: chat}]\nroute: {receivers: [chat], routes: [\n  {name: x, receivers: [chta]}]}\n"
        "remind_after: soon\nrecievers: []\n"
    )
    (here / "labels.jsonl").write_text(json.dumps({
        "alert_id": "z", "rule": "r", "tenant": "t", "key": {}, "event_ids": [], "disposition": "benign",
        "first_event_time": 1, "last_event_time": 1}) + "\n")  # fmt: skip
    for args, what in WRONG:
        assert what in " ".join(refused(*args).split()), args
