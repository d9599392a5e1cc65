"""However the log is cut into steps, and wherever a worker is restarted, the alerts are the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.model import Command, Finding
from streams.model.severity import severity_rank
from tests.unit.alert_steps import MINUTE, POLICY, START, World, command, finding

COOLDOWNS = (0, 10 * MINUTE, 25 * MINUTE)
KEYS = (1, True, "1")
OPEN = ("active", "acknowledged")


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    n = draw(st.integers(0, 30))  # sometimes the same event again
    rule = draw(st.integers(0, 2))
    return finding(
        n,
        draw(st.integers(0, 60)),
        kind=draw(st.sampled_from(["fire", "fire", "fire", "clear", "retract"])),
        rule=f"rule-{rule}",
        cooldown=COOLDOWNS[rule],
        fold="until_resolved" if rule == 1 else "cooldown",
        key={"k": KEYS[draw(st.integers(0, 2))]},  # not sampled_from: to hypothesis, 1 and True are one
        severity=draw(st.sampled_from(["low", "high", "critical"])),
        observed=draw(st.sampled_from([5, 7.5, None, "6"])),
        # as DETECT names them: from the rule, the key and the position, so that one name never means two alerts
        id=f"finding-{n}-{draw(st.integers(0, 1))}",
    )


def named(one: Finding) -> Finding:
    """Findings of different rules and keys have different names."""
    place = f"{one.rule}-{one.key['k']!r}-{one.position}"
    return msgspec.structs.replace(one, id=f"{one.kind}:{place}:{one.id}", alert_id=place)


@st.composite
def logs(draw: st.DrawFn) -> list[Any]:
    """Findings, commands about their alerts, and minutes that pass."""
    seen = [named(one) for one in draw(st.lists(findings(), min_size=1, max_size=25))]
    names = sorted({one.alert_id for one in seen})
    acts = st.sampled_from(["acknowledge", "unacknowledge", "resolve", "dismiss", "comment", "delivery_failed"])
    commands = st.builds(
        lambda n, action, name: command(
            n, action, alert=names[name % len(names)], note=f"note {n}", receiver="pager", notification_id=f"n{n}"
        ),
        st.integers(0, 12), acts, st.integers(0, 24),
    )  # fmt: skip
    others = draw(st.lists(st.one_of(commands, st.integers(1, 12)), max_size=25))
    return draw(st.permutations([*seen, *others]))


def play(log: list[Any], cuts: set[int], restarts: set[int]) -> World:
    """A number in the log lets so many minutes pass, then the timers run; a step ends there, and at each cut."""
    world, waiting, minute = World({**POLICY, "retain": "40m", "retain_open": "3h"}), [], 0.0

    def step() -> None:
        if waiting:
            world.give(*waiting, minute=minute)
            waiting.clear()

    for place, entry in enumerate(log):
        if isinstance(entry, int):
            step()
            minute += entry
            while (due := world.state.due()) is not None and due <= START + minute * MINUTE:
                world.tick(minute)
            for name in [name for name in world.versions if name not in world.state.book]:
                del world.versions[name]  # forgotten: should its event be told again, it begins at version 1 again
        else:
            waiting.append(entry)
            if place in cuts:
                step()
        if place in restarts:
            step()
            world.restart(compacted=place % 2 == 0)
    step()
    world.commit()
    return world


def seen_from_outside(world: World) -> dict[str, Any]:
    """What must not depend on the steps: all of an alert but the number of its versions, their reasons, and who was
    told: what opened, ended and got worse in one step is told at its worst.
    """
    return {
        name: msgspec.structs.replace(versions[-1], version=0, why="", told=())
        for name, versions in world.versions.items()
    }


places = st.sets(st.integers(0, 60))


@settings(max_examples=250, deadline=None)
@given(logs(), places, places, places)
def test_the_steps_do_not_change_the_alerts(
    log: list[Any], cuts: set[int], other: set[int], restarts: set[int]
) -> None:
    one, two = play(log, cuts, set()), play(log, other, restarts)
    assert seen_from_outside(one) == seen_from_outside(two)
    assert one.state.due() == two.state.due()
    assert one.state.active == two.state.active
    assert one.changelog.keys() == two.changelog.keys()
    assert [msgspec.structs.replace(it) for it in one.operations] == two.operations


@settings(max_examples=150, deadline=None)
@given(logs(), places, places)
def test_a_restart_changes_not_a_byte(log: list[Any], cuts: set[int], restarts: set[int]) -> None:
    one, two = play(log, cuts | restarts, set()), play(log, cuts | restarts, restarts)
    assert one.outputs == two.outputs
    assert one.changelog == two.changelog
    assert one.state.position == two.state.position


@settings(max_examples=150, deadline=None)
@given(logs(), places)
def test_a_life_follows_the_rules(log: list[Any], cuts: set[int]) -> None:
    world = play(log, cuts, set())
    for name, versions in world.versions.items():
        mine = (one for one in world.notifications if (one.alert_id, one.receiver) == (name, "console"))
        told = [one for one in mine if one.alert.created_at == versions[0].created_at]
        for before, after in pairwise(versions):
            assert after.notes[: len(before.notes)] == before.notes
            assert severity_rank(after.severity) >= severity_rank(before.severity)
            assert after.count >= before.count
            assert after.event_time == before.event_time
            if after.why == "reminded":
                assert (before.status, after.status, after.severity) == ("active", "active", "critical")
                sent = max(one.at for one in told if one.alert.version < after.version and one.reason != "resolved")
                assert after.updated_at - sent >= 5 * MINUTE
                assert after.escalation_level <= 3
            if before.status in OPEN and after.status not in OPEN:
                assert ("resolved", after.version) in [(one.reason, one.alert.version) for one in told]
    assert sum(world.state.active.values()) == sum(entry.status in OPEN for entry in world.state.book.entries.values())


# --- the oracle: plain lists, one record after the other


class Plain:
    """One alert of the oracle."""

    def __init__(self, first: Finding) -> None:
        self.first, self.status, self.count = first, "active", 1
        self.severity, self.texts, self.ids = first.severity, [], [first.id]


def oracle(log: list[Finding | Command]) -> dict[str, tuple[Any, ...]]:
    alerts: dict[str, Plain] = {}
    for one in log:
        if isinstance(one, Command):
            obeyed(alerts.get(one.alert_id), one)
            continue
        mine = sorted(
            (a for a in alerts.values() if (a.first.rule, repr(a.first.key)) == (one.rule, repr(one.key))),
            key=lambda a: (a.first.event_time, a.first.alert_id),
        )
        unclosed = [alert for alert in mine if alert.status in OPEN]
        if one.kind == "clear":
            for alert in unclosed:
                if one.id not in alert.ids:
                    alert.status = "resolved"
                    alert.ids.append(one.id)
        elif one.kind == "retract":
            named = alerts.get(one.alert_id, unclosed[-1] if unclosed else None)
            if named is not None and named.status != "dismissed" and one.id not in named.ids:
                named.status = "dismissed"
                named.ids.append(one.id)
        else:
            fired(alerts, one, mine, unclosed)
    return {
        name: (alert.status, alert.count, alert.severity, alert.first.event_time, alert.texts)
        for name, alert in alerts.items()
    }


def fired(alerts: dict[str, Plain], one: Finding, mine: list[Plain], unclosed: list[Plain]) -> None:
    before = [a for a in mine if 0 <= one.event_time - a.first.event_time < one.cooldown]
    after = [a for a in mine if 0 < a.first.event_time - one.event_time < one.cooldown]
    home = unclosed[-1:] if one.fold == "until_resolved" else []
    home = home or before[-1:] or after[:1]
    if not home:
        if one.alert_id not in alerts:
            alerts[one.alert_id] = Plain(one)
    elif one.id not in home[0].ids:
        alert = home[0]
        alert.ids.append(one.id)
        alert.count += 1
        alert.severity = max(alert.severity, one.severity, key=severity_rank)
        alert.status = "active" if alert.status == "resolved" else alert.status


def obeyed(alert: Plain | None, one: Command) -> None:
    after = {
        "acknowledge": {"active": "acknowledged"},
        "unacknowledge": {"acknowledged": "active"},
        "resolve": dict.fromkeys(OPEN, "resolved"),
        "dismiss": dict.fromkeys(OPEN, "dismissed"),
    }
    if alert is None or one.id in alert.ids:
        return
    if one.action in after:
        if alert.status not in after[one.action]:
            return
        alert.status = after[one.action][alert.status]
    alert.ids.append(one.id)
    if one.action != "delivery_failed":
        alert.texts.append(one.note)


@settings(max_examples=250, deadline=None)
@given(logs(), places)
def test_the_alerts_are_those_of_the_oracle(log: list[Any], cuts: set[int]) -> None:
    records = [entry for entry in log if not isinstance(entry, int)]
    world = play(records, cuts, set())
    assert oracle(records) == {
        name: (one.status, one.count, one.severity, one.event_time, [note["text"] for note in one.notes])
        for name, one in ((name, versions[-1]) for name, versions in world.versions.items())
    }
