"""Everything bad that can be written to any topic, among good events, through one live worker on real Kafka."""

from __future__ import annotations

import base64
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from streams.model.dead import MAX_VALUE
from tests.e2e.living import Place, Worker, eventually, now_ms
from tests.poison import Poison, poison, too_large

pytestmark = pytest.mark.timeout(280)


def rule(id: str, type: str, detect: dict[str, Any]) -> dict[str, Any]:
    events = [{"at": "0s", "type": type, "actor": "x", "times": 3, "every": "1s"}]
    return {
        "id": id, "title": "{actor} sent poison", "description": "Of the tests.", "source": "audit",
        "where": {"type": type}, "group_by": ["actor"], "detect": detect, "severity": "low", "type": "security",
        "cooldown": "15m", "tests": [{"name": "fires", "events": events, "expect": [{"at": "0s"}]}],
    }  # fmt: skip


MATCH = rule("test.poison", "poison", {"match": {}})
WINDOWED = rule("test.windowed", "windowed", {"count": {"at_least": 3, "within": "10m"}})
FAR = 4_070_908_800_000  #: 2099
DEEP = b"[" * 100_000 + b"]" * 100_000


class Flood:
    """A live worker, and the whole corpus on its topic: ``sent`` maps position to kind."""

    def __init__(self, place: Place) -> None:
        self.place, self.base = place, now_ms()
        self.worker: Worker = place.create_topics().start().ready()
        corpus = poison(7, self.base)
        where: list[tuple[Poison, list[str]]] = []
        self.windowed: list[list[str]] = []  #: of each partition: the two before the far future, and the one after
        # One record a request, or the broker would see a batch that is larger than the record that must just fit.
        with place.producing(**{"message.max.bytes": 4_000_000, "batch.num.messages": 1}) as send:
            for number in range(place.partitions):
                self.windowed.append(send_windowed(self, send, number, "steady", -180_000))
                send_windowed(self, send, number, "steady", -120_000)
                send_windowed(self, send, number, "future", FAR - self.base)
            for n, one in enumerate(corpus):
                where.append((one, send("audit.events", one.raw, partition=n % place.partitions)))
            for number in range(place.partitions):
                self.windowed[number] = send_windowed(self, send, number, "steady", -60_000)
            self.refused = {
                "one byte too large": send("audit.events", too_large(None), partition=0),
                "a record from 2099": send("audit.events", b"{}", partition=0, timestamp=FAR),
            }
        self.sent = {position[0]: one for one, position in where}
        assert len(self.sent) == len(corpus), [one.name for one, position in where if "/" not in position[0]]
        self.through()

    def through(self) -> None:
        """Wait until everything sent so far has been processed: a last event of each partition has made its finding."""
        mark = f"last-{uuid.uuid4().hex}"
        with self.place.producing() as send:
            lasts = [
                send("audit.events", json.dumps({"event_id": f"{mark}-{n}", "type": "poison", "actor": mark,
                                                 "event_time": now_ms(), "tenant": "marks"}).encode(), partition=n)
                for n in range(self.place.partitions)
            ]  # fmt: skip
        wanted = {last[0] for last in lasts}

        def done() -> bool:
            assert self.worker.process.poll() is None, self.worker.text[-5000:]
            return wanted <= {finding.get("position") for finding in self.findings()}

        eventually(done, 90, "the last events to be processed")
        eventually(self.folded, 60, "their findings to be folded into alerts")

    def folded(self) -> bool:
        findings = len(self.findings()) + len(self.findings("test.windowed"))
        return sum(alert["count"] for alert in self.place.last_alerts().values()) >= findings

    def findings(self, rule: str = "test.poison") -> list[dict[str, Any]]:
        found = []
        for record in self.place.read("alert-input"):
            try:
                document = record.json
            except (ValueError, RecursionError, TypeError):  # what the tests below have put there
                continue
            if document.get("record") == "finding" and document.get("rule") == rule and "evidence" in document:
                found.append(document)
        return found

    def letters(self, stage: str, topic: str) -> list[dict[str, Any]]:
        letters = self.place.documents("dead-letter")
        return [one for one in letters if one["stage"] == stage and one["origin"].startswith(f"{topic}/")]


def send_windowed(flood: Flood, send: Any, number: int, actor: str, offset: int) -> list[str]:
    event = {
        "event_id": f"{actor}-{number}-{offset}", "event_time": flood.base + offset, "tenant": "acme",
        "type": "windowed", "actor": f"{actor}-{number}",
    }  # fmt: skip
    where: list[str] = send("audit.events", json.dumps(event).encode(), partition=number)
    return where


@pytest.fixture(scope="module")
def flood(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flood]:
    folder = tmp_path_factory.mktemp("poison")
    (folder / "rules").mkdir()
    for one in (MATCH, WINDOWED):
        (folder / "rules" / f"{one['id']}.yaml").write_text(yaml.safe_dump(one))
    place = Place(kafka, f"poison{uuid.uuid4().hex[:8]}.", folder, partitions=3, rules=[str(folder / "rules")])
    try:
        yield Flood(place)
    finally:
        place.close()


def test_every_bad_one_is_one_dead_letter_with_origin_and_reason(flood: Flood) -> None:
    letters = flood.letters("detect", "audit.events")
    dead = Counter(letter["origin"] for letter in letters)
    assert dead == Counter(position for position, one in flood.sent.items() if not one.good)
    for letter in letters:
        raw = flood.sent[letter["origin"]].raw
        assert letter["error"]
        if raw is None:
            assert letter["reason"] == "tombstone"
        else:
            assert letter["reason"] in ("malformed", "invalid")
            assert base64.b64decode(letter["value"]) == raw[:MAX_VALUE]
            assert letter.get("size", 0) == len(raw)


def test_every_good_one_is_processed_once_and_the_worker_lives(flood: Flood) -> None:
    fired = Counter(finding["position"] for finding in flood.findings())
    wanted = Counter(position for position, one in flood.sent.items() if one.fires)
    assert {p: n for p, n in fired.items() if p in flood.sent} == wanted
    eventually(lambda: flood.worker.metric("tocsin_lag_records") == 0, 30, "no lag")
    bad = sum(not one.good for one in flood.sent.values())
    assert flood.worker.metric("tocsin_dead_letters_total", source="audit") == bad
    assert flood.worker.metric("tocsin_events_total", source="audit") == len(flood.place.read("audit.events"))
    assert flood.worker.metric("tocsin_rule_errors_total") == -1
    assert flood.worker.get("/readyz")[0] == 200
    assert len(flood.sent) > 400


def test_nothing_becomes_late_of_the_far_future(flood: Flood) -> None:
    assert flood.place.read("late") == []
    completed = {finding["position"]: finding for finding in flood.findings("test.windowed")}
    for number in range(flood.place.partitions):
        finding = completed[flood.windowed[number][0]]
        assert (finding["observed"], finding["key"]) == (3, {"actor": f"steady-{number}"})
    assert flood.worker.metric("tocsin_late_total") == -1
    assert flood.worker.metric("tocsin_skewed_total", source="audit") >= flood.place.partitions
    assert flood.worker.metric("tocsin_watermark_delay_seconds", topic="audit.events") > -300 * flood.place.partitions


def test_what_a_broker_does_not_take_is_refused_at_the_door(flood: Flood) -> None:
    assert flood.refused == {
        "one byte too large": ["MSG_SIZE_TOO_LARGE"], "a record from 2099": ["INVALID_TIMESTAMP"],
    }  # fmt: skip


def test_a_replay_of_the_topic_finds_the_same(flood: Flood) -> None:
    done = flood.place.tocsin("replay", "--source", "audit=topic:audit.events", "--json")
    # The corpus has one actor in several partitions: which of his events comes first is no fact of the log.
    replayed: Counter[str] = Counter()
    for line in map(json.loads, done.stdout.splitlines()):
        replayed[json.dumps([line["rule"], line["tenant"], line["key"]])] += line["findings"]
    live: Counter[str] = Counter()
    for alert in flood.place.last_alerts().values():
        live[json.dumps([alert["rule"], alert["tenant"], alert["key"]])] += alert["count"]
    assert replayed == live
    assert len(live) > 20
    assert flood.letters("alert", "alert-input") == []  # so far nothing on it was hostile


def hostile_records(finding: dict[str, Any]) -> dict[str, bytes | None]:
    """What is neither a finding nor a command, by what is wrong with it."""
    forged = {**finding, "rule": "forged", "id": "forged", "alert_id": "forged"}
    command = {
        "record": "command", "id": "c1", "action": "resolve", "alert_id": "a", "tenant": "acme", "by": "eve", "at": 1,
    }  # fmt: skip
    raw: dict[str, bytes | None] = {
        "tombstone": None, "empty": b"", "cut": b'{"record": "finding"', "array": b"[]", "null": b"null",
        "text": b'"finding"', "not utf-8": b'{"record": "\xff"}', "deep": DEEP,
        "deep metadata": json.dumps(command).encode()[:-1] + b', "metadata": {"a": ' + DEEP + b"}}",
        "nan": json.dumps({**forged, "observed": float("nan")}).encode(),
        "two": json.dumps(forged).encode() * 2,
        "too large": json.dumps({**forged, "title": "x" * 300_000}).encode(),
    }  # fmt: skip
    spoilt: dict[str, dict[str, Any]] = {
        "no record": {"id": "x"}, "unknown record": {**forged, "record": "order"}, "only the tag": {"record": "finding"},
        "time true": {**forged, "event_time": True}, "time huge": {**forged, "event_time": 10**20},
        "time below 0": {**forged, "event_time": -1}, "no tenant": {**forged, "tenant": ""},
        "tenant a list": {**forged, "tenant": ["acme"]}, "long rule": {**forged, "rule": "r" * 10_000},
        "severity": {**forged, "severity": "loud"}, "kind": {**forged, "kind": "explode"},
        "cooldown": {**forged, "cooldown": -5}, "fold": {**forged, "fold": "never"},
        "key a list": {**forged, "key": ["actor"]}, "key of lists": {**forged, "key": {"actor": [1]}},
        "evidence": {**forged, "evidence": [{"position": 1}]}, "key null": {**forged, "key": None},
        "action": {**command, "action": "destroy"}, "nobody": {**command, "by": ""}, "no alert": {**command, "alert_id": ""},
        "at below 0": {**command, "at": -1}, "at text": {**command, "at": "now"}, "at true": {**command, "at": True},
        "metadata a list": {**command, "metadata": []}, "long id": {**command, "id": "i" * 201},
    }  # fmt: skip
    return raw | {name: json.dumps(document).encode() for name, document in spoilt.items()}


def test_hostile_findings_and_commands_are_dead_letters_and_hurt_nobody(flood: Flood) -> None:
    before = flood.place.last_alerts()
    hostile = hostile_records(flood.findings()[0])
    stranger = {
        "record": "command", "id": "c-stranger", "action": "resolve", "alert_id": "of-nobody", "tenant": "acme",
        "by": "eve", "at": now_ms(),
    }  # fmt: skip
    with flood.place.producing() as send:
        sent = {name: send("alert-input", value, b"acme") for name, value in hostile.items()}
        send("alert-input", json.dumps(stranger).encode(), b"acme")
        copies = [send("rekeyed", value, b"x", partition=0) for value in (None, b"", b"{", DEEP, b'{"record": "copy"}')]
    eventually(lambda: len(flood.letters("alert", "alert-input")) >= len(sent), 60, "the dead letters of ALERT")
    flood.through()
    letters = flood.letters("alert", "alert-input")
    assert Counter(letter["origin"] for letter in letters) == Counter(position[0] for position in sent.values())
    assert all(letter["error"] and letter["reason"] for letter in letters)
    operations = [one for one in flood.place.documents("operations") if one["command_id"] == "c-stranger"]
    assert [(one["outcome"], one["reason"]) for one in operations] == [("refused", "unknown_alert")]
    refused = Counter(letter["origin"] for letter in flood.letters("detect", "rekeyed"))
    assert refused == Counter(position[0] for position in copies)
    after = flood.place.last_alerts()
    assert {name: alert for name, alert in after.items() if name in before and alert["tenant"] != "marks"} == {
        name: alert for name, alert in before.items() if alert["tenant"] != "marks"
    }
    assert "forged" not in after
    assert flood.worker.get("/readyz")[0] == 200


def control(kind: str, document: Any) -> bytes:
    return json.dumps({"kind": kind, "id": "default", "document": document, "at": 1, "by": "eve"}).encode()


HOSTILE_CONTROL: dict[str, bytes] = {
    "no JSON": b"{",
    "empty": b"",
    "not utf-8": b'{"kind": "ruleset", "id": "\xff", "document": {}}',
    "deep": b'{"kind": "ruleset", "id": "default", "document": {"rules": ' + DEEP + b"}}",
    "only deep": DEEP,
    "no rules": control("ruleset", {}),
    "rules a text": control("ruleset", {"rules": "all"}),
    "rules of numbers": control("ruleset", {"rules": [1]}),
    "document null": control("ruleset", None),
    "one bad among good": control("ruleset", {"rules": [MATCH, {**WINDOWED, "detect": {"count": {"at_least": -3}}}]}),
    "unknown kind of rule": control("ruleset", {"rules": [{**MATCH, "detect": {"oracle": {}}}]}),
    "the same id twice": control("ruleset", {"rules": [MATCH, MATCH]}),
    "an unknown key": control("ruleset", {"rules": [{**MATCH, "exec": "rm -rf /"}]}),
    "a pattern that is none": control("ruleset", {"rules": [{**MATCH, "where": {"type": {"regex": "("}}}]}),
    "policy of another shape": control("policy", {"recievers": []}),
    "policy without time": control("policy", {"remind_after": -1}),
}


def test_hostile_control_records_are_refused_whole_and_the_old_rules_run_on(flood: Flood) -> None:
    ruleset = json.loads(flood.worker.get("/readyz")[1])["control"]["detail"]["ruleset"]
    kinds = [b"policy/default" if b'"policy"' in value else b"ruleset/default" for value in HOSTILE_CONTROL.values()]
    with flood.place.producing() as send:
        for key, value in zip(kinds, HOSTILE_CONTROL.values(), strict=True):
            send("control", value, key, partition=0)
    end = len(flood.place.read("control"))
    eventually(lambda: flood.worker.metric("tocsin_control_position") >= end, 30, "the control records to be read")
    assert flood.worker.metric("tocsin_control_refused_total") == len(HOSTILE_CONTROL)
    assert flood.worker.metric("tocsin_control_refused_total", kind="policy") == kinds.count(b"policy/default")
    status, body = flood.worker.get("/readyz")
    assert (status, json.loads(body)["control"]["detail"]["ruleset"]) == (200, ruleset)
    flood.through()  # the match rule fires as before
    with flood.place.producing() as send:
        where = [send_windowed(flood, send, 0, "afterwards", offset) for offset in (-3, -2, -1)][-1]
    eventually(lambda: [f for f in flood.findings("test.windowed") if f["position"] == where[0]], 30, "the other rule")


def test_it_ends_in_order_and_its_journal_tells_it_all_again_but_for_the_forgeries(flood: Flood) -> None:
    assert flood.worker.end() == 0
    assert "Traceback" not in flood.worker.text
    done = flood.place.tocsin("replay", "--journal", "--compare", status=None)
    differences = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
    # What others wrote to our topics is named; alerts, notifications, operations and dead letters are as replayed.
    assert {line.split(":")[0] for line in differences} <= {"alert-input", "rekeyed"}, differences
    assert all("written" in line or " more" in line for line in differences), differences
    assert done.returncode == 1
