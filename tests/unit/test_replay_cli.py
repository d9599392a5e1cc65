"""``tocsin replay`` on files: what a person gives it, what it answers, and with which exit status."""

from __future__ import annotations

import gzip
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from streams.cli import main

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
OTRF = ROOT.parent / "shared" / "data" / "audit" / "otrf_ec2_proxy_s3_exfil.jsonl"
RULE = """
id: test.root
title: "{actor} became root"
description: One is enough.
source: audit
where: {action: become_root}
group_by: [actor]
detect: {match: {}}
severity: high
type: security
tests:
  - name: one is enough
    events: [{at: 0s, actor: ada, action: become_root}]
    expect: [{at: 0s, actor: ada}]
"""


@dataclass
class Done:
    """How a call of ``tocsin`` ended."""

    stdout: str
    stderr: str


class Tocsin(Protocol):
    def __call__(self, *args: str | Path, status: int = 0) -> Done: ...


@pytest.fixture
def tocsin(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tocsin:
    """The command line as ``tocsin`` runs it, in this process."""
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(ROOT)

    def run(*args: str | Path, status: int = 0) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        done = Done(*capfd.readouterr())
        assert ended.value.code == status, f"{ended.value.code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    (tmp_path / "rule.yaml").write_text(RULE)
    return tmp_path / "rule.yaml"


def test_json_is_one_alert_a_line_and_the_counts_go_to_stderr(tocsin: Tocsin) -> None:
    done = tocsin(
        "replay", "--source", f"audit={GOLDEN / 'audit.jsonl'}", "--source", f"metric={GOLDEN / 'metric.jsonl'}",
        "--rules", GOLDEN / "rules", "--json",
    )  # fmt: skip
    assert done.stdout == (GOLDEN / "alerts.jsonl").read_text()
    assert done.stderr.startswith("45 read, 2 invalid, 2 late, 2 duplicates, 32 findings, 13 alerts\n")
    for alert in map(json.loads, done.stdout.splitlines()):
        assert {"alert_id", "rule", "tenant", "key", "severity", "event_time", "evidence"} <= alert.keys()
        assert "count" in alert or "value" in alert
        assert all(evidence.keys() == {"event_id", "position", "event_time"} for evidence in alert["evidence"])


def test_without_json_a_row_an_alert(tocsin: Tocsin, rule: Path) -> None:
    done = tocsin("replay", "--source", f"audit={GOLDEN / 'audit.jsonl'}", "--rules", rule)
    rows = done.stdout.splitlines()
    assert len(rows) == 1 + 3
    assert "Žoë 🦊" in rows[1]
    assert "test.root" in rows[1]


def test_a_silent_log_says_so(tocsin: Tocsin, tmp_path: Path, rule: Path) -> None:
    (tmp_path / "log").write_text('{"event_time": 1, "action": "sleep"}\n')
    assert tocsin("replay", "--source", f"audit={tmp_path / 'log'}", "--rules", rule).stdout == "no alerts\n"
    assert tocsin("replay", "--source", f"audit={tmp_path / 'log'}", "--rules", rule, "--json").stdout == ""


def test_two_files_of_one_source_are_one_log(tocsin: Tocsin, tmp_path: Path) -> None:
    lines = (GOLDEN / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "1").write_bytes(b"".join(lines[::2]))
    (tmp_path / "2").write_bytes(gzip.compress(b"".join(lines[1::2])))
    arguments = (
        "--source",
        f"audit={tmp_path / '1'}",
        "--source",
        f"audit={tmp_path / '2'}",
        "--rules",
        GOLDEN / "rules",
    )
    alerts = [json.loads(line) for line in tocsin("replay", *arguments, "--json").stdout.splitlines()]
    burst = {alert["key"]["actor"]: alert["count"] for alert in alerts if alert["rule"] == "golden.burst"}
    assert burst.keys() == {"ada", "cyd", "fay"}
    assert len({evidence["position"].split(":")[1] for alert in alerts for evidence in alert["evidence"]}) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--source"),
        (("--source", "audit"), "NAME=FILE"),
        (("--source", "=x"), "NAME=FILE"),
        (("--source", "audit=/nowhere/at/all"), "no such file"),
        (("--source", "audit=tests"), "folder"),
        (("--source", f"audit={sys.executable}"), "binary"),
        (("--source", "audit=/dev/null"), "regular file"),
        (("--source", "adit=README.md"), "did you mean audit"),
        (("--source", "trade=README.md", "--rules", "tests/golden/rules"), "none of the rules reads 'trade'"),
        (("--source", "audit=tests/golden/audit.jsonl", "--rules", "/nowhere"), "/nowhere"),
        (("--source", "audit=tests/golden/audit.jsonl", "--mapping", "cloudtrial"), "did you mean cloudtrail"),
        (("--source", "audit=tests/golden/audit.jsonl", "--mapping", "trade=cloudtrail"), "not replayed"),
        (("--source", "audit=topic:no such topic"), "not a topic name"),
        (("--source", "audit=topic:audit.events@yesterday..latest"), "not a time"),
        (("--journal", "--source", "audit=x"), "--journal"),
        (("--compare",), "--journal"),
        (("--config", "/nowhere.yaml", "--journal"), "/nowhere.yaml"),
    ],
)
def test_bad_usage_is_one_clear_message_and_status_2(tocsin: Tocsin, arguments: tuple[str, ...], says: str) -> None:
    done = tocsin("replay", *arguments, status=2)
    assert says in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"", 2, "no events"),
        (b"\n\r\n \n", 2, "no events"),
        (b"hello\nworld\n", 1, "all 2 records were refused"),
        (b"[1, 2]\nnull\n", 1, "choose a --mapping"),
        ("{}\n".encode("utf-16"), 2, "UTF-16"),
        (gzip.compress(b"{}\n" * 9999, mtime=0)[:-9], 2, "ends too early"),
    ],
)
def test_a_log_without_a_usable_event_says_why(
    tocsin: Tocsin, tmp_path: Path, rule: Path, content: bytes, status: int, says: str
) -> None:
    (tmp_path / "log").write_bytes(content)
    done = tocsin("replay", "--source", f"audit={tmp_path / 'log'}", "--rules", rule, "--json", status=status)
    assert says in done.stderr
    assert done.stdout == ""


def hostile(tmp_path: Path) -> Path:
    """Good events among everything a file can hold that is none."""
    good = b'{"event_time": %d, "actor": "a%d", "action": "become_root"}'
    bad = [
        b"", b"{", b"}{", b'{"event_time": 1', b"\xff\xfe\xfa", b'{"actor": "\xff"}', b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"event_time": 1e999}', b'{"event_time": NaN}', b"null", b"true", b'"x"',
        b'{"event_time": "soon"}', b'{"event_time": -5}', b'{"event_time": true}', b'{"event_time": [1]}', b'{"tenant": 5}',
        b'{"event_time": 99999999999999999999999}', b"\x01\x02\x03", b'{"x": "\\ud800"}', b"x" * 10_000_000,
        b'{"event_time": 5, "actor": {"a": 1}, "action": "become_root"}', b'{"event_id": {"a": []}, "action": "become_root"}',
    ]  # fmt: skip
    lines = []
    for n, line in enumerate(bad):
        lines += [line, good % (1_704_067_200_000 + n, n)]
    (tmp_path / "log").write_bytes(b"\r\n".join(lines))
    return tmp_path / "log"


def test_every_good_event_among_hostile_ones_is_processed(tocsin: Tocsin, tmp_path: Path, rule: Path) -> None:
    done = tocsin("replay", "--source", f"audit={hostile(tmp_path)}", "--rules", rule, "--json")
    alerts: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert {alert["key"]["actor"] for alert in alerts} == {f"a{n}" for n in range(24)}
    read, invalid = (int(part.split()[0]) for part in done.stderr.splitlines()[0].split(", ")[:2])
    assert read == 24 + 23  # the blank line is nothing
    assert 20 <= invalid <= 23


@pytest.mark.skipif(not OTRF.exists(), reason=f"the folder of sample data is absent: {OTRF.parent}")
def test_objects_read_in_one_session_of_a_real_trail(tocsin: Tocsin, tmp_path: Path) -> None:
    (tmp_path / "get.yaml").write_text(
        RULE.replace("action: become_root", "action: GetObject")
        .replace("group_by: [actor]", "group_by: [session]")
        .replace("detect: {match: {}}", "detect: {count: {at_least: 2, within: 30m}}")
        .replace("actor: ada, ", "session: s, times: 2, every: 1s, ")
        .replace("expect: [{at: 0s, actor: ada}]", "expect: [{at: 1s, session: s, count: 2}]")
        .replace("{actor} became root", "{count} objects read in {session}")
    )
    done = tocsin("replay", "--source", f"audit={OTRF}", "--mapping", "cloudtrail", "--rules", tmp_path, "--json")
    (alert,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert alert["key"] == {
        "session": "arn:aws:sts::123456789123:assumed-role/MordorNginxStack-BankingWAFRole-9S3E0UAE1MM0/i-0317f6c6b66ae9c40"
    }
    assert alert["event_time"] == "2020-09-14T01:13:20.000Z"
    assert alert["count"] == 2
    trail = OTRF.read_bytes().splitlines()
    for evidence in alert["evidence"]:
        line = int(evidence["position"].rpartition(":")[2])
        assert json.loads(trail[line - 1])["eventID"] == evidence["event_id"]
    assert done.stderr.startswith("103 read, 0 invalid, 0 late, 0 duplicates")
