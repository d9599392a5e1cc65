"""``tocsin score`` over files with their labels, as a release would be held to its figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from streams.cli.context import Invocation
from streams.cli.score import command
from streams.errors import ConfigError
from streams.simulate import generate
from streams.simulate.write import to_files, truth
from tests.showcase import FILES

NIGHT = 1_704_139_200_000


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of the showcase: one file a source, and ``truth.jsonl``."""
    folder = tmp_path_factory.mktemp("traffic")
    labels = {s.label.attack: s.label for s in to_files(generate(1, NIGHT, 600_000, 20), folder) if s.label}
    (folder / "truth.jsonl").write_bytes(b"\n".join(truth(labels.values())))
    return folder


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], obj=Invocation(), standalone_mode=False)


def sources(traffic: Path) -> list[str]:
    names = ("audit", "trade", "chain", "metric")
    return [arg for name in names for arg in ("--source", f"{name}={traffic / f'{name}.jsonl'}")]


def rules(*files: Path) -> list[str]:
    return [arg for file in files for arg in ("--rules", str(file))]


def test_the_showcase_finds_its_attacks_and_says_nothing_false(traffic: Path) -> None:
    done = invoke("--truth", traffic / "truth.jsonl", *sources(traffic), *rules(*FILES), "--json",
                  "--min-recall", "1", "--max-false", "0")  # fmt: skip
    assert done.return_value == 0, done.stderr
    figures = json.loads(done.stdout)
    labels = [json.loads(line) for line in (traffic / "truth.jsonl").read_text().splitlines()]
    assert figures["totals"]["attacks"] == figures["totals"]["found"] == len(labels)
    assert {one["rule"] for one in figures["rules"] if one["attacks"]} == {label["rule"] for label in labels}
    assert figures["background_events"] == 12_000


def changed(folder: Path, **where: Any) -> Path:
    """The rule about bursts of failed logins, looking at something else."""
    file = next(file for file in FILES if file.stem == "failed-login-burst")
    document = yaml.safe_load(file.read_text())
    document["where"] = {**document["where"], **where}
    document["tests"] = [{"name": "x", "events": [{"actor": "a"}], "expect": [{"at": "0s"}]}]
    (folder / "failed-login-burst.yaml").write_text(yaml.safe_dump(document))
    return folder / "failed-login-burst.yaml"


def test_a_blind_rule_falls_below_the_recall_that_is_asked_for(traffic: Path, tmp_path: Path) -> None:
    blind = changed(tmp_path, region="nowhere")
    done = invoke("--truth", traffic / "truth.jsonl", *sources(traffic), *rules(blind), "--min-recall", "0.9")
    assert done.return_value == 1
    assert "audit.failed-login-burst: recall 0.00 is below 0.9" in done.stderr


def test_a_noisy_rule_exceeds_the_false_alerts_that_are_allowed(traffic: Path, tmp_path: Path) -> None:
    noisy = changed(tmp_path, action={"exists": True}, outcome={"exists": True})
    done = invoke("--truth", traffic / "truth.jsonl", *sources(traffic), *rules(noisy), "--max-false", "20")
    assert done.return_value == 1
    assert "false alerts a million background events are above 20" in done.stderr


def test_it_prints_a_page_and_a_table(traffic: Path) -> None:
    given = ("--truth", traffic / "truth.jsonl", *sources(traffic), *rules(*FILES))
    assert invoke(*given, "--markdown").stdout.startswith("# Measured quality")
    assert "audit.failed-login-burst" in invoke(*given).stdout


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--source", "audits=x"), "NAME=FILE"),
        ((), "no rule reads"),
    ],
)
def test_what_cannot_be_scored_says_so(traffic: Path, more: tuple[str, ...], says: str) -> None:
    error = invoke("--truth", traffic / "truth.jsonl", *rules(*FILES), *more).exception
    assert isinstance(error, ConfigError)
    assert says in f"{error.message} {error.hint}"


def test_a_line_that_is_no_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "truth.jsonl").write_bytes(msgspec.json.encode({"attack": "x"}) + b"\n")
    error = invoke("--truth", tmp_path / "truth.jsonl", *rules(*FILES)).exception
    assert isinstance(error, ConfigError)
    assert f"{tmp_path / 'truth.jsonl'}:1: " in error.message


@pytest.mark.parametrize(
    "args", [("--source", "audit=x"), ("--truth", "x", "--seed", "3"), ("--truth", "x", "--write")]
)
def test_what_does_not_go_together_is_refused(args: tuple[str, ...], tmp_path: Path) -> None:
    error = invoke(*args, *rules(*FILES)).exception
    assert error is not None
    assert "--truth" in str(error)
