"""What a control record changes for alerts that stand, and that one of no concern to them changes nothing."""

from __future__ import annotations

from streams.model import Control
from streams.state.alerts.alerting import AlertState
from tests.unit.alert_steps import MINUTE, START, World, finding

SILENCE = {
    "matchers": ["rule=audit.burst"], "starts_at": START, "ends_at": START + 600 * MINUTE, "author": "ada",
    "comment": "known",
}  # fmt: skip
TELL = {"receivers": [{"name": "chat"}]}


def hidden() -> World:
    world = World({**TELL, "silences": {"s": SILENCE}})
    world.give(finding(0))
    assert world.told() == []
    return world


def with_record(world: World, name: str, document: dict[str, object]) -> None:
    before = world.control
    world.control = Control(before.position + 1, None, {**before.records, name: document})


def test_a_list_or_a_rule_set_asks_nothing_of_what_is_held() -> None:
    world = hidden()
    for name in ("list/bad-hosts", "ruleset/default"):
        with_record(world, name, {"version": "2"})
        world.give(minute=1)
        assert world.state.due() != 0, name
    assert world.state.position.control == world.control.position


def test_a_policy_that_hides_the_same_asks_nothing_of_what_is_held() -> None:
    world = hidden()
    world.policy({"receivers": [{"name": "chat"}, {"name": "mail"}], "silences": {"s": SILENCE}})
    world.give(minute=1)
    assert world.state.due() != 0
    world.policy(TELL)
    world.tick(2)
    assert world.told() == [("chat", "new")]


def test_another_policy_is_adopted_after_a_restart_even_if_nobody_saw_it_come() -> None:
    world = hidden()
    world.restart()
    world.policy({"receivers": [{"name": "mail"}]})
    world.tick(1)
    assert world.told() == [("mail", "new")]


def test_inhibitions_that_come_later_see_what_stands_already() -> None:
    world = World(TELL)
    world.give(finding(0, rule="net.down", metadata={"site": "ams"}, cooldown=0))
    world.restart()
    rules = [{"source": ["rule=net.down"], "target": ["rule=audit.burst"], "equal": ["metadata.site"]}]
    world.policy({**TELL, "inhibit": rules})
    world.give(finding(1, 1, metadata={"site": "ams"}), finding(2, 1, key={"n": 2}, metadata={"site": "fra"}), minute=1)
    assert world.told("alert-1") == []
    assert world.told("alert-2") == [("chat", "new")]


def test_of_an_alert_that_was_stored_often_only_the_last_value_is_read() -> None:
    world = hidden()
    before = world.commit()
    world.give(finding(1, 1), minute=1)
    ((key, after),) = [change for change in world.commit() if change[0].startswith(b'["alert"')]
    broken = next(value for name, value in before if name == key)
    assert broken is not None
    assert after is not None
    state = AlertState(3)
    state.load(key, broken.replace(b'"rule"', b'"lost"'))
    state.load(key, after)
    state.loaded()
    assert state.book.entries["alert-0"].value == after
    state.unload(key)
    assert "alert-0" not in state.book


def test_one_that_is_forgotten_while_it_is_restored_stays_forgotten() -> None:
    world = hidden()
    key, value = next(change for change in world.commit() if change[0].startswith(b'["alert"'))
    assert value is not None
    state = AlertState(3)
    state.load(key, value)
    state.unload(key)
    state.loaded()
    assert "alert-0" not in state.book
