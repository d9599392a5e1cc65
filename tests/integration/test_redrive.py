"""Sending again and sending back, on a real Kafka with real sinks and the command line."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.testing import SECRET, Receiver, answering, sample_alert, sample_notification
from streams import telemetry
from streams.model import DeadReason, Notification, Reason
from streams.model.dead import dead_letter
from tests.integration.delivering import Bench, eventually, up
from tests.integration.test_deliver import QUICK, hook, receiving

pytestmark = pytest.mark.timeout(120)
HOUR = 3_600_000
BEGIN = 1_704_067_200_000


class Place(Bench):
    """With a configuration for the command line, and the topics it reads besides."""

    def __init__(self, kafka: str, prefix: str, data_dir: Path) -> None:
        super().__init__(kafka, prefix, data_dir)
        admin = AdminClient(self.options)
        made = admin.create_topics([NewTopic(prefix + name, 2, 1) for name in ("operations", "audit.events")])
        for done in made.values():
            done.result(20)
        self.config = data_dir / "tocsin.yaml"
        document = {
            "kafka": {"bootstrap_servers": kafka},
            "topic_prefix": prefix,
            "app": "t",
            "data_dir": str(data_dir),
        }
        self.config.write_text(yaml.safe_dump(document))

    def tocsin(self, *args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", "--config", str(self.config), *args],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def lines(self, *args: str, status: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.tocsin(*args, "--json", status=status).stdout.splitlines()]

    def raw(self, topic: str) -> list[Message]:
        """Every record of partition 1 and 0, as it stands."""
        consumer = Consumer({**self.options, "group.id": "raw", "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(self.prefix + topic, number, 0) for number in (0, 1)])
        found = []
        while (message := consumer.poll(2)) is not None:
            assert message.error() is None
            found.append(message)
        consumer.close()
        return found


@pytest.fixture
def place(kafka: str, topics: str, tmp_path: Path) -> Place:
    return Place(kafka, topics, tmp_path)


def told(number: int, at: int, receiver: str, **changes: Any) -> Notification:
    note = sample_notification(number, receiver, **changes)
    return msgspec.structs.replace(note, id=f"{receiver}-{number}-{at - BEGIN}", at=at)


def test_what_failed_in_an_hour_goes_to_its_sink_again_and_no_other_sink_notices(place: Place) -> None:
    hour = [told(n, BEGIN + n * 1000, "hook") for n in range(6)]
    other = [told(n, BEGIN + n * 1000, "other") for n in range(6)]
    later = [told(9, BEGIN + 2 * HOUR, "hook")]
    with receiving(Receiver(SECRET)) as receiver, receiving(Receiver(SECRET)) as bystander:
        sinks = hook("hook", receiver.url, retry=QUICK), hook("other", bystander.url, retry=QUICK)
        receiver.behave = answering(400)
        with place.role(*sinks, HOOK=SECRET) as role:
            up(role, "hook", "other")
            place.notify(*hour, *other, *later)
            eventually(lambda: len(place.read("deliveries")) >= 13)
            receiver.behave, before = None, len(bystander.requests)
            listed = "dlq", "list", "--since", "2024-01-01T00:00:00Z"
            refused = place.lines(*listed)
            assert {(one["stage"], one["error"]) for one in refused} == {("deliver:hook", "HTTP 400: because")}
            assert len(refused) == 7
            period = "--since", "2024-01-01T00:00:00Z", "--until", "2024-01-01T01:00:00Z"

            (dry,) = place.lines("deliveries", "redrive", "--sink", "hook", "--failed", *period)
            assert (dry["count"], dry["done"], dry["redrive"]) == (6, False, "")
            assert len(place.read("notifications")) == 13  # nothing was done

            (done,) = place.lines(
                "deliveries", "redrive", "--sink", "hook", "--failed", *period, "--yes", "--by", "ada"
            )
            assert (done["count"], done["done"]) == (6, True)
            eventually(lambda: len(receiver.accepted) == 6)
            assert sorted(receiver.accepted) == sorted(note.id for note in hour)
            eventually(lambda: sum(one["outcome"] == "delivered" for one in place.read("deliveries")) == 12)
            assert len(bystander.requests) == before == 6
            assert receiver.broken_rules == []  # the same id with the same body: a receiver may rely on it

    (unseen,) = place.lines(*listed)  # the seventh: the others have been seen to
    assert unseen["origin"] in next(one for one in place.lines("deliveries", "show", later[0].id))["positions"]
    again = [one for one in place.read("deliveries") if one.get("redriven")]
    assert {(one["redriven"], one["outcome"], one["attempt"], one["sink"]) for one in again} == {
        (done["redrive"], "delivered", 1, "hook")
    }
    operations = place.read("operations")
    assert len(operations) == 6
    assert {(one["action"], one["outcome"], one["by"], one["_key"]) for one in operations} == {
        ("redrive", "applied", "ada", "acme")
    }
    states = {one["id"]: one["state"] for one in place.lines("deliveries", "list", "--sink", "hook", *period)}
    assert states == {note.id: "delivered" for note in hour}
    (rate,) = [
        one for one in place.lines("deliveries", "rates", "--since", "2024-01-01T00:00:00Z") if one["sink"] == "hook"
    ]
    assert (rate["delivered"], rate["rejected"], rate["success"]) == (6, 1, 6 / 7)
    shown = place.lines("deliveries", "show", hour[0].id)[0]
    assert [one["outcome"] for one in shown["attempts"]] == ["rejected", "delivered"]


def test_a_sink_that_was_told_something_later_is_not_told_the_old(place: Place) -> None:
    first, second = told(1, BEGIN, "hook"), told(1, BEGIN + 5000, "hook", version=2)
    with receiving(Receiver(SECRET)) as receiver:
        receiver.behave = answering(400)
        with place.role(hook("hook", receiver.url, retry=QUICK), HOOK=SECRET) as role:
            up(role, "hook")
            place.notify(first)
            eventually(lambda: len(place.read("deliveries")) == 1)
            receiver.behave = None
            place.notify(second)
            eventually(lambda: len(place.read("deliveries")) == 2)
    asked = "deliveries", "redrive", first.id
    (plain,), (forced,) = place.lines(*asked), place.lines(*asked, "--superseded")
    assert (plain["count"], plain["left_out"]) == (0, {"superseded": 1})
    assert (forced["count"], forced["left_out"]) == (1, {})


def test_what_waits_is_left_alone(place: Place) -> None:
    place.notify(told(1, BEGIN, "hook"))
    (made,) = place.lines("deliveries", "redrive", "--sink", "hook", "--since", "2024-01-01T00:00:00Z", "--yes")
    assert (made["count"], made["done"], made["left_out"]) == (0, False, {"under_way": 1})


def test_a_refused_event_goes_back_as_it_was_and_only_once(place: Place) -> None:
    big = b'{"blob": "' + b"x" * 800_000 + b'"'
    headers = [("trace", b"\x00\xff"), ("trace", b"two"), ("ce_id", None)]
    producer = Producer({**place.options, "message.max.bytes": 2_000_000})
    producer.produce(place.prefix + "audit.events", big, b"whole", 1)
    assert producer.flush(20) == 0
    raw = b'{"not": utf8 \xff'
    cases = [
        ("audit.events/1/0", DeadReason.MALFORMED, big, b"whole", ()),  # too large for its letter: read from the topic
        ("audit.events/0/7", DeadReason.MALFORMED, raw, b"\x00key", tuple(headers)),
        ("audit.events/0/8", DeadReason.TOMBSTONE, None, b"k", ()),
        ("audit.events/0/9", DeadReason.RULE_FAILED, b"{}", b"k", ()),
        ("rekeyed/0/9", DeadReason.FAILED, b"{}", b"k", ()),
        ("audit.events/1/99", DeadReason.MALFORMED, big, b"k", ()),  # too large, and gone
    ]
    for n, (origin, reason, value, key, kept) in enumerate(cases):
        letter = dead_letter(
            stage="detect-audit.events", origin=origin, reason=reason, error="of the test", at=BEGIN + n, value=value,
            key=key, headers=kept,
        )  # fmt: skip
        place.send("dead-letter", b"k", msgspec.json.encode(letter), partition=0)
    place.flush()

    since = "--since", "2024-01-01T00:00:00Z"
    assert len(place.lines("dlq", "list", *since)) == 6
    (dry,) = place.lines("dlq", "redrive", "--stage", "detect", *since)
    left_out = {"empty": 1, "counted": 1, "derived": 1, "cut": 1}
    assert (dry["count"], dry["done"], dry["left_out"]) == (2, False, left_out)
    assert len(place.raw("audit.events")) == 1

    (done,) = place.lines("dlq", "redrive", "--stage", "detect", *since, "--yes")
    back = {message.key(): message for message in place.raw("audit.events") if message.headers()}
    mark = lambda n: ("redriven", f"{done['redrive']} dead-letter/0/{n}".encode())  # noqa: E731 - one line, used twice
    assert back[b"\x00key"].value() == raw
    assert back[b"\x00key"].headers() == [("trace", b"\x00\xff"), ("trace", b"two"), ("ce_id", b""), mark(1)]
    assert back[b"\x00key"].partition() == 0
    assert (back[b"whole"].value(), back[b"whole"].partition(), back[b"whole"].headers()) == (big, 1, [mark(0)])

    (twice,) = place.lines("dlq", "redrive", "--stage", "detect", *since, "--yes")
    assert (twice["count"], twice["left_out"]) == (0, left_out | {"seen_to": 2})
    assert [one["position"] for one in place.lines("dlq", "list", *since)] == [
        f"dead-letter/0/{n}" for n in (2, 3, 4, 5)
    ]
    (named,) = place.lines("dlq", "redrive", "--reason", "rule_failed", *since)
    assert named["count"] == 1


def test_what_is_discarded_is_listed_no_more_and_who_said_so_is_kept(place: Place) -> None:
    letter = dead_letter(
        stage="detect", origin="audit.events/0/7", reason=DeadReason.INVALID, error="no tenant", at=BEGIN, value=b"{}"
    )
    place.send("dead-letter", b"k", msgspec.json.encode(letter), partition=1)
    place.flush()
    (dry,) = place.lines("dlq", "discard", "dead-letter/1/0", "--note", "a test")
    assert (dry["count"], dry["done"]) == (1, False)
    assert len(place.lines("dlq", "list", "--since", "2024-01-01T00:00:00Z")) == 1
    place.tocsin("dlq", "discard", "dead-letter/1/0", "--note", "a test", "--by", "ada", "--yes")
    (kept,) = place.read("operations")
    assert (kept["action"], kept["alert_id"], kept["by"], kept["reason"]) == (
        "discard",
        "dead-letter/1/0",
        "ada",
        "a test",
    )
    assert place.lines("dlq", "list", "--since", "2024-01-01T00:00:00Z") == []
    (shown,) = place.lines("dlq", "show", "audit.events/0/7")
    assert (shown["done"], base64.b64decode(shown["value"])) == ("discarded", b"{}")
    (again,) = place.lines("dlq", "redrive", "dead-letter/1/0", "--yes", status=1)
    assert again["left_out"] == {"seen_to": 1}


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("deliveries", "redrive"), 2, "say what is meant"),
        (("deliveries", "list", "--offsets", "3"), 2, "PARTITION/FIRST-LAST"),
        (("deliveries", "list", "--offsets", "0/9-1"), 2, "ends before it begins"),
        (("deliveries", "list", "--since", "yesterday"), 2, "is not a time"),
        (("dlq", "list", "--offsets", "9/1"), 1, "has no partition 9"),
        (("deliveries", "show", "nothing"), 1, "nothing was to be sent"),
        (("dlq", "redrive"), 2, "say which are meant"),
        (("dlq", "redrive", "dead-letter/0/77"), 1, "there is no dead letter"),
    ],
)
def test_errors_say_what_to_do(place: Place, args: tuple[str, ...], status: int, said: str) -> None:
    done = place.tocsin(*args, status=status)
    assert said in done.stderr
    assert "hint:" in done.stderr or "PARTITION" in done.stderr or "ends before" in done.stderr


def measured(sample: str, stage: str) -> float:
    return (
        telemetry.REGISTRY.get_sample_value(f"tocsin_stage_seconds_{sample}", {"stage": stage, "sink": "stages"}) or 0
    )


def test_each_stage_is_measured_where_something_is_told_for_the_first_time(place: Place) -> None:
    first = told(1, BEGIN + 3500, "stages")  # its alert was made 2 s after the event
    others = [
        msgspec.structs.replace(first, id="again", redriven="r1"),
        msgspec.structs.replace(first, id="later", reason=Reason.RESOLVED),
    ]
    with receiving(Receiver(SECRET)) as receiver, place.role(hook("stages", receiver.url), HOOK=SECRET) as role:
        up(role, "stages")
        place.notify(first, *others)
        eventually(lambda: len(place.read("deliveries")) == 3)
    (delivery,) = [one for one in place.read("deliveries") if one["notification_id"] == first.id]
    stages = (
        "event_to_alert",
        "alert_to_notification",
        "notification_to_sent",
        "sent_to_delivered",
        "event_to_delivered",
    )
    assert [measured("count", stage) for stage in stages] == [1] * 5
    assert (measured("sum", stages[0]), measured("sum", stages[1])) == (2.0, 1.5)
    assert measured("sum", stages[4]) == pytest.approx((delivery["at"] - BEGIN) / 1000)
    assert sum(measured("sum", stage) for stage in stages[:4]) == pytest.approx(measured("sum", stages[4]))


def test_the_time_of_each_stage_is_read_from_the_log(place: Place) -> None:
    place.send("audit.events", b"k", b"{}", partition=0, timestamp=BEGIN + 100)
    place.flush()
    alert = sample_alert(1)
    seen = msgspec.structs.replace(alert.first[0], position="audit.events/0/0")
    alert = msgspec.structs.replace(alert, first=(seen,), last=(seen,), created_at=BEGIN + 300, updated_at=BEGIN + 300)
    place.send("alerts", alert.id.encode(), msgspec.json.encode(alert), timestamp=BEGIN + 400)
    acked = msgspec.structs.replace(alert, version=2, acknowledged_at=BEGIN + 90_000, acknowledged_by="ada")
    place.send("alerts", alert.id.encode(), msgspec.json.encode(acked), timestamp=BEGIN + 90_000)
    place.flush()
    with receiving(Receiver(SECRET)) as receiver, place.role(hook("hook", receiver.url), HOOK=SECRET) as role:
        up(role, "hook")
        place.notify(told(1, BEGIN + 350, "hook"))
        eventually(lambda: len(place.read("deliveries")) == 1)
    (delivery,) = place.read("deliveries")
    found = {
        (one["stage"], one["sink"]): one["since_event_ms"] for one in place.lines("deliveries", "latency", alert.id)
    }
    assert found == {
        ("event", ""): 0, ("ingest", ""): 100, ("detect", ""): None, ("emit", ""): 400,
        ("send", "hook"): delivery["at"] - delivery["latency_ms"] - BEGIN,
        ("delivered", "hook"): delivery["at"] - BEGIN, ("acknowledged", ""): 90_000,
    }  # fmt: skip
