"""A small log with most of what can go wrong in one, and the alerts that were checked by hand to be the right ones.

A change of ``alerts.jsonl`` is a change of ids or meaning that every user's replays will see. Made with:
tocsin replay --json --source audit=audit.jsonl --source metric=metric.jsonl --rules rules
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from streams.config import event_sources, load_config
from streams.detect.registry import KINDS
from streams.model import alert_id
from streams.replay.files import Merged, open_file
from streams.replay.report import json_lines
from streams.replay.runner import PartitionLog, Replayed, replay
from streams.rules.load import load_rules

HERE = Path(__file__).parent
EXPECTED = (HERE / "alerts.jsonl").read_bytes()
RULES = load_rules([HERE / "rules"], KINDS)
SOURCES = {source.name: source for source in event_sources(load_config(None, {}))}
POLICY = {"receivers": [{"name": "pager"}], "remind_after": "1m", "max_reminders": 3}


def logs(**files: Path) -> list[PartitionLog]:
    found = []
    for name, path in files.items():
        merged = Merged([open_file(path)])
        found.append(PartitionLog(SOURCES[name], 0, merged.chunks(), merged.origin))
    return found


def lines(result: Replayed) -> bytes:
    return b"".join(line + b"\n" for line in json_lines(result.alerts, RULES))


@pytest.fixture(scope="module")
def result() -> Replayed:
    return replay(logs(audit=HERE / "audit.jsonl", metric=HERE / "metric.jsonl"), RULES, POLICY)


def test_the_alerts_are_those_checked_by_hand(result: Replayed) -> None:
    assert lines(result).decode() == EXPECTED.decode()


def test_what_was_not_counted_is_told(result: Replayed) -> None:
    assert (result.read, result.total("dead"), result.total("late"), result.total("duplicates")) == (45, 2, 2, 2)
    assert [letter.origin.rpartition(":")[2] for letter in result.refused] == ["8", "10"]


def test_neither_packing_nor_the_order_of_sources_changes_a_byte(tmp_path: Path) -> None:
    packed = tmp_path / "audit.gz"
    packed.write_bytes(gzip.compress((HERE / "audit.jsonl").read_bytes()))
    assert lines(replay(logs(metric=HERE / "metric.jsonl", audit=packed), RULES)) == EXPECTED


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_size_of_batches_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.replay.files.CHUNK", size)
    monkeypatch.setattr("streams.replay.hop._CHUNK", size)
    result = replay(logs(audit=HERE / "audit.jsonl", metric=HERE / "metric.jsonl"), RULES)
    assert lines(result) == EXPECTED


def test_one_sources_alerts_do_not_depend_on_another_source() -> None:
    alone = lines(replay(logs(metric=HERE / "metric.jsonl"), RULES))
    assert alone == b"".join(line + b"\n" for line in EXPECTED.splitlines() if b'"source":"metric"' in line)


def test_ids_are_the_documented_hash_of_rule_tenant_key_and_first_completing_event() -> None:
    for alert in (json.loads(line) for line in EXPECTED.splitlines()):
        first = completing(alert)
        assert alert["alert_id"] == alert_id(alert["rule"], alert["tenant"], alert["key"], first), alert


def completing(alert: dict[str, Any]) -> str:
    """The position of the event whose time is the alert's."""
    return next(
        str(evidence["position"])
        for evidence in alert["evidence"]
        if evidence["event_time"] == alert["event_time"]
        and alert["alert_id"] == alert_id(alert["rule"], alert["tenant"], alert["key"], evidence["position"])
    )


def test_reminders_run_under_the_simulated_clock(result: Replayed) -> None:
    # Critical: the five of golden.root, told again 1, 2 and 3 minutes later while the log lasts (to 00:06:04),
    # and golden.load: resolved at 00:00:40 and 00:03:20, and open from 00:03:30 on.
    assert result.counts["notifications", "pager", "repeated"] == 5 * 3 + 2 + 2
