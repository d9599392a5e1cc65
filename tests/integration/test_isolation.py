"""One rule that raises, in a live worker on real Kafka: what it takes from the others is nothing."""

from __future__ import annotations

import base64
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from streams.state.detect.rulebook import MAX_ERRORS
from tests.e2e.living import Place, Worker, eventually, now_ms

pytestmark = pytest.mark.timeout(180)
EVENTS = MAX_ERRORS + 15


def rule(id: str, kind: str) -> dict[str, Any]:
    events = [{"at": "0s", "action": "login", "actor": "x", "times": 3, "every": "1s"}]
    return {
        "id": id, "title": "{count} by {actor}", "description": "Of the tests.", "source": "audit",
        "where": {"action": "login"}, "group_by": ["actor"], "detect": {kind: {"at_least": 3, "within": "10m"}},
        "severity": "high", "type": "security", "cooldown": "15m",
        "tests": [{"name": "fires", "events": events, "expect": [{"at": "2s"}]}],
    }  # fmt: skip


class Case:
    """A worker with two rules over the same events; one of them raises on each."""

    def __init__(self, place: Place) -> None:
        self.place, self.base = place, now_ms() - 300_000
        self.worker: Worker = place.create_topics().start(module="tests.integration.raising").ready()
        self.sent = self.send("first", EVENTS)

    def send(self, name: str, count: int) -> list[str]:
        """Events of one actor, all in one partition; their positions, when the good rule has seen the last of them."""
        with self.place.producing() as send:
            where = [
                send("audit.events", json.dumps({
                    "event_id": f"{name}-{n}", "event_time": self.base + n * 1000, "tenant": "acme", "actor": "ada",
                    "action": "login",
                }).encode(), b"acme|ada", partition=0)
                for n in range(count)
            ]  # fmt: skip
        positions = [one[0] for one in where]

        def done() -> bool:
            assert self.worker.process.poll() is None, self.worker.text
            return positions[-1] in {finding["position"] for finding in self.findings("test.good")}

        eventually(done, 60, "the good rule")
        return positions

    def findings(self, rule: str) -> list[dict[str, Any]]:
        return [found for found in self.place.documents("alert-input") if found["rule"] == rule]

    def metric(self, name: str, value: float, **labels: str) -> None:
        eventually(lambda: self.worker.metric(name, **labels) == value, 20, f"{name} {labels} to be {value}")


@pytest.fixture(scope="module")
def case(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("isolation")
    (folder / "rules").mkdir()
    for one in (rule("test.good", "count"), rule("test.raises", "raising")):
        (folder / "rules" / f"{one['id']}.yaml").write_text(yaml.safe_dump(one))
    place = Place(kafka, f"isolation{uuid.uuid4().hex[:8]}.", folder, rules=[str(folder / "rules")])
    try:
        yield Case(place)
    finally:
        place.close()


def test_the_results_of_the_other_rule_stand(case: Case) -> None:
    found = case.findings("test.good")
    assert [finding["position"] for finding in found] == case.sent[2:]
    assert [finding["observed"] for finding in found][:3] == [3, 4, 5]
    assert case.findings("test.raises") == []


def test_each_error_is_a_dead_letter_with_the_rules_id_until_the_rule_is_off(case: Case) -> None:
    letters = sorted(case.place.documents("dead-letter"), key=lambda one: case.sent.index(one["origin"]))
    assert [letter["origin"] for letter in letters] == case.sent[:MAX_ERRORS]
    for number, letter in enumerate(letters):
        assert (letter["rule"], letter["reason"], letter["stage"]) == ("test.raises", "rule_failed", "detect")
        assert "ZeroDivisionError" in letter["error"]
        assert json.loads(base64.b64decode(letter["value"]))["event_id"] == f"first-{number}"


def test_a_person_is_told_that_the_analysis_failed(case: Case) -> None:
    def failed() -> list[dict[str, Any]]:
        alerts = [one for one in case.place.last_alerts().values() if one["rule"] == "tocsin.analysis-failed"]
        return [one for one in alerts if one["count"] == MAX_ERRORS]

    (alert,) = eventually(failed, 30, "the alert")
    assert (alert["key"], alert["type"], alert["severity"]) == ({"rule": "test.raises"}, "system", "high")
    assert (alert["tenant"], alert["status"]) == ("acme", "active")
    assert alert["first"][0]["position"] == case.sent[0]
    rules = Counter(one["rule"] for one in case.place.last_alerts().values())
    assert rules == {"tocsin.analysis-failed": 1, "test.good": 1}


def test_it_shows_in_the_metrics(case: Case) -> None:
    case.metric("tocsin_rule_errors_total", MAX_ERRORS, rule="test.raises")
    case.metric("tocsin_rule_off", 1, rule="test.raises")
    assert case.worker.metric("tocsin_rule_off", rule="test.good") == -1
    assert case.worker.metric("tocsin_rule_errors_total", rule="test.good") == -1
    assert case.worker.get("/readyz")[0] == 200


def test_off_it_stays_over_a_crash_and_comes_back_with_a_new_version(case: Case) -> None:
    before = len(case.place.read("dead-letter"))
    case.worker.process.kill()
    case.worker.process.wait(10)
    case.worker = case.place.start(module="tests.integration.raising").ready()
    case.send("second", 3)
    assert len(case.place.read("dead-letter")) == before
    case.metric("tocsin_rule_off", 1, rule="test.raises")

    position = case.worker.metric("tocsin_control_position")
    mended = {**rule("test.raises", "count"), "severity": "low"}
    file = case.place.folder / "rules" / "test.raises.yaml"
    file.write_text(yaml.safe_dump(mended))
    case.place.tocsin("rules", "apply", str(file.parent))
    eventually(lambda: case.worker.metric("tocsin_control_position") > position, 20, "the new rules")
    case.send("third", 4)
    eventually(lambda: len(case.findings("test.raises")) == 2, 20, "the mended rule's findings")
    assert len(case.place.read("dead-letter")) == before
    eventually(lambda: case.worker.metric("tocsin_rule_off", rule="test.raises") in (0, -1), 20, "the gauge to go back")
    assert case.worker.end() == 0
