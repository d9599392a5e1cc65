"""What nobody was told of does not climb the ladder: neither under a silence, nor in a storm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.alert_steps import World, command, finding
from tests.unit.test_alert_complaints import TREE, run_on, silence


def test_the_ladder_begins_when_a_silence_ends_and_somebody_is_told() -> None:
    world = World({**TREE, "silences": {"s": silence("rule=audit.burst", 0, 60)}})
    world.give(finding(0), minute=1)
    run_on(world, 2, 64)
    assert world.told() == [("chat", "new")]
    assert world.alert().escalation_level == 0
    run_on(world, 65, 75)
    assert world.told() == [("chat", "new"), ("pager", "escalated"), ("phone", "escalated")]


def test_a_level_that_was_hidden_is_told_afterwards_and_the_next_one_waits_its_time() -> None:
    world = World({**TREE, "silences": {"s": silence("rule=audit.burst", 3, 60)}})
    world.give(finding(0), minute=1)
    run_on(world, 2, 60)
    assert world.told() == [("chat", "new"), ("pager", "escalated")]
    run_on(world, 61, 74)
    assert world.told() == [("chat", "new"), ("pager", "escalated")]
    run_on(world, 75, 76)
    assert world.told()[2:] == [("phone", "escalated")]


@pytest.mark.parametrize("more", [{}, {"targets": {"medium": {"acknowledge": "10m"}}}])
def test_alerts_of_a_storm_do_not_page_one_by_one_later(more: dict[str, Any]) -> None:
    world = World({**TREE, "storm": {"alerts": 2, "within": "10m"}, **more})
    for n in range(6):
        world.give(finding(n, n / 10, key={"actor": n}), minute=n / 10)
    run_on(world, 1, 60)
    for n in range(2, 6):
        assert world.told(f"alert-{n}") == [], n
        assert world.alert(f"alert-{n}").suppressed[0].by == "storm"
    storm = next(name for name, versions in world.versions.items() if versions[0].rule == "tocsin.storm")
    assert {("chat", "new"), ("pager", "escalated"), ("phone", "escalated")} <= set(world.told(storm))


def test_of_a_storm_somebody_may_still_ask_that_one_is_escalated_and_one_that_worsens_is_told() -> None:
    world = World({**TREE, "storm": {"alerts": 1, "within": "10m"}})
    for n in range(3):
        world.give(finding(n, n / 10, key={"actor": n}), minute=n / 10)
    world.give(command(0, "escalate", alert="alert-1"), minute=2)
    assert world.told("alert-1") == [("pager", "escalated")]
    worse = finding(7, 3, key={"actor": 2}, severity="critical", severity_word="critical")
    world.give(worse, minute=3)
    run_on(world, 4, 9)
    assert world.told("alert-2") == [("chat", "severity_raised"), ("pager", "escalated")]


def test_what_a_reminder_says_of_a_limit_holds_after_a_restart() -> None:
    world = World({"receivers": [{"name": "chat"}], "storm": {"alerts": 1, "within": "10m"}, "remind_after": "5m",
                   "remind_severities": ["medium"]})  # fmt: skip
    for n in range(2):
        world.give(finding(n, 0, key={"actor": n}), minute=0)
    world.restart()
    for minute in range(1, 20):
        world.tick(minute)
    assert world.told("alert-1") == []
    assert world.alert("alert-1").hidden > 1
