"""What waits to be told: groups keep their interval, summaries are of all, bundles have a size and an end."""

from __future__ import annotations

from typing import Any

import pytest

from streams.model import Notification
from tests.unit.alert_steps import MINUTE, START, World, command, finding
from tests.unit.test_alert_complaints import silence

RECEIVERS = [{"name": "chat"}, {"name": "summary", "digest": "0 * * * *"}, {"name": "busy", "batch": 3}]


def policy(more: dict[str, Any] | None = None, **route: Any) -> dict[str, Any]:
    return {"receivers": RECEIVERS, "remind_severities": [], "route": {"receivers": ["chat"], **route}, **(more or {})}


def grouped(**route: Any) -> dict[str, Any]:
    return policy(group_by=["rule"], group_wait="1m", group_interval="5m", **route)


def when(world: World) -> list[tuple[float, str, int]]:
    """(minute, reason, how many alerts) of every notification."""
    return [((one.at - START) / MINUTE, one.reason.value, size(one)) for one in world.notifications]


def size(one: Notification) -> int:
    return one.group.total if one.group is not None else 0


def ring(world: World, until: float) -> int:
    """Let time pass from one due moment to the next; how many there were."""
    steps = 0
    while (due := world.state.due()) is not None and due <= START + until * MINUTE:
        steps += 1
        assert steps < 1_000, "it is due all the time"
        world.tick(max(due, world.now) / MINUTE - START / MINUTE)
    return steps


def test_a_group_that_grows_is_told_no_sooner_than_its_interval() -> None:
    world = World(grouped())
    world.give(finding(0, key={"n": 0}), minute=0)
    ring(world, 1)
    world.give(finding(1, 2, key={"n": 1}), minute=2)
    world.restart()
    ring(world, 30)
    assert when(world) == [(1, "new", 1), (6, "grew", 1)]


def test_a_group_that_stands_is_repeated_with_all_that_is_active() -> None:
    world = World(grouped(repeat_interval="20m"))
    world.give(finding(0, key={"n": 0}), finding(1, key={"n": 1}), minute=0)
    ring(world, 22)
    world.give(command(0, "acknowledge", "alert-1"), minute=22)
    ring(world, 50)
    assert when(world) == [(1, "new", 2), (21, "repeated", 2), (41, "repeated", 1)]


def test_a_group_that_begins_anew_is_told_under_another_id() -> None:
    world = World(grouped())
    world.give(finding(0), minute=0)
    ring(world, 1)
    world.give(command(0, "resolve"), minute=2)
    ring(world, 60)
    world.give(finding(1, 60), minute=60)
    ring(world, 61)
    assert [reason for _, reason, _ in when(world)] == ["new", "resolved", "new"]
    assert len({one.id for one in world.notifications}) == 3


@pytest.mark.parametrize("repeat", [{}, {"repeat_interval": "4h"}])
def test_the_end_of_a_group_is_told_under_the_name_it_was_told_under(repeat: dict[str, str]) -> None:
    """Its incident stands under the group's id: that one alert after the other is over, each by itself, ends nothing."""
    world = World(grouped(**repeat))
    world.give(finding(0, key={"n": 0}), finding(1, key={"n": 1}), minute=0)
    ring(world, 1)
    world.give(command(0, "resolve", "alert-0"), minute=2)
    ring(world, 12)
    assert when(world) == [(1, "new", 2), (2, "resolved", 0)]
    world.give(command(1, "resolve", "alert-1"), minute=13)
    world.restart()
    ring(world, 60)
    assert [(round(minute), *rest) for minute, *rest in when(world)[2:]] == [(13, "resolved", 1)]
    first, last = world.notifications[0], world.notifications[-1]
    assert first.subject == last.subject
    assert world.state.due() is None or world.state.due() > START + 60 * MINUTE


def test_a_group_ends_under_its_name_though_the_last_of_it_was_never_told() -> None:
    world = World(grouped())
    world.give(finding(0, key={"n": 0}), minute=0)
    ring(world, 1)
    world.give(finding(1, key={"n": 1}), minute=2)
    world.give(command(0, "resolve", "alert-0"), minute=3)
    world.give(command(1, "resolve", "alert-1"), minute=4)
    world.restart()
    ring(world, 60)
    assert [(reason, total) for _, reason, total in when(world)] == [("new", 1), ("resolved", 0), ("resolved", 1)]
    assert world.notifications[0].subject == world.notifications[-1].subject
    assert world.notifications[0].subject != world.notifications[1].subject


def test_a_group_of_which_nothing_is_to_be_said_is_not_looked_at_all_the_time() -> None:
    world = World(grouped(repeat_interval="20m"))
    world.give(finding(0), minute=0)
    ring(world, 1)
    world.give(command(0, "acknowledge"), minute=2)
    assert ring(world, 24 * 60) < 100
    assert when(world) == [(1, "new", 1)]


def test_a_summary_is_one_message_of_all_even_of_what_is_over() -> None:
    world = World(policy(receivers=["summary"]))
    for n in range(3):
        world.give(finding(n, n, key={"n": n}), minute=n)
    world.give(command(0, "resolve"), minute=4)
    world.restart()
    ring(world, 200)
    summary = [one for one in world.notifications if one.receiver == "summary"]
    assert when(world) == [((summary[0].at - START) / MINUTE, "digest", 3)]
    assert summary[0].at % (60 * MINUTE) == 0
    assert summary[0].group is not None
    assert {member.status for member in summary[0].group.alerts} == {"active", "resolved"}


def test_a_bundle_is_told_when_it_is_full_or_when_its_time_is_over() -> None:
    world = World(policy(receivers=["busy"]))
    for n in range(8):
        world.give(finding(n, key={"n": n}), minute=0)
    ring(world, 10)
    assert when(world) == [(0, "digest", 3), (0, "digest", 3), (5 / 60, "digest", 2)]


def test_a_bundle_of_one_is_that_one() -> None:
    world = World(policy(receivers=["busy"]))
    world.give(finding(0), minute=0)
    ring(world, 1)
    world.give(finding(1, key={"n": 1}), minute=1)
    ring(world, 10)
    assert when(world) == [(5 / 60, "new", 0), (1 + 5 / 60, "new", 0)]


def test_what_is_silenced_while_it_waits_is_held_back_and_told_once_when_that_ends() -> None:
    for route in ({"delay": {"medium": "10m"}}, {"group_by": ["rule"], "group_wait": "10m"}):
        world = World(policy(**route))
        world.give(finding(0), minute=0)
        world.policy(policy({"silences": {"s": silence("rule=audit.burst", 5, 60)}}, **route))
        ring(world, 59)
        assert when(world) == []
        assert [one.by for one in world.alert().suppressed] == ["s"]
        assert world.alert().hidden == 1
        world.restart()
        ring(world, 120)
        assert [reason for _, reason, _ in when(world)] == ["new"]
        assert when(world)[0][0] >= 60
        assert world.alert().suppressed == ()


def test_what_is_inhibited_in_the_very_step_in_which_it_would_be_told_is_held_back() -> None:
    inhibit = [{"source": ["rule=net.down"], "target": ["rule=audit.burst"]}]
    world = World(policy({"inhibit": inhibit}, group_by=["rule"]))
    world.give(finding(0), finding(1, rule="net.down", key={"n": 1}), minute=0)
    ring(world, 60)
    assert [one.alert_id for one in world.notifications] == ["alert-1"]
    assert [one.stage for one in world.alert().suppressed] == ["inhibition"]
