"""What was held back, or waits to be told, when somebody takes an alert in hand, and when he gives it back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.alert_steps import MINUTE, START, World, command, finding

BASE: dict[str, Any] = {
    "receivers": [{"name": "chat"}, {"name": "phone", "fallback": "mail"}, {"name": "mail"}],
    "route": {"receivers": ["chat"]}, "remind_severities": [],
}  # fmt: skip
SILENCE = {
    "matchers": ["rule=audit.burst"], "starts_at": START, "ends_at": START + 30 * MINUTE, "author": "ada", "comment": "x",
}  # fmt: skip
WORSE = {"severity": "critical", "severity_word": "critical"}


@pytest.fixture
def silenced() -> World:
    """Of its alert nobody was told."""
    world = World({**BASE, "silences": {"s": SILENCE}})
    world.give(finding(0), minute=1)
    return world


def test_what_was_acknowledged_under_a_silence_is_not_told_after_it(silenced: World) -> None:
    silenced.give(command(0, "acknowledge"), minute=5)
    silenced.tick(31)
    assert silenced.told() == []
    assert silenced.alert().suppressed == ()


def test_what_is_given_back_after_the_silence_is_told_then(silenced: World) -> None:
    silenced.give(command(0, "acknowledge"), minute=5)
    silenced.tick(31)
    silenced.restart()
    silenced.give(command(1, "unacknowledge"), minute=40)
    assert silenced.told() == [("chat", "new")]


def test_what_got_worse_in_hand_under_a_silence_is_told_after_it(silenced: World) -> None:
    silenced.give(command(0, "acknowledge"), minute=5)
    silenced.give(finding(1, 6, **WORSE), minute=6)
    silenced.tick(31)
    assert silenced.told() == [("chat", "severity_raised")]


def test_who_hears_of_it_after_the_silence_need_not_hear_that_it_got_worse_before(silenced: World) -> None:
    silenced.give(finding(1, 6, **WORSE), minute=6)
    silenced.tick(31)
    assert silenced.told() == [("chat", "new")]


def test_a_hand_escalated_snoozed_alert_is_told() -> None:
    world = World(BASE)
    world.give(finding(0), minute=0)
    world.give(command(0, "snooze", until=START + 60 * MINUTE), minute=1)
    world.give(command(1, "escalate"), minute=2)
    assert ("chat", "escalated") in world.told()


def test_what_waits_for_its_group_when_it_is_acknowledged_is_told_if_it_got_worse_afterwards() -> None:
    world = World({**BASE, "route": {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "10m"}})
    world.give(finding(0), minute=0)
    world.give(command(0, "acknowledge"), minute=1)
    world.give(finding(1, 2, **WORSE), minute=2)
    world.tick(10)
    assert [one.receiver for one in world.notifications] == ["chat"]


def test_what_was_worse_before_it_was_acknowledged_is_not_told_by_its_group_afterwards() -> None:
    world = World({**BASE, "route": {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "10m"}})
    world.give(finding(0), minute=0)
    world.tick(10)
    world.give(finding(1, 11, **WORSE), minute=11)
    world.give(command(0, "acknowledge"), minute=12)
    for minute in range(13, 40):
        world.tick(minute)
    assert [one.reason.value for one in world.notifications] == ["new"]


def test_an_end_is_told_once_though_it_is_retracted_after_it_was_resolved() -> None:
    world = World(BASE)
    world.give(finding(0), minute=0)
    world.give(command(0, "resolve"), minute=1)
    world.give(finding(9, 2, kind="retract", alert_id="alert-0"), minute=2)
    assert world.alert().status == "dismissed"
    assert world.told() == [("chat", "new"), ("chat", "resolved")]


def test_an_end_is_not_told_to_who_did_not_hear_that_it_was_open_again() -> None:
    world = World(BASE)
    world.give(finding(0), minute=0)
    world.give(command(0, "resolve"), minute=1)
    world.policy({**BASE, "silences": {"s": SILENCE}})
    world.give(finding(1, 2), minute=2)
    world.give(command(1, "resolve"), minute=3)
    assert world.told() == [("chat", "new"), ("chat", "resolved")]


@pytest.mark.parametrize(("told_at", "expected"), [(0, []), (9, [("mail", "fallback")])])
def test_the_fallback_hears_of_what_is_in_hand_only_if_it_is_news(told_at: int, expected: list[Any]) -> None:
    world = World(BASE)
    world.give(finding(0), command(0, "acknowledge"), minute=5)
    before = len(world.told())
    at = {"told_at": START + told_at * MINUTE}
    world.give(command(1, "delivery_failed", receiver="phone", notification_id="n", metadata=at), minute=10)
    assert world.told()[before:] == expected


def test_every_failed_delivery_has_a_fallback_of_its_own() -> None:
    world = World(BASE)
    world.give(finding(0), minute=0)
    for n in range(3):
        world.give(command(n, "delivery_failed", receiver="phone", notification_id=f"n{n}"), minute=n + 1)
        world.restart()
    ids = [one.id for one in world.notifications if one.reason == "fallback"]
    assert len(set(ids)) == 3


def test_a_route_says_again_what_is_told_one_by_one() -> None:
    world = World({**BASE, "route": {"receivers": ["chat"], "repeat_interval": "30m"}})
    world.give(finding(0), minute=0)
    assert world.told() == [("chat", "new")]
    for minute in range(1, 70):
        world.tick(minute)
    assert world.told() == [("chat", "new"), ("chat", "repeated"), ("chat", "repeated")]


def test_a_limit_of_a_rule_holds_after_a_restart() -> None:
    world = World(BASE)
    world.give(finding(0, throttle=60 * MINUTE), minute=0)
    world.give(command(0, "resolve"), minute=1)
    world.restart()
    world.give(command(1, "reopen"), minute=2)
    assert world.told() == [("chat", "new"), ("chat", "resolved")]
    assert world.alert().suppressed[0].by == "every"


def test_a_group_that_waits_is_told_whole_though_its_route_is_gone() -> None:
    world = World({**BASE, "route": {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "10m"}})
    world.give(finding(0), finding(1, key={"actor": "eve"}), minute=0)
    world.policy(BASE)
    world.tick(10)
    assert [member.id for one in world.notifications if one.group for member in one.group.alerts] == [
        "alert-0",
        "alert-1",
    ]
