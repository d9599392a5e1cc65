"""Notification backtests on a real Kafka: what a live worker told, id by id; and what a candidate and a silence change."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.cli import cli
from streams.cli.context import Invocation
from streams.replay.moments import rfc3339
from streams.replay.topics import Topic, parse_range
from streams.runtime.control import part_record, policy_record, publish
from streams.runtime.names import Names
from tests.integration.test_backtest_topics import ends_of_all
from tests.integration.test_replay_topics import ROOT, Here, environ, wait_for
from tests.unit.alert_steps import command, finding

pytestmark = pytest.mark.timeout(240)
POLICY = {
    "receivers": [{"name": "chat"}, {"name": "phone", "oncall": "primary"}],
    "route": {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "300ms", "group_interval": "1s"},
    "escalate": {"critical": "urgent"},
    "escalations": {"urgent": {"levels": [{"after": "700ms", "notify": ["phone"]}]}},
    "oncall": {"primary": {"layers": [{"people": ["ada"], "starts_at": 0}]}},
    "remind_severities": [],
}


@pytest.fixture
def here(kafka: str, topics: str, tmp_path: Path) -> Here:
    here = Here(kafka, topics, tmp_path)
    here.tocsin("topics", "create", "--partitions", "2")
    publish(here.options, Names(app="r", prefix=topics), [policy_record(POLICY)])
    return here


@pytest.fixture
def worker(here: Here) -> Iterator[subprocess.Popen[bytes]]:
    with (here.folder / "worker.log").open("wb") as log:
        run = [sys.executable, "-m", "streams.cli", "--config", str(here.config), "run", "--roles", "alert"]
        process = subprocess.Popen(run, cwd=ROOT, env=environ(), stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait(10)


def told(here: Here) -> list[dict[str, Any]]:
    source = Topic(here.options, parse_range(here.prefix + "notifications"))
    try:
        return [
            json.loads(value or b"")
            for partition in source.ranges for chunk in source.chunks(partition) for _, value, _ in chunk
        ]  # fmt: skip
    finally:
        source.close()


def asked(here: Here, *args: str, status: int = 0) -> Result:
    """In this process: a command is asked seven times."""
    done = CliRunner().invoke(cli, ["--config", str(here.config), *args], obj=Invocation(), standalone_mode=False)
    assert done.exception is None or status == 2, done.exception
    assert (done.return_value or 0) == status or status == 2
    return done


def said(here: Here, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked(here, *args, "--json").stdout)
    return found


def written(here: Here, *records: Any) -> None:
    """On ``alert-input``, by tenant."""
    producer = Producer({**here.options, "partitioner": "murmur2_random"})
    for record in records:
        producer.produce(here.prefix + "alert-input", msgspec.json.encode(record), record.tenant)
    assert producer.flush(10) == 0


def test_a_live_run_is_told_again_and_a_candidate_and_a_silence_change_it(
    here: Here, worker: subprocess.Popen[bytes]
) -> None:
    wait_for(lambda: b"restored" in (here.folder / "worker.log").read_bytes(), 30, "the worker")
    bad: dict[str, Any] = {"severity": "critical", "severity_word": "critical"}
    apart: list[dict[str, Any]] = [
        {"key": {"actor": name}, "tenant": tenant} for name in "abcd" for tenant in ("acme", "beta", "gamma")
    ]
    first = [finding(n, rule=f"r.{n % 2}", alert_id=f"alert-{n}", **one, **(bad if n % 3 == 0 else {}))
             for n, one in enumerate(apart)]  # fmt: skip
    written(here, *first[:6])
    wait_for(lambda: any(one["receiver"] == "phone" for one in told(here)), 20, "an escalation")
    time.sleep(1.5)  # so that what a silence up to now holds back is told later, not at the same time
    now = time.time_ns() // 1_000_000
    known = {"matchers": ["rule=r.1", "key.actor=d"], "starts_at": now - 1000, "ends_at": now + 5000, "author": "ada",
             "comment": "known"}  # fmt: skip
    publish(here.options, Names(app="r", prefix=here.prefix), [part_record("silence", "known", known)])
    time.sleep(0.5)
    written(here, *first[6:], command(1, "acknowledge", "alert-0"), command(2, "resolve", "alert-3", disposition="benign"),
            command(3, "dismiss", "alert-1", disposition="true_positive", tenant="beta"))  # fmt: skip
    wait_for(lambda: any("alert-11" in str(one) for one in told(here)), 20, "what was silenced")
    time.sleep(1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    sent, before = told(here), ends_of_all(here)

    candidate = here.folder / "candidate.yaml"
    candidate.write_text(yaml.safe_dump(POLICY))
    same = said(here, "routes", "backtest", "--policy", str(candidate))
    assert same["reproduced"] == {"on_topic": len(sent), "again": len(sent), "missing": [], "extra": []}
    assert len(sent) > 12
    assert [same[name] for name in ("new", "gone", "later", "earlier")] == [[], [], [], []]
    assert same["today"]["notifications"] == same["candidate"]["notifications"] == len(sent)
    assert (same["today"]["alerts"], same["today"]["commands"], same["notes"]) == (12, 3, [])
    assert same["today"]["hidden"] == {"silence": 2}, "r.1 of d, of two of the three tenants"

    sooner = POLICY | {"escalations": {"urgent": {"levels": [{"after": "100ms", "notify": ["phone"]}]}}}
    candidate.write_text(yaml.safe_dump(sooner))
    other = said(here, "routes", "backtest", "--policy", str(candidate))
    (ada,) = other["people"]
    rang = sum(one["receiver"] == "phone" and one["reason"] == "escalated" for one in sent)
    assert (ada["person"], ada["today"]["rang"]) == ("ada", rang)
    assert ada["candidate"]["rang"] >= rang > 0
    assert other["gone"] == []

    candidate.write_text(yaml.safe_dump({"receivers": [{"name": "chat", "min_severity": "critical"}]}))
    done = asked(here, "routes", "backtest", "--policy", str(candidate), "--baseline", "current", "--check", status=1)
    assert "nobody would be told of 8 alerts that somebody is told of today" in done.stderr

    quiet = ("silences", "backtest", "--match", "rule=r.1", "--to", rfc3339(now))
    silenced = said(here, *quiet)
    assert {one["alert_id"]: one["disposition"] for one in silenced["hidden"]} == {
        "alert-1": "true_positive", "alert-3": "benign", "alert-5": ""
    }  # fmt: skip
    assert (silenced["alerts"], silenced["true_positives"], silenced["reproduced"]["missing"]) == (6, 1, [])
    assert {one["alert_id"] for one in silenced["later"]} >= {"alert-1", "alert-5"}, "they stood when it ended"
    assert "it would have hidden 3, 1 of them true positives" in asked(here, *quiet).stdout

    done = asked(here, "routes", "backtest", "--policy", str(candidate), "--to", "2020-01-01T00:00:00Z", status=2)
    assert "there were no alerts from" in str(done.exception)
    assert ends_of_all(here) == before, "nothing written, no group joined"

    source = Topic(here.options, parse_range(here.prefix + "alert-input"))
    fullest = max(source.ranges, key=lambda n: source.ranges[n][1])
    source.close()
    admin = AdminClient(here.options)
    gone = admin.delete_records([TopicPartition(source.topic, fullest, 3)])
    assert [future.result(30).low_watermark for future in gone.values()] == [3]
    candidate.write_text(yaml.safe_dump(POLICY))
    left = said(here, "routes", "backtest", "--policy", str(candidate))
    assert any("has expired" in note for note in left["notes"])
    assert 0 < left["reproduced"]["again"] <= left["reproduced"]["on_topic"] == len(sent)
    assert left["today"]["notifications"] == left["candidate"]["notifications"] < len(sent)
