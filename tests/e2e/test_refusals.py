"""Bad input at the command line: one clear message that says what to do, an exit status, no traceback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient, NewPartitions

from streams.errors import FENCED, USAGE
from streams.local.kafka import SASL_USER
from streams.local.process import free_ports
from tests.e2e.living import Place, eventually

pytestmark = pytest.mark.timeout(180)

GOOD_RULE = {
    "id": "test.rule", "title": "{actor}", "description": "Of the tests.", "source": "audit", "where": {"action": "login"},
    "group_by": ["actor"], "detect": {"match": {}}, "severity": "low", "type": "security",
    "tests": [{"name": "fires", "events": [{"at": "0s", "action": "login", "actor": "x"}], "expect": [{"at": "0s"}]}],
}  # fmt: skip


@pytest.fixture
def place(kafka: str, topics: str, tmp_path: Path) -> Iterator[Place]:
    place = Place(kafka, topics, tmp_path)
    yield place
    for worker in place.workers:
        worker.process.kill()
        worker.process.wait(10)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What it said on stderr: short, in words, with something to do. Nothing else but the refusal is written."""
    assert done.stdout == ""
    assert done.stderr.startswith("error: "), done.stderr
    assert len(done.stderr) < 2000
    assert done.stderr.count("\nerror: ") == 0, done.stderr
    assert "hint: " in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("run", "--roles", "deliver"),
        ("topics", "create"),
        ("rules", "apply"),
        ("replay", "--journal"),
        ("alerts", "ack", "abc", "--tenant", "acme"),
        ("simulate", "--duration", "1s", "--to", "topics"),
    ],
    ids=" ".join,
)
def test_an_unreachable_broker(place: Place, command: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    place.configure(kafka={"bootstrap_servers": address})
    text = said(place.tocsin(*command, status=1))
    assert f"cannot reach Kafka at {address}" in text
    assert "kafka.bootstrap_servers" in text


def test_missing_topics_are_named_with_the_command_that_makes_them(place: Place) -> None:
    text = said(place.tocsin("run", status=1))
    assert "missing topics: " in text
    assert f"{place.prefix}audit.events" in text
    assert "tocsin topics create" in text


def test_one_missing_topic(place: Place) -> None:
    place.create_topics()
    gone = place.names.topic("operations")
    admin = AdminClient(place.options)
    admin.delete_topics([gone])[gone].result(20)
    eventually(lambda: place.tocsin("topics", "check", status=None).returncode == 1, 30, "the topic to be gone")
    assert f"missing topics: {gone}\n" in said(place.tocsin("run", status=1))


@pytest.mark.parametrize(("topic", "table"), [("audit.events", "detect-audit.events"), ("alert-input", "alert")])
def test_a_changelog_with_another_count(place: Place, topic: str, table: str) -> None:
    place.create_topics()
    changelog = place.names.changelog(table)
    admin = AdminClient(place.options)
    admin.create_partitions([NewPartitions(changelog, 5)])[changelog].result(20)
    text = eventually(lambda: _counts(place), 30, "the new partitions to be seen")
    assert f"{place.names.topic(topic)} has 2, {changelog} has 5" in text
    assert "tocsin topics check" in text
    check = place.tocsin("topics", "check", status=1)
    assert f"{changelog}: has 5 partitions and must have 2" in check.stdout


def _counts(place: Place) -> str:
    done = place.tocsin("topics", "check", status=None)
    return said(place.tocsin("run", status=1)) if done.returncode else ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detect": {"count": {"at_least": 0, "within": "10m"}}}, ["at_least"]),
        ({"detect": {"oracle": {}}}, ["oracle", "match"]),
        ({"where": {"action": {"equals": "login"}}}, ["equals"]),
        ({"severty": "high"}, ["severty", "severity"]),
        ({"title": ""}, ["title"]),
        ({"tests": []}, ["test"]),
        ({"group_by": "actor", "cooldown": "soon"}, ["group_by", "cooldown"]),  # all problems at once
    ],
    ids=str,
)
def test_a_bad_rule_is_named_with_file_and_line(place: Place, change: dict[str, Any], words: list[str]) -> None:
    file = place.folder / "rules" / "bad.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({**GOOD_RULE, **change}, sort_keys=False))
    place.configure(rules=[str(file.parent)])
    for command in (("run",), ("rules", "check"), ("rules", "apply")):
        done = place.tocsin(*command, status=USAGE)
        for word in (f"{file}:", *words):
            assert word in done.stderr, (command, done.stderr)


def test_a_rule_file_that_is_no_rule(place: Place) -> None:
    file = place.folder / "bad.yaml"
    place.configure(rules=[str(file)])
    for content in (b"", b"\xff\xfe", b"- a\n- b\n", b"id: [\n", b"a: " + b"[" * 50_000, b"&a [*a]", b"\0"):
        file.write_bytes(content)
        assert f"{file}" in place.tocsin("run", status=USAGE).stderr, content


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"topic_prefx": "x"}, ["topic_prefx", "topic_prefix"]),
        ({"http": {"port": 99_999}}, ["http.port"]),
        ({"http": {"prot": 1}}, ["prot"]),
        ({"sources": {"audit": {"max_disorder": "soon"}}}, ["max_disorder"]),
        ({"detect": {"max_keys": True}}, ["max_keys"]),
        ({"rules": ["nowhere"]}, ["nowhere"]),
        ({"policy": {"recievers": []}}, ["recievers", "receivers"]),
        ({"sinks": [{"name": "x", "type": "pigeon"}]}, ["pigeon", "sqlite", "webhook"]),
        ({"sinks": [{"name": "x", "type": "webhook", "url": "ftp://x"}]}, ["http"]),
        ({"app": "a b"}, ["app"]),
        ({"detect": None, "log": {"level": "loud"}, "roles": ["cook"]}, ["log.level", "cook"]),  # all at once
        ({"kafka": {"bootstrap_servers": "no port"}}, ["bootstrap_servers"]),
        ({"kafka": {"client": {"acks": "0"}}}, ["acks"]),
        ({"kafka": {"sasl": {"username": "u", "password": "hunter2"}}}, ["env:NAME"]),
    ],
    ids=str,
)
def test_a_bad_configuration_is_named_with_its_line(place: Place, settings: dict[str, Any], words: list[str]) -> None:
    place.configure(**settings)
    done = place.tocsin("run", status=USAGE)
    for word in ("tocsin.yaml:", *words):
        assert word in done.stderr, done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("fly",),
        ("run", "--roles", "detect,cook"),
        ("run", "--port", "high"),
        ("run", "--fast"),
        ("--config", "/nowhere/tocsin.yaml", "run"),
        ("alerts", "ack"),
        ("replay",),
        ("replay", "--source", "audit"),
        ("replay", "--source", "audit=/nowhere.jsonl"),
        ("topics", "create", "--partitions", "0"),
    ],
    ids=" ".join,
)
def test_bad_usage(place: Place, args: tuple[str, ...]) -> None:
    text = place.tocsin(*args, status=USAGE).stderr
    assert "rror: " in text
    assert len(text.splitlines()) <= 6


def test_a_wrong_credential(kafka_with_passwords: str, place: Place) -> None:
    place.configure(kafka={
        "bootstrap_servers": kafka_with_passwords, "security_protocol": "SASL_PLAINTEXT",
        "sasl": {"username": SASL_USER, "password": "env:E2E_PASSWORD"},
    })  # fmt: skip
    for command in (("run",), ("rules", "apply"), ("replay", "--journal")):
        text = said(place.tocsin(*command, status=1, E2E_PASSWORD="not-the-one"))
        assert "refuses the credentials" in text
        assert "kafka.sasl" in text
        assert "not-the-one" not in text
    assert "E2E_PASSWORD is not set" in said(place.tocsin("run", status=USAGE))


def test_a_port_that_is_taken(place: Place) -> None:
    place.create_topics()
    first = place.start("0").ready()
    port = first.text.split("port=")[1].split()[0]
    text = said(place.tocsin("run", "--worker-id", "1", "--port", port, status=USAGE))
    assert f"127.0.0.1:{port}" in text
    assert "--port" in text
    assert "99999" in said(place.tocsin("run", "--port", "99999", status=USAGE))


def test_a_second_process_with_the_same_worker_id_fences_the_first(place: Place) -> None:
    first = place.create_topics().start("7").ready()
    second = place.start("7")
    assert first.process.wait(60) == FENCED
    assert "Traceback" not in first.text
    assert "worker ends" in first.text
    second.ready()
    assert second.end() == 0
