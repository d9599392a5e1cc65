"""Backtests of topics on a real Kafka: a live run's alerts id by id, by one process and by several, and what expired."""

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
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.model import Action, Command
from streams.replay.topics import Topic, parse_range
from tests.integration.test_replay_topics import ROOT, SIMULATE, Here, environ, wait_for


@pytest.fixture
def here(kafka: str, topics: str, tmp_path: Path) -> Here:
    here = Here(kafka, topics, tmp_path)
    here.tocsin("topics", "create", "--partitions", "3")
    return here


@pytest.fixture
def worker(here: Here) -> Iterator[subprocess.Popen[bytes]]:
    with (here.folder / "worker.log").open("wb") as log:
        command = [sys.executable, "-m", "streams.cli", "--config", str(here.config), "run", "--roles", "detect,alert"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ(), stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait(10)


def ids_on(here: Here, topic: str) -> set[str]:
    """The alerts that stand on a topic, whatever their versions."""
    source = Topic(here.options, parse_range(here.prefix + topic))
    try:
        return {
            json.loads(value or b"{}")["id"]
            for partition in source.ranges for chunk in source.chunks(partition) for _, value, _ in chunk
        }  # fmt: skip
    finally:
        source.close()


def ends_of_all(here: Here) -> dict[str, Any]:
    """Where every topic of this prefix ends, and the groups there are: what a reader must not change."""
    admin = AdminClient(here.options)
    ends = {}
    for name, topic in admin.list_topics(timeout=10).topics.items():
        if name.startswith(here.prefix):
            source = Topic(here.options, parse_range(name))
            ends[name] = [source.ranges[partition] for partition in sorted(topic.partitions)]
            source.close()
    groups = admin.list_consumer_groups().result(10).valid
    return {"ends": ends, "groups": sorted(group.group_id for group in groups if "replay" in group.group_id)}


def test_a_live_run_is_told_again_id_by_id(here: Here, worker: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: b"restored" in (here.folder / "worker.log").read_bytes(), 30, "the worker")
    here.tocsin(*SIMULATE, "--to", "topics", "--truth", str(here.folder / "truth.jsonl"))
    labels = (here.folder / "truth.jsonl").read_text().count("\n")
    wait_for(lambda: len(ids_on(here, "alerts")) >= labels, 40, "the alerts")
    time.sleep(2)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    live, before = ids_on(here, "alerts"), ends_of_all(here)
    assert len(live) >= labels > 10

    reports = {}
    for jobs in ("1", "2"):
        out = here.folder / f"out{jobs}"
        here.tocsin("backtest", "--baseline", "current", "--labels", str(here.folder / "truth.jsonl"),
                    "--budget", "recall>=1,new=0,gone=0,changed=0", "--jobs", jobs, "--out", str(out))  # fmt: skip
        reports[jobs] = (out / "report.json").read_bytes()
    assert reports["1"] == reports["2"]
    report = json.loads(reports["1"])
    assert {alert["alert_id"] for alert in report["alerts"]} == live
    assert report["baseline"]["same"] == len(report["alerts"])
    read = {(one["topic"].removeprefix(here.prefix), one["partition"]) for one in report["inputs"]}
    assert read == {(f"{name}.events", n) for name in ("audit", "trade", "chain", "metric") for n in range(3)}
    assert ends_of_all(here) == before  # nothing written, no group joined


def test_what_retention_took_is_named(here: Here) -> None:
    topic = f"{here.prefix}metric.events"
    producer = Producer(here.options)
    for n in range(10):
        event = {"event_id": str(n), "event_time": 1_704_067_200_000 + n, "type": "system.error", "host": f"h{n}"}
        producer.produce(topic, json.dumps(event), partition=0, timestamp=1_704_067_200_000 + n)
    producer.flush(10)
    admin = AdminClient(here.options)
    for future in admin.delete_records([TopicPartition(topic, 0, 4)]).values():
        future.result(10)
    metric = ("--source", "metric=topic:metric.events")
    done = here.tocsin("backtest", *metric, "--from", "0:2", "--to", "0:9", "--json")
    report = json.loads(done.stdout)
    assert report["counts"]["events"] == 5  # 4 to 8
    assert "offsets 2 to 3 have expired" in done.stderr
    assert report["notes"] == [f"{topic}/0: offsets 2 to 3 have expired; it begins at 4"]
    done = here.tocsin("backtest", *metric, "--from", "0:0", "--to", "0:3", status=2)
    assert "no events in this range" in done.stderr
    assert "have expired" in done.stderr
    done = here.tocsin("backtest", *metric, "--from", "2023-01-01T00:00:00Z")
    assert "what was written before offset 4 has expired" in done.stderr


def test_what_people_did_meanwhile_is_done_again_unless_it_is_to_be_ignored(here: Here) -> None:
    rule = here.folder / "hot.yaml"
    rule.write_text(
        "id: test.hot\ntitle: hot\nsource: metric\ngroup_by: [host]\ndetect: {match: {}}\nfold: until_resolved\ncooldown: 5s\n"
        "severity: low\ntype: metrics\ntests: [{name: hot, events: [{at: 0s, host: db}], expect: [{at: 0s}]}]\n"
    )
    producer, start = Producer(here.options), time.time_ns() // 1_000_000 - 600_000

    def hot(second: int) -> None:
        event = {"event_id": f"e{second}", "event_time": start + second * 1000, "tenant": "acme", "host": "db"}
        producer.produce(f"{here.prefix}metric.events", json.dumps(event), partition=0, timestamp=start + second * 1000)
        producer.flush(10)

    def told(*args: str) -> dict[str, Any]:
        metric = ("--source", "metric=topic:metric.events", "--rules", str(rule))
        found: dict[str, Any] = json.loads(here.tocsin("backtest", *metric, "--json", *args).stdout)
        return found

    hot(0)
    hot(10)
    (alert,) = told()["alerts"]
    for number, second in enumerate((20, 50)):  # the second one comes after the last event: not of this stretch
        command = Command(id=f"c{number}", action=Action.RESOLVE, alert_id=alert["alert_id"], tenant="acme", by="eve",
                          at=start + second * 1000)  # fmt: skip
        producer.produce(f"{here.prefix}alert-input", msgspec.json.encode(command), b"acme", timestamp=command.at)
    producer.produce(f"{here.prefix}alert-input", b"no command", b"acme", timestamp=start + 21_000)
    hot(30)
    report = told()
    assert report["commands"]["taken"] == 1
    assert [(one["status"], one["findings"]) for one in report["alerts"]] == [("resolved", 2), ("active", 1)]
    assert report["alerts"][0]["alert_id"] == alert["alert_id"]
    report = told("--ignore-commands")
    assert report["commands"] is None
    assert [(one["status"], one["findings"]) for one in report["alerts"]] == [("active", 3)]
    assert report["command"].endswith("--ignore-commands")


def test_what_compaction_took_is_named(here: Here) -> None:
    topic = f"{here.prefix}compacted"
    client = AdminClient(here.options)
    client.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})])[topic].result(20)
    producer = Producer({**here.options, "transactional.id": topic})
    producer.init_transactions(20)
    for n, end in enumerate((producer.abort_transaction, producer.commit_transaction)):
        producer.begin_transaction()
        event = {"event_id": str(n), "event_time": 1_704_067_200_000, "type": "system.error", "host": "h"}
        producer.produce(topic, json.dumps(event), key=f"k{n}")
        producer.flush(10)
        end(10)
    done = here.tocsin("backtest", "--source", f"metric=topic:{topic}", "--json")
    said = f"{topic}: 3 of 4 offsets hold no record (cleanup.policy compact): what compaction took was an event, too"
    assert json.loads(done.stdout)["notes"] == [said]
    assert said in done.stderr
