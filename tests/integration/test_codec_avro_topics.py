"""Avro in, Avro out, on a real Kafka with a registry over real HTTP: written, read, delivered, shown and replayed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml

from streams.errors import FAILED
from tests.e2e.living import Place, Worker, eventually, now_ms
from tests.registry_server import RegistryServer

pytestmark = pytest.mark.timeout(240)

LOGIN = {
    "type": "record", "name": "acme.Login", "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "tenant", "type": "string"},
        {"name": "actor", "type": "string"},
        {"name": "action", "type": {"type": "enum", "name": "acme.Action", "symbols": ["login", "logout"]}},
    ],
}  # fmt: skip
RULE = {
    "id": "test.logins", "title": "{actor}", "description": "Of the tests.", "source": "audit", "where": {"action": "login"},
    "group_by": ["actor"], "detect": {"count": {"at_least": 2, "within": "10m"}}, "severity": "high", "type": "security",
    "tests": [{"name": "fires", "events": [{"at": "0s", "action": "login", "actor": "x", "times": 2}], "expect": [{"at": "0s"}]}],
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer("tocsin", "s3cret") as server:
        yield server


@pytest.fixture
def place(kafka: str, topics: str, tmp_path: Path, server: RegistryServer) -> Iterator[Place]:
    (tmp_path / "rule.yaml").write_text(yaml.safe_dump(RULE))
    (tmp_path / "password").write_text("s3cret\n")
    place = Place(
        kafka, topics, tmp_path, partitions=1, rules=["rule.yaml"],
        schema_registry={"url": server.url, "username": "tocsin", "password": f"file:{tmp_path / 'password'}"},
        sources={"audit": {"codec": "avro"}, "trade": {"codec": "cloudevents"}},
        outputs={"alerts": "avro", "notifications": "avro", "deliveries": "avro"},
        policy={"receivers": [{"name": "pager"}]},
        sinks=[{"name": "pager", "type": "console"}, {"name": "store", "type": "sqlite", "path": str(tmp_path / "alerts.db")}],
    )  # fmt: skip
    place.create_topics()
    yield place
    for worker in place.workers:
        worker.process.kill()
        worker.process.wait(10)


def ready(place: Place) -> Worker:
    """A worker with its partitions, however many stages it has."""
    worker = place.start()

    def is_ready() -> bool:
        assert worker.process.poll() is None, worker.text
        return "serving" in worker.text and worker.get("/readyz")[0] == 200

    eventually(is_ready, 60, "the worker to be ready")
    return worker


def avro(schema_id: int, event: dict[str, Any]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(LOGIN))), event)
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


def logins(*actors: str) -> list[dict[str, Any]]:
    return [
        {"event_id": f"e{n}", "event_time": now_ms(), "tenant": "acme", "actor": actor, "action": "login"}
        for n, actor in enumerate(actors)
    ]


def read(server: RegistryServer, value: bytes | None) -> dict[str, Any]:
    """By the registered schema alone, as anybody else would."""
    assert value is not None
    assert value[:1] == b"\0"
    schema = json.loads(server.schemas[int.from_bytes(value[1:5], "big") - 1]["schema"])
    stream = BytesIO(value[5:])
    found = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert stream.read() == b""
    assert isinstance(found, dict)
    return found


def test_avro_in_and_avro_out(place: Place, server: RegistryServer) -> None:
    schema_id = server.add(f"{place.prefix}audit.events-value", LOGIN)
    refused = place.tocsin("run", status=2).stderr
    assert f"{place.prefix}alerts-value" in refused
    assert "tocsin topics schemas --register" in refused
    assert place.tocsin("topics", "schemas", status=1).stdout.count("not registered") == 3
    assert place.tocsin("topics", "schemas", "--register").stdout.count("registered now") == 3
    place.tocsin("topics", "schemas")

    ready(place)
    with place.producing() as send:
        for event in logins("ada", "bob", "ada"):
            send("audit.events", avro(schema_id, event), b"k")
        send("audit.events", b"\0\0\0\xff\xff", b"k")  # an id that nobody registered
        send("audit.events", avro(schema_id, logins("ada")[0])[:-1], b"k")
    deliveries = eventually(lambda: place.read("deliveries")[1:], 60, "both sinks to deliver")
    assert {read(server, record.value)["outcome"] for record in deliveries} == {"delivered"}

    (alert,) = [read(server, record.value) for record in place.read("alerts")]
    assert (alert["rule"], alert["tenant"], json.loads(alert["key"]["actor"])) == ("test.logins", "acme", "ada")
    assert [evidence["event_id"] for evidence in alert["first"]] == ["e0", "e2"]
    (note,) = [read(server, record.value) for record in place.read("notifications")]
    assert (note["receiver"], note["alert"]["id"]) == ("pager", alert["id"])
    errors = [letter["error"] for letter in place.documents("dead-letter")]
    assert [
        sum(part in error for error in errors)
        for part in ("knows no schema 65535", f"not a value of schema {schema_id}")
    ] == [1, 1]

    shown = json.loads(place.tocsin("alerts", "show", alert["id"], "--json").stdout.splitlines()[-1])
    assert shown["id"] == alert["id"]
    with sqlite3.connect(place.folder / "alerts.db") as store:
        assert store.execute("select count(*) from alerts").fetchone() == (1,)
    assert place.workers[0].end() == 0
    place.tocsin("replay", "--journal", "--compare")
    replayed = place.tocsin("replay", "--json", "--source", "audit=topic:audit.events").stdout.splitlines()
    assert [json.loads(line)["alert_id"] for line in replayed] == [alert["id"]]


def test_a_registry_that_is_down_stops_the_worker_and_loses_nothing(place: Place, server: RegistryServer) -> None:
    place.configure(outputs={})
    schema_id = server.add("logins", LOGIN)
    worker = ready(place)
    server.failures = [503] * 1000
    with place.producing() as send:
        for event in logins("ada", "ada"):
            send("audit.events", avro(schema_id, event), b"k")
    assert worker.process.wait(60) == FAILED
    assert "does not answer: status 503" in worker.text
    assert place.read("dead-letter") == []
    server.failures = []
    place.start()
    assert eventually(lambda: place.documents("alerts"), 90, "the alert")[0]["key"] == {"actor": "ada"}
    assert place.read("dead-letter") == []


def test_cloudevents_in_both_modes(place: Place) -> None:
    place.configure(outputs={}, sources={"audit": {"codec": "cloudevents"}})
    ready(place)
    first, second = logins("ada", "ada")

    def attributes(event: dict[str, Any]) -> dict[str, str]:
        return {"specversion": "1.0", "id": event["event_id"], "source": "/shop", "type": "login", "tenant": "acme"}

    data = {"actor": "ada", "action": "login"}
    with place.producing() as send:
        send("audit.events", json.dumps({**attributes(first), "data": data}).encode(), b"k")
        headers = [(f"ce_{name}", value.encode()) for name, value in attributes(second).items()]
        send("audit.events", json.dumps(data).encode(), b"k", headers=[*headers, ("content-type", b"application/json")])
        send("audit.events", b"\0", b"k", headers=[*headers, ("content-type", b"application/avro")])
    (alert,) = eventually(lambda: place.documents("alerts"), 60, "the alert")
    assert [evidence["event_id"] for evidence in alert["first"]] == ["e0", "e1"]
    (letter,) = eventually(lambda: place.documents("dead-letter"), 30, "the letter")
    assert "datacontenttype 'application/avro' is not JSON" in letter["error"]
    assert letter["value"] == "AA=="
    replayed = place.tocsin("replay", "--json", "--source", "audit=topic:audit.events").stdout.splitlines()
    assert [json.loads(line)["alert_id"] for line in replayed] == [alert["id"]]
