"""``tocsin lists`` on a real Kafka and a real Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Consumer, Producer

from streams.local.process import free_ports
from tests.integration.test_topics import ROOT, tocsin

RULE = """
id: test.bad-ip
title: "{source_ip} is a known bad address"
source: audit
where: {source_ip: {in_list: bad-ips}}
group_by: [actor]
detect: {match: {}}
severity: high
type: security
tests:
  - name: an address of the network
    lists: {bad-ips: [192.0.2.0/24]}
    events: [{at: 0s, actor: ada, source_ip: 192.0.2.7}, {at: 1s, actor: bob, source_ip: 198.51.100.1}]
    expect: [{at: 0s, actor: ada}]
"""


@pytest.fixture
def here(kafka: str, topics: str) -> dict[str, str]:
    made = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TOCSIN_TOPIC_PREFIX": topics}
    assert tocsin("topics", "create", "--partitions", "1", **made).returncode == 0
    return made


@pytest.fixture
def members(redis_url: str) -> Iterator[tuple[redis.Redis, str]]:
    """A client, and the name of a set that nobody else uses."""
    with redis.Redis.from_url(redis_url) as client:
        key = f"indicators:{os.getpid()}:{time.time_ns()}"
        yield client, key
        client.delete(key)


def lists(*args: str, here: dict[str, str]) -> Any:
    done = tocsin("lists", *args, "--json", **here)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


def test_a_list_is_applied_shown_and_removed(here: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "ips.txt"
    file.write_text("# ours\n192.0.2.0/24\n\n203.0.113.9\n")
    assert "no list is in force" in tocsin("lists", "show", **here).stdout
    (first,) = lists("apply", "bad-ips", str(file), here=here)
    assert (first["entries"], first["changed"], first["rules"]) == (2, True, [])
    (again,) = lists("apply", "bad-ips", str(file), here=here)
    assert (again["version"], again["changed"], again["position"]) == (first["version"], False, first["position"])
    assert lists("show", here=here) == [{"list": "bad-ips", "version": first["version"], "entries": 2, "rules": []}]
    assert tocsin("lists", "show", "bad-ips", **here).stdout == "192.0.2.0/24\n203.0.113.9\n"
    assert lists("remove", "bad-ips", here=here)[0]["removed"]
    gone = tocsin("lists", "remove", "bad-ips", **here)
    assert gone.returncode == 2
    assert "no list 'bad-ips' is in force" in gone.stderr


def test_a_large_list_comes_in_parts_and_whole(here: dict[str, str], tmp_path: Path) -> None:
    entries = sorted(f"{number:06}.example.org/a/rather/long/path" for number in range(50_000))
    (tmp_path / "many.json").write_text(json.dumps(entries))
    (done,) = lists("apply", "many", str(tmp_path / "many.json"), here=here)
    assert done["position"] >= 3
    assert tocsin("lists", "show", "many", **here).stdout.splitlines() == entries


def test_a_bad_file_is_told_with_its_lines_and_changes_nothing(here: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "ips.txt"
    file.write_text("# ours\n192.0.2.0/24\n10.0.0.0/33\n\na\tb\n")
    done = tocsin("lists", "apply", "bad-ips", str(file), **here)
    assert done.returncode == 2
    assert f"{file}:3: '10.0.0.0/33' is no network" in done.stderr
    assert f"{file}:5: " in done.stderr
    assert "Traceback" not in done.stderr
    assert lists("show", here=here) == []


def test_a_set_of_redis_is_snapshotted_when_it_differs(
    here: dict[str, str], redis_url: str, members: tuple[redis.Redis, str]
) -> None:
    client, key = members
    given = ("sync", "bad-ips", "--redis", redis_url, "--key", key)
    empty = tocsin("lists", *given, **here)
    assert empty.returncode == 1
    assert "has no set" in empty.stderr
    client.sadd(key, *(f"198.51.100.{number}" for number in range(200)))
    (first,) = lists(*given, here=here)
    assert (first["entries"], first["changed"]) == (200, True)
    assert not lists(*given, here=here)[0]["changed"]
    client.srem(key, "198.51.100.7")
    (second,) = lists(*given, here=here)
    assert (second["entries"], second["changed"]) == (199, True)
    client.sadd(key, b"\xff")
    assert tocsin("lists", *given, **here).returncode == 1
    client.delete(key)
    client.set(key, "no set")
    wrong = tocsin("lists", *given, **here)
    assert (wrong.returncode, "WRONGTYPE" in wrong.stderr) == (1, True)
    assert lists("show", here=here)[0]["entries"] == 199


def test_a_redis_that_is_not_there_is_one_message(here: dict[str, str]) -> None:
    port = free_ports(1)[0]
    done = tocsin("lists", "sync", "bad-ips", "--redis", f"redis://127.0.0.1:{port}/0", "--key", "k", **here)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot read the set 'k' from Redis")
    assert "Traceback" not in done.stderr


def test_sync_follows_the_set_until_it_is_told_to_stop(
    here: dict[str, str], redis_url: str, members: tuple[redis.Redis, str], tmp_path: Path
) -> None:
    client, key = members
    client.sadd(key, "192.0.2.1")
    environ = {**os.environ, **here, "THE_REDIS": redis_url}
    output, errors = tmp_path / "out", tmp_path / "err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "lists", "sync", "bad-ips", "--redis", "env:THE_REDIS", "--key", key,
             "--every", "1s", "--json"], env=environ, cwd=ROOT, stdout=out, stderr=err,
        )  # fmt: skip
    try:
        until(lambda: output.read_text().count("\n") == 1, "the first snapshot was not applied")
        client.delete(key)
        until(lambda: "has no set" in errors.read_text(), "the missing set was not told")
        client.sadd(key, "192.0.2.1", "192.0.2.2")
        until(lambda: output.read_text().count("\n") == 2, "the second snapshot was not applied")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, errors.read_text()
    assert [json.loads(line)["entries"] for line in output.read_text().splitlines()] == [1, 2]


def test_a_live_worker_takes_a_new_list_and_the_replay_sees_what_it_saw(here: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text(RULE)
    config = tmp_path / "tocsin.yaml"
    config.write_text(f"rules: [rule.yaml]\ndata_dir: {tmp_path / 'data'}\n")
    here = {**here, "TOCSIN_CONFIG": str(config)}
    assert tocsin("rules", "test", str(tmp_path / "rule.yaml"), **here).returncode == 0
    topics, log = here["TOCSIN_TOPIC_PREFIX"], tmp_path / "worker.log"
    producer = Producer({"bootstrap.servers": here["KAFKA_BOOTSTRAP_SERVERS"]})

    def event(actor: str, ip: str) -> None:
        value = {"event_id": actor, "actor": actor, "source_ip": ip, "event_time": int(time.time() * 1000)}
        producer.produce(f"{topics}audit.events", json.dumps(value), actor)
        assert producer.flush(10) == 0

    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "run", "--no-http", "--roles", "detect,alert"],
            env={**os.environ, **here}, stderr=output, cwd=ROOT,
        )  # fmt: skip
    try:
        until(lambda: "nobody has applied" in log.read_text(), "the missing list was not told")
        (tmp_path / "one.txt").write_text("192.0.2.0/24\n")
        (tmp_path / "two.txt").write_text("198.51.100.0/24\n")
        consumer = _alerts(here["KAFKA_BOOTSTRAP_SERVERS"], topics)
        versions = []
        found: list[dict[str, Any]] = []
        for name, actor, ip in (("one", "ada", "192.0.2.7"), ("two", "bob", "::ffff:198.51.100.7")):
            (done,) = lists("apply", "bad-ips", str(tmp_path / f"{name}.txt"), here=here)
            assert done["rules"] == ["test.bad-ip"]
            versions.append(done["version"])
            for attempt in range(40):  # a partition takes the list up with its next batch after the record
                event(f"{actor}{attempt}", ip)
                if (message := consumer.poll(1)) is not None and message.error() is None:
                    found.append(json.loads(message.value()))
                    break
        assert [alert["metadata"]["lists"] for alert in found] == [f"bad-ips@{version}" for version in versions]
        consumer.close()
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0, log.read_text()
    replay = tocsin("replay", "--journal", "--compare", **here)
    assert replay.returncode == 0, replay.stdout + replay.stderr


def test_applying_rules_warns_of_lists_that_are_not(here: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text(RULE)
    (tmp_path / "ips.txt").write_text("192.0.2.1\n")
    assert "they use the lists bad-ips" in tocsin("rules", "check", str(tmp_path / "rule.yaml"), **here).stdout
    first = tocsin("rules", "apply", str(tmp_path / "rule.yaml"), **here)
    assert (first.returncode, first.stderr.count("\n")) == (0, 1)
    assert first.stderr.startswith(
        "warning: the list bad-ips is not applied and matches nothing; it is used by test.bad-ip"
    )
    assert lists("show", here=here)[0] == {
        "list": "bad-ips",
        "version": None,
        "entries": None,
        "rules": ["test.bad-ip"],
    }
    lists("apply", "bad-ips", str(tmp_path / "ips.txt"), here=here)
    assert tocsin("rules", "apply", str(tmp_path / "rule.yaml"), **here).stderr == ""


def _alerts(servers: str, prefix: str) -> Consumer:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": f"{prefix}test", "auto.offset.reset": "earliest",
         "isolation.level": "read_committed"}
    )  # fmt: skip
    consumer.subscribe([f"{prefix}alerts"])
    return consumer
