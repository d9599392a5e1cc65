"""The simulated night: everything that it should show happens in it, and the same seed makes the same night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from streams.cli.night import command
from streams.errors import ConfigError
from streams.simulate.night import Kind, Line, Tale, play
from streams.simulate.night.play import default_policy
from streams.simulate.night.script import HOUR

EVENING = 1_704_744_000_000  # 2024-01-08T20:00:00Z
GOLDEN = Path(__file__).parents[1] / "golden" / "night.txt"


@pytest.fixture(scope="module")
def night() -> Tale:
    return play(default_policy(), 1, EVENING, 12 * HOUR)


def about(tale: Tale, what: str, kind: Kind = Kind.TOLD) -> list[Line]:
    return [line for line in tale.lines if what in line.what and line.kind is kind]


def test_the_same_seed_makes_the_same_night_and_another_one_another(night: Tale) -> None:
    assert play(default_policy(), 1, EVENING, 12 * HOUR) == night
    assert play(default_policy(), 2, EVENING, 12 * HOUR) != night


def test_lines_stand_in_order_of_time_within_the_night(night: Tale) -> None:
    times = [line.at for line in night.lines]
    assert times == sorted(times)
    assert night.begin <= times[0] < times[-1] < night.end


@pytest.mark.parametrize("seed", range(1, 9))
def test_every_night_shows_all_that_may_happen(seed: int) -> None:
    night = play(default_policy(), seed, EVENING, 12 * HOUR)
    assert {"maintenance", "silence", "throttle"} <= night.hidden().keys()
    assert {line.who for line in about(night, "the ledger has stopped")} == {
        "chat",
        "pager",
        "phone",
        "lead",
        "manager",
    }
    assert len(about(night, "40 failed logins", Kind.QUIET)) == 5, "taken in hand, it comes again and pages nobody"
    assert [line.who for line in about(night, "40 failed logins") if line.loud] == ["pager"]
    assert {"new", "reopened", "resolved"} == {line.reason for line in about(night, "edge-3 answers")}
    assert about(night, "alerts about payments-eu")
    assert [line.who for line in night.lines if line.reason == "fallback"] == ["phone"]
    told_of_racks = {line.alert for line in about(night, "rack7-")}
    assert len(told_of_racks) == 12, "the storm's cap: the others are told by nobody, then or later"


def test_what_maintenance_has_hidden_and_still_stands_is_told_when_it_ends(night: Tale) -> None:
    released = about(night, "db-2 does not answer")
    assert {line.who for line in released if line.at == EVENING + 7 * HOUR} == {"chat", "pager"}
    assert not [line for line in about(night, "does not answer") if line.at < EVENING + 7 * HOUR]


def test_nobody_on_the_ladder_is_woken_twice_for_one_level(night: Tale) -> None:
    rung = [(line.alert, line.who, line.why) for line in night.lines if line.reason == "escalated"]
    assert len(rung) == len(set(rung))


@pytest.mark.parametrize("preset", ["operations", "audit", "trading"])
def test_a_preset_can_be_played(preset: str) -> None:
    tale = play({"preset": preset}, 1, EVENING, 12 * HOUR)
    assert tale.opened > 50
    assert sum(counts.total() for counts in tale.receivers().values()) > 50


def test_a_policy_that_is_wrong_says_so() -> None:
    with pytest.raises(ConfigError, match="receivrs"):
        play({"receivrs": []}, 1, EVENING, HOUR)


def ran(*args: str) -> Any:
    return CliRunner().invoke(command, args, catch_exceptions=False)


def test_a_short_night_reads_as_it_did() -> None:
    """Where it changes on purpose: tocsin night --seed 7 --start 2024-01-09T00:30:00Z --hours 4 > tests/golden/night.txt"""
    done = ran("--seed", "7", "--start", "2024-01-09T00:30:00Z", "--hours", "4")
    assert done.output == GOLDEN.read_text(encoding="utf-8")


def test_json_has_the_timeline_and_the_sums() -> None:
    tale = json.loads(ran("--hours", "6", "--json").output)
    assert tale["begin"] == "2024-01-08T20:00:00Z"
    assert {"at", "kind", "what"} <= tale["timeline"][0].keys()
    told = [line for line in tale["timeline"] if line["kind"] == "told"]
    assert sum(sum(counts.values()) for counts in tale["receivers"].values()) == len(told)
    assert sum(person["rung"] for person in tale["people"].values()) == sum(1 for line in told if line.get("loud"))


def test_a_policy_may_come_from_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.yaml"
    file.write_text(yaml.safe_dump({"policy": {"receivers": [{"name": "only"}]}}))
    assert json.loads(ran("--policy", str(file), "--json").output)["receivers"].keys() == {"only"}


@pytest.mark.parametrize(("args", "said"), [
    (("--hours", "0"), "takes 1 to 24 hours"),
    (("--hours", "x"), "not a duration"),
    (("--preset", "operations", "--policy", __file__), "not both"),
])  # fmt: skip
def test_wrong_options_are_named(args: tuple[str, ...], said: str) -> None:
    done = ran(*args)
    assert done.exit_code == 2
    assert said in done.output
