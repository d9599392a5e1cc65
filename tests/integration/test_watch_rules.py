"""``tocsin run --watch-rules`` on a real Kafka: an edited file is in force everywhere, a bad one nowhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from streams.runtime.control import ControlReader
from streams.runtime.names import Names
from tests.integration.test_topics import ROOT, tocsin
from tests.unit.test_replay_ruletests import BURST, OPENED, RAISED, RULE

FIRES = {"name": "fires", "events": BURST, "expect": [OPENED, RAISED]}


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_an_edited_rule_file_is_in_force_and_a_bad_one_is_not(kafka: str, topics: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    file, config, log = tmp_path / "rules" / "rule.yaml", tmp_path / "tocsin.yaml", tmp_path / "worker.log"

    def write(**more: Any) -> None:
        file.write_text(yaml.safe_dump({**RULE, "tests": [FIRES], **more}))

    write()
    overrides = {"test.burst": {"cooldown": "7m"}, "tenants": {"acme": {"test.*": {"severity": "low"}}}}
    config.write_text(yaml.safe_dump({"rules": ["rules"], "data_dir": str(tmp_path / "data"), "overrides": overrides}))
    here = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TOCSIN_TOPIC_PREFIX": topics, "TOCSIN_CONFIG": str(config)}
    assert tocsin("topics", "create", "--partitions", "1", **here).returncode == 0
    reader = ControlReader({"bootstrap.servers": kafka}, Names(app="tocsin", prefix=topics))
    reader.start()
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "run", "--watch-rules", "--no-http", "--roles", "alert"],
            env={**os.environ, **here}, stderr=output, cwd=ROOT,
        )  # fmt: skip
    try:
        until(lambda: len(reader.current.ruleset.rules) == 1, "the files were not brought into force")
        (rule,) = reader.current.ruleset.rules
        assert (rule.cooldown, rule.overridden) == (420_000, "for all: cooldown: 7m (was 5m)")
        assert reader.current.ruleset.variants["test.burst"]["acme"].overridden.startswith("for acme: cooldown: 7m")
        first = reader.current.ruleset.version
        until(lambda: "worker starts" in log.read_text(), "the worker did not start")

        write(tests=[{**FIRES, "expect": [OPENED]}], title="bad")
        until(lambda: "rule files refused" in log.read_text(), "the bad file was not refused")
        assert reader.current.ruleset.version == first

        write(title="edited")
        until(lambda: reader.current.ruleset.version != first, "the edited file is not in force")
        assert reader.current.ruleset.rules[0].title == "edited"
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, log.read_text()
        reader.stop()
