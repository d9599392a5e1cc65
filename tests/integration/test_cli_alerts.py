"""``tocsin alerts`` with a real Kafka and a real SQLite file; only the ALERT stage's answer is played by the test."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.context import SinkContext
from connectors.registry import parse_sinks
from connectors.testing import sample_alert, storage_item
from streams.model import Alert, Command, Finding, Operation, OperationOutcome, Severity, Status
from streams.model.partitioner import partition_of

pytestmark = pytest.mark.timeout(90)
NUMBERS = 4


class Cluster:
    """Topics of this test's own, a configuration that names them, and the command line."""

    def __init__(self, kafka: str, prefix: str, directory: Path) -> None:
        self.options = {"bootstrap.servers": kafka, "log_level": 0}
        self.prefix, self.directory = prefix, directory
        admin = AdminClient(self.options)
        made = admin.create_topics([NewTopic(prefix + t, NUMBERS, 1) for t in ("alerts", "alert-input", "operations")])
        for done in made.values():
            done.result(20)
        self.producer = Producer({**self.options, "partitioner": "murmur2_random"})
        self.configure(sinks=[{"name": "archive", "type": "sqlite"}])

    def configure(self, **more: Any) -> None:
        document = {
            "kafka": {"bootstrap_servers": self.options["bootstrap.servers"]},
            "topic_prefix": self.prefix,
            "data_dir": str(self.directory / "data"),
        }
        (self.directory / "tocsin.yaml").write_text(yaml.safe_dump(document | more))

    def store(self, *alerts: Alert) -> None:
        (config,) = parse_sinks([{"name": "archive", "type": "sqlite"}])

        async def write() -> None:
            sink = config.make(SinkContext("archive", self.directory / "data"))
            await sink.open()
            for n, alert in enumerate(alerts):
                fields = {name: getattr(alert, name) for name in alert.__struct_fields__}
                await sink.deliver([storage_item(1, offset=n, **fields)])
            await sink.close()

        asyncio.run(write())

    def publish(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.producer.produce(self.prefix + "alerts", msgspec.json.encode(alert), alert.id.encode())
        assert self.producer.flush(20) == 0

    def tocsin(self, *args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", "--config", str(self.directory / "tocsin.yaml"), "alerts", *args],
            capture_output=True, text=True, timeout=60, cwd=self.directory, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def commands(self, count: int) -> list[tuple[bytes, int, Command]]:
        """(key, partition, command) of the first ``count`` on alert-input."""
        return [(key, number, msgspec.json.decode(raw, type=Command)) for key, number, raw in self.records(count)]

    def records(self, count: int) -> list[tuple[bytes, int, bytes]]:
        group = f"{self.prefix}see{uuid.uuid4().hex}"
        consumer = Consumer({**self.options, "group.id": group, "auto.offset.reset": "earliest"})
        consumer.subscribe([self.prefix + "alert-input"])
        found: list[tuple[bytes, int, bytes]] = []
        for _ in range(100):
            message = consumer.poll(0.3)
            if message is not None and message.error() is None:
                found.append((message.key() or b"", message.partition() or 0, message.value() or b""))
            if len(found) == count:
                break
        consumer.close()
        return found

    def findings(self, count: int) -> list[Finding]:
        """The first ``count`` on alert-input."""
        return [msgspec.json.decode(raw, type=Finding) for _, _, raw in self.records(count)]

    def answer(self, *outcomes: str) -> threading.Thread:
        """Play the alert stage: to each command, in their order, "" (applied) or the reason of a refusal."""

        def play() -> None:
            for noise in (b"", b"\xff", b'{"command_id": 3}'):
                self.producer.produce(self.prefix + "operations", noise, b"acme")
            for (_, _, command), reason in zip(self.commands(len(outcomes)), outcomes, strict=True):
                outcome = OperationOutcome.REFUSED if reason else OperationOutcome.APPLIED
                operation = Operation(
                    command_id=command.id, alert_id=command.alert_id, tenant=command.tenant, action=command.action,
                    outcome=outcome, by=command.by, at=1, asked_at=command.at, reason=reason,
                )  # fmt: skip
                self.producer.produce(self.prefix + "operations", msgspec.json.encode(operation), b"acme")
            self.producer.flush(20)

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def cluster(kafka: str, topics: str, tmp_path: Path) -> Cluster:
    return Cluster(kafka, topics, tmp_path)


def test_list_filters_what_is_stored(cluster: Cluster) -> None:
    cluster.store(
        sample_alert(0xA1, tenant="acme", title="one [bold]x[/bold] \x1b[2J"),
        sample_alert(0xB1, tenant="acme", status=Status.RESOLVED, created_at=1_704_067_300_000),
        sample_alert(0xC1, tenant="other"),
    )
    rows = [json.loads(line) for line in cluster.tocsin("list", "--json").stdout.splitlines()]
    assert [int(row["id"], 16) for row in rows] == [0xB1, 0xA1, 0xC1]
    assert rows[0]["created_at"] == "2024-01-01T00:01:40.000Z"
    assert rows[0]["first"][0]["event_time"] == "2024-01-01T00:00:00.000Z"
    some = cluster.tocsin("list", "--tenant", "acme", "--status", "active", "--json").stdout.splitlines()
    assert [int(json.loads(line)["id"], 16) for line in some] == [0xA1]
    assert cluster.tocsin("list", "--tenant", "x' OR '1'='1", "--json").stdout == ""
    shown = cluster.tocsin("list", "--limit", "2").stdout
    assert "one [bold]x[/bold]" in cluster.tocsin("list").stdout  # not markup, and it paints nothing
    assert "\x1b" not in shown
    cluster.tocsin("list", "--severity", "worst", status=2)


def test_show_tells_the_whole_story(cluster: Cluster) -> None:
    versions = [
        sample_alert(7, version=n, why=w, count=n) for n, w in enumerate(("opened", "folded", "acknowledged"), 1)
    ]
    closed = msgspec.structs.replace(
        versions[-1], version=4, why="resolved", resolved_at=1_704_067_210_000, resolved_by="eve",
        notes=({"at": 1_704_067_210_000, "by": "eve", "text": "planned export"},), notification_failed=("pager",),
    )  # fmt: skip
    cluster.store(*versions, closed)
    text = cluster.tocsin("show", closed.id, "--history").stdout
    for part in (
        "20 failed logins for ada", "observed 20, threshold 5 within 10m", "tenant", "acme", "audit.events/3/7",
        "2024-01-01T00:00:10.000Z by eve", "planned export", "pager", "opened", "folded", "acknowledged", "alerts/0/3",
    ):  # fmt: skip
        assert part in text, part
    assert [json.loads(line)["version"] for line in cluster.tocsin("show", closed.id, "--history", "--json").stdout.splitlines()] == [1, 2, 3, 4]  # fmt: skip


def test_an_id_may_be_cut_short_while_it_is_clear(cluster: Cluster) -> None:
    first, second = f"abc1{'0' * 28}", f"abc2{'0' * 28}"
    cluster.store(sample_alert(1, id=first), sample_alert(2, id=second))
    assert json.loads(cluster.tocsin("show", "abc1", "--json").stdout)["id"] == first
    assert "more than one alert" in cluster.tocsin("show", "abc", status=1).stderr
    assert "there is no alert" in cluster.tocsin("show", "%", status=1).stderr


def test_without_storage_an_alert_is_found_on_its_topic(cluster: Cluster) -> None:
    cluster.configure(sinks=[])
    alerts = [sample_alert(n, tenant=f"t{n}") for n in range(40)]
    cluster.publish(*alerts, msgspec.structs.replace(alerts[17], version=2, why="folded"))
    cluster.producer.produce(cluster.prefix + "alerts", b"{", alerts[17].id.encode())
    cluster.producer.produce(cluster.prefix + "alerts", None, alerts[17].id.encode())
    cluster.publish()
    shown = json.loads(cluster.tocsin("show", alerts[17].id, "--json").stdout)
    assert (shown["tenant"], shown["version"]) == ("t17", 2)
    assert "needs a storage" in cluster.tocsin("list", status=2).stderr
    assert "there is no alert" in cluster.tocsin("show", "f" * 32, status=1).stderr


def test_a_command_goes_to_its_tenant_s_partition(cluster: Cluster) -> None:
    cluster.store(sample_alert(1, tenant="a tenant, with é"))
    said = cluster.tocsin("resolve", sample_alert(1).id, "--by", "eve", "--note", "n\nn", "--action", "told them")
    assert "asked for: resolve" in said.stdout
    ((key, partition, command),) = cluster.commands(1)
    assert key == "a tenant, with é".encode()
    assert partition == partition_of(key, NUMBERS)
    assert (command.action, command.by, command.note, command.resolution_action) == (
        "resolve",
        "eve",
        "n\nn",
        "told them",
    )
    assert command.alert_id == sample_alert(1).id


def test_each_word_is_its_action(cluster: Cluster) -> None:
    for word in ("ack", "unack", "dismiss", "comment"):
        cluster.tocsin(word, "x" * 32, "--tenant", "acme", "--note", "why", "--json")
    actions = sorted(command.action.value for _, _, command in cluster.commands(4))
    assert actions == ["acknowledge", "comment", "dismiss", "unacknowledge"]
    cluster.tocsin("comment", "x" * 32, "--tenant", "acme", status=2)  # a comment says something


def test_waiting_for_what_became_of_it(cluster: Cluster) -> None:
    cluster.store(sample_alert(1))
    thread = cluster.answer("")
    said = cluster.tocsin("ack", sample_alert(1).id, "--wait", "--timeout", "20")
    thread.join(10)
    assert "acknowledged (tenant acme)" in said.stdout


def test_a_refusal_is_exit_status_1_with_its_reason(cluster: Cluster) -> None:
    thread = cluster.answer("already_closed")
    said = cluster.tocsin("ack", "x" * 32, "--tenant", "acme", "--wait", "--timeout", "20", status=1)
    thread.join(10)
    assert "refused: already closed" in said.stderr


def test_nobody_answers(cluster: Cluster) -> None:
    said = cluster.tocsin("ack", "x" * 32, "--tenant", "acme", "--wait", "--timeout", "1", status=1)
    assert "nothing was heard" in said.stderr


def test_a_storage_that_is_no_database_is_one_message(cluster: Cluster) -> None:
    (cluster.directory / "data").mkdir()
    (cluster.directory / "data" / "alerts.db").write_bytes(b"not a database at all" * 99)
    assert "cannot read" in cluster.tocsin("list", status=1).stderr
    (cluster.directory / "data" / "alerts.db").unlink()
    assert "there is no alert storage" in cluster.tocsin("list", status=1).stderr


def test_reading_while_a_worker_writes(cluster: Cluster) -> None:
    cluster.store(*(sample_alert(n) for n in range(50)))
    writer = sqlite3.connect(cluster.directory / "data" / "alerts.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE alert_versions SET title = 'not committed'")
    rows = cluster.tocsin("list", "--json").stdout
    writer.execute("ROLLBACK")
    writer.close()
    assert len(rows.splitlines()) == 50
    assert "not committed" not in rows


def test_what_is_asked_says_all_of_it(cluster: Cluster) -> None:
    one, two = "x" * 32, sample_alert(2)
    cluster.store(two)
    asked = [
        ("snooze", "--until", "2030-01-01T08:00:00Z"),
        ("assign", "--to", "ada"),
        ("unassign",),
        ("tag", "--tag", "pci", "--tag", "quarter-end"),
        ("untag", "--tag", "pci"),
        ("escalate", "--reason", "customers are affected"),
        ("reopen",),
        ("link", "--incident", two.id),
        ("unlink",),
        ("dismiss", "--as", "duplicate", "--of", two.id),
        ("resolve", "--as", "true_positive", "--expect-version", "7"),
    ]
    for word, *options in asked:
        cluster.tocsin(word, one, "--tenant", "acme", *options)
    said = [
        {
            name: value
            for name, value in json.loads(msgspec.json.encode(command)).items()
            if name not in ("id", "at", "by", "alert_id", "tenant", "record")
        }
        for _, _, command in cluster.commands(len(asked))
    ]
    assert said == [
        {"action": "snooze", "until": 1_893_484_800_000},
        {"action": "assign", "assignee": "ada"},
        {"action": "assign"},
        {"action": "tag", "tags": ["pci", "quarter-end"]},
        {"action": "untag", "tags": ["pci"]},
        {"action": "escalate", "note": "customers are affected"},
        {"action": "reopen"},
        {"action": "link", "target": two.id},
        {"action": "link"},
        {"action": "dismiss", "disposition": "duplicate", "target": two.id},
        {"action": "resolve", "disposition": "true_positive", "expected_version": 7},
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("ack",), "give ids of alerts, or --where"),
        (("ack", "a", "--where", "rule=b"), "give ids of alerts, or --where"),
        (("ack", "a", "b", "--tenant", "t", "--expect-version", "1"), "--expect-version is for one alert"),
        (("ack", "--where", "severity is bad"), "--where takes a matcher"),
        (("snooze", "a", "--tenant", "t"), "give --for or --until"),
        (("snooze", "a", "--tenant", "t", "--for", "soon"), "--for 'soon' is not a duration"),
        (("dismiss", "a", "--tenant", "t", "--as", "duplicate"), "--as duplicate needs --of"),
        (("dismiss", "a", "--tenant", "t", "--as", "benign", "--of", "b"), "--of names what it is a duplicate of"),
    ],
)
def test_what_cannot_be_meant_is_usage(cluster: Cluster, args: tuple[str, ...], said: str) -> None:
    assert said in cluster.tocsin(*args, status=2).stderr


def test_all_for_which_matchers_hold_and_only_open_ones_of_the_tenant(cluster: Cluster) -> None:
    cluster.store(
        sample_alert(1), sample_alert(2), sample_alert(3, severity=Severity.LOW), sample_alert(4, tenant="other"),
        sample_alert(5, status=Status.RESOLVED),
    )  # fmt: skip
    where = ("--where", "severity=high", "--where", "rule=~audit.*")
    assert "alerts of 2 tenants: acme, other" in cluster.tocsin("ack", *where, "--yes", status=1).stderr
    cluster.tocsin("ack", *where, "--tenant", "acme", status=130)  # nobody says yes
    thread = cluster.answer("", "")
    said = cluster.tocsin("ack", *where, "--tenant", "acme", "--yes", "--timeout", "20")
    thread.join(10)
    assert "2 of 2 acknowledged" in said.stdout
    assert sorted(int(command.alert_id, 16) for _, _, command in cluster.commands(2)) == [1, 2]
    assert "no alert is meant" in cluster.tocsin("ack", "--where", "rule=nothing").stderr


def test_a_failure_in_part_has_a_status_of_its_own(cluster: Cluster) -> None:
    ids = [f"{n:032x}" for n in range(3)]
    thread = cluster.answer("", "already_closed", "unknown_alert")
    said = cluster.tocsin("resolve", *ids, "--tenant", "acme", "--timeout", "20", status=3)
    thread.join(10)
    assert "1 of 3 resolved, 1 refused: already closed, 1 refused: unknown alert" in said.stdout
    assert f"{ids[1]} refused: already closed" in said.stderr


def test_an_alert_raised_by_hand_is_a_finding(cluster: Cluster) -> None:
    said = cluster.tocsin(
        "raise", "--title", "Payments are down!", "--severity", "EMERGENCY", "--tenant", "acme", "--key", "region=eu",
        "--by", "grace", "--json",
    )  # fmt: skip
    finding = cluster.findings(1)[0]
    assert (finding.rule, finding.key, finding.tenant) == ("manual.payments-are-down", {"region": "eu"}, "acme")
    assert (finding.severity, finding.severity_word, finding.fold) == ("critical", "EMERGENCY", "until_resolved")
    assert json.loads(said.stdout)["alert_id"] == finding.alert_id
    bad = ("raise", "--title", "x", "--tenant", "t")
    assert "is not known" in cluster.tocsin(*bad, "--severity", "worst", status=2).stderr
    assert "is not name=value" in cluster.tocsin(*bad, "--severity", "P1", "--key", "eu", status=2).stderr
    assert "nothing was heard" in cluster.tocsin(*bad, "--severity", "P1", "--wait", "--timeout", "1", status=1).stderr
