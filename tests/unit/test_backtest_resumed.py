"""A backtest that was killed goes on where it was, and its result is that of one that never was."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.cli import backtest_inputs, backtest_run, main
from streams.detect.registry import KINDS
from streams.errors import ConfigError
from streams.model import Control, Source
from streams.replay.backtest import kept
from streams.replay.backtest.kept import Manifest, WorkFolder
from streams.replay.backtest.run import Ran, backtest
from streams.replay.controls import Controls
from streams.replay.moments import rfc3339
from streams.replay.runner import PartitionLog
from streams.rules.lists import bind
from streams.rules.load import ruleset_from_documents
from streams.rules.rule import RuleSet
from streams.simulate import generate
from streams.simulate.write import to_files
from tests.detecting import BASE
from tests.everykind import AUDIT, LOCAL, every_kind, made, river

ROOT = Path(__file__).parents[2]
RULES = every_kind(made("by-ip", {"count": {"at_least": 3, "within": "8s"}}, group_by=["ip"]), of=LOCAL).ruleset


class Killed(BaseException):
    """Nobody catches it."""


@dataclass(frozen=True, slots=True)
class Torn:
    """Events in chunks of seven; one log of two. The process dies before the chunk ``dies``."""

    events: tuple[bytes, ...]
    number: int
    dies: int | None = None
    source: Source = AUDIT

    @property
    def size(self) -> int:
        return len(self.events)

    @contextmanager
    def open(self) -> Iterator[PartitionLog]:
        yield PartitionLog(self.source, self.number, self._chunks())

    def _chunks(self) -> Iterator[list[tuple[int, bytes | None, int]]]:
        for begin in range(0, len(self.events), 7):
            if self.dies == begin // 7:
                raise Killed
            chunk = self.events[begin : begin + 7]
            yield [(begin + n, event, BASE + 1000 * (begin + n)) for n, event in enumerate(chunk)]

    def described(self) -> dict[str, Any]:
        return {"partition": self.number}

    def order(self) -> tuple[str, str, int]:
        return "audit", "", self.number


def told(ran: Ran) -> Any:
    """All that a report is made of."""
    result = ran.result
    return result.alerts, result.counts, result.findings, result.refused, result.late, result.notifications, ran.facts


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_it_says_what_one_run_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rnd = random.Random(seed)
    payloads = [tuple(river(rnd, 150)), (*river(rnd, 60), b"broken", b"[]")]
    (whole,) = backtest([Torn(events, n) for n, events in enumerate(payloads)], [RULES])
    assert whole.result.findings > 50

    for every in (0.0, 1e9):  # after each chunk, or at the end of a log only
        monkeypatch.setattr(kept, "EVERY", every)
        folder = tmp_path / f"{every:g}"
        for _ in range(6):
            torn = [Torn(events, n, rnd.randrange(len(events) // 7)) for n, events in enumerate(payloads)]
            work = WorkFolder(folder)
            with pytest.raises(Killed):
                backtest(torn, [RULES], folder=work)
            for file in folder.glob("*.kept"):  # the block that was being written when it died
                if rnd.random() < 0.5 and (content := file.read_bytes()):
                    file.write_bytes(content[: -rnd.randrange(1, min(40, len(content)))])
            work._lock.close()
        work = WorkFolder(folder)
        (ran,) = backtest([Torn(events, n) for n, events in enumerate(payloads)], [RULES], folder=work)
        assert told(ran) == told(whole)
        (again,) = backtest([Torn(events, n, 0) for n, events in enumerate(payloads)], [RULES], folder=work)
        assert told(again) == told(whole)  # finished logs are not even opened
        work.done()
        assert not folder.exists()


def test_a_log_that_lost_records_since_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "EVERY", 0.0)
    events = tuple(river(random.Random(1), 100))
    work = WorkFolder(tmp_path / "work")
    with pytest.raises(Killed):
        backtest([Torn(events, 0, 10)], [RULES], folder=work)
    with pytest.raises(ConfigError, match="had been read before"):
        backtest([Torn(events[:20], 0)], [RULES], folder=work)


def test_a_folder_is_of_one_backtest_by_one_process(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "work")
    manifest = Manifest(asked={"begin": "last 7d", "end": "latest"}, content="x", arguments=[])
    assert (work.begin(manifest), work.begin(manifest)) == (False, True)
    with pytest.raises(ConfigError, match="another backtest works in"):
        WorkFolder(tmp_path / "work")
    with pytest.raises(ConfigError, match=r"of other options \(begin\)"):
        work.asked({"begin": "last 8d", "end": "latest"})
    with pytest.raises(ConfigError, match="have changed"):
        work.begin(Manifest(asked=manifest.asked, content="y", arguments=[]))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match=r"'letter.txt' is in it"):
        WorkFolder(tmp_path / "home")


COMMAND = """
import streams.replay.backtest.kept as kept, streams.replay.files as files, streams.replay.logs as logs
kept.EVERY, files.CHUNK = 0.0, 50
from streams.cli import backtest_inputs, backtest_run, main
main()
"""


def test_the_same_command_after_kill_9_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for name, seed in (("one", 1), ("two", 2)):
        traffic = generate(seed, BASE, 60_000, 60, ("audit", "metric"))
        assert sum(1 for _ in to_files(traffic, tmp_path / name)) > 3_000
    packs = [f"{ROOT}/streams/packs/{rule}.yaml" for rule in ("audit/failed-login-burst", "audit/failed-logins-by-ip",
             "audit/data-access-velocity", "ops/cpu")]  # fmt: skip
    arguments = ["backtest", "--source", "audit=one/audit.jsonl", "--source", "audit=two/audit.jsonl",
                 "--source", "metric=one/metric.jsonl", *(part for rule in packs for part in ("--rules", rule))]  # fmt: skip
    command = [sys.executable, "-c", COMMAND, *arguments, "--jobs", "2", "--resume", "work", "--out", "out"]
    for wanted in (500, 10_000):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while sum(file.stat().st_size for file in tmp_path.glob("work/*.kept")) < wanted:
                assert process.poll() is None
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "going on with what is in work" in done.stderr
    assert not (tmp_path / "work").exists()
    with pytest.raises(SystemExit):
        main([*arguments, "--out", "whole"])
    assert (tmp_path / "out/report.json").read_bytes() == (tmp_path / "whole/report.json").read_bytes()
    assert json.loads((tmp_path / "out/report.json").read_bytes())["counts"]["alerts"] > 0


def test_last_week_stays_the_week_it_was_though_the_second_run_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    day = 86_400_000
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(river(random.Random(3), 90)))
    rule = f"{ROOT}/streams/packs/audit/failed-login-burst.yaml"
    command = ["backtest", "--source", "audit=audit.jsonl", "--rules", rule, "--from", "last 7d", "--resume", "work"]

    def run(at: int, **more: Any) -> int:
        with monkeypatch.context() as patched:
            patched.setattr(backtest_inputs.time, "time", lambda: at / 1000)
            for name, change in more.items():
                patched.setattr(backtest_run, name, change)
            with pytest.raises(SystemExit) as ended:
                main([*command, "--out", "out"])
        return int(str(ended.value.code))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    assert run(BASE + 2 * day, _run=killed) != 0
    assert "the same command goes on with what is in work" in capsys.readouterr().err
    assert run(BASE + 30 * day) == 0  # when the events are no longer of the last week
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    assert report["counts"]["events"] == 90
    assert rfc3339(BASE - 5 * day) in report["command"]
    assert run(BASE + 30 * day) == 2  # anew, as the folder is gone: there are no events in that week
    assert "no events in this range" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_what_came_into_force_on_the_way_does_so_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "EVERY", 0.0)
    listed = made("listed", {"match": {}}, where={"actor": {"in_list": "bad"}})
    rules = ruleset_from_documents([listed], KINDS)
    events = tuple(river(random.Random(4), 120, tidy=True))  # record n is written n s after BASE

    def listing(*names: str) -> RuleSet:
        return bind(rules, {"bad": names} if names else {})

    steps = [
        (0, listing()),
        (BASE + 31_000, listing("ada")),
        (BASE + 74_500, listing("ada", "bob")),
        (BASE + 90_000, listing()),
    ]
    controls = [Controls(tuple(Control(n, one) for n, (_, one) in enumerate(steps, 1)), tuple(at for at, _ in steps))]
    (whole,) = backtest([Torn(events, 0)], [rules], controls=controls)
    actors = [json.loads(event)["actor"] for event in events]
    expected = [
        n for n, actor in enumerate(actors) if (31 <= n < 90 and actor == "ada") or (75 <= n < 90 and actor == "bob")
    ]
    positions = [json.loads(waiting.value)["position"] for spool in whole.result.found for waiting in spool]
    assert [int(position.rpartition("/")[2]) for position in positions] == expected
    for dies in (5, 8, 11):
        work = WorkFolder(tmp_path / "work")
        with pytest.raises(Killed):
            backtest([Torn(events, 0, dies)], [rules], folder=work, controls=controls)
        work._lock.close()
    (ran,) = backtest([Torn(events, 0)], [rules], folder=WorkFolder(tmp_path / "work"), controls=controls)
    assert told(ran) == told(whole)
