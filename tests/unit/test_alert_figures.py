"""Reports and labels: what is counted, and of what."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.testing import sample_alert
from streams.alerts.figures import acknowledged_at, figures, label, spread
from streams.model import Evidence, Severity, Status
from tests.unit.alert_steps import World, command, finding

AT = 1_704_067_200_000  #: of the event of a sample alert; it is created two seconds later
CREATED = AT + 2_000


def taken(at: int) -> dict[str, Any]:
    return {"at": at, "by": "eve", "from": "active", "to": "acknowledged", "why": "acknowledge"}


def test_times_count_from_the_opening() -> None:
    alert = sample_alert(
        status=Status.RESOLVED, resolved_at=CREATED + 90_000, history=(taken(CREATED + 30_000), taken(CREATED + 60_000)),
        acknowledged_at=CREATED + 60_000,
    )  # fmt: skip
    whole, _ = figures([alert], "rule")
    assert (whole.detect, whole.acknowledge, whole.resolve) == ([2_000], [30_000], [90_000])


def test_an_acknowledgement_that_was_taken_back_was_one() -> None:
    world = World()
    world.give(finding(0), minute=0)
    world.give(command(0, "acknowledge"), minute=2)
    world.give(command(1, "unacknowledge"), minute=3)
    alert = world.alert()
    assert alert.acknowledged_at is None
    assert acknowledged_at(alert) == alert.created_at + 120_000


def test_what_is_open_has_no_time_to_resolve_also_where_it_was_closed_before() -> None:
    whole, _ = figures([sample_alert(resolved_at=CREATED + 5)], "rule")
    assert (whole.open, whole.resolve) == (1, [])


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("rule", ["audit.failed-login-burst"]),
        ("severity", ["high", "low"]),
        ("tenant", ["acme", "other"]),
        ("assignee", ["", "ada"]),
    ],
)
def test_groups_are_those_with_the_most_alerts_first(by: str, groups: list[str]) -> None:
    alerts = [sample_alert(1), sample_alert(2), sample_alert(3, severity=Severity.LOW, tenant="other", assignee="ada")]
    whole, found = figures(alerts, by)
    assert list(found) == groups
    assert sum(one.alerts for one in found.values()) == whole.alerts == 3


def test_incidents_and_storms_are_not_counted_beside_their_alerts() -> None:
    whole, groups = figures([sample_alert(1), sample_alert(2, rule="tocsin.incident")], "rule")
    assert (whole.alerts, list(groups)) == (1, ["audit.failed-login-burst"])


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ([], None),
        (["duplicate"], None),
        (["false_positive", "true_positive", "benign", "expected"], 0.25),
        (["false_positive", "duplicate"], 1.0),
        (["true_positive"], 0.0),
    ],
)
def test_the_share_of_false_ones_is_of_those_somebody_labelled(words: list[str], share: float | None) -> None:
    alerts = [sample_alert(n, disposition=word, status=Status.DISMISSED) for n, word in enumerate(words)]
    assert figures([*alerts, sample_alert(99)], "rule")[0].false_positive_share == share


def test_missed_targets_and_what_was_hidden_add_up() -> None:
    alerts = [
        sample_alert(1, breached=("acknowledge", "resolve"), hidden=3),
        sample_alert(2, breached=("acknowledge",)),
    ]
    shown = figures(alerts, "rule")[0].document()
    assert shown["breached"] == {"acknowledge": 2, "resolve": 1}
    assert (shown["hidden_notifications"], shown["alerts"], shown["mttr_ms"]) == (3, 2, None)


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([], None),
        ([7], {"mean": 7, "p50": 7, "p90": 7, "of": 1}),
        (list(range(1, 11)), {"mean": 5, "p50": 5, "p90": 9, "of": 10}),
        ([0, 0, 0, 100], {"mean": 25, "p50": 0, "p90": 100, "of": 4}),
    ],
)
def test_the_spread_of_times(times: list[int], found: dict[str, int] | None) -> None:
    assert spread(times) == found


def test_a_label_names_the_events_and_what_a_person_said_of_them() -> None:
    world = World()
    more = Evidence(position="audit.events/0/9", event_id="e9", event_time=finding(9, 8).event_time)
    world.give(finding(0), finding(9, 8, evidence=(more,)), minute=9)
    assert label(world.alert()) is None
    world.give(command(0, "dismiss", disposition="false_positive"), minute=10)
    found = label(world.alert())
    assert found is not None
    assert (found["alert_id"], found["disposition"], found["by"]) == ("alert-0", "false_positive", "grace")
    assert (found["event_ids"], found["positions"]) == (["e0", "e9"], ["audit.events/0/0", "audit.events/0/9"])
    assert found["last_event_time"] - found["first_event_time"] == 8 * 60_000


def test_a_reopened_alert_is_labelled_no_more() -> None:
    world = World()
    world.give(finding(0), command(0, "dismiss", disposition="benign"), command(1, "reopen"), minute=0)
    assert label(world.alert()) is None
