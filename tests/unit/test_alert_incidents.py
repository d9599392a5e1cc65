"""Incidents: how they come about, grow, are handled, and end."""

from __future__ import annotations

from typing import Any

import pytest

from streams.model import Alert
from tests.unit.alert_steps import MINUTE, START, World, command, finding

POLICY: dict[str, Any] = {
    "receivers": [{"name": "chat"}],
    "route": {"receivers": ["chat"]},
    "remind_severities": [],
    "incidents": {"by": ["key.actor"], "within": "30m"},
}


def one(n: int, minute: float = 0, severity: str = "medium", **more: Any) -> Any:
    """The n-th alert about ada, of a rule of its own."""
    return finding(n, minute, **{"rule": f"audit.r{n}", "severity": severity, "severity_word": severity, **more})


def opened(world: World, *ids: int, minute: float = 0) -> None:
    for n in ids:
        world.give(one(n, minute), minute=minute)


def incidents(world: World) -> list[Alert]:
    return [versions[-1] for versions in world.versions.values() if versions[-1].rule == "tocsin.incident"]


def by_hand(n: int = 50, **more: Any) -> Any:
    """A person opens an incident."""
    fields = {"rule": "tocsin.incident", "key": {"incident": f"i{n}"}, "title": "payments are down", "observed": None}
    return finding(n, **{**fields, "evidence": (), **more})


@pytest.mark.parametrize("compacted", [True, False])
def test_it_grows_with_what_opens_about_the_same_and_a_restart_changes_nothing(compacted: bool) -> None:
    world = World(POLICY)
    opened(world, 0, 1, minute=0)
    world.restart(compacted)
    opened(world, 2, minute=20)
    world.restart(compacted)
    opened(world, 3, minute=45)  # 45 minutes after the first, 25 after the last: it is still going on
    (incident,) = incidents(world)
    assert incident.members == ("alert-0", "alert-1", "alert-2", "alert-3")
    assert (incident.title, incident.values["observed"], incident.count) == ("4 alerts about ada", 4, 4)
    assert [world.alert(f"alert-{n}").incident for n in range(4)] == [incident.id] * 4
    opened(world, 4, minute=76)
    assert world.alert("alert-4").incident == ""


def test_others_tenants_and_entities_stand_apart() -> None:
    world = World(POLICY)
    world.give(one(0), one(1, tenant="other"), one(2, key={"actor": "eve"}), one(3, key={"host": "h"}), minute=0)
    assert incidents(world) == []


def test_as_many_as_the_policy_asks_for() -> None:
    world = World({**POLICY, "incidents": {"by": ["key.actor"], "at_least": 3}})
    opened(world, 0, 1)
    assert incidents(world) == []
    opened(world, 2)
    assert incidents(world)[0].members == ("alert-0", "alert-1", "alert-2")


def test_it_ends_when_its_last_alert_is_closed_and_is_back_with_the_first_that_is_open_again() -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    world.give(command(0, "resolve"), minute=2)
    assert incidents(world)[0].status == "active"
    world.restart(compacted=True)
    world.give(one(9, 3, rule="audit.r1", kind="clear"), minute=3)
    ended = incidents(world)[0]
    assert (ended.status, ended.phase, ended.resolved_by) == ("resolved", "resolved", "members")
    assert ended.history[-1]["why"] == "all of its alerts are closed"
    assert world.told(ended.id) == [("chat", "new"), ("chat", "resolved")]
    world.restart()
    world.give(one(10, 4, rule="audit.r1"), minute=4)
    again = incidents(world)[0]
    assert (again.id, again.status, again.phase) == (ended.id, "active", "triaged")
    assert world.told(ended.id)[-1] == ("chat", "reopened")


def test_alerts_that_close_in_one_step_end_it_too() -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    world.give(command(0, "resolve"), command(1, "dismiss", "alert-1"), minute=1)
    assert incidents(world)[0].status == "resolved"


def test_what_is_closed_is_gathered_by_none() -> None:
    world = World(POLICY)
    opened(world, 0)
    world.give(command(0, "resolve"), one(1, 1), minute=1)
    assert incidents(world) == []


def test_one_that_a_person_resolved_stays_so_and_later_alerts_make_another() -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    first = incidents(world)[0].id
    world.give(command(0, "phase", first, target="resolved", note="the cause is gone"), minute=1)
    assert world.alert(first).status == "resolved"
    opened(world, 2, minute=2)
    assert world.alert("alert-2").incident == "", "those that stand have been dealt with"
    opened(world, 3, minute=3)
    second = next(incident for incident in incidents(world) if incident.id != first)
    assert second.members == ("alert-2", "alert-3")
    assert world.alert("alert-0").incident == first


@pytest.mark.parametrize("waits", [False, True])
def test_it_is_as_bad_as_the_worst_of_its_alerts_and_says_so(waits: bool) -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    incident = incidents(world)[0].id
    if waits:
        world.restart(compacted=True)
    world.give(one(7, 1, "critical", rule="audit.r0"), minute=1)  # the first alert gets worse
    assert world.alert(incident).severity == "critical"
    assert world.told(incident) == [("chat", "new"), ("chat", "severity_raised")]
    world.give(one(2, 2, "high"), minute=2)
    assert world.alert(incident).severity == "critical"
    assert world.told(incident) == [("chat", "new"), ("chat", "severity_raised")]


def test_a_worse_alert_that_joins_makes_it_worse() -> None:
    world = World(POLICY)
    world.give(one(0, 0, "high"), minute=0)
    world.give(one(1, 0, "low"), minute=0)
    assert incidents(world)[0].severity == "high"
    world.give(one(2, 1, "critical"), minute=1)
    incident = incidents(world)[0]
    assert incident.severity == "critical"
    assert world.told(incident.id) == [("chat", "new"), ("chat", "severity_raised")]


def test_what_a_person_took_out_stays_out() -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    world.give(command(0, "link", "alert-0", target=""), minute=1)
    opened(world, 2, minute=2)
    assert incidents(world)[0].members == ("alert-1", "alert-2")
    assert world.alert("alert-0").incident == ""
    assert incidents(world)[0].title == "2 alerts about ada"


def test_one_opened_by_hand_takes_given_alerts_and_those_that_follow_about_the_same() -> None:
    world = World(POLICY)
    opened(world, 0)
    links = [command(0, "link", "alert-0", target="alert-50"), command(1, "link", "alert-0", target="alert-50")]
    world.give(by_hand(), *links, minute=1)
    assert world.decided() == ["applied", "already_linked"]
    opened(world, 1, minute=2)
    (incident,) = incidents(world)
    assert (incident.phase, incident.title) == ("triaged", "payments are down")
    assert (incident.members, incident.values["observed"]) == (("alert-0", "alert-1"), 2)


def test_links_that_make_no_sense_are_refused_by_name() -> None:
    world = World({**POLICY, "incidents": {"by": ["key.nothing"]}})
    world.give(by_hand(50), by_hand(51), by_hand(52, tenant="other"), one(0), one(1), minute=0)
    world.give(
        command(0, "link", "alert-0", target="alert-1"),  # an alert is no incident
        command(1, "link", "alert-50", target="alert-51"),
        command(2, "link", "alert-0", target="alert-52"),  # of another tenant
        command(3, "link", "alert-0", target="alert-99"),
        command(4, "link", "alert-0"),
        command(5, "phase", "alert-0", target="investigating"),
        command(6, "phase", "alert-50", target="asleep"),
        command(7, "phase", "alert-50", target="triaged"),
        minute=1,
    )
    assert world.decided() == [
        "unknown_target", "is_an_incident", "unknown_target", "unknown_target", "not_linked", "not_an_incident",
        "unknown_word", "incomplete",
    ]  # fmt: skip


def test_an_alert_that_moves_to_another_incident_leaves_the_first() -> None:
    world = World({**POLICY, "incidents": {"by": ["key.nothing"]}})
    world.give(by_hand(50), by_hand(51), one(0, severity="critical"), minute=0)
    for n, incident in enumerate(("alert-50", "alert-51")):
        world.give(command(n, "link", "alert-0", target=incident), minute=n)
    assert (world.alert("alert-50").members, world.alert("alert-51").members) == ((), ("alert-0",))
    assert world.alert("alert-51").severity == "critical"
    world.give(command(2, "resolve", "alert-0"), minute=3)
    assert (world.alert("alert-50").status, world.alert("alert-51").status) == ("active", "resolved")


@pytest.mark.parametrize("grouping", [{}, {"group_by": ["rule"], "group_wait": "1m"}])
def test_status_updates_reach_those_along_its_route_also_of_one_in_hand(grouping: dict[str, Any]) -> None:
    world = World({**POLICY, "route": {"receivers": ["chat"], **grouping}})
    opened(world, 0, 1)
    world.tick(2)
    incident = incidents(world)[0].id
    world.give(command(0, "acknowledge", incident), minute=3)
    world.give(command(1, "phase", incident, target="investigating", note="it is the batch job"), minute=4)
    world.tick(10)
    world.give(command(2, "phase", incident, note="found the line"), minute=11)
    world.tick(20)
    assert [told for told in world.told(incident) if told[1] != "new"] == [("chat", "updated"), ("chat", "updated")]
    assert world.alert(incident).phase == "investigating"
    assert [change["why"] for change in world.alert(incident).history[-2:]] == ["it is the batch job", "found the line"]
    if not grouping:
        assert world.notifications[-1].why == "investigating: found the line"


def test_resolving_it_moves_its_phase_along() -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    incident = incidents(world)[0].id
    world.give(command(0, "resolve", incident), minute=1)
    assert world.alert(incident).phase == "resolved"
    world.give(command(1, "reopen", incident), minute=2)
    assert world.alert(incident).phase == "triaged"


def test_more_alerts_than_it_lists_are_counted_and_all_of_them_end_it() -> None:
    world = World(POLICY)
    for n in range(120):
        world.give(one(n), minute=n / 100)
    (incident,) = incidents(world)
    assert (len(incident.members), incident.values["observed"]) == (100, 120)
    world.restart(compacted=True)
    world.give(*(command(n, "resolve", f"alert-{n}") for n in range(119)), minute=5)
    assert incidents(world)[0].status == "active"
    world.give(command(119, "resolve", "alert-119"), minute=6)
    assert incidents(world)[0].status == "resolved"


def test_alerts_that_are_forgotten_leave_it_to_its_own_time() -> None:
    world = World({**POLICY, "retain": "1h", "retain_open": "5h"})
    opened(world, 0, 1)
    world.give(command(0, "resolve"), minute=1)
    world.tick(100)  # the closed one is forgotten
    world.restart(compacted=True)
    opened(world, 2, minute=101)
    assert incidents(world)[0].status == "active"
    world.give(command(1, "resolve", "alert-1"), minute=102)
    assert incidents(world)[0].status == "resolved"


def test_an_incident_with_a_strange_count_is_nobody_s_end() -> None:
    world = World(POLICY)
    world.give(by_hand(50, observed="many", key={"incident": [1] and "x", "y": None}), one(0), minute=0)
    world.give(command(0, "link", "alert-0", target="alert-50"), minute=1)
    assert world.alert("alert-50").values["observed"] == 1


def test_a_crowd_costs_each_newcomer_little() -> None:
    """Only the alert that opens and its incident are written, however many stand about the same."""
    world = World(POLICY)
    for n in range(300):
        before = len(world.outputs)
        world.give(one(n), minute=n / 100)
        versions = [output for output in world.outputs[before:] if output.topic == "alerts"]
        assert len(versions) <= 3
    assert world.now - START < 30 * MINUTE


def test_a_member_that_got_worse_while_it_was_closed_counts_when_it_is_opened_again() -> None:
    world = World(POLICY)
    opened(world, 0, 1)
    incident = incidents(world)[0].id
    world.give(command(0, "phase", incident, target="resolved", note="done"), minute=1)
    world.give(one(7, 2, "critical", rule="audit.r0"), minute=2)
    assert world.alert(incident).severity == "medium", "what is closed is left as it was"
    world.give(command(1, "reopen", incident), minute=3)
    assert world.alert(incident).severity == "critical"
