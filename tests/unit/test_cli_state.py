"""``tocsin state at`` over a file: the key's window as it was at each moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from streams.cli import cli
from streams.replay.moments import rfc3339
from tests.detecting import BASE, event, rule

COUNT = {"count": {"at_least": 4, "within": "10s"}}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(yaml.safe_dump({**rule("a", COUNT), "tests": [{
        "name": "fires", "events": [{"at": "0s", "action": "login", "actor": "x", "times": 4, "every": "1s"}],
        "expect": [{"at": "3s"}]}]}))  # fmt: skip
    lines = [event(n * 1_000, n, actor="bob" if n % 2 else "ada") for n in range(10)]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return tmp_path


def at(place: Path, after: int, *more: str, status: int = 0, key: str = "actor=ada") -> Any:
    done = CliRunner().invoke(cli, [
        "state", "at", "--rule", "a", "--key", key, "--tenant", "acme", "--time", rfc3339(BASE + after),
        "--source", f"audit={place / 'log.jsonl'}", "--rules", str(place / "rules"), *more,
    ])  # fmt: skip
    assert (done.exit_code != 0) is (status != 0), (done.output, done.exception)
    return json.loads(done.stdout) if not status else f"{done.output}{done.exception}"


@pytest.mark.parametrize(
    ("after", "own", "measured", "events"),
    [(0, 1, 1, 3), (1_999, 1, 1, 3), (2_000, 2, 2, 2), (4_000, 3, 3, 1), (8_000, 5, 5, 1), (999_000, 5, 5, 1)],
)
def test_the_window_at_a_moment_and_what_the_next_finding_needs(
    place: Path, after: int, own: int, measured: int, events: int
) -> None:
    said = at(place, after)
    assert (said["of_this_key"], said["state"]["measured"]) == (own, measured)
    assert said["next"]["events"] == events
    assert said["next"]["finding"]["observed"] == measured + events


def test_of_a_key_that_never_came_nothing_is_remembered(place: Path) -> None:
    said = at(place, 9_000, key="actor=eve")
    assert (said["state"], said["of_this_key"], said["next"]) == (None, 0, None)


@pytest.mark.parametrize(
    ("after", "key", "words"), [(-1_000, "actor=ada", "no record was written"), (0, "who=ada", "are actor")]
)
def test_what_cannot_be_is_said(place: Path, after: int, key: str, words: str) -> None:
    assert words in at(place, after, status=2, key=key)
