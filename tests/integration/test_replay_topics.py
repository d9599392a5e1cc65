"""Replays from a real Kafka: stretches of topics, and a live range as its journal tells it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.detect.entries import kept_id
from streams.replay.journal import replay_journal
from streams.replay.moments import rfc3339
from streams.replay.topics import Topic, parse_range
from tests.showcase import FILES

ROOT = Path(__file__).parents[2]
SIMULATE = ("simulate", "--duration", "30s", "--every", "30s", "--rate", "100")
SOURCES = ("audit", "trade", "chain", "metric")


def environ() -> dict[str, str]:
    """Without what would override a configuration file."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "KAFKA_"))}


class Here:
    """A prefix of its own on the session's Kafka, and ``tocsin`` with a configuration for it."""

    def __init__(self, kafka: str, prefix: str, folder: Path) -> None:
        self.options, self.prefix, self.folder = {"bootstrap.servers": kafka}, prefix, folder
        self.config = folder / "tocsin.yaml"
        self.config.write_text(yaml.safe_dump({
            "kafka": {"bootstrap_servers": kafka}, "topic_prefix": prefix, "app": "r", "data_dir": str(folder),
            "policy": {"receivers": [{"name": "pager"}], "remind_after": "500ms", "max_reminders": 2},
            "http": {"port": 0},
            "rules": [str(file) for file in FILES],
        }))  # fmt: skip

    def tocsin(self, *args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streams.cli", "--config", str(self.config), *args]
        done = subprocess.run(
            command, cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == status, f"{args}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
        return done

    def replay(self, *args: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.tocsin("replay", "--json", *args).stdout.splitlines()]

    def count(self, topic: str) -> int:
        """Committed records, without transaction markers."""
        source = Topic(self.options, parse_range(self.prefix + topic))
        found = sum(len(chunk) for partition in source.ranges for chunk in source.chunks(partition))
        source.close()
        return found


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


def all_of(*sources: str) -> list[str]:
    return [part for source in sources for part in ("--source", f"{source}=topic:{source}.events")]


def test_topics_replayed_are_the_attacks_and_the_same_bytes_again(here: Here) -> None:
    here.tocsin(*SIMULATE, "--to", "topics", "--truth", str(here.folder / "truth.jsonl"))
    first = here.tocsin("replay", "--json", *all_of(*SOURCES)).stdout
    assert here.tocsin("replay", "--json", *reversed_pairs(all_of(*SOURCES))).stdout == first
    labels = [json.loads(line) for line in (here.folder / "truth.jsonl").read_text().splitlines()]
    alerts = [json.loads(line) for line in first.splitlines()]
    told = {(a["rule"], a["tenant"], str(sorted(a["key"].items()))) for a in alerts}
    assert len(told) == len(alerts)
    assert told >= {(label["rule"], label["tenant"], str(sorted(label["key"].items()))) for label in labels}
    assert len(alerts) >= len(labels) > 10  # an export at night is two
    for alert in alerts:
        for evidence in alert["evidence"]:
            topic, partition, offset = evidence["position"].split("/")
            assert topic == f"{alert['source']}.events"
            event_id = event_at(here, topic, int(partition), int(offset))["event_id"]
            assert evidence["event_id"] in (event_id, kept_id(event_id, 16))  # large windows keep digests


def reversed_pairs(arguments: list[str]) -> list[str]:
    pairs = [arguments[n : n + 2] for n in range(0, len(arguments), 2)]
    return [part for pair in reversed(pairs) for part in pair]


def event_at(here: Here, topic: str, partition: int, offset: int) -> dict[str, Any]:
    consumer = Consumer({**here.options, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(here.prefix + topic, partition, offset)])
    message = consumer.poll(10)
    consumer.close()
    assert message is not None
    assert message.offset() == offset
    return dict(json.loads(message.value()))


def test_a_stretch_is_what_lies_between_its_ends(here: Here) -> None:
    producer = Producer(here.options)
    base = time.time_ns() // 1_000_000_000 * 1000 - 60_000
    for n in range(10):
        at = base + n * 1000
        event = {"event_id": str(n), "event_time": at, "type": "system.error", "host": f"h{n}"}
        producer.produce(f"{here.prefix}metric.events", json.dumps(event), partition=n % 2, timestamp=at)
    producer.flush(10)

    def hosts(stretch: str) -> list[str]:
        return [alert["key"]["host"] for alert in here.replay("--source", f"metric=topic:metric.events{stretch}")]

    assert hosts("") == [f"h{n}" for n in range(10)]
    assert hosts("@1..2") == ["h2", "h3"]  # of both partitions
    assert hosts("@0:4,1:3..latest") == ["h7", "h8", "h9"]
    assert hosts(f"@{rfc3339(base + 3000)}..{rfc3339(base + 6000)}") == ["h3", "h4", "h5"]
    assert hosts("@..1") == ["h0", "h1"]
    done = here.tocsin("replay", "--source", "metric=topic:metric.events@10..20", status=2)
    assert "no events" in done.stderr
    assert "no partition 7" in here.tocsin("replay", "--source", "metric=topic:metric.events@7:1..9", status=2).stderr
    assert "nowhere" in here.tocsin("replay", "--source", "metric=topic:nowhere", status=1).stderr


def test_what_was_aborted_never_was_and_no_group_is_joined(here: Here) -> None:
    topic = f"{here.prefix}metric.events"
    producer = Producer({**here.options, "transactional.id": f"{here.prefix}x"})
    producer.init_transactions(10)
    for host, end in (("kept", "commit"), ("gone", "abort"), ("kept-too", "commit"), ("gone-too", "abort")):
        producer.begin_transaction()
        producer.produce(topic, json.dumps({"event_time": 1, "type": "system.error", "host": host}), partition=0)
        producer.flush(10)
        producer.commit_transaction(10) if end == "commit" else producer.abort_transaction(10)
    producer.begin_transaction()
    producer.produce(topic, json.dumps({"event_time": 1, "type": "system.error", "host": "open"}), partition=0)
    producer.flush(10)
    alerts = here.replay("--source", "metric=topic:metric.events")
    producer.abort_transaction(10)
    assert [alert["key"]["host"] for alert in alerts] == ["kept", "kept-too"]
    groups = AdminClient(here.options).list_consumer_groups().result(10).valid
    assert not [group.group_id for group in groups if "replay" in group.group_id]


def test_a_live_range_is_replayed_as_it_was(here: Here, worker: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: b"restored" in (here.folder / "worker.log").read_bytes(), 30, "the worker")
    here.tocsin(*SIMULATE, "--to", "topics")
    alerts = 12
    wait_for(lambda: here.count("alerts") >= alerts, 30, "the first alerts")
    kept = [str(file) for file in FILES if file.parent.name in ("ops", "audit")]
    here.tocsin("rules", "apply", *kept)  # trade and chain are switched off
    time.sleep(1)
    # Behind all that was, however far idleness has carried the watermarks: so a plain replay sees the same order.
    later = rfc3339(time.time_ns() // 1_000_000 + 120_000)
    here.tocsin(*SIMULATE, "--to", "topics", "--seed", "9", "--start", later)
    wait_for(lambda: here.count("notifications") >= 2 * alerts, 30, "reminders and the second run")
    time.sleep(2)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0

    replayed = replay_journal(here.options, here.prefix, "r", config=here.config)
    assert replayed.problems == []
    assert replayed.differences == []
    assert len(replayed.alerts) == here.count("alerts") > 0
    assert len(replayed.notifications) == here.count("notifications") > 0
    assert len(replayed.findings) == here.count("alert-input") > 0
    lines = [json.loads(line) for line in here.tocsin("replay", "--journal", "--compare", "--json").stdout.splitlines()]
    assert {line["rule"].split(".")[0] for line in lines} == {"audit", "trade", "chain", "ops"}
    assert {one["reason"] for line in lines for one in line["notifications"]} >= {"new", "repeated"}
    # Where no rules were switched, a plain replay gives the same alerts as the live range did.
    plain = {(a["alert_id"], a["findings"], a["severity"]) for a in here.replay(*all_of("audit", "metric"))}
    live = {(a["alert_id"], a["findings"], a["severity"]) for a in lines if a["source"] in ("audit", "metric")}
    assert plain == live

    tamper(here, replayed.alerts)
    done = here.tocsin("replay", "--journal", "--compare", status=1)
    assert "alerts: " in done.stderr
    assert "was written 1 times more" in done.stderr
    assert "the journal goes on at 999999" in done.stderr


def tamper(here: Here, alerts: dict[tuple[str, int], bytes]) -> None:
    """Write an alert a second time, and a step into the journal that nothing leads to."""
    producer = Producer(here.options)
    value = next(iter(alerts.values()))
    producer.produce(f"{here.prefix}alerts", value, json.loads(value)["id"])
    record = {"stage": "detect", "topic": "chain.events", "partition": 0,
              "steps": [[9_999_999_999_999, 999_999, 999_999, "", 1, False]]}  # fmt: skip
    journal = f"{here.prefix}journal"
    producer.produce(journal, json.dumps(record), "detect/chain.events/0", partition=journal_of(here, journal))
    producer.flush(10)


def journal_of(here: Here, journal: str) -> int:
    """The partition that holds the steps of chain.events/0."""
    source = Topic(here.options, parse_range(journal))
    try:
        return next(
            partition
            for partition in source.ranges
            for messages in source.messages(partition)
            if any(message.key() == b"detect/chain.events/0" for message in messages)
        )
    finally:
        source.close()


def wait_for(condition: Any, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def test_a_broker_that_is_not_there_is_one_clear_message(here: Here) -> None:
    here.config.write_text(yaml.safe_dump({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}))
    for arguments in (("--journal",), all_of("audit")):
        done = here.tocsin("replay", *arguments, status=1)
        assert "127.0.0.1:1" in done.stderr
        assert len(done.stderr.splitlines()) <= 3


def test_a_journal_of_nothing_says_so(here: Here) -> None:
    assert "the journal holds nothing" in here.tocsin("replay", "--journal", status=2).stderr
