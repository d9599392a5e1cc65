"""``tocsin tune`` on files: the curve, what it suggests and why, what it writes, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli import main
from tests.unit.test_backtest_cli import HOSTILE, LABELS, RULE, START, Elements, failures

#: So many failures of each: two attacks, of which one is small, and somebody who is only clumsy.
TRIED = {"ada": 9, "bea": 6, "cyd": 3, HOSTILE: 2}
FROM = ("--source", "audit=audit.jsonl", "--rules", "rule.yaml")
SWEEP = ("test.burst", *FROM, "--param", "detect.count.at_least=2..12")


def said(actor: str, minute: int, disposition: str) -> dict[str, Any]:
    at = START + minute * 60_000
    return {**LABELS[0], "alert_id": f"label-{actor}", "key": {"actor": actor}, "disposition": disposition,
            "event_ids": [f"{actor}-{n}" for n in range(9)], "first_event_time": at, "last_event_time": at}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    events = [event for minute, (actor, times) in enumerate(TRIED.items()) for event in failures(actor, times, minute)]
    (tmp_path / "audit.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (tmp_path / "rule.yaml").write_text(RULE.replace("AT_LEAST", "3"))
    labels = [said("ada", 0, "true_positive"), said("bea", 1, "true_positive"), said("cyd", 2, "false_positive")]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))
    return tmp_path


def tocsin(*args: str | Path, command: str = "tune", status: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, *map(str, args)])
    sys.stdout.flush()
    assert (ended.value.code or 0) == status


def reported(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    capsys.readouterr()
    tocsin(*args, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_curve_has_what_each_setting_finds_saves_and_misses(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = reported(capsys, *SWEEP, "--labels", "labels.jsonl")
    curve = {one["values"][0]: one for one in made["points"]}
    assert {n: one["alerts"] for n, one in curve.items()} == {
        n: sum(times >= n for times in TRIED.values()) for n in range(2, 13)
    }
    assert [n for n, one in curve.items() if one["is_current"]] == [3]
    assert {n: one["alerts_saved"] for n, one in curve.items()}[7] == 2
    assert [(one["missed"], one["labels"]["precision"]) for n, one in curve.items() if n in (3, 4, 7, 10)] == [
        (0, 0.6667), (0, 1.0), (1, 1.0), (2, None)
    ]  # fmt: skip


def test_the_middle_of_the_plateau_is_suggested_with_what_its_neighbours_would_change(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = reported(capsys, *SWEEP, "--labels", "labels.jsonl")
    chosen = made["suggestion"]
    assert chosen["plateau"] == [[4], [5], [6]]
    assert chosen["values"] == [5]
    assert not chosen["reaches_the_end"]
    assert [one["key"] for one in chosen["from_now"]["false_alerts_saved"]] == [{"actor": "cyd"}]
    steps = {one["to"][0]: one for one in made["steps"]}
    assert [one["key"] for one in steps[7]["attacks_lost"]] == [{"actor": "bea"}]
    assert [one["key"] for one in steps[4]["false_alerts_saved"]] == [{"actor": "cyd"}]
    assert not any(steps[n]["attacks_lost"] or steps[n]["false_alerts_saved"] for n in (5, 6, 8, 9, 11))


def test_a_plateau_that_is_not_seen_whole_is_said_to_be_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("test.burst", *FROM, "--param", "detect.count.at_least=3..5", "--labels", "labels.jsonl")
    assert reported(capsys, *args)["suggestion"]["reaches_the_end"]
    tocsin(*args)
    assert "how far it goes is not known" in capsys.readouterr().out


def test_what_is_written_is_an_override_that_a_configuration_takes_and_that_tells_the_same(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = reported(capsys, *SWEEP, "--labels", "labels.jsonl", "--write", "tocsin.yaml")
    monkeypatch.setenv("TOCSIN_CONFIG", "tocsin.yaml")
    fragment = yaml.safe_load((here / "tocsin.yaml").read_text())
    assert fragment == {"overrides": {"test.burst": {"detect": {"count": {"at_least": 5}}}}}
    tocsin(*FROM, "--json", command="backtest")
    assert json.loads(capsys.readouterr().out)["counts"]["alerts"] == 4 - 2 == made["points"][3]["alerts"]
    again = reported(capsys, *SWEEP, "--labels", "labels.jsonl")  # now with the override in force
    assert again["now"] == [5]
    assert again["suggestion"]["is_current"]
    tocsin(*SWEEP, "--write", "tocsin.yaml", status=2)
    assert "is there already" in capsys.readouterr().err
    tocsin(*SWEEP, "--choose", "7", "--write", "other.yaml")
    assert yaml.safe_load((here / "other.yaml").read_text())["overrides"]["test.burst"]["detect"]["count"] == {
        "at_least": 7
    }


def test_two_settings_are_tried_in_every_pair_and_the_page_shows_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (here / "labels.jsonl").open("a") as file:
        file.write(json.dumps(said(HOSTILE, 3, "false_positive")) + "\n")
    args = ("test.burst", *FROM, "--param", "detect.count.at_least=2..6/2", "--param", "detect.count.within=2s,5s,1m")
    made = reported(capsys, *args, "--labels", "labels.jsonl", "--html", "sweep.html", "--measure")
    assert [one["values"] for one in made["points"] if one["asked"]][:4] == [[2, "2s"], [2, "5s"], [2, "1m"], [4, "2s"]]
    assert [one["values"] for one in made["points"] if not one["asked"]] == [[3, "10m"]]
    assert {tuple(one["values"]): one["alerts"] for one in made["points"]}[4, "2s"] == 0
    page = Elements((here / "sweep.html").read_text("utf-8"))
    assert f"2 failures of {HOSTILE}" in page.text
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form", "a", "base"})
    assert {"svg", "polyline", "table", "details"} <= page.tags
    assert "times as much, with the same alerts" in page.text


def test_the_command_in_the_report_makes_it_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = reported(capsys, *SWEEP, "--labels", "labels.jsonl")
    program, command, *args = shlex.split(made["command"])
    assert (program, command) == ("tocsin", "tune")
    assert reported(capsys, *args) == made


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (("--param", "detect.count.atleast=2..3"), "did you mean 'detect.count.at_least'"),
        (("--param", "detect.level.above=2..3"), "no setting 'detect.level.above'"),
        (("--param", "title=2..3"), "no setting 'title'"),
        (("--param", "detect.count.at_least=few"), "is no number"),
        (("--param", "detect.count.at_least=9..2"), "runs downwards"),
        (("--param", "detect.count.within=5m..1h"), "has no step"),
        (("--param", "detect.count.at_least=1..900"), "200 are the most"),
        (("--param", "detect.count.at_least=0..2"), "at_least=0: takes a whole number from 1"),
        (("--param", "detect.count.at_least=5m"), "at_least=5m: takes a whole number"),
        (("--param", "severity.high=1,8"), "severity.high=1: is milder than high"),
        (("--param", "cooldown=1m", "--param", "cooldown=2m"), "twice"),
        (("--param", "detect.count.at_least=2", "--from", "2030-01-01T00:00:00Z"), "no events in this range"),
        (("--param", "detect.count.at_least=2", "--labels", "others.jsonl"), "their rules are not among those loaded"),
        (("--param", "detect.count.at_least=2", "--write", "x.yaml"), "nothing is suggested"),
        (("--param", "detect.count.at_least=2", "--choose", "3", "--write", "x.yaml"), "none of the settings"),
        (("--param", "detect.count.at_least=2", "--html", "no/where"), "cannot write no/where"),
    ],
)
def test_what_cannot_be_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], what: str
) -> None:
    (here / "others.jsonl").write_text(json.dumps({**LABELS[0], "rule": "test.other"}) + "\n")
    tocsin("test.burst", *FROM, *args, status=2)
    assert what in capsys.readouterr().err
    assert not (here / "x.yaml").exists()


def test_a_rule_that_is_not_there_or_off_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tocsin("test.brust", *SWEEP[1:], status=2)
    assert "did you mean 'test.burst'" in capsys.readouterr().err
    (here / "rule.yaml").write_text(RULE.replace("AT_LEAST", "3") + "enabled: false\n")
    tocsin(*SWEEP, status=2)
    assert "switched off" in capsys.readouterr().err


def test_a_rule_in_the_shadow_is_asked_what_it_would_tell(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "rule.yaml").write_text(RULE.replace("AT_LEAST", "3") + "stage: shadow\n")
    assert [one["alerts"] for one in reported(capsys, *SWEEP)["points"]][:3] == [4, 3, 2]
