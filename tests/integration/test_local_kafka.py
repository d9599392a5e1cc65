"""The local Kafka is a real one: transactions, three brokers that fail and come back, and no process left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from streams.errors import TocsinError
from streams.local import process
from streams.local.kafka import LocalKafka

ROOT = Path(__file__).parents[2]


def create(bootstrap: str, topic: str, partitions: int = 1, replicas: int = -1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, partitions, replicas)]).values():
        future.result(20)


def produce(bootstrap: str, topic: str, values: list[str], timeout: float = 30) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.timeout.ms": int(timeout * 1000)})
    failed: list[object] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(timeout) == 0
    assert failed == []


def read(bootstrap: str, topic: str, n: int, timeout: float = 30) -> list[str]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    got: list[str] = []
    until = time.monotonic() + timeout
    while len(got) < n and time.monotonic() < until:
        got += [message.value().decode() for message in consumer.consume(n, 0.2) if message.error() is None]
    consumer.close()
    return got


def gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not process.command_line(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_transaction_is_seen_whole_or_not_at_all(kafka: str, topics: str) -> None:
    create(kafka, f"{topics}t")
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topics}p"})
    producer.init_transactions(20)
    for value, end in (("aborted", producer.abort_transaction), ("committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(f"{topics}t", value)
        producer.flush(10)
        end(20)
    assert read(kafka, f"{topics}t", 1) == ["committed"]


def test_a_topic_nobody_created_is_not_made_up(kafka: str, topics: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.timeout.ms": 1500, "log_level": 0})
    errors: list[object] = []
    producer.produce(f"{topics}nobody", "x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors[0] is not None
    assert f"{topics}nobody" not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics


def test_a_cluster_goes_on_without_one_broker_and_takes_it_back(kafka_cluster: LocalKafka) -> None:
    cluster = kafka_cluster
    create(cluster.bootstrap, "survives", replicas=3)
    produce(cluster.bootstrap, "survives", ["before"])
    leader = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(timeout=10).topics["survives"]
    number = leader.partitions[0].leader
    cluster.kill_broker(number)
    assert cluster.running == [n for n in (1, 2, 3) if n != number]
    produce(cluster.bootstrap, "survives", ["without it"])

    cluster.start_broker(number)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    until = time.monotonic() + 40
    while len(admin.list_topics(timeout=10).topics["survives"].partitions[0].isrs) < 3:
        assert time.monotonic() < until, "the broker does not catch up"
        time.sleep(0.2)
    assert read(cluster.bootstrap, "survives", 2) == ["before", "without it"]


def test_a_write_needs_two_of_three(kafka_cluster: LocalKafka) -> None:
    create(kafka_cluster.bootstrap, "two-of-three", replicas=3)
    resource = ConfigResource(ConfigResource.Type.TOPIC, "two-of-three")
    admin = AdminClient({"bootstrap.servers": kafka_cluster.bootstrap})
    until = time.monotonic() + 20
    while True:
        try:
            assert admin.describe_configs([resource])[resource].result(20)["min.insync.replicas"].value == "2"
            return
        except KafkaException:  # the broker that is asked has not heard of the topic yet
            assert time.monotonic() < until
            time.sleep(0.1)


def test_stopped_and_started_it_has_its_data_and_its_port_if_that_is_free(tmp_path: Path) -> None:
    home = tmp_path / "a b ü漢"
    first = LocalKafka(home).start()
    create(first.bootstrap, "kept")
    produce(first.bootstrap, "kept", ["a", "b"])
    first.stop()
    assert first.running == []
    with LocalKafka(home) as again:
        assert again.bootstrap == first.bootstrap
        assert read(again.bootstrap, "kept", 2) == ["a", "b"]
    with socket.socket() as taken:  # by somebody else, meanwhile
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(first.bootstrap.rpartition(":")[2])))
        taken.listen()
        with LocalKafka(home) as elsewhere:
            assert elsewhere.bootstrap != first.bootstrap
            assert read(elsewhere.bootstrap, "kept", 2) == ["a", "b"]
    with pytest.raises(TocsinError, match="holds a cluster of 1"):
        LocalKafka(home, brokers=3).start()


def test_a_broker_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path).start()
    kafka.stop(grace=0)
    meta = tmp_path / "broker-1" / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(TocsinError) as caught:
        kafka.start()
    assert "ended while it started" in caught.value.message
    assert "node" in caught.value.message.lower()
    assert str(tmp_path / "broker-1" / "kafka.log") in caught.value.hint


def test_no_broker_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from streams.local.kafka import LocalKafka\n"
        "k = LocalKafka(pathlib.Path(sys.argv[1])).start(); print(k.bootstrap, flush=True); time.sleep(120)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)  # fmt: skip
    assert parent.stdout is not None
    assert parent.stdout.readline().startswith(b"127.0.0.1:")
    pid = process.running(tmp_path / "broker-1", "kafka")
    assert pid is not None
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    assert gone(pid, 15)


def test_a_pid_that_belongs_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "kafka.pid").write_text(str(bystander.pid))
        assert process.running(tmp_path, "kafka") is None
        process.stop(tmp_path, "kafka", grace=0)
        assert bystander.poll() is None
        (tmp_path / "kafka.pid").write_text("not a pid")
        assert process.running(tmp_path, "kafka") is None
    finally:
        bystander.kill()
        bystander.wait()


def test_no_way_to_maven_central_is_one_message(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.lower().endswith(("_proxy", "bootstrap_servers"))}
    port = process.free_ports(1)[0]
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "M2_REPO": str(tmp_path / "m2"),
            "HTTPS_PROXY": f"http://127.0.0.1:{port}"}  # fmt: skip
    code = "import sys; sys.path.insert(0, sys.argv.pop()); from streams.local.distribution import class_path\n"
    code += "from streams.errors import TocsinError\n"
    code += "try: class_path()\nexcept TocsinError as e: print(e.message, '|', e.hint)"
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], env=env, cwd=tmp_path, capture_output=True,
                          text=True, timeout=120, check=False)  # fmt: skip
    assert done.stdout.startswith("cannot fetch Apache Kafka"), done.stdout + done.stderr
    assert "KAFKA_BOOTSTRAP_SERVERS" in done.stdout
    assert "Traceback" not in done.stderr


def test_only_one_or_three_brokers(tmp_path: Path) -> None:
    with pytest.raises(TocsinError, match="1 or 3"):
        LocalKafka(tmp_path, brokers=2)


def test_the_login_listener_refuses_a_wrong_password(kafka_with_passwords: str) -> None:
    from streams.local.kafka import SASL_PASSWORD, SASL_USER

    options = {"bootstrap.servers": kafka_with_passwords, "security.protocol": "SASL_PLAINTEXT", "log_level": 0,
               "sasl.mechanism": "PLAIN", "sasl.username": SASL_USER}  # fmt: skip
    assert AdminClient({**options, "sasl.password": SASL_PASSWORD}).list_topics(timeout=10).brokers
    with pytest.raises(KafkaException):
        AdminClient({**options, "sasl.password": "wrong"}).list_topics(timeout=2)
