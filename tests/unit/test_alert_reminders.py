"""Reminders of silences that end and maintenance that begins: once each, whatever is restarted, and by one partition."""

from __future__ import annotations

from typing import Any

import pytest

from streams.model import Reason
from streams.model.partitioner import partition_of
from streams.state.alerts.alerting import AlertState
from tests.unit.alert_steps import MINUTE, START, World, command, finding

CHAT: dict[str, Any] = {"receivers": [{"name": "chat"}], "route": {"receivers": ["chat"]}, "remind_severities": []}
DAY = 24 * 60  #: minutes


def silence(begin: float, end: float, **more: Any) -> dict[str, Any]:
    times = {"starts_at": START + int(begin * MINUTE), "ends_at": START + int(end * MINUTE)}
    return {"matchers": ["severity=~.*"], **times, "author": "ada", "comment": "known", **more}


def window(begin: float, **more: Any) -> dict[str, Any]:
    return {"matchers": ["rule=a"], "starts_at": START + int(begin * MINUTE), "duration": "2h", **more}


def through(world: World, end: int, restart: bool = False) -> World:
    """Tick whenever something is due, up to minute ``end``."""
    world.tick()
    while (due := world.state.due()) is not None and due <= START + end * MINUTE:
        world.now = max(world.now, due)
        world.tick()
        if restart:
            world.restart()
    return world


def told(world: World) -> list[tuple[int, str, str]]:
    """(minute, reason, title) of all that was told."""
    return [((one.at - START) // MINUTE, one.reason.value, one.alert.title) for one in world.notifications]


@pytest.mark.parametrize("restart", [False, True])
def test_a_long_silence_is_reminded_of_an_hour_before_it_ends_once(restart: bool) -> None:
    world = through(World({**CHAT, "silences": {"s": silence(0, 2 * DAY)}}), 5 * DAY, restart)
    end = 2 * DAY
    assert told(world) == [
        (end - 60, "reminder", "silence s ends at 2023-11-16T22:13:20Z"),
        (end, "resolved", "silence s ends at 2023-11-16T22:13:20Z"),
    ]
    assert world.state.counts["reminded", "silence"] == 1 or restart
    assert [name for name in world.changelog if b"reminded" in name] == [], "what is over need not be remembered"


@pytest.mark.parametrize("begin_end", [(0, DAY), (0, 30), (-3 * DAY, -1)])
def test_a_short_or_past_silence_is_not_reminded_of(begin_end: tuple[int, int]) -> None:
    assert through(World({**CHAT, "silences": {"s": silence(*begin_end)}}), 5 * DAY).notifications == []


def test_a_silence_that_is_prolonged_is_reminded_of_again() -> None:
    world = through(World({**CHAT, "silences": {"s": silence(0, 2 * DAY)}}), 2 * DAY - 30)
    world.policy({**CHAT, "silences": {"s": silence(0, 3 * DAY)}})
    through(world, 5 * DAY)
    assert [(at, why) for at, why, _ in told(world) if why == "reminder"] == [
        (2 * DAY - 60, "reminder"), (3 * DAY - 60, "reminder"),
    ]  # fmt: skip


def test_a_silence_of_everything_does_not_hide_that_it_ends() -> None:
    world = through(World({**CHAT, "silences": {"s": silence(0, 2 * DAY)}}), 2 * DAY - 60)
    world.give(finding(0, 2 * DAY - 50), minute=2 * DAY - 50)
    assert [one.reason for one in world.notifications] == [Reason.REMINDER]


@pytest.mark.parametrize("restart", [False, True])
def test_every_occurrence_of_maintenance_is_reminded_of_before_it_begins(restart: bool) -> None:
    weekly = window(DAY, rrule="FREQ=WEEKLY;COUNT=3", remind="30m", author="ada", comment="patches")
    world = through(World({**CHAT, "maintenance": {"w": weekly}}), 60 * DAY, restart)
    begins = [DAY, 8 * DAY, 15 * DAY]
    assert [(at, why) for at, why, _ in told(world)] == [
        pair for begin in begins for pair in ((begin - 30, "reminder"), (begin, "resolved"))
    ]
    assert world.notifications[0].alert.metadata["comment"] == "patches"


def test_one_that_begins_sooner_is_reminded_of_at_once_and_one_under_way_is_not() -> None:
    windows = {"soon": window(20), "now": window(-20), "never": window(20, remind="0s")}
    world = through(World({**CHAT, "maintenance": windows}), DAY)
    assert [(at, why, title[:16]) for at, why, title in told(world)] == [
        (0, "reminder", "maintenance soon"), (20, "resolved", "maintenance soon"),
    ]  # fmt: skip


def test_a_reminder_can_be_acknowledged_like_any_alert_and_is_over_by_itself() -> None:
    world = through(World({**CHAT, "maintenance": {"w": window(60)}}), 1)
    (name,) = world.versions
    world.give(command(0, "acknowledge", alert=name, tenant="tocsin"))
    through(world, DAY)
    assert world.decided() == ["applied"]
    assert (world.alert(name).status, world.alert(name).resolved_by) == ("resolved", "quiet")


@pytest.mark.parametrize("tenant", ["", "acme", "globex"])
def test_only_the_partition_of_the_tenant_says_it(tenant: str) -> None:
    said = []
    for partition in range(4):
        world = World({**CHAT, "silences": {"s": silence(0, 2 * DAY, **({"tenant": tenant} if tenant else {}))}})
        world.state = AlertState(partition)
        world.state.position.partitions = 4
        world.state.loaded()
        through(world, 3 * DAY)
        said += [partition] * sum(one.reason is Reason.REMINDER for one in world.notifications)
    assert said == [partition_of((tenant or "tocsin").encode(), 4)]


def test_a_worker_that_was_away_when_it_was_time_says_it_late_but_not_when_it_is_over() -> None:
    for away, expected in ((2 * DAY - 5, ["reminder"]), (2 * DAY + 5, [])):
        world = World({**CHAT, "silences": {"s": silence(0, 2 * DAY)}})
        world.tick(1)
        world.restart()
        world.tick(away)
        assert [one.reason.value for one in world.notifications] == expected
