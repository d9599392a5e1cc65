"""An alert is explained, and a key's state rebuilt, when its topics hold neither the alert nor its events any more."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.storage.archive_care import holdings
from connectors.storage.archive_store import Folder
from streams.replay.moments import rfc3339
from tests.e2e.living import Place, eventually, now_ms

pytestmark = pytest.mark.timeout(180)

RULE = {
    "id": "test.burst", "title": "{count} by {actor}", "description": "Of the tests.", "source": "audit",
    "where": {"action": "login"}, "group_by": ["actor"], "detect": {"count": {"at_least": 4, "within": "10m"}},
    "severity": "high", "type": "security", "cooldown": "15m",
    "tests": [{"name": "fires", "events": [{"at": "0s", "action": "login", "actor": "x", "times": 4, "every": "1s"}],
               "expect": [{"at": "3s"}]}],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("lookback")
    (folder / "rules").mkdir()
    (folder / "rules" / "burst.yaml").write_text(yaml.safe_dump(RULE))
    cold = {
        "name": "cold",
        "type": "archive",
        "path": str(folder / "cold"),
        "topics": ["audit.events"],
        "every": "50ms",
    }
    place = Place(
        kafka, f"lookback{uuid.uuid4().hex[:8]}.", folder, partitions=1, rules=[str(folder / "rules")], sinks=[cold]
    )
    try:
        place.create_topics().start().ready()
        yield place
    finally:
        place.close()


def send(place: Place, actor: str, begin: int, events: int, base: int) -> None:
    with place.producing() as produce:
        for n in range(begin, begin + events):
            produce("audit.events", json.dumps({
                "event_id": f"{actor}-{n}", "event_time": base + n * 1000, "tenant": "acme", "actor": actor,
                "action": "login",
            }).encode(), f"acme|{actor}".encode(), partition=0)  # fmt: skip


def archived(place: Place) -> dict[str, int]:
    return {one.topic: one.rows for one in holdings(Folder(place.folder / "cold"))}


def forget(place: Place, topic: str, below: int) -> None:
    """As retention does."""
    admin = AdminClient(place.options)
    for done in admin.delete_records([TopicPartition(place.names.topic(topic), 0, below)]).values():
        done.result(30)


@pytest.fixture(scope="module")
def forgotten(place: Place) -> dict[str, Any]:
    """An alert that stands nowhere but in the archive: its first three events went with it, the fourth did not."""
    base = now_ms() - 300_000
    send(place, "ada", 0, 4, base)
    eventually(lambda: len(place.documents("alerts")) == 1, 60, "the alert")
    (alert,) = place.documents("alerts")
    eventually(lambda: archived(place) == {"alerts": 1, "audit.events": 4}, 60, "the archive to hold all of it")
    completing = int(alert["first"][-1]["position"].rpartition("/")[2])
    forget(place, "audit.events", completing)
    forget(place, "alerts", 1 + int(place.read("alerts")[-1].position.rpartition("/")[2]))
    assert place.documents("alerts") == []
    return {**alert, "base": base}


def test_an_alert_that_the_topics_forgot_is_explained_from_the_archive(place: Place, forgotten: dict[str, Any]) -> None:
    said = json.loads(place.tocsin("explain", forgotten["id"], "--json").stdout)
    assert said["alert"]["read_in"] == "archive cold"
    assert said["rerun"]["reproduced"] is True
    assert said["rerun"]["problem"] == ""
    assert said["rerun"]["from_archive"] == [{"archive": "cold", "partition": "audit.events/0", "begin": 0, "end": 3}]
    assert [(event["event_id"], event["on"]) for event in said["events"]] == [
        ("ada-0", "archive"), ("ada-1", "archive"), ("ada-2", "archive"), ("ada-3", "topic"),
    ]  # fmt: skip
    assert (said["state"]["before"]["measured"], said["state"]["after"]["measured"]) == (3, 4)
    shown = place.tocsin("explain", forgotten["id"]).stdout
    assert "audit.events/0/0 to 2 stand on their topic no more: read in the archive cold" in shown


def test_the_state_of_a_key_is_rebuilt_from_the_archive_and_the_topic(place: Place, forgotten: dict[str, Any]) -> None:
    said = json.loads(place.tocsin(
        "state", "at", "--rule", "test.burst", "--key", "actor=ada", "--tenant", "acme", "--time", rfc3339(now_ms())
    ).stdout)  # fmt: skip
    assert (said["of_this_key"], said["state"]["measured"], said["problems"]) == (4, 4, [])
    assert said["begins"] == {"audit.events/0": 0}


def test_what_no_archive_holds_either_is_said_to_be_missing(place: Place, forgotten: dict[str, Any]) -> None:
    settings = {**place.settings, "sinks": [{"name": "other", "type": "archive", "path": str(place.folder / "other")}]}
    elsewhere = place.folder / "elsewhere.yaml"
    elsewhere.write_text(yaml.safe_dump(settings))
    send(place, "bob", 0, 4, forgotten["base"] + 20_000)
    eventually(lambda: len(place.documents("alerts")) == 1, 60, "the second alert")
    (alert,) = place.documents("alerts")
    forget(place, "audit.events", int(alert["first"][-1]["position"].rpartition("/")[2]))
    said = place.tocsin("--config", str(elsewhere), "explain", alert["id"], "--json", status=1)
    document = json.loads(said.stdout)
    assert document["rerun"]["reproduced"] is False
    assert "no archive holds them: what they did is missing" in document["rerun"]["problem"]
    assert {event["on"] for event in document["events"]} <= {"alert", "gone", "topic"}
    assert "there is no alert" in place.tocsin("--config", str(elsewhere), "explain", forgotten["id"], status=1).stderr
