"""Incidents under any order of findings, commands and restarts: what is linked is counted, and nothing is forgotten."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.model import Alert, Command, Finding, Status
from streams.model.severity import severity_rank
from streams.state.alerts.alerting import AlertState
from tests.unit.alert_steps import World, command, finding

POLICY: dict[str, Any] = {
    "receivers": [{"name": "chat"}],
    "route": {"receivers": ["chat"]},
    "remind_severities": [],
    "incidents": {"by": ["key.actor"], "within": "20m", "at_least": 2},
}
ACTORS, RULES = ("ada", "eve"), 3
OPEN = (Status.ACTIVE, Status.ACKNOWLEDGED, Status.SNOOZED)
SEVERITIES = ("low", "high", "critical")
ACTIONS = ("resolve", "dismiss", "reopen", "acknowledge", "link", "unlink", "phase", "close-incident")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.sampled_from(ACTORS), st.integers(0, RULES - 1), st.sampled_from(SEVERITIES)),
        st.tuples(st.just("clear"), st.sampled_from(ACTORS), st.integers(0, RULES - 1), st.just("low")),
        st.tuples(st.just("by-hand"), st.just(""), st.just(0), st.sampled_from(SEVERITIES)),
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9), st.integers(0, 4), st.just("")),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 15), st.just("")),
    ),
    min_size=4,
    max_size=40,
)


def record(world: World, n: int, what: str, who: Any, which: int, severity: str) -> Finding | Command | None:
    """The n-th record of a log; commands name alerts and incidents that there are."""
    more: dict[str, Any]
    minute = (world.now - 1_700_000_000_000) / 60_000
    if what in ("fire", "clear"):
        more = {"key": {"actor": who}, "rule": f"audit.r{which}", "severity": severity, "severity_word": severity}
        return finding(n, minute, kind=what, cooldown=0, fold="until_resolved", **more)
    if what == "by-hand":
        more = {"rule": "tocsin.incident", "key": {"incident": f"{n}"}, "observed": None, "evidence": ()}
        return finding(n, minute, severity=severity, severity_word=severity, **more)
    alerts = sorted(name for name, versions in world.versions.items() if not versions[-1].phase)
    incidents = sorted(name for name, versions in world.versions.items() if versions[-1].phase)
    if not alerts or not incidents:
        return None
    alert, incident = alerts[who % len(alerts)], incidents[which % len(incidents)]
    if what in ("link", "unlink"):
        return command(n, "link", alert, target=incident if what == "link" else "")
    if what in ("phase", "close-incident"):
        return command(n, "phase", incident, target="mitigated" if what == "phase" else "resolved", note="so it is")
    return command(n, what, alert)


def play(log: list[tuple[str, Any, int, str]], restarting: bool) -> World:
    world = World(POLICY)
    for n, (what, who, which, severity) in enumerate(log):
        if what == "wait":
            world.now += which * 60_000
            world.tick()
        elif (one := record(world, n, what, who, which, severity)) is not None:
            world.give(one)
        if restarting:
            world.restart(compacted=n % 2 == 0)
    world.commit()
    return world


@settings(max_examples=300, deadline=None)
@given(steps)
def test_incidents_are_what_their_alerts_say_and_restarts_change_nothing(log: list[tuple[str, Any, int, str]]) -> None:
    world, restarted = play(log, restarting=False), play(log, restarting=True)
    assert [output.value for output in world.outputs] == [output.value for output in restarted.outputs]
    alerts = {name: versions[-1] for name, versions in world.versions.items()}
    linked = Counter(alert.incident for alert in alerts.values() if alert.incident)
    for name, incident in alerts.items():
        if not incident.phase:
            assert incident.incident == "" or incident.incident in alerts
            continue
        members = {member for member, alert in alerts.items() if alert.incident == name}
        assert set(incident.members) == members
        assert incident.values.get("observed", 0) == linked[name]
        assert (incident.phase == "resolved") is (incident.status not in OPEN)
        stood = [change for change in incident.history if change["from"] != change["to"]]
        if incident.status in OPEN and all(change["by"] != "grace" for change in stood):
            for member in members:
                assert severity_rank(incident.severity) >= severity_rank(alerts[member].severity)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_what_stands_together_is_known_again_after_a_restart(log: list[tuple[str, Any, int, str]]) -> None:
    world = play(log, restarting=False)
    fresh = AlertState(3)
    for key, value in world.changelog.items():
        fresh.load(key, value)
    fresh.loaded()
    for name in ("_at", "_alone", "_joined", "_standing"):
        assert dict(getattr(world.state._crowd, name)) == dict(getattr(fresh._crowd, name)), name


@settings(max_examples=150, deadline=None)
@given(steps, st.sets(st.sampled_from(list(product(ACTORS, range(RULES)))), min_size=3), st.booleans())
def test_an_incident_of_which_every_alert_was_closed_is_closed(
    log: list[tuple[str, Any, int, str]], ends: set[tuple[str, int]], restarting: bool
) -> None:
    """Unless alerts went in or out by hand, or a person closed it: then it is that person's."""
    fires = [("fire", actor, rule, "low") for actor, rule in sorted(ends)]
    clears = [("clear", actor, rule, "low") for actor, rule in sorted(ends, reverse=True)]
    own = [step for step in log if step[0] not in ("link", "unlink", "by-hand", "close-incident")]
    world = play([*own, *fires, *clears], restarting)
    alerts: dict[str, Alert] = {name: versions[-1] for name, versions in world.versions.items()}
    incidents = [alert for alert in alerts.values() if alert.phase]
    for incident in incidents:
        standing = [one for one in alerts.values() if one.incident == incident.id and one.status in OPEN]
        assert bool(standing) is (incident.status in OPEN)
