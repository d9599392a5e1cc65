"""A rule on trial in a live worker: it speaks into the shadow, is judged by what stands there, and is promoted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from streams.replay.moments import rfc3339
from tests.e2e.living import Place, eventually, now_ms

pytestmark = pytest.mark.timeout(180)


def rule(id: str, **more: Any) -> dict[str, Any]:
    events = [{"at": "0s", "action": "login", "actor": "x", "times": 3, "every": "1s"}]
    return {
        "id": id, "title": "{count} by {actor}", "description": "Of the tests.", "source": "audit",
        "where": {"action": "login"}, "group_by": ["actor"], "detect": {"count": {"at_least": 3, "within": "10m"}},
        "severity": "high", "type": "security", "cooldown": "15m",
        "tests": [{"name": "fires", "events": events, "expect": [{"at": "2s"}]}], **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("shadow")
    (folder / "rules").mkdir()
    for one in (rule("test.live"), rule("test.tried", stage="shadow")):
        (folder / "rules" / f"{one['id']}.yaml").write_text(yaml.safe_dump(one))
    place = Place(kafka, f"shadow{uuid.uuid4().hex[:8]}.", folder, rules=[str(folder / "rules")])
    try:
        place.create_topics().start().ready()
        yield place
    finally:
        place.close()


def send(place: Place, actors: list[str], events: int, base: int) -> None:
    with place.producing() as produce:
        for actor in actors:
            for n in range(events):
                produce("audit.events", json.dumps({
                    "event_id": f"{actor}-{base}-{n}", "event_time": base + n * 1000, "tenant": "acme", "actor": actor,
                    "action": "login",
                }).encode(), f"acme|{actor}".encode(), partition=0)  # fmt: skip


def test_a_rule_is_tried_judged_and_promoted(place: Place) -> None:
    base = now_ms() - 300_000
    send(place, ["ada", "bob"], 5, base)
    eventually(lambda: len(place.documents("shadow")) == 6, 60, "the shadow rule to speak")
    eventually(lambda: len(place.documents("alerts")) >= 2, 60, "the live rule's alerts")
    assert {found["rule"] for found in place.documents("alert-input")} == {"test.live"}
    assert {alert["rule"] for alert in place.documents("alerts")} == {"test.live"}

    (row,) = (json.loads(text) for text in place.tocsin(
        "rules", "shadow", "--beside", "test.live", "--json").stdout.splitlines())  # fmt: skip
    assert (row["rule"], row["findings"], row["alerts"], row["failed"]) == ("test.tried", {"fire": 6}, 2, 0)
    assert row["events"] >= 10
    assert row["beside"] == {
        "rule": "test.live", "alerts": 2, "keys_in_both": 2, "keys_only_live": 0, "keys_only_shadow": 0,
    }  # fmt: skip

    too_many = place.tocsin("rules", "promote", "test.tried", "--max-alerts", "1", "--min-events", "5", status=1)
    assert "FAILS  at most 1 alerts: 2" in too_many.stdout
    place.tocsin("rules", "promote", "test.tried", "--min-age", "1d", status=1)
    assert "it is live" in place.tocsin("rules", "promote", "test.live", status=2).stderr
    place.tocsin("rules", "promote", "test.tried", "--max-alerts", "2", "--dry-run")
    assert "live from control position" in place.tocsin("rules", "promote", "test.tried", "--max-alerts", "2").stdout

    eventually(lambda: "no rule is in the shadow" in place.tocsin("rules", "shadow").stdout, 20, "the new set")

    def spoken() -> bool:
        send(place, ["ada"], 1, now_ms() - 200_000)
        return "test.tried" in {found["rule"] for found in place.documents("alert-input")}

    eventually(spoken, 30, "the promoted rule")
    first = next(found for found in place.documents("alert-input") if found["rule"] == "test.tried")
    assert first["observed"] > 5  # it went on with the window that it had


def test_the_journal_of_a_run_with_a_shadow_rule_replays_to_what_stands_there(place: Place) -> None:
    place.workers[-1].end()
    assert "exactly this" in place.tocsin("replay", "--journal", "--compare").stderr


def test_what_was_evaluated_is_told_with_the_rule_sets_and_nothing_is_left_out(place: Place) -> None:
    said = place.tocsin("coverage", "show", "--source", "audit", "--check", "--json", "--rule", "test.live")
    parts = [json.loads(text) for text in said.stdout.splitlines()]
    first = next(part for part in parts if part["partition"] == 0)
    assert [gap for part in parts for gap in part["gaps"]] == []
    assert first["low"] == 0 == first["evaluated"][0]["begin"]
    assert first["evaluated"][-1]["end"] == first["high"] > 10
    assert len({part["ruleset"] for part in first["evaluated"]}) == 2  # with the rule in the shadow, and live


def test_a_rule_that_came_later_is_a_gap(place: Place) -> None:
    (place.folder / "rules" / "test.later.yaml").write_text(yaml.safe_dump(rule("test.later", where={"action": "x"})))
    place.tocsin("rules", "apply", "--skip-tests")
    said = place.tocsin("coverage", "show", "--source", "audit", "--check", status=1).stdout
    assert "gap: audit.events/0 0.." in said
    assert "not in force" in said
    assert "test.later" in said


def test_an_alert_is_explained_by_its_events_and_opened_again(place: Place) -> None:
    alert = next(
        one for one in place.documents("alerts") if one["rule"] == "test.live" and one["key"] == {"actor": "bob"}
    )
    said = json.loads(place.tocsin("explain", alert["id"], "--json").stdout)
    assert said["rerun"]["reproduced"] is True
    assert [event["on"] for event in said["events"]][:3] == ["topic"] * 3
    completing = next(event for event in said["events"] if event["completing"])
    assert completing["position"] == alert["first"][-1]["position"]
    assert completing["findings"] == [{"kind": "fire", "observed": 3, "severity": "high"}]
    assert (said["state"]["before"]["measured"], said["state"]["after"]["measured"]) == (2, 3)
    assert said["not_told"] == ["no policy: none is in force, so nobody is to be told"]
    shown = place.tocsin("explain", alert["id"]).stdout
    assert "the rule, run again, opens this alert" in shown
    assert completing["position"] in shown


def test_what_is_no_alert_is_said_so(place: Place) -> None:
    assert "there is no alert" in place.tocsin("explain", "0123456789abcdef0123456789abcdef", status=1).stderr


def test_the_state_of_a_key_is_rebuilt_from_the_topics(place: Place) -> None:
    now = rfc3339(now_ms())
    said = json.loads(place.tocsin(
        "state", "at", "--rule", "test.live", "--key", "actor=bob", "--tenant", "acme", "--time", now).stdout)  # fmt: skip
    assert (said["of_this_key"], said["state"]["measured"]) == (5, 5)
    assert said["begins"] == {"audit.events/0": 0, "audit.events/1": 0}
    assert said["next"]["finding"]["observed"] == 6
