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

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

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
