"""What people do with alerts, and what they are refused."""

from __future__ import annotations

from itertools import product

import pytest

from streams.alerts.case import COMMANDS_KEPT
from streams.alerts.lifecycle import MAX_NOTE, TRANSITIONS, Move
from streams.model import Action, Resolution, Status
from tests.unit.alert_steps import MINUTE, START, World, command, finding

#: How an alert gets into a status.
INTO = {
    Status.ACTIVE: [],
    Status.ACKNOWLEDGED: ["acknowledge"],
    Status.SNOOZED: ["snooze"],
    Status.RESOLVED: ["resolve"],
    Status.DISMISSED: ["dismiss"],
}
PEOPLE = ["acknowledge", "unacknowledge", "snooze", "resolve", "dismiss", "reopen"]
LATER = {"until": START + 60 * MINUTE}


def in_status(status: Status) -> World:
    world = World()
    world.give(finding(0), *(command(100 + n, action, **LATER) for n, action in enumerate(INTO[status])))
    assert world.alert().status == status
    world.operations.clear()
    return world


@pytest.mark.parametrize(("status", "action"), list(product(Status, PEOPLE)))
def test_the_table_decides_what_a_command_may_do(status: Status, action: str) -> None:
    world = in_status(status)
    versions = len(world.versions["alert-0"])
    world.give(command(0, action, **LATER))
    after = TRANSITIONS.get((status, Move(action)))
    if after is None:
        assert world.decided() != ["applied"]
        assert len(world.versions["alert-0"]) == versions
        assert world.state.counts["commands", action, "refused"] == 1
    else:
        assert world.decided() == ["applied"]
        assert world.alert().status == after
        assert world.state.counts["commands", action, "applied"] >= 1


@pytest.mark.parametrize(
    ("status", "action", "reason"),
    [
        (Status.ACKNOWLEDGED, "acknowledge", "already_acknowledged"),
        (Status.ACTIVE, "unacknowledge", "not_acknowledged"),
        (Status.RESOLVED, "acknowledge", "already_closed"),
        (Status.RESOLVED, "resolve", "already_closed"),
        (Status.DISMISSED, "resolve", "already_closed"),
        (Status.RESOLVED, "snooze", "already_closed"),
        (Status.SNOOZED, "unacknowledge", "not_acknowledged"),
        (Status.ACTIVE, "reopen", "not_closed"),
    ],
)
def test_a_refusal_says_why(status: Status, action: str, reason: str) -> None:
    world = in_status(status)
    world.give(command(0, action, **LATER))
    assert world.decided() == [reason]


@pytest.mark.parametrize("status", list(Status))
def test_a_comment_is_welcome_whenever(status: Status) -> None:
    world = in_status(status)
    world.give(command(0, "comment", note="looked at it"))
    assert world.decided() == ["applied"]
    assert world.alert().status == status
    assert world.alert().notes[-1] == {"at": world.now, "by": "grace", "text": "looked at it"}


def test_who_and_when_are_on_the_alert() -> None:
    world = World()
    world.give(finding(0), minute=0)
    world.give(command(1, "acknowledge"), minute=1)
    assert (world.alert().acknowledged_by, world.alert().acknowledged_at) == ("grace", world.now)
    done = {"note": "key rotated", "resolution_action": "rotate", "metadata": {"ticket": 7}}
    world.give(command(2, "resolve", by="alan", **done), minute=2)
    alert = world.alert()
    assert (alert.acknowledged_by, alert.resolved_by, alert.resolved_at) == ("grace", "alan", world.now)
    assert alert.resolution == Resolution(notes="key rotated", action="rotate", metadata={"ticket": 7})
    assert [one.why for one in world.versions["alert-0"]] == ["opened", "acknowledged", "resolved"]
    assert world.told() == [("console", "new"), ("console", "resolved")]


def test_a_refire_wipes_neither_acknowledgement_nor_notes() -> None:
    world = World()
    world.give(finding(0), command(1, "acknowledge", note="mine"))
    world.give(finding(1, 1), finding(2, 2))
    alert = world.alert()
    assert (alert.status, alert.acknowledged_by, alert.count) == ("acknowledged", "grace", 3)
    assert [note["text"] for note in alert.notes] == ["mine"]
    assert world.told() == [("console", "new")]
    world.give(finding(3, 3, severity="critical"))  # but getting worse is news
    assert world.alert().status == "acknowledged"
    assert world.told()[1:] == [("console", "severity_raised"), ("pager", "severity_raised")]


def test_a_resolved_alert_reopens_within_its_cooldown_with_its_history() -> None:
    world = World()
    world.give(finding(0), command(1, "acknowledge"))
    world.give(command(2, "resolve", note="fixed"))
    world.give(finding(1, 14))
    alert = world.alert()
    assert (alert.status, alert.why, alert.resolved_at, alert.resolved_by) == ("active", "reopened", None, "")
    assert alert.acknowledged_by == "grace"
    assert [note["text"] for note in alert.notes] == ["fixed"]
    assert alert.resolution == Resolution(notes="fixed")
    assert world.told()[-1] == ("console", "reopened")
    world.give(finding(2, 15))  # the cooldown is over: this is another one
    assert world.alert("alert-2").count == 1


def test_a_dismissed_alert_counts_on_in_silence() -> None:
    world = World()
    world.give(finding(0), command(1, "dismiss"))
    told = world.told()
    world.give(finding(1, 1), finding(2, 2, severity="critical"))
    assert (world.alert().status, world.alert().count, world.alert().severity) == ("dismissed", 3, "critical")
    assert world.told() == told
    assert world.state.counts["verdict", "within_cooldown"] == 2


def test_resolved_and_refired_in_one_step_ends_open_and_says_so_last() -> None:
    world = World()
    world.give(finding(0))
    world.give(command(1, "resolve"), finding(1, 1), command(2, "resolve"), finding(2, 2))
    assert (world.alert().version, world.alert().status, world.alert().why) == (2, "active", "reopened")
    assert world.told()[1:] == [("console", "resolved"), ("console", "reopened")]
    world.give(command(3, "resolve"), finding(3, 3), command(4, "resolve"))
    assert (world.alert().version, world.alert().status, world.alert().why) == (3, "resolved", "resolved")
    assert world.told()[3:] == [("console", "reopened"), ("console", "resolved")]


def test_a_command_given_twice_is_applied_once_also_after_a_restart() -> None:
    world = World()
    world.give(finding(0), command(1, "comment", note="once"), command(1, "comment", note="once"))
    world.restart()
    world.give(command(1, "comment", note="once"))
    assert world.decided() == ["applied", "duplicate", "duplicate"]
    assert len(world.alert().notes) == 1


def test_a_refused_command_may_be_given_again() -> None:
    world = World()
    world.give(command(1, "acknowledge"))
    world.give(finding(0), command(1, "acknowledge"))
    assert world.decided() == ["unknown_alert", "applied"]


def test_the_memory_of_commands_is_bounded() -> None:
    world = World()
    world.give(finding(0), *(command(n, "comment", note="n") for n in range(COMMANDS_KEPT + 1)))
    world.give(command(1, "comment", note="still known"), command(0, "comment", note="long ago"))
    assert world.decided()[-2:] == ["duplicate", "applied"]


@pytest.mark.parametrize("action", list(Action))
def test_another_tenants_alert_is_an_unknown_one(action: Action) -> None:
    world = World()
    world.give(finding(0))
    told = {"note": "x", "receiver": "console", "notification_id": "n"}
    world.give(command(0, action, tenant="umbrella", **told), command(1, action, alert="nobody's", **told))
    assert world.decided() == ["unknown_alert", "unknown_alert"]
    assert len(world.versions["alert-0"]) == 1
    assert [output.key for output in world.outputs if output.topic == "operations"] == [b"umbrella", b"acme"]


def test_a_delivery_that_failed_for_good_shows_on_the_alert_once() -> None:
    world = World()
    world.give(finding(0))
    for n, (receiver, told) in enumerate([("pager", "n1"), ("pager", "n1"), ("pager", "n2"), ("console", "n3")]):
        world.give(command(n, "delivery_failed", receiver=receiver, notification_id=told, by="deliver"))
        world.restart()  # what changed no version is remembered all the same
    assert world.decided() == ["applied", "duplicate", "applied", "applied"]
    assert [one.notification_failed for one in world.versions["alert-0"]] == [(), ("pager",), ("pager", "console")]
    assert world.alert().why == "delivery_failed"
    again = {"receiver": "pager", "notification_id": "n2", "by": "deliver"}
    world.give(command(2, "delivery_failed", **again), command(8, "delivery_failed", **again))
    assert world.decided()[-2:] == ["duplicate", "duplicate"]
    world.give(command(9, "delivery_failed"))
    assert world.decided()[-1] == "incomplete"


def test_notes_have_limits_and_none_is_lost_to_them() -> None:
    world = World()
    world.give(finding(0), command(0, "comment", note="first"), command(1, "comment", note="x" * (MAX_NOTE + 1)))
    world.give(command(2, "comment", note=" \n"), command(3, "resolve", metadata={"blob": "x" * 20_000}))
    assert world.decided() == ["applied", "too_large", "incomplete", "too_large"]
    world.give(*(command(n, "comment", note="é" * MAX_NOTE) for n in range(10, 40)))
    assert world.decided()[-1] == "notes_full"
    assert world.alert().notes[0]["text"] == "first"
    world.give(command(50, "acknowledge", note="é" * MAX_NOTE), command(51, "acknowledge"))
    assert world.decided()[-2:] == ["notes_full", "applied"]


def test_a_command_and_a_finding_of_one_step_take_effect_in_the_order_of_the_log() -> None:
    world = World()
    world.give(finding(0), command(0, "dismiss"), finding(1, 1))
    assert (world.alert().status, world.alert().count) == ("dismissed", 2)
    world = World()
    world.give(command(0, "dismiss"), finding(0))
    assert (world.alert().status, world.decided()) == ("active", ["unknown_alert"])
