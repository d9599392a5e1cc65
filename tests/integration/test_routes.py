"""``tocsin routes`` and ``tocsin oncall`` on a real Kafka: a preset in force, and somebody who stands in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.runtime.control import policy_record, publish
from streams.runtime.names import Names
from tests.integration.test_topics import tocsin

pytestmark = pytest.mark.timeout(240)
POLICY = {
    "preset": "operations",
    "receivers": [{"name": "phone", "oncall": "primary"}],
    "oncall": {"primary": {"layers": [{"people": ["ada"], "rotation": "weekly", "starts_at": 0}]}},
}


@pytest.fixture
def here(kafka: str, topics: str) -> dict[str, str]:
    made = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TOCSIN_TOPIC_PREFIX": topics}
    assert tocsin("topics", "create", "--partitions", "1", **made).returncode == 0
    publish({"bootstrap.servers": kafka}, Names(app="tocsin", prefix=topics), [policy_record(POLICY)])
    return made


def said(*args: str | Path, here: dict[str, str]) -> dict[str, Any]:
    done = tocsin(*map(str, args), "--json", **here)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_somebody_stands_in_and_is_who_the_phone_rings_for(here: dict[str, str], tmp_path: Path) -> None:
    alert = tmp_path / "alert.yaml"
    alert.write_text("{severity: P0, rule: api.down}\n")

    def rung(at: str) -> list[str]:
        told = said("routes", "test", "--alert", alert, "--live", "--at", at, here=here)["told"]
        return [person for one in told if one["receiver"] == "phone" for person in one["to"]]

    begin, end = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"
    made = said("oncall", "override", "primary", "grace", "--from", begin, "--until", end, here=here)
    assert made["id"] == "primary-20300101t0000-grace"
    assert [rung("2029-12-31T23:50:00Z"), rung("2029-12-31T23:56:00Z"), rung("2030-01-02T00:00:00Z")] == [
        ["ada"], ["grace"], ["ada"],
    ]  # fmt: skip
    shown = said("oncall", "show", "--live", "--at", begin, here=here)
    assert (shown["person"], len(shown["overrides"])) == ("grace", 1)

    said("oncall", "override", "--remove", made["id"], here=here)
    assert rung("2029-12-31T23:56:00Z") == ["ada"]
    assert said("oncall", "show", "--live", "--at", begin, here=here)["overrides"] == []


def test_a_rotation_or_an_override_that_is_not_there_is_refused(here: dict[str, str]) -> None:
    for args, what in (
        (
            ["primry", "grace", "--until", "2090-01-01T00:00:00Z"],
            "there is no rotation 'primry' (did you mean 'primary'?)",
        ),
        (["--remove", "gone"], "there is no override 'gone'"),
    ):
        done = tocsin("oncall", "override", *args, **here)
        assert done.returncode == 2
        assert what in done.stderr
