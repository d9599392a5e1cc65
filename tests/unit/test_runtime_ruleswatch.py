"""Watched rule files: what comes into force, what is refused and how that is seen, and what is not looked at yet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams import telemetry
from streams.detect.registry import KINDS
from streams.errors import ClusterError
from streams.replay.rules.cases import passing
from streams.rules.load import load_rules
from streams.rules.rule import RuleSet
from streams.runtime.ruleswatch import Look, RulesWatch
from tests.unit.test_replay_ruletests import BURST, OPENED, RAISED, RULE, SOURCES


class Cluster:
    """What is in force, and how often it was written to."""

    def __init__(self) -> None:
        self.ruleset = RuleSet(())
        self.written = 0
        self.down = False

    def apply(self, ruleset: RuleSet) -> int:
        if self.down:
            raise ClusterError("could not write")
        self.ruleset = ruleset
        self.written += 1
        return self.written


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def watch(tmp_path: Path, cluster: Cluster) -> RulesWatch:
    return RulesWatch(
        [tmp_path],
        load=lambda: passing(load_rules([tmp_path], KINDS), SOURCES),
        in_force=lambda: cluster.ruleset.version,
        apply=cluster.apply,
    )


def write(folder: Path, name: str = "rule", **more: Any) -> Path:
    file = folder / f"{name}.yaml"
    test = {"name": "fires", "events": BURST, "expect": [OPENED, RAISED]}
    file.write_text(yaml.safe_dump({**RULE, "tests": [test], **more}))
    return file


def refused() -> float | None:
    return telemetry.REGISTRY.get_sample_value("tocsin_rules_file_refused")


def test_what_stands_there_comes_into_force_once_it_stands_still(
    tmp_path: Path, watch: RulesWatch, cluster: Cluster
) -> None:
    write(tmp_path)
    assert [watch.look() for _ in range(3)] == [Look.SETTLING, Look.APPLIED, Look.UNCHANGED]
    assert [rule.id for rule in cluster.ruleset.rules] == ["test.burst"]
    write(tmp_path, title="another title")
    assert [watch.look() for _ in range(3)] == [Look.SETTLING, Look.APPLIED, Look.UNCHANGED]
    assert cluster.ruleset.rules[0].title == "another title"
    write(tmp_path, "second", id="test.second")
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.APPLIED]
    (tmp_path / "second.yaml").unlink()
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.APPLIED]
    assert len(cluster.ruleset.rules) == 1


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"detect": {"cuont": {}}}, "is not a kind"),
        ({"tests": [{"name": "wrong", "events": BURST, "expect": [OPENED]}]}, "not expected: it raised"),
    ],
    ids=["does-not-load", "fails-its-test"],
)
def test_a_bad_set_is_refused_whole_and_the_old_one_goes_on(
    tmp_path: Path, watch: RulesWatch, cluster: Cluster, bad: dict[str, Any], says: str
) -> None:
    write(tmp_path)
    watch.look(), watch.look()
    before = cluster.ruleset.version
    write(tmp_path, "new", id="test.new")
    write(tmp_path, "bad", id="test.bad", **bad)
    assert [watch.look() for _ in range(3)] == [Look.SETTLING, Look.REFUSED, Look.UNCHANGED]
    assert (cluster.ruleset.version, cluster.written, refused()) == (before, 1, 1)
    assert says in str(watch.refused)
    assert "bad.yaml:" in str(watch.refused)
    (tmp_path / "bad.yaml").unlink()
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.APPLIED]
    assert (len(cluster.ruleset.rules), refused(), watch.refused) == (2, 0, None)


def test_a_bad_file_that_goes_back_to_what_it_was_is_good_again(
    tmp_path: Path, watch: RulesWatch, cluster: Cluster
) -> None:
    file = write(tmp_path)
    watch.look(), watch.look()
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.REFUSED]
    file.write_text(text)
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.IN_FORCE]
    assert (cluster.written, refused()) == (1, 0)


def test_what_is_being_written_is_let_be(tmp_path: Path, watch: RulesWatch, cluster: Cluster) -> None:
    file = write(tmp_path)
    for length in range(0, 60, 20):
        file.write_text("x" * length)
        assert watch.look() is Look.SETTLING
    write(tmp_path)
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.APPLIED]
    assert cluster.written == 1


def test_what_is_written_while_it_is_read_is_no_problem_yet(tmp_path: Path, cluster: Cluster) -> None:
    file = write(tmp_path)

    def load() -> RuleSet:
        half = file.read_text()
        if half.startswith("half"):
            write(tmp_path)
            file.rename(tmp_path / "other.yaml")
        return load_rules([file], KINDS)

    watch = RulesWatch([tmp_path], load, lambda: cluster.ruleset.version, cluster.apply)
    file.write_text("half")
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.SETTLING]
    assert watch.refused is None


def test_a_file_is_seen_to_change_with_the_same_size_and_through_a_link(
    tmp_path: Path, watch: RulesWatch, cluster: Cluster
) -> None:
    for folder in (".one", ".two"):  # as a mounted ConfigMap has it
        (tmp_path / folder).mkdir()
    write(tmp_path / ".one", title="title one")
    write(tmp_path / ".two", title="title two")
    stamp = (tmp_path / ".one" / "rule.yaml").stat()
    os.utime(tmp_path / ".two" / "rule.yaml", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (tmp_path / "rule.yaml").symlink_to(tmp_path / ".one" / "rule.yaml")
    watch.look(), watch.look()
    (tmp_path / "rule.yaml").unlink()
    (tmp_path / "rule.yaml").symlink_to(tmp_path / ".two" / "rule.yaml")
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.APPLIED]
    assert cluster.ruleset.rules[0].title == "title two"


def test_what_was_applied_by_hand_stays_until_a_file_changes(
    tmp_path: Path, watch: RulesWatch, cluster: Cluster
) -> None:
    write(tmp_path)
    watch.look(), watch.look()
    cluster.ruleset = RuleSet(())
    assert watch.look() is Look.UNCHANGED
    write(tmp_path, title="changed")
    assert [watch.look() for _ in range(2)] == [Look.SETTLING, Look.APPLIED]


def test_a_cluster_that_cannot_be_written_to_is_tried_again(
    tmp_path: Path, watch: RulesWatch, cluster: Cluster
) -> None:
    write(tmp_path)
    cluster.down = True
    assert [watch.look() for _ in range(3)] == [Look.SETTLING, Look.FAILED, Look.FAILED]
    cluster.down = False
    assert [watch.look() for _ in range(2)] == [Look.APPLIED, Look.UNCHANGED]
