"""People at work, with a live worker: alerts by hand, many at once, an incident from its opening to its document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.living import Place, eventually

pytestmark = pytest.mark.timeout(300)

POLICY = {"receivers": [{"name": "ops"}], "route": {"receivers": ["ops"]}, "remind_severities": []}


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    sinks = [{"name": "archive", "type": "sqlite"}, {"name": "ops", "type": "console", "path": "ops.txt"}]
    place = Place(kafka, "working.", tmp_path_factory.mktemp("working"), partitions=4, sinks=sinks, policy=POLICY)
    place.create_topics().start().ready()
    yield place
    place.close()


def raised(place: Place, title: str, tenant: str = "acme", severity: str = "P2", **key: str) -> dict[str, Any]:
    """What the command says of an alert by hand."""
    keys = [word for name, value in key.items() for word in ("--key", f"{name}={value}")]
    args = ("alerts", "raise", "--title", title, "--severity", severity, "--tenant", tenant, *keys)
    done = place.tocsin(*args, "--by", "grace", "--wait", "--timeout", "30", "--json")
    return dict(json.loads(done.stdout))


def stored(place: Place, **fields: Any) -> list[dict[str, Any]]:
    """Alerts in the storage of which these fields are so."""
    lines = place.tocsin("alerts", "list", "--json").stdout.splitlines()
    return [one for one in map(json.loads, lines) if fields.items() <= one.items()]


def test_an_alert_by_hand_is_told_and_the_same_again_counts_up(place: Place) -> None:
    first, second = (raised(place, "Payments are down", severity="EMERGENCY", region="eu") for _ in range(2))
    other = raised(place, "Payments are down", severity="EMERGENCY", region="us")
    assert (first["outcome"], second["outcome"]) == ("opened", "counted up")
    assert first["alert_id"] == second["alert_id"] != other["alert_id"]
    eventually(lambda: stored(place, id=first["alert_id"], count=2), 30, "the count in the storage")
    shown = place.folder / "data" / "ops.txt"
    eventually(lambda: "Payments are down" in shown.read_text(), 30, "the notification")
    assert "CRITICAL (EMERGENCY)" in shown.read_text()


def test_many_at_once_by_what_they_have_in_common(place: Place) -> None:
    ids = {raised(place, "Slow queries", tenant="bulk", host=f"db-{n}")["alert_id"] for n in range(4)}
    raised(place, "Slow queries", tenant="elsewhere", host="db-0")
    eventually(lambda: len(stored(place, tenant="bulk")) == 4, 30, "the alerts in the storage")
    where = ("--where", "rule=manual.slow-queries", "--tenant", "bulk", "--yes")
    assert "4 of 4 tagged" in place.tocsin("alerts", "tag", *where, "--tag", "quarter-end").stdout
    one, *others = sorted(ids)
    place.tocsin("alerts", "resolve", one, "--as", "true_positive", "--wait")
    said = place.tocsin("alerts", "dismiss", one, *others, "--as", "false_positive", status=3)
    assert "3 of 4 dismissed, 1 refused: already closed" in said.stdout
    eventually(lambda: len(stored(place, tenant="bulk", status="dismissed")) == 3, 30, "the end in the storage")
    eventually(lambda: stored(place, tenant="elsewhere", status="active"), 30, "the other tenant's, untouched")

    report = json.loads(place.tocsin("alerts", "report", "--tenant", "bulk", "--json").stdout)
    assert report["all"]["dispositions"] == {"false_positive": 3, "true_positive": 1}
    assert report["all"]["false_positive_share"] == 0.75
    out = place.folder / "labels.jsonl"
    place.tocsin("alerts", "labels", "--tenant", "bulk", "--out", str(out))
    labels = [json.loads(line) for line in out.read_text().splitlines()]
    assert {label["alert_id"] for label in labels} == ids
    assert all(label["event_ids"] for label in labels)


def test_a_command_for_a_version_that_is_no_more(place: Place) -> None:
    alert = raised(place, "Old news", tenant="versions")["alert_id"]
    place.tocsin("alerts", "assign", alert, "--tenant", "versions", "--to", "ada", "--wait")
    stale = ("alerts", "resolve", alert, "--tenant", "versions", "--expect-version", "1", "--wait")
    assert "refused: another version" in place.tocsin(*stale, status=1).stderr
    assert "refused: unknown alert" in place.tocsin("alerts", "ack", alert, "--tenant", "t", "--wait", status=1).stderr


def test_an_incident_by_hand_from_its_opening_to_its_document(place: Place) -> None:
    members = [raised(place, f"Trouble {n}", tenant="desk", severity=f"P{n}")["alert_id"] for n in (1, 2)]
    eventually(lambda: len(stored(place, tenant="desk")) == 2, 30, "the alerts in the storage")
    opened = place.tocsin("incidents", "open", "--alerts", ",".join(members), "--title", "All is slow", "--by", "grace")
    incident, summary = opened.stdout.splitlines()
    assert summary == "2 of 2 linked"
    eventually(lambda: stored(place, id=incident, members=sorted(members, key=members.index)), 30, "its members")
    place.tocsin("incidents", "phase", incident, "investigating", "--note", "looking at the network", "--by", "grace")
    place.tocsin("incidents", "update", incident, "--note", "found a cable", "--by", "grace")
    for member in members:
        place.tocsin("alerts", "resolve", member, "--tenant", "desk", "--note", "plugged in", "--wait")
    eventually(lambda: stored(place, id=incident, status="resolved", resolved_by="members"), 30, "its end")

    listed = place.tocsin("incidents", "list", "--tenant", "desk", "--json").stdout.splitlines()
    assert [json.loads(line)["phase"] for line in listed] == ["resolved"]
    assert "looking at the network" in place.tocsin("incidents", "show", incident).stdout
    told = ("ops told, new", "ops told, updated: investigating: found a cable", "ops told, resolved")
    for setting in ({}, {"sinks": [{"name": "ops", "type": "console", "path": "ops.txt"}]}):  # storage, then topics
        before = dict(place.settings)
        place.configure(**setting)
        document = json.loads(place.tocsin("incidents", "export", incident, "--format", "json").stdout)
        place.configure(**before)
        said = [line["what"] for line in document["timeline"]]
        assert [what for what in said if what in told] == [*["ops told, new"] * 3, told[1], *["ops told, resolved"] * 3]
        assert {alert["id"] for alert in document["alerts"]} == set(members)
        assert document["times"]["to_resolve_ms"] > 0
    page = place.folder / "incident.html"
    place.tocsin("incidents", "export", incident, "--format", "html", "--out", str(page))
    assert "All is slow" in page.read_text()


def test_only_incidents_are_handled_as_such(place: Place) -> None:
    alert = raised(place, "No incident", tenant="lone")["alert_id"]
    eventually(lambda: stored(place, id=alert), 30, "the alert in the storage")
    assert "not an incident" in place.tocsin("incidents", "export", alert, status=1).stderr
