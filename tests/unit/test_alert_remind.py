"""Timers: what nobody has taken in hand is said again; what is old is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from streams import pipeline
from streams.model import Control, Finding
from streams.state.alerts.alerting import MAX_TICK
from tests.unit.alert_steps import MINUTE, POLICY, START, World, command, finding

DAY = 24 * 60


def critical(n: int = 0, minute: float = 0, **fields: Any) -> Finding:
    return finding(n, minute, severity="critical", **fields)


def test_a_critical_alert_is_said_again_until_the_limit() -> None:
    world = World()
    world.give(critical(), minute=0)
    for minute in range(60):
        world.tick(minute)
    versions = world.versions["alert-0"]
    assert [(one.why, (one.updated_at - START) // MINUTE, one.escalation_level) for one in versions] == [
        ("opened", 0, 0), ("reminded", 5, 1), ("reminded", 10, 2), ("reminded", 15, 3),
    ]  # fmt: skip
    assert world.told().count(("pager", "repeated")) == 3


def test_the_next_reminder_is_due_so_long_after_the_last_one_was_sent() -> None:
    world = World()
    world.give(critical(), minute=0)
    assert world.state.due() == START + 5 * MINUTE
    world.tick(90)  # the worker was away: one reminder, not eighteen
    assert len(world.versions["alert-0"]) == 2
    assert world.state.due() == START + 95 * MINUTE


@pytest.mark.parametrize("action", ["acknowledge", "resolve", "dismiss"])
@pytest.mark.parametrize("restart", [True, False])
def test_it_stops_when_somebody_takes_it_in_hand(action: str, restart: bool) -> None:
    world = World()
    world.give(critical(), minute=0)
    world.give(command(1, action), minute=4)
    if restart:
        world.restart()
    world.tick(60)
    assert ("console", "repeated") not in world.told()


def test_it_stops_when_the_condition_ends() -> None:
    world = World()
    world.give(critical(), minute=0)
    world.give(finding(1, 1, kind="clear"), minute=1)
    world.tick(60)
    assert ("console", "repeated") not in world.told()


def test_unacknowledging_starts_it_anew() -> None:
    world = World()
    world.give(critical(), minute=0)
    world.tick(5)
    world.give(command(1, "acknowledge"), minute=6)
    world.give(command(2, "unacknowledge"), minute=30)
    alert = world.alert()
    assert (alert.acknowledged_at, alert.acknowledged_by, alert.escalation_level) == (None, "", 0)
    world.tick(34.9)
    assert world.alert().why == "unacknowledged"
    world.tick(35)
    assert (world.alert().why, world.alert().escalation_level) == ("reminded", 1)


def test_a_reopened_alert_is_reminded_of() -> None:
    world = World()
    world.give(critical(), command(1, "resolve"), minute=0)
    world.give(critical(1, 10), minute=10)
    world.tick(15)
    assert world.alert().why == "reminded"


def test_becoming_critical_starts_the_timer_and_folding_does_not_move_it() -> None:
    world = World()
    world.give(finding(0), minute=0)
    assert world.state.due() == START + 90 * DAY * MINUTE
    world.give(critical(1, 1), minute=1)
    world.give(critical(2, 2), minute=2)
    assert world.state.due() == START + 6 * MINUTE


def test_less_than_critical_is_not_repeated() -> None:
    world = World()
    world.give(finding(0, severity="high"), minute=0)
    assert not world.tick(60)


def test_a_timer_survives_a_restart() -> None:
    world = World()
    world.give(critical(), minute=0)
    world.restart()
    assert world.state.due() == START + 5 * MINUTE
    world.tick(5)
    world.restart()
    assert world.state.due() == START + 10 * MINUTE
    assert world.alert().version == 2


def test_due_reminders_come_in_order_and_so_many_at_a_time() -> None:
    world, each = World(), MAX_TICK // 2 + 100
    for minute in (1, 0):
        names = [f"{minute}-{n:04}" for n in range(each)]
        world.give(*(critical(n, key={"k": name}, alert_id=name) for n, name in enumerate(names)), minute=1 - minute)
    seen = [[output.key.decode() for output in world.tick(60) if output.topic == "alerts"] for _ in range(3)]
    assert [len(names) for names in seen] == [MAX_TICK, 200, 0]
    assert seen[0] + seen[1] == [f"{minute}-{n:04}" for minute in (1, 0) for n in range(each)]


def test_a_new_policy_holds_from_its_position_on() -> None:
    world = World()
    world.give(critical(), minute=0)
    world.control = Control(2, None, {"policy/default": {**POLICY, "remind_severities": []}})
    assert not [one for one in world.tick(5) if one.topic == "alerts"]
    assert world.state.position.control == 2
    world.control = Control(3, None, {"policy/default": {"receivers": [{"name": "other"}], "remind_after": "1m"}})
    world.give(critical(1, 30), minute=30)
    assert world.told("alert-1") == [("other", "new")]
    assert world.state.due() == START + 31 * MINUTE


def test_the_control_position_never_goes_back() -> None:
    world = World()
    world.control = Control(7, None, {"policy/default": {"receivers": [{"name": "new"}]}})
    world.give(critical(), minute=0)
    world.control = Control(6, None, {"policy/default": {"receivers": [{"name": "old"}]}})
    world.give(critical(1, 30), minute=30)
    assert world.told("alert-1") == [("new", "new")]
    assert world.state.position.control == 7


def test_without_a_policy_nobody_is_told_but_time_is_kept() -> None:
    world = World(policy=None)
    world.give(critical(), minute=0)
    world.tick(15)
    assert (world.alert().escalation_level, world.notifications) == (1, [])


def test_now_never_goes_back() -> None:
    world = World()
    world.give(critical(), minute=10)
    world.give(critical(1, 1), minute=5)
    assert world.alert().updated_at == world.alert().created_at == START + 10 * MINUTE
    assert world.state.position.now == START + 10 * MINUTE


@pytest.mark.parametrize(("action", "days"), [("resolve", 7), ("dismiss", 7), ("acknowledge", 90), ("comment", 90)])
@pytest.mark.parametrize("restart", [True, False])
def test_what_has_not_changed_for_long_is_forgotten(action: str, days: int, restart: bool) -> None:
    world = World()
    world.give(finding(0), minute=0)
    world.give(command(1, action, note="x"), minute=DAY)
    world.commit()
    if restart:
        world.restart()
    assert world.state.due() == START + (1 + days) * DAY * MINUTE
    world.tick((1 + days) * DAY - 1)
    assert not list(world.state.changes())
    assert not world.tick((1 + days) * DAY)
    assert world.commit() == [(b'["alert","alert-0"]', None)]
    assert not world.changelog
    assert world.state.due() is None
    assert world.state.active == {}
    world.give(command(2, "comment", note="too late"))
    assert world.decided()[-1] == "unknown_alert"


def test_a_flapping_alert_is_forgotten_once_and_in_time() -> None:
    world = World()
    for n in range(50):
        for kind in ("fire", "clear", "fire", "clear") if n % 2 else ("fire", "clear"):
            world.give(finding(n, 0.1 * n, kind=kind, id=f"{n}-{kind}"), minute=0.1 * n)
            world.tick()
    closed = (world.now - START) / MINUTE
    world.tick(closed + 7 * DAY - 1)
    assert "alert-0" in world.state.book
    world.tick(closed + 7 * DAY)
    assert "alert-0" not in world.state.book
    assert not world.state.book.threads


def test_older_values_in_a_changelog_leave_no_trace() -> None:
    world = World()
    world.give(critical(), minute=0)
    world.commit()
    world.give(command(1, "acknowledge"), minute=1)
    world.restart(compacted=False)
    assert len(world.history) == 2
    assert world.state.active == {"critical": 1}
    world.give(finding(1, 1, kind="clear"))
    assert world.state.active == {}
    assert [len(thread.all) for thread in world.state.book.threads.values()] == [1]


def test_an_evicted_alert_is_gone_from_every_index() -> None:
    world = World()
    world.give(critical(), minute=0)
    for key, _ in world.commit():
        world.state.unload(key)
    assert world.state.due() is None
    assert not world.tick(60)
    assert world.state.active == {}
    world.give(critical(1, 1))
    assert world.alert("alert-1").version == 1


def test_a_tick_is_a_step_of_the_runtime() -> None:
    world = World()
    assert pipeline.alert_tick(world.state, START, world.control, at_end=False) == []
