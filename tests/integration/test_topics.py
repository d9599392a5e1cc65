"""``tocsin topics`` on a real Kafka."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

from streams.local.kafka import SASL_PASSWORD, SASL_USER
from streams.local.process import free_ports

ROOT = Path(__file__).parents[2]


def tocsin(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "KAFKA_"))}
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *args], env={**env, **environ},
        capture_output=True, text=True, cwd=ROOT, timeout=90, check=False,
    )  # fmt: skip


@pytest.fixture
def here(kafka: str, topics: str) -> dict[str, str]:
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TOCSIN_TOPIC_PREFIX": topics}


def test_created_topics_pass_the_check_and_creating_again_changes_nothing(here: dict[str, str]) -> None:
    first = tocsin("topics", "create", "--partitions", "3", "--json", **here)
    assert (first.returncode, first.stderr) == (0, "")
    made = json.loads(first.stdout)["created"]
    prefix = here["TOCSIN_TOPIC_PREFIX"]
    assert {f"{prefix}audit.events", f"{prefix}alert-input", f"{prefix}tocsin-alert-changelog"} <= set(made)
    assert tocsin("topics", "check", **here).returncode == 0
    again = tocsin("topics", "create", "--partitions", "9", "--json", **here)
    assert json.loads(again.stdout) == {"created": [], "problems": []}
    listed = {row["topic"]: row["partitions"] for row in json.loads(tocsin("topics", "list", "--json", **here).stdout)}
    assert listed[f"{prefix}control"] == 1
    assert listed[f"{prefix}audit.events"] == listed[f"{prefix}tocsin-detect-audit.events-changelog"] == 3


def test_nothing_there_is_a_list_of_what_is_missing(here: dict[str, str]) -> None:
    done = tocsin("topics", "check", **here)
    assert done.returncode == 1
    assert f"{here['TOCSIN_TOPIC_PREFIX']}alerts: is missing" in done.stdout
    assert "tocsin topics create" in done.stdout


def test_what_differs_is_named_with_what_mends_it(kafka: str, here: dict[str, str]) -> None:
    prefix = here["TOCSIN_TOPIC_PREFIX"]
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(f"{prefix}control", 3), NewTopic(f"{prefix}trade.events", 5)]).values():
        future.result(20)
    created = tocsin("topics", "create", "--partitions", "2", **here)
    assert created.returncode == 1  # a worker would refuse these
    assert f"{prefix}control: has 3 partitions and must have 1" in created.stdout

    for future in admin.create_partitions([NewPartitions(f"{prefix}audit.events", 4)]).values():
        future.result(20)
    changes = {f"{prefix}tocsin-alert-changelog": ("cleanup.policy", "delete"), f"{prefix}journal": ("retention.ms", "1000"),
               f"{prefix}alerts": ("retention.ms", "-1")}  # fmt: skip
    entries = [
        ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)])
        for topic, (name, value) in changes.items()
    ]  # fmt: skip
    for future in admin.incremental_alter_configs(entries).values():
        future.result(20)

    problems = json.loads(tocsin("topics", "check", "--json", **here).stdout)["problems"]
    found = {(one["topic"].removeprefix(prefix), one["problem"].split(" and must")[0]) for one in problems}
    assert ("tocsin-detect-audit.events-changelog", "has 2 partitions") in found
    assert ("tocsin-alert-changelog", "cleanup.policy is delete") in found
    assert ("journal", "retention.ms is 1000") in found
    assert ("tocsin-detect-trade.events-changelog", "has 5 partitions") not in found  # created to fit
    assert not [one for one in found if one[0] == "alerts"]  # kept longer than asked for is fine
    assert all(one["fix"] for one in problems)


def test_a_source_of_ones_own_gets_its_topics(here: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "sources:\n  login: {topic: logins, max_skew: 10m}\n  audit: {topic: my.audit}\napp: bell\n"
    )
    done = tocsin("--config", str(tmp_path / "t.yaml"), "topics", "create", "--partitions", "1", "--json", **here)
    made = {name.removeprefix(here["TOCSIN_TOPIC_PREFIX"]) for name in json.loads(done.stdout)["created"]}
    assert {"logins", "my.audit", "bell-detect-logins-changelog", "bell-detect-my.audit-changelog"} <= made
    assert "audit.events" not in made
    assert tocsin("--config", str(tmp_path / "t.yaml"), "topics", "check", **here).returncode == 0


def test_more_replicas_than_brokers_is_one_message(here: dict[str, str]) -> None:
    done = tocsin("topics", "create", "--replication", "7", **here)
    assert done.returncode == 1
    assert "Kafka did not create" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_broker_is_one_message_soon() -> None:
    done = tocsin("topics", "check", KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_ports(1)[0]}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot reach Kafka at 127.0.0.1:")
    assert "Connection refused" in done.stderr
    assert "tocsin local up" in done.stderr
    assert done.stderr.count("\n") == 2


def test_an_unknown_host_is_one_message() -> None:
    done = tocsin("topics", "check", KAFKA_BOOTSTRAP_SERVERS="no-such-host.invalid:9092")
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert "Failed to resolve" in done.stderr


@pytest.mark.parametrize(
    ("password", "status", "said"),
    [(SASL_PASSWORD, 1, ""), ("wrong", 1, "refuses the credentials"), ("", 2, "the environment variable PASSWORD_ is not set")],
)  # fmt: skip
def test_credentials(
    kafka_with_passwords: str, topics: str, tmp_path: Path, password: str, status: int, said: str
) -> None:
    (tmp_path / "t.yaml").write_text(
        f"kafka:\n  bootstrap_servers: {kafka_with_passwords}\n  security_protocol: SASL_PLAINTEXT\n"
        f"  sasl: {{username: {SASL_USER}, password: env:PASSWORD_}}\ntopic_prefix: {topics}\n"
    )
    done = tocsin("--config", str(tmp_path / "t.yaml"), "topics", "check", PASSWORD_=password)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.count("\n") == (2 if said else 0)
    assert bool(said) or "alerts: is missing" in done.stdout  # logged in, and found nothing
    assert "wrong" not in done.stderr


def test_no_login_where_one_is_asked_for(kafka_with_passwords: str) -> None:
    done = tocsin("topics", "check", KAFKA_BOOTSTRAP_SERVERS=kafka_with_passwords)
    assert done.returncode == 1
    assert "kafka.security_protocol" in done.stderr


@pytest.mark.parametrize("option", ["no.such.option: 1", "socket.timeout.ms: soon", "debug: 5"])
def test_an_option_the_client_refuses_is_a_configuration_error(kafka: str, tmp_path: Path, option: str) -> None:
    (tmp_path / "t.yaml").write_text(f"kafka: {{bootstrap_servers: '{kafka}', client: {{{option}}}}}\n")
    done = tocsin("--config", str(tmp_path / "t.yaml"), "topics", "check")
    assert done.returncode == 2
    assert "Kafka's client refuses its options" in done.stderr
    assert "kafka.client" in done.stderr


def test_a_producer_with_other_keys_than_partition_by_is_found_by_a_sample(kafka: str, here: dict[str, str]) -> None:
    prefix = here["TOCSIN_TOPIC_PREFIX"]
    assert tocsin("topics", "create", "--partitions", "3", **here).returncode == 0
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(300):
        actor = {"actor": f"secret-{number % 50}", "event_time": number}
        producer.produce(f"{prefix}audit.events", json.dumps(actor), partition=number % 50 % 3)  # as it must be
        producer.produce(
            f"{prefix}trade.events", json.dumps({"account": f"secret-{number % 50}"}), partition=number % 3
        )
    assert producer.flush(20) == 0
    assert tocsin("topics", "check", **here).returncode == 0
    done = tocsin("topics", "check", "--sample", "--json", **here)
    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["topic"] == f"{prefix}trade.events"
    assert "50 keys (tenant, account) stand in more than one partition" in problem["problem"]
    assert "secret" not in done.stdout
    assert "partition_by" in problem["fix"]
