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
import pyarrow.parquet
import pytest
import yaml
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.model import Action, Command
from streams.replay.moments import rfc3339
from streams.replay.topics import Topic, parse_range
from streams.rules.indicators import named_list
from streams.runtime.control import list_records, part_record, publish
from streams.runtime.names import Names
from tests.integration.test_replay_topics import ROOT, SIMULATE, Here, environ, wait_for

LISTED = """
id: test.listed
title: "{host} is listed"
source: metric
where: {host: {in_list: bad-hosts}}
group_by: [host]
detect: {match: {}}
cooldown: 1s
severity: low
type: metrics
tests: [{name: one that is listed, lists: {bad-hosts: [evil]}, events: [{at: 0s, host: evil}], expect: [{at: 0s}]}]
"""


@pytest.fixture
def here(kafka: str, topics: str, tmp_path: Path) -> Here:
    here = Here(kafka, topics, tmp_path)
    (tmp_path / "listed.yaml").write_text(LISTED)
    config = yaml.safe_load(here.config.read_text())
    here.config.write_text(yaml.safe_dump({**config, "rules": [*config["rules"], str(tmp_path / "listed.yaml")]}))
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


def alerts_on(here: Here) -> dict[str, dict[str, Any]]:
    """The last version of each alert on its topic, by id."""
    source = Topic(here.options, parse_range(f"{here.prefix}alerts"))
    try:
        made = [
            json.loads(value or b"{}")
            for partition in source.ranges for chunk in source.chunks(partition) for _, value, _ in chunk
        ]  # fmt: skip
    finally:
        source.close()
    return {one["id"]: one for one in sorted(made, key=lambda one: int(one["version"]))}


def standing(alert: dict[str, Any]) -> tuple[str, list[str]]:
    """Its status, and what suppresses it."""
    return alert["status"], [one["by"] for one in alert.get("suppressed") or ()]


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
    past = rfc3339(now_ms() - 35_000)  # else it is written with times that are yet to come, and control is behind
    here.tocsin(*SIMULATE, "--start", past, "--to", "topics", "--truth", str(here.folder / "truth.jsonl"))
    labels = (here.folder / "truth.jsonl").read_text().count("\n")
    wait_for(lambda: len(alerts_on(here)) >= labels, 40, "the alerts")
    done_to = meanwhile(here)
    time.sleep(1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    live, before = alerts_on(here), ends_of_all(here)
    assert len(live) >= labels > 10

    reports = {}
    (here.folder / "routes.yaml").write_text("receivers: [{name: chat, min_severity: critical}]\n")
    for jobs in ("1", "2"):
        out = here.folder / f"out{jobs}"
        here.tocsin("backtest", "--baseline", "current", "--routes", str(here.folder / "routes.yaml"),
                    "--budget", "new=0,gone=0,changed=0", "--jobs", jobs, "--parquet", "--out", str(out))  # fmt: skip
        reports[jobs] = (out / "report.json").read_bytes()
    assert reports["1"] == reports["2"]
    report = json.loads(reports["1"])
    table = pyarrow.parquet.read_table(here.folder / "out1/alerts.parquet").to_pylist()
    again = {
        one["alert_id"]: {"status": one["status"], "suppressed": json.loads(one["suppressed"] or "[]")}
        for one in table if one["run"] == "candidate"
    }  # fmt: skip
    assert again.keys() == live.keys() == {alert["alert_id"] for alert in report["alerts"]}
    assert {name: standing(one) for name, one in again.items()} == {name: standing(one) for name, one in live.items()}
    listed = [standing(one) for one in live.values() if one["rule"] == "test.listed"]
    assert len(listed) == 2, "one event came before the list, two after it"
    assert ("active", ["known"]) in listed
    assert live[done_to]["status"] == again[done_to]["status"] == "acknowledged"
    assert report["control"]["taken"] == 3  # the policy, a list and a silence
    assert (report["told"]["today"]["policy"], report["told"]["today"]["commands"]) == ("in force now", 1)
    assert {one["severity"] for one in report["told"]["untold"]} >= {"high", "low"}
    assert report["baseline"]["same"] == len(report["alerts"])
    read = {(one["topic"].removeprefix(here.prefix), one["partition"]) for one in report["inputs"]}
    assert read == {(f"{name}.events", n) for name in ("audit", "trade", "chain", "metric") for n in range(3)}
    ignored = here.tocsin("backtest", "--rules", str(here.folder / "listed.yaml"), "--ignore-commands", "--json")
    assert json.loads(ignored.stdout)["alerts"] == []
    assert "lists that are not given match nothing: bad-hosts" in ignored.stderr
    assert ends_of_all(here) == before  # nothing written, no group joined


def meanwhile(here: Here) -> str:
    """A list that comes between two events, a silence and somebody's word; the alert that is acknowledged."""
    names, producer = Names(app="r", prefix=here.prefix), Producer({**here.options, "partitioner": "murmur2_random"})

    def evil(number: int) -> None:
        event = {"event_id": f"evil-{number}", "event_time": now_ms(), "tenant": "acme", "host": "evil", "type": "up"}
        producer.produce(f"{here.prefix}metric.events", json.dumps(event), b"evil")
        producer.flush(10)

    def listed() -> list[tuple[str, list[str]]]:
        return [standing(one) for one in alerts_on(here).values() if one["rule"] == "test.listed"]

    evil(0)
    time.sleep(0.5)
    publish(here.options, names, list_records(named_list("bad-hosts", ["evil"])))
    time.sleep(0.5)
    evil(1)
    wait_for(lambda: listed() == [("active", [])], 20, "what is listed")
    chosen = next(one for one in alerts_on(here).values() if one["rule"] != "test.listed" and one["status"] == "active")
    known = {"matchers": ["rule=test.listed"], "starts_at": 0, "ends_at": now_ms() + 3_600_000, "author": "ada",
             "comment": "known"}  # fmt: skip
    publish(here.options, names, [part_record("silence", "known", known)])
    word = Command(id="word", action=Action.ACKNOWLEDGE, alert_id=chosen["id"], tenant=chosen["tenant"], by="eve",
                   at=now_ms(), expected_version=chosen["version"])  # fmt: skip
    producer.produce(f"{here.prefix}alert-input", msgspec.json.encode(word), word.tenant)
    producer.flush(10)
    wait_for(lambda: alerts_on(here)[chosen["id"]]["status"] == "acknowledged", 20, "what somebody said")
    time.sleep(0.5)
    evil(2)
    wait_for(lambda: ("active", ["known"]) in listed(), 20, "what is silenced")
    return str(chosen["id"])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


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
    sweep = ("tune", "audit.failed-login-burst", "--param", "detect.count.at_least=3,4", "--source")
    done = here.tocsin(*sweep, f"audit=topic:{topic}", "--json")
    assert json.loads(done.stdout)["notes"] == [said]
    assert said in done.stderr
