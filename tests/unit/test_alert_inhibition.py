"""What follows from something else is told to nobody while that stands: dependencies, rings, and what comes together."""

from __future__ import annotations

from typing import Any

import pytest

from streams.model import Finding
from tests.unit.alert_steps import World, command, finding

PLAIN: dict[str, Any] = {"receivers": [{"name": "chat"}], "route": {"receivers": ["chat"]}, "remind_severities": []}
#: power -> switch -> host, of one site
TOPOLOGY = [
    {"name": "power-switch", "parent": ["rule=power"], "child": ["rule=switch"], "equal": ["metadata.site"]},
    {"name": "switch-host", "parent": ["rule=switch"], "child": ["rule=host"], "equal": ["metadata.site"]},
]


def of(rule: str, n: int, minute: float = 0, site: str = "ams", **fields: Any) -> Finding:
    return finding(n, minute, rule=rule, key={"n": n}, metadata={"site": site}, cooldown=0, **fields)


def clear(rule: str, n: int, minute: float) -> Finding:
    return of(rule, n, minute, kind="clear", id=f"clear-{n}")


def new(world: World) -> list[str]:
    """Alerts that were told as new, in order."""
    return [one.alert_id for one in world.notifications if one.reason == "new"]


def down(world: World, minute: float) -> None:
    world.give(of("power", 0, minute), minute=minute)
    world.give(of("switch", 1, minute), minute=minute)
    world.give(of("host", 2, minute), of("host", 3, minute, site="fra"), minute=minute)


def test_of_three_levels_only_the_uppermost_is_told() -> None:
    world = World({**PLAIN, "dependencies": TOPOLOGY})
    down(world, 0)
    assert new(world) == ["alert-0", "alert-3"], "another site has its own power"
    assert [(one.stage, one.by) for one in world.alert("alert-2").suppressed] == [("dependency", "alert-1")]
    assert [(one.stage, one.by) for one in world.alert("alert-1").suppressed] == [("dependency", "alert-0")]
    assert world.state.counts["suppressed", "dependency", "host"] == 1


@pytest.mark.parametrize("restart", [False, True])
def test_a_parent_that_resolves_lets_its_children_go_level_by_level(restart: bool) -> None:
    world = World({**PLAIN, "dependencies": TOPOLOGY})
    down(world, 0)
    if restart:
        world.restart()
    world.give(clear("power", 0, 5), minute=5)
    world.tick(5)
    assert new(world) == ["alert-0", "alert-3", "alert-1"], "the switch is down by itself, and still hides the host"
    if restart:
        world.restart(compacted=True)
    world.give(clear("switch", 1, 9), minute=9)
    world.tick(9)
    assert new(world) == ["alert-0", "alert-3", "alert-1", "alert-2"]
    assert world.alert("alert-2").suppressed == ()
    world.tick(60)
    assert len(new(world)) == 4


def test_children_that_were_closed_meanwhile_are_never_told() -> None:
    world = World({**PLAIN, "dependencies": TOPOLOGY})
    down(world, 0)
    world.give(command(0, "resolve", alert="alert-2"), clear("switch", 1, 2), minute=2)
    world.give(clear("power", 0, 5), minute=5)
    world.tick(5)
    assert new(world) == ["alert-0", "alert-3"]
    assert world.told("alert-2") == []


def test_what_comes_in_one_step_is_hidden_as_if_it_came_one_after_the_other() -> None:
    world = World({**PLAIN, "dependencies": TOPOLOGY})
    world.give(of("host", 2), of("switch", 1), of("power", 0), minute=0)
    assert new(world) == ["alert-0"]


RING = [
    {"name": "a-b", "source": ["rule=a"], "target": ["rule=b"]},
    {"name": "b-c", "source": ["rule=b"], "target": ["rule=c"]},
    {"name": "c-a", "source": ["rule=c"], "target": ["rule=a"]},
]
PAIR = [
    {"name": "a-b", "source": ["rule=a"], "target": ["rule=b"]},
    {"name": "b-a", "source": ["rule=b"], "target": ["rule=a"]},
]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("rules", "order"), [(PAIR, "ab"), (PAIR, "ba"), (RING, "abc"), (RING, "bca"), (RING, "acb")])
def test_a_ring_does_not_hide_all_of_it(rules: list[dict[str, Any]], order: str, together: bool) -> None:
    world = World({**PLAIN, "inhibit": rules})
    findings = [of(rule, n, n) for n, rule in enumerate(order)]
    if together:
        world.give(*findings, minute=0)
    else:
        for minute, one in enumerate(findings):
            world.give(one, minute=minute)
    world.tick(10)
    told = new(world)
    assert told
    assert told[0] == "alert-0", "the oldest is hidden by none of its ring"
    for one in [*told]:  # whoever is told closes; at the end everybody was told who was still open
        world.give(command(len(world.operations), "resolve", alert=one), minute=11)
    for minute in range(12, 20):
        world.restart()
        world.tick(minute)
        waiting = [name for name in new(world) if world.alert(name).status == "active"]
        for one in waiting:
            world.give(command(len(world.operations), "resolve", alert=one), minute=minute)
    assert sorted(new(world)) == sorted(world.versions)


def test_the_older_is_told_again_when_it_gets_worse_though_the_younger_would_hide_it() -> None:
    world = World({**PLAIN, "inhibit": PAIR})
    world.give(of("a", 0), minute=0)
    world.give(of("b", 1, 1), minute=1)
    worse = of("a", 0, 2, id="worse", alert_id="alert-x", fold="until_resolved", severity="critical")
    world.give(worse, minute=2)
    assert world.told("alert-0") == [("chat", "new"), ("chat", "severity_raised")]
    assert world.told("alert-1") == []


def test_one_that_is_younger_hides_as_long_as_it_is_not_hidden_back() -> None:
    world = World({**PLAIN, "dependencies": TOPOLOGY})
    world.give(of("host", 2), minute=0)
    world.give(of("switch", 1, 1), minute=1)
    worse = of("host", 2, 2, id="again", alert_id="alert-x", fold="until_resolved", severity="critical")
    world.give(worse, minute=2)
    assert world.told("alert-2") == [("chat", "new")]
    assert (world.alert("alert-2").severity, world.alert("alert-2").suppressed[0].by) == ("critical", "alert-1")
