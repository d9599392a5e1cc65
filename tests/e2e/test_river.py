"""One live worker with all roles: an alert followed by its id through every stage, replayed, and the worker's end."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.testing import SECRET, Receiver
from streams.model import alert_id
from tests.e2e.living import Place, Worker, eventually, now_ms
from tests.showcase import FILES

pytestmark = pytest.mark.timeout(240)

FOREIGN = json.dumps({"no": "event", "tenant": ["acme"]}).encode()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A webhook receiver on a loop of its own."""
    receiver, loop = Receiver(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(receiver.__aenter__(), loop).result(10)
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(receiver.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class River:
    """A live worker that has swallowed a burst of failed logins by mallory, among harmless traffic."""

    def __init__(self, place: Place, receiver: Receiver) -> None:
        self.place, self.receiver = place, receiver
        self.worker: Worker = place.create_topics().start().ready()
        self.began = now_ms()
        self.completing = self._burst()[4]
        self.id = alert_id("audit.failed-login-burst", "acme", {"actor": "mallory"}, self.completing)
        eventually(self._through, 60, "the alert to be stored and told")

    def _burst(self) -> list[str]:
        with self.place.producing() as send:
            for number in range(200):
                event = {
                    "event_id": f"calm-{number}", "event_time": self.began - 60_000 + number, "tenant": "acme",
                    "actor": f"user-{number % 50}", "action": "login", "outcome": "success", "type": "auth",
                }  # fmt: skip
                send("audit.events", json.dumps(event).encode(), f"acme|{event['actor']}".encode())
            send("audit.events", FOREIGN, b"acme|nobody")
            failures = [self._failure(send, number) for number in range(7)]
        return [where[0] for where in failures]

    def _failure(self, send: Any, number: int) -> list[str]:
        event = {
            "event_id": f"fail-{number}", "event_time": self.began - 30_000 + number * 1000, "tenant": "acme",
            "actor": "mallory", "action": "login", "outcome": "failure", "type": "auth", "source_ip": "192.0.2.66",
        }  # fmt: skip
        where: list[str] = send("audit.events", json.dumps(event).encode(), b"acme|mallory")
        return where

    def _through(self) -> bool:
        assert self.worker.process.poll() is None, self.worker.text
        return bool(self.stored() and self.told())

    def of(self, topic: str, name: str = "alert_id") -> list[dict[str, Any]]:
        return [record for record in self.place.documents(topic) if record.get(name) == self.id]

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        file = self.place.folder / "data" / "alerts.db"
        if not file.exists():
            return []
        connection = sqlite3.connect(file)
        try:
            return connection.execute(query, (self.id,)).fetchall()
        except sqlite3.OperationalError:  # the sink has not made its tables yet
            return []
        finally:
            connection.close()

    def stored(self) -> list[tuple[Any, ...]]:
        return self.sql("select version, status from alerts where id = ?")

    def told(self) -> list[dict[str, Any]]:
        return [body for body in list(self.receiver.accepted.values()) if body["data"]["id"] == self.id]


@pytest.fixture(scope="module")
def river(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[River]:
    folder = tmp_path_factory.mktemp("river")
    (folder / "secret").write_text(SECRET)
    with receiving() as receiver:
        place = Place(
            kafka, f"river{uuid.uuid4().hex[:8]}.", folder,
            policy={"receivers": [{"name": "hook"}]},
            rules=[str(file) for file in FILES],
            sinks=[
                {"name": "store", "type": "sqlite", "path": "alerts.db"},
                {"name": "hook", "type": "webhook", "url": receiver.url, "allow_private": True,
                 "secret": f"file:{folder / 'secret'}"},
            ],
            sources={"audit": {"idle_after": "1s"}},
        )  # fmt: skip
        try:
            yield River(place, receiver)
        finally:
            place.close()


def test_one_alert_is_found_at_every_stage_by_its_id(river: River) -> None:
    findings = [f for f in river.of("alert-input") if f["record"] == "finding"]
    completing = next(f for f in findings if f["position"] == river.completing)
    assert completing["kind"] == "fire"
    assert completing["observed"] == completing["threshold"] == 5
    everyone = [f for f in river.place.documents("alert-input") if f["rule"] == "audit.failed-login-burst"]
    assert [f["observed"] for f in everyone] == [5, 6, 7]

    versions = river.of("alerts", "id")
    assert [alert["version"] for alert in versions] == list(range(1, len(versions) + 1))
    last = versions[-1]
    assert (last["count"], last["status"], last["tenant"], last["key"]) == (3, "active", "acme", {"actor": "mallory"})
    assert last["severity"] == "medium"
    assert last["first"][-1]["position"] == river.completing
    assert last["first"][-1]["event"]["event_id"] == "fail-4"

    (told,) = river.of("notifications")
    assert (told["receiver"], told["reason"]) == ("hook", "new")
    (delivered,) = [one for one in river.of("deliveries") if one["sink"] == "hook"]
    assert (delivered["outcome"], delivered["attempt"], delivered["notification_id"]) == ("delivered", 1, told["id"])
    assert river.receiver.accepted[told["id"]]["data"]["title"] == told["alert"]["title"]
    assert river.receiver.broken_rules == []

    eventually(lambda: river.stored() == [(last["version"], "active")], 30, "the last version in SQLite")
    rows = river.sql("select version from alert_versions where id = ? order by version")
    assert [version for (version,) in rows] == [alert["version"] for alert in versions]
    shown = json.loads(river.place.tocsin("alerts", "show", river.id, "--json").stdout)
    assert (shown["id"], shown["version"], shown["count"]) == (river.id, last["version"], 3)


def test_what_is_no_event_is_one_dead_letter(river: River) -> None:
    (letter,) = river.place.documents("dead-letter")
    assert (letter["reason"], letter["stage"]) == ("invalid", "detect")
    assert "tenant" in letter["error"]


def test_its_pages_answer_with_what_a_person_on_call_needs(river: River) -> None:
    worker = river.worker
    assert worker.get("/livez") == (200, "ok\n")
    status, body = worker.get("/readyz")
    ready = json.loads(body)
    assert (status, ready["ready"]) == (200, True)
    assert {"control", "detect", "alert", "deliver"} <= ready.keys()
    assert len(ready["detect"]["detail"]["partitions"]) == 6 * river.place.partitions

    eventually(lambda: worker.metric("tocsin_alerts_active", severity="medium") == 1, 20, "the gauge of alerts")
    assert worker.metric("tocsin_events_total", source="audit") == 208
    assert worker.metric("tocsin_dead_letters_total", source="audit", reason="invalid") == 1
    burst = {"rule": "audit.failed-login-burst", "type": "security"}
    assert worker.metric("tocsin_findings_total", **burst, severity="medium") == 3
    assert worker.metric("tocsin_alerts_total", **burst, severity="medium") == 1
    assert worker.metric("tocsin_deliveries_total", sink="hook", outcome="delivered") == 1
    assert worker.metric("tocsin_deliveries_total", sink="store", outcome="delivered") >= 1
    assert worker.metric("tocsin_sink_up") == 2
    assert worker.metric("tocsin_partitions", state="live") == 7 * river.place.partitions
    assert worker.metric("tocsin_partitions", state="restoring") == 0
    assert worker.metric("tocsin_control_position") > 0
    assert worker.metric("tocsin_commit_seconds_count", role="alert") > 0
    eventually(lambda: worker.metric("tocsin_lag_records") == 0, 20, "no lag")
    # Each partition with events has a watermark; half a minute lies between mallory's last failure and now.
    assert 0 < worker.metric("tocsin_watermark_delay_seconds", topic="audit.events") < 600
    assert worker.metric("tocsin_rule_errors_total") == -1
    assert "# TYPE tocsin_rule_seconds histogram" in worker.get("/metrics")[1]  # sampled: perhaps nothing yet
    assert worker.get("/nothing")[0] == 404


def test_an_acknowledgement_is_a_version_everywhere(river: River) -> None:
    before = river.stored()[0][0]
    done = river.place.tocsin(
        "alerts", "ack", river.id, "--wait", "--by", "ada", "--note", "looking", "--timeout", "30"
    )
    assert river.id in done.stdout
    eventually(lambda: river.stored() == [(before + 1, "acknowledged")], 30, "the acknowledgement in SQLite")
    last = river.of("alerts", "id")[-1]
    assert (last["version"], last["why"], last["acknowledged_by"], last["count"]) == (
        before + 1,
        "acknowledged",
        "ada",
        3,
    )
    operations = river.of("operations")
    assert [(o["action"], o["outcome"], o["by"]) for o in operations] == [("acknowledge", "applied", "ada")]
    again = river.place.tocsin("alerts", "ack", river.id, "--wait", "--timeout", "30", status=1)
    assert "already acknowledged" in again.stderr


def test_a_replay_of_the_topic_finds_the_same_alerts(river: River) -> None:
    done = river.place.tocsin("replay", "--source", "audit=topic:audit.events", "--json")
    replayed = {line["alert_id"]: line for line in map(json.loads, done.stdout.splitlines())}
    live = river.place.last_alerts()
    assert replayed.keys() == live.keys()
    assert (replayed[river.id]["findings"], replayed[river.id]["values"]["peak"]) == (3, 7)
    assert replayed[river.id]["evidence"][-1]["event_id"] == "fail-6"


def test_the_journal_can_be_compared_while_workers_go_on(river: River) -> None:
    with river.place.producing() as send:  # so that watermarks move on, and are published, meanwhile
        send("audit.events", b'{"event_id": "later", "actor": "eve", "tenant": "acme", "type": "auth"}', b"acme|eve")
    for _ in range(3):
        assert "hold exactly this" in river.place.tocsin("replay", "--journal", "--compare").stderr


def test_sigterm_ends_it_and_the_journal_replays_the_live_range_as_it_was(river: River) -> None:
    assert river.worker.end(signal.SIGTERM, 30) == 0
    assert "Traceback" not in river.worker.text
    done = river.place.tocsin("replay", "--journal", "--compare", "--json")
    assert "hold exactly this" in done.stderr
    lines = {line["alert_id"]: line for line in map(json.loads, done.stdout.splitlines())}
    live = river.place.last_alerts()
    assert {name: line["version"] for name, line in lines.items()} == {name: a["version"] for name, a in live.items()}
    assert lines[river.id]["status"] == live[river.id]["status"]
    assert river.stored() == [(live[river.id]["version"], live[river.id]["status"])]
    assert len(river.told()) == len(river.of("notifications")) == 1
    assert river.receiver.duplicates == 0
