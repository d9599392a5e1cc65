"""``tocsin silences`` and ``tocsin maintenance`` on a real Kafka, with what the ALERT stage makes of their records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from streams import pipeline
from streams.model import Batch, Control
from streams.runtime.control import ControlReader
from streams.runtime.names import Names
from streams.state.alerts.alerting import AlertState
from tests.integration.test_topics import tocsin
from tests.unit.alert_steps import finding

pytestmark = pytest.mark.timeout(240)
POLICY = {"receivers": [{"name": "chat"}], "remind_severities": []}
Run = Callable[..., list[dict[str, Any]]]


class Stage:
    """The ALERT stage of one partition, played by the test, with what is in force on the cluster."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self.options, self.names = {"bootstrap.servers": kafka, "log_level": 0}, Names(app="tocsin", prefix=prefix)
        self.state, self.offset = AlertState(0), 0
        self.state.loaded()

    def control(self) -> Control:
        reader = ControlReader(self.options, self.names)
        reader.start()
        reader.stop()
        return Control(reader.current.position, None, {"policy/default": POLICY} | reader.current.records)

    def step(self, *findings: Any) -> list[Any]:
        """Step them, publish what comes out; the notifications."""
        now = time.time_ns() // 1_000_000
        batch = [(self.offset + n, msgspec.json.encode(one), now) for n, one in enumerate(findings)]
        self.offset += len(batch)
        control = self.control()
        outputs = pipeline.alert(self.state, Batch(batch), now, control)
        outputs += pipeline.alert_tick(self.state, now, control, at_end=True)
        producer = Producer({**self.options, "partitioner": "murmur2_random"})
        for output in outputs:
            if output.topic == "alerts":
                producer.produce(self.names.topic("alerts"), output.value, output.key)
        assert producer.flush(20) == 0
        return [msgspec.json.decode(one.value) for one in outputs if one.topic == "notifications"]


@pytest.fixture
def here(kafka: str, topics: str) -> dict[str, str]:
    made = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TOCSIN_TOPIC_PREFIX": topics}
    assert tocsin("topics", "create", "--partitions", "1", **made).returncode == 0
    return made


@pytest.fixture
def run(here: dict[str, str]) -> Run:
    def run(*args: str, status: int = 0) -> list[dict[str, Any]]:
        done = tocsin(*args, "--json", **here)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()] if not status else [{"error": done.stderr}]

    return run


def test_a_silence_from_its_preview_to_its_end(kafka: str, topics: str, here: dict[str, str], run: Run) -> None:
    stage = Stage(kafka, topics)
    assert [one["alert_id"] for one in stage.step(finding(0))] == ["alert-0"]
    match = ("--match", "rule=audit.burst", "--match", 'key.actor="ada"')
    assert [one["id"] for one in run("silences", "preview", *match)] == ["alert-0"]
    assert run("silences", "preview", "--match", "rule=other") == []

    (made,) = run("silences", "add", *match, "--for", "2h", "--comment", "Planned import!", "--author", "ada")
    assert made["id"].startswith("planned-import-")
    assert (made["phase"], made["changed"]) == ("active", True)
    worse = finding(1, fold="until_resolved", severity="critical", severity_word="critical")
    assert stage.step(worse, finding(2, key={"actor": "eve"})) != []
    (listed,) = run("silences", "list")
    assert (listed["id"], listed["hides"], listed["where"], listed["author"]) == (made["id"], 1, "record", "ada")
    assert run("silences", "show", made["id"])[0]["alerts"] == ["alert-0"]
    text = tocsin("silences", "list", **here).stdout
    assert made["id"] in text
    assert 'key.actor="ada"' in text

    (ended,) = run("silences", "expire", made["id"])
    assert ended["phase"] == "expired"
    assert run("silences", "list") == []
    assert [(one["id"], one["comment"]) for one in run("silences", "list", "--all")] == [
        (made["id"], "Planned import!")
    ]
    assert [(one["alert_id"], one["reason"]) for one in stage.step()] == [("alert-0", "severity_raised")]
    assert "has ended already" in run("silences", "expire", made["id"], status=2)[0]["error"]


def test_one_with_an_id_is_made_once_and_one_to_come_can_be_taken_back(run: Run) -> None:
    times = ("--start", "2090-01-01T00:00:00Z", "--until", "2090-01-02T00:00:00Z")
    add = ("silences", "add", "--id", "later", "--match", "severity=low", *times, "--comment", "c", "--author", "a")
    assert [run(*add)[0]["changed"] for _ in range(2)] == [True, False]
    assert run("silences", "list")[0]["phase"] == "pending"
    assert run("silences", "expire", "later")[0]["phase"] == "expired"
    add = ("silences", "add", "--id", "on", "--match", "severity=low", "--comment", "c", "--author", "a", "--for")
    (first,), (second,) = run(*add, "1h"), run(*add, "3h")
    assert first["starts_at"] == second["starts_at"], "prolonged, not begun anew"
    assert first["ends_at"] < second["ends_at"]


#: (arguments, what is said)
WRONG = [
    (("silences", "add", "--match", "severity", "--for", "1h", "--comment", "c"), "takes a matcher such as"),
    (("silences", "add", "--match", "a=b", "--comment", "c"), "either --for or --until"),
    (("silences", "add", "--match", "a=b", "--for", "soon", "--comment", "c"), "is not a duration"),
    (("silences", "add", "--match", "a=b", "--until", "2001-01-01T00:00:00Z", "--comment", "c"), "would have ended"),
    (("silences", "add", "--match", "a=b", "--for", "1h", "--comment", "c", "--id", "A B"), "is no id of a silence"),
    (("silences", "show", "nobody"), "there is no silence"),
    (("silences", "preview", "--match", "a~b"), "takes a matcher"),
    (
        ("maintenance", "add", "--match", "a=b", "--start", "2090-01-01", "--for", "1h", "--comment", "c", "--rrule", "FREQ=DAILY;INTERVAL=0"),
        "INTERVAL takes a number",
    ),
    (("maintenance", "add", "--match", "a=b", "--start", "yesterday", "--for", "1h", "--comment", "c"), "is no time of"),
    (("maintenance", "expire", "nobody"), "there is no maintenance"),
]  # fmt: skip


def test_what_is_wrong_is_said_and_written_nowhere(kafka: str, topics: str, run: Run) -> None:
    for args, said in WRONG:
        assert said in " ".join(run(*args, status=2)[0]["error"].split()), args
    assert Stage(kafka, topics).control().position == 0


def test_maintenance_recurs_and_is_taken_back(kafka: str, topics: str, here: dict[str, str], run: Run) -> None:
    when = ("--start", "2090-03-18T02:00", "--timezone", "Europe/Amsterdam", "--for", "2h")
    rule = ("--rrule", "FREQ=WEEKLY;BYDAY=SA", "--except", "20900401")
    (made,) = run("maintenance", "add", "--match", "rule=audit.burst", *when, *rule, "--comment", "Patches")
    assert made["next"] == ["2090-03-18T01:00:00.000Z", "2090-03-25T01:00:00.000Z", "2090-04-08T00:00:00.000Z"]
    (listed,) = run("maintenance", "list")
    assert (listed["phase"], listed["lasts"], listed["where"]) == ("to come", "2h", "record")
    now = ("--start", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60)), "--for", "1h")
    (under_way,) = run("maintenance", "add", "--match", "rule=audit.burst", *now, "--comment", "now", "--id", "now")
    assert under_way["phase"] == "under way"
    stage = Stage(kafka, topics)
    assert stage.step(finding(0)) == []
    assert {one["id"]: one["hides"] for one in run("maintenance", "list")} == {made["id"]: 0, "now": 1}
    assert run("maintenance", "expire", "now")[0]["phase"] == "over"
    assert [one["alert_id"] for one in stage.step()] == ["alert-0"]
    assert "Patches" in tocsin("maintenance", "list", **here).stdout
