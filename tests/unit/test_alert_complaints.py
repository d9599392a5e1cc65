"""What people complain of in other alert managers, and what happens here instead. One test each, named after it."""

from __future__ import annotations

from typing import Any

import pytest

from streams.model import Reason
from tests.unit.alert_steps import MINUTE, START, World, command, finding

TREE: dict[str, Any] = {
    "receivers": [{"name": "chat"}, {"name": "pager"}, {"name": "phone", "fallback": "mail"}, {"name": "mail"}],
    "escalations": {
        "standard": {
            "levels": [
                {"name": "on-call", "after": "5m", "notify": ["pager"]},
                {"name": "lead", "after": "15m", "notify": ["phone"]},
            ]
        }
    },
    "route": {"receivers": ["chat"], "escalation": "standard"},
    "remind_severities": [],
}


def run_on(world: World, begin: int, end: int, step: int = 1) -> None:
    """Let time pass minute by minute, with a restart in between."""
    for minute in range(begin, end + 1, step):
        world.tick(minute)
        if minute == (begin + end) // 2:
            world.restart()


def grouped(**route: Any) -> dict[str, Any]:
    return {
        **TREE,
        "route": {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "1m", "group_interval": "5m", **route},
    }


def test_an_acknowledged_alert_pages_nobody_again() -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    world.give(command(0, "acknowledge"), minute=4)
    world.give(finding(1, 6), finding(2, 8), minute=8)  # more of the same
    run_on(world, 5, 120)
    assert world.told() == [("chat", "new")]


def test_an_acknowledged_alert_that_gets_worse_is_told_again() -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    world.give(command(0, "acknowledge"), minute=4)
    world.give(finding(1, 6, severity="critical", severity_word="critical"), minute=6)
    run_on(world, 7, 60)
    assert world.told() == [("chat", "new"), ("chat", "severity_raised")]


def test_notes_are_not_wiped_when_it_fires_again() -> None:
    world = World(TREE)
    world.give(finding(0), command(0, "comment", note="it is the batch job"), minute=0)
    world.give(command(1, "resolve", note="restarted it"), minute=2)
    world.give(finding(1, 3), minute=3)
    world.restart()
    assert world.alert().status == "active"
    assert [note["text"] for note in world.alert().notes] == ["it is the batch job", "restarted it"]


def test_a_resolve_is_told_to_everybody_who_was_told_of_it_even_under_a_silence() -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    run_on(world, 1, 16)  # chat, then pager and phone by escalation
    world.policy({**TREE, "silences": {"s": silence("rule=audit.burst", 16, 600)}})
    world.give(finding(9, 17, kind="clear"), minute=17)
    assert world.told() == [
        ("chat", "new"), ("pager", "escalated"), ("phone", "escalated"),
        ("chat", "resolved"), ("pager", "resolved"), ("phone", "resolved"),
    ]  # fmt: skip


def silence(matcher: str, begin: float, end: float, **more: Any) -> dict[str, Any]:
    times = {"starts_at": START + int(begin * MINUTE), "ends_at": START + int(end * MINUTE)}
    return {"matchers": [matcher], **times, "author": "ada", "comment": "known", **more}


def test_nothing_is_told_twice_when_a_worker_comes_back() -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    for minute in range(1, 40):
        world.restart()
        world.tick(minute)
        world.give(finding(0), minute=minute)  # delivered again as well
    ids = [one.id for one in world.notifications]
    assert len(ids) == len(set(ids))
    assert world.told() == [("chat", "new"), ("pager", "escalated"), ("phone", "escalated")]


def test_a_silence_that_ends_forgets_nothing_it_has_hidden() -> None:
    world = World({**TREE, "silences": {"s": silence("rule=audit.burst", 0, 30)}})
    world.give(finding(0), minute=1)
    assert world.told() == []
    held = world.alert().suppressed[0]
    assert (held.stage, held.by, held.until) == ("silence", "s", START + 30 * MINUTE)
    run_on(world, 2, 29)
    assert [one for one in world.told() if one[1] == "new"] == []
    run_on(world, 30, 31)
    assert ("chat", "new") in world.told()
    assert world.alert().suppressed == ()


def test_a_silence_taken_away_early_lets_go_of_what_it_has_hidden() -> None:
    world = World({**TREE, "silences": {"s": silence("rule=audit.burst", 0, 600)}})
    world.give(finding(0), minute=1)
    world.policy(TREE)
    world.tick(2)
    assert world.told() == [("chat", "new")]


def test_a_maintenance_window_recurs() -> None:
    window = {
        "matchers": ["rule=audit.burst"], "starts_at": START, "duration": "2h", "rrule": "FREQ=WEEKLY",
        "timezone": "Europe/Amsterdam",
    }  # fmt: skip
    world = World({**TREE, "maintenance": {"sunday": window}})
    week = 7 * 24 * 60
    world.give(finding(0, 3 * week + 10, resolve_after=30 * MINUTE), minute=3 * week + 10)
    assert world.told() == []
    assert world.alert().suppressed[0].stage == "maintenance"
    world.give(finding(1, 3 * week + 130, cooldown=0), minute=3 * week + 130)
    assert world.told("alert-1") == [("chat", "new")]


def test_inhibition_needs_the_label_on_both_sides() -> None:
    rules = [{"source": ["rule=net.down"], "target": ["rule=audit.burst"], "equal": ["metadata.site"]}]
    world = World({**TREE, "inhibit": rules})
    world.give(finding(0, rule="net.down"), minute=0)
    world.give(finding(1), minute=1)  # neither has a site
    assert world.told("alert-1") == [("chat", "new")]
    world.give(finding(2, rule="net.down", key={"n": 1}, metadata={"site": "ams"}), minute=2)
    world.give(finding(3, key={"n": 2}, metadata={"site": "ams"}), minute=3)
    world.give(finding(4, key={"n": 3}, metadata={"site": "fra"}), minute=3)
    assert world.told("alert-3") == []
    assert world.told("alert-4") == [("chat", "new")]
    world.restart()
    world.give(command(0, "resolve", alert="alert-2"), minute=4)
    world.tick(4)
    assert world.told("alert-3") == [("chat", "new")], "what hid it is over"


def test_a_storm_is_one_counted_message_instead_of_silence() -> None:
    world = World({**TREE, "storm": {"alerts": 3, "within": "10m"}})
    for n in range(10):
        world.give(finding(n, n / 10, key={"actor": n}), minute=n / 10)
    told = [one for one in world.notifications if one.alert.rule == "audit.burst"]
    assert [one.alert_id for one in told] == ["alert-0", "alert-1", "alert-2"]
    storms = [one for one in world.notifications if one.alert.rule == "tocsin.storm"]
    assert [one.reason for one in storms] == [Reason.NEW]
    storm = world.versions[storms[0].alert_id][-1]
    assert storm.count == 7
    assert world.alert("alert-9").suppressed[0].by == "storm"


def test_a_group_is_told_once_and_again_when_it_grows() -> None:
    world = World(grouped())
    for n in range(3):
        world.give(finding(n, n / 10, key={"actor": n}), minute=n / 10)
    assert world.notifications == []
    world.tick(1)
    world.give(finding(3, 2, key={"actor": 3}), minute=2)
    world.restart()
    world.tick(3)
    world.tick(6)
    run_on(world, 7, 60)
    assert [(one.reason.value, one.group and one.group.total) for one in world.notifications if one.receiver == "chat"] == [
        ("new", 3), ("grew", 1),
    ]  # fmt: skip


def test_what_is_acknowledged_before_its_delay_is_over_is_told_to_nobody() -> None:
    world = World({**TREE, "route": {"receivers": ["chat"], "delay": {"medium": "15m"}}})
    world.give(finding(0), finding(1, key={"actor": "eve"}), minute=0)
    world.give(command(0, "acknowledge"), minute=10)
    run_on(world, 11, 30)
    assert world.told() == []
    assert world.told("alert-1") == [("chat", "new")]


def test_a_receiver_that_cannot_be_reached_has_a_fallback() -> None:
    world = World({**TREE, "route": {"receivers": ["phone"]}})
    world.give(finding(0), minute=0)
    failed = command(0, "delivery_failed", receiver="phone", notification_id=world.notifications[0].id)
    world.give(failed, failed, minute=1)
    assert world.told() == [("phone", "new"), ("mail", "fallback")]
    assert world.alert().notification_failed == ("phone",)


def test_escalation_stops_when_acknowledged_and_begins_anew_when_that_is_taken_back() -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    run_on(world, 1, 6)
    world.give(command(0, "acknowledge"), minute=7)
    run_on(world, 8, 40)
    world.give(command(1, "unacknowledge"), minute=40)
    run_on(world, 41, 60)
    assert world.told() == [("chat", "new"), ("pager", "escalated"), ("pager", "escalated"), ("phone", "escalated")]
    assert [one.escalation_level for one in world.notifications] == [0, 1, 1, 2]
    assert world.notifications[-1].why == "level 2 (lead) after 15m unacknowledged"


def test_a_snooze_ends_by_itself() -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    world.give(command(0, "snooze", until=START + 60 * MINUTE), minute=1)
    run_on(world, 2, 59)
    assert world.told() == [("chat", "new")]
    world.tick(60)
    assert world.told() == [("chat", "new"), ("chat", "repeated")]
    assert world.alert().status == "active"


def test_an_alert_without_findings_for_long_enough_resolves_by_itself() -> None:
    world = World({**TREE, "escalations": {}, "route": {"receivers": ["chat"]}})
    world.give(finding(0, resolve_after=10 * MINUTE), minute=0)
    world.give(finding(1, 8, resolve_after=10 * MINUTE), minute=8)
    run_on(world, 9, 17)
    assert world.alert().status == "active"
    world.tick(18)
    assert (world.alert().status, world.alert().resolved_by) == ("resolved", "quiet")


def test_alerts_of_one_entity_become_an_incident() -> None:
    world = World({**TREE, "incidents": {"by": ["key.actor"], "within": "30m"}})
    world.give(finding(0), minute=0)
    world.restart()
    world.give(finding(1, 5, rule="audit.bulk", severity="high", severity_word="high"), minute=5)
    incident = world.versions[world.alert("alert-0").incident][-1]
    assert (incident.rule, incident.phase, incident.severity) == ("tocsin.incident", "triaged", "high")
    assert incident.members == ("alert-0", "alert-1")
    assert world.alert("alert-1").incident == incident.id


def test_a_missed_target_is_counted_and_told() -> None:
    world = World({**TREE, "escalations": {}, "route": {"receivers": ["chat"]}, "targets": {"preset": "operations"}})
    world.give(finding(0), minute=0)
    run_on(world, 1, 31)
    assert world.told() == [("chat", "new"), ("chat", "breached")]
    assert world.alert().breached == ("acknowledge",)
    assert world.state.counts["breached", "acknowledge", "medium"] == 1


@pytest.mark.parametrize("expected", [1, 3])
def test_a_command_for_an_older_version_is_refused(expected: int) -> None:
    world = World(TREE)
    world.give(finding(0), minute=0)
    world.give(finding(1, 1), minute=1)
    world.give(command(0, "resolve", expected_version=expected), minute=2)
    assert world.decided() == ["another_version"]
    world.give(command(1, "resolve", expected_version=2), minute=2)
    assert world.decided()[-1] == "applied"
