"""Findings fold into alerts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.alert_steps import MINUTE, START, World, command, finding

#: (minutes of the findings' events, alerts that come of them as (opening, count)); the cooldown is 15 minutes
TIMELINES = [
    ([0], [(0, 1)]),
    ([0, 14.99], [(0, 2)]),  # within the cooldown
    ([0, 15], [(0, 1), (15, 1)]),  # the cooldown's end belongs to the next alert
    ([0, 10, 20], [(0, 2), (20, 1)]),  # counted from the opening, not from the last finding
    ([10, 0], [(10, 2)]),  # older than the opening, less than a cooldown away
    ([20, 0], [(20, 1), (0, 1)]),  # older, and too far away
    ([0, 20, 10], [(0, 2), (20, 1)]),  # late: joins the alert that was open at its time
    ([20, 0, 16], [(20, 2), (0, 1)]),  # out of the first one's cooldown, so it joins the next one
    ([0, 0, 0], [(0, 3)]),
]


@pytest.mark.parametrize(("minutes", "expected"), TIMELINES)
@pytest.mark.parametrize("one_step", [True, False])
def test_the_cooldown_counts_from_the_opening(minutes: list[float], expected: list[Any], one_step: bool) -> None:
    world = World()
    findings = [finding(n, minute) for n, minute in enumerate(minutes)]
    for batch in [findings] if one_step else [[one] for one in findings]:
        world.give(*batch)
    alerts = [versions[-1] for versions in world.versions.values()]
    assert [((alert.event_time - START) / MINUTE, alert.count) for alert in alerts] == expected


def test_all_findings_of_a_step_make_one_version() -> None:
    world = World()
    world.give(*(finding(n, n) for n in range(5)))
    world.give(*(finding(n, n) for n in range(5, 9)))
    versions = [(one.version, one.count, one.why) for one in world.versions["alert-0"]]
    assert versions == [(1, 5, "opened"), (2, 9, "folded")]


def test_no_cooldown_means_no_folding() -> None:
    world = World()
    world.give(*(finding(n, 0, cooldown=0) for n in range(3)))
    assert list(world.versions) == ["alert-0", "alert-1", "alert-2"]


def test_with_a_longer_cooldown_than_before_the_latest_alert_is_joined() -> None:
    world = World()
    world.give(*(finding(n, n, cooldown=MINUTE // 2) for n in range(3)))
    world.give(finding(3, 1), finding(4, 9))
    assert [(name, versions[-1].count) for name, versions in world.versions.items()] == [
        ("alert-0", 1), ("alert-1", 2), ("alert-2", 2),
    ]  # fmt: skip


def test_until_resolved_folds_however_late() -> None:
    world = World()
    rule = {"fold": "until_resolved", "cooldown": 0}
    world.give(finding(0, 0, **rule), finding(1, 9_999, **rule))
    world.give(finding(2, 10_000, kind="clear", **rule))
    world.give(finding(3, 10_001, **rule))
    assert world.alert().count == 2
    assert world.alert().status == "resolved"
    assert world.alert("alert-3").status == "active"


@pytest.mark.parametrize("other", [{"tenant": "umbrella"}, {"rule": "audit.other"}, {"key": {"actor": "bob"}}])
def test_another_tenant_rule_or_key_is_another_alert(other: dict[str, Any]) -> None:
    world = World()
    world.give(finding(0), finding(1, **other))
    assert list(world.versions) == ["alert-0", "alert-1"]


def test_keys_keep_their_types() -> None:
    world = World()
    world.give(*(finding(n, key={"k": value}) for n, value in enumerate([1, True, "1", None, 1.5, "true", ""])))
    assert len(world.versions) == 7


def test_the_order_of_a_keys_parts_means_nothing() -> None:
    world = World()
    world.give(finding(0, key={"a": 1, "b": 2}), finding(1, key={"b": 2, "a": 1}))
    assert world.alert().count == 2


def test_first_stays_and_last_is_the_newest_event_not_the_newest_record() -> None:
    world = World()
    world.give(*(finding(n, at, observed=value) for n, (at, value) in enumerate([(5, 5), (7, 7), (6, 9), (1, 5)])))
    alert = world.alert()
    assert [one.event_id for one in (*alert.first, *alert.last)] == ["e0", "e1"]
    assert (alert.event_time, alert.last_event_time) == (START + 5 * MINUTE, START + 7 * MINUTE)
    series = alert.values.pop("series")
    assert series == [[START + at * MINUTE, value] for at, value in [(5, 5), (7, 7), (6, 9), (1, 5)]]
    assert alert.values == {"observed": 7, "peak": 9, "threshold": 5, "within": 600_000}


#: (observed values in turn, threshold, the peak)
PEAKS = [
    ([5, 9, 7], 5, 9),
    ([30, 10, 20], 40, 10),  # below the threshold is beyond it
    ([40, 30], 40, 30),
    ([40, 50], 40, 50),
    ([0, 1.5, -0.0, 1], 0, 1.5),
    (["99999999999999999999999999", "100000000000000000000000000"], "1", "100000000000000000000000000"),
    (["word", "other"], None, "other"),
    ([True, 5], 5, 5),  # a boolean is no number
    ([None, 3, None], None, 3),
]


@pytest.mark.parametrize(("observed", "threshold", "peak"), PEAKS)
def test_the_peak_is_the_value_furthest_beyond_the_threshold(observed: list[Any], threshold: Any, peak: Any) -> None:
    world = World()
    world.give(*(finding(n, 0, observed=value, threshold=threshold) for n, value in enumerate(observed)))
    assert world.alert().values["peak"] == peak


def test_the_title_is_that_of_the_worst_moment() -> None:
    world = World()
    world.give(finding(0, 0, observed=5), finding(1, 1, observed=8), finding(2, 2, observed=6))
    assert world.alert().title == "title 1"
    world.give(finding(3, 3, observed=6, severity="high", severity_word="P1"))
    assert (world.alert().title, world.alert().severity, world.alert().severity_word) == ("title 3", "high", "P1")


def test_severity_only_rises() -> None:
    world = World()
    world.give(finding(0, 0, severity="high"))
    world.give(finding(1, 1, severity="low"))
    world.give(finding(2, 2, severity="critical"))
    assert [one.severity for one in world.versions["alert-0"]] == ["high", "high", "critical"]
    assert [one.why for one in world.versions["alert-0"]] == ["opened", "folded", "severity_raised"]
    # the pager, which wants only critical ones, hears of it when it becomes critical
    assert world.told() == [("console", "new"), ("console", "severity_raised"), ("pager", "severity_raised")]


def test_opened_and_raised_in_one_step_is_said_once() -> None:
    world = World()
    world.give(finding(0, 0), finding(1, 1, severity="critical"))
    assert world.told() == [("console", "new"), ("pager", "new")]


def test_a_finding_told_twice_counts_once() -> None:
    world = World()
    world.give(finding(0, 0), finding(1, 1), finding(1, 1))
    world.restart()
    assert not world.give(finding(1, 1), finding(0, 0))
    assert world.alert().count == 2
    assert world.state.counts["verdict", "duplicate"] == 2


def test_the_opening_event_told_again_never_opens_a_second_alert_of_the_same_name() -> None:
    world = World()
    world.give(finding(0, 0, cooldown=0))
    assert not world.give(finding(0, 0, cooldown=0))
    assert not world.give(finding(0, 0, cooldown=0, id="found-by-a-new-version-of-the-rule"))
    assert world.alert().count == 1


@pytest.mark.parametrize("other", [{"tenant": "umbrella"}, {"rule": "audit.other"}, {"key": {"actor": "bob"}}])
def test_a_finding_cannot_take_another_alerts_name(other: dict[str, Any]) -> None:
    world = World()
    world.give(finding(0))
    world.give(finding(1, alert_id="alert-0", **other))
    assert [one.reason for one in world.dead] == ["invalid"]
    assert [one.version for one in world.versions["alert-0"]] == [1]


def test_a_clear_resolves_whatever_is_open_of_its_key() -> None:
    world = World()
    world.give(finding(0, 0), finding(1, 20), finding(2, 20, key={"actor": "bob"}))
    world.give(finding(3, 21, kind="clear", observed=2))
    assert [(name, versions[-1].status) for name, versions in world.versions.items()] == [
        ("alert-0", "resolved"), ("alert-1", "resolved"), ("alert-2", "active"),
    ]  # fmt: skip
    alert = world.alert("alert-1")
    assert (alert.resolved_by, alert.resolved_at, alert.why) == ("condition", world.now, "resolved")
    assert (alert.values["observed"], alert.values["peak"], alert.count) == (2, 5, 1)
    assert world.told("alert-1") == [("console", "new"), ("console", "resolved")]


@pytest.mark.parametrize("kind", ["clear", "retract"])
def test_an_end_without_a_beginning_is_counted_and_nothing_else(kind: str) -> None:
    world = World()
    assert not world.give(finding(0, kind=kind))
    world.give(finding(1), finding(2, 1, kind=kind))
    assert not world.give(finding(3, 2, kind=kind))
    assert world.state.counts["verdict", "nothing_open"] == 2


def test_an_old_clear_told_again_does_not_resolve_what_fired_since() -> None:
    world = World()
    world.give(finding(0, 0), finding(1, 1, kind="clear"), finding(2, 2))
    assert world.alert().status == "active"
    assert not world.give(finding(1, 1, kind="clear"))
    assert world.alert().status == "active"


def test_opened_and_resolved_in_one_step_says_both() -> None:
    world = World()
    world.give(finding(0, 0), finding(1, 1, kind="clear"))
    assert [(one.version, one.why, one.status) for one in world.versions["alert-0"]] == [(1, "opened", "resolved")]
    assert world.told() == [("console", "new"), ("console", "resolved")]


def test_a_retraction_dismisses_the_alert_it_names() -> None:
    world = World()
    world.give(finding(0, 0), finding(1, 20))
    world.give(finding(2, 21, kind="retract", alert_id="alert-0"))
    alert = world.alert()
    assert (alert.status, alert.resolved_by, alert.why) == ("dismissed", "retracted", "retracted")
    assert world.alert("alert-1").status == "active"


def test_notification_ids_are_stable_and_distinct() -> None:
    def run() -> list[str]:
        world = World()
        world.give(finding(0, severity="critical"))
        world.give(finding(1, 1, kind="clear"))
        world.give(finding(2, 2))
        world.give(finding(3, 3, kind="clear"))
        return [one.id for one in world.notifications]

    assert run() == run()
    assert len(run()) == len(set(run())) == 8


def test_what_stage_and_replay_count() -> None:
    world = World()
    world.give(finding(0), finding(1, 1), finding(2, 2, kind="clear"), finding(3, 3, severity="critical"))
    assert dict(world.state.counts) == {
        ("verdict", "opened"): 1, ("verdict", "folded"): 1, ("verdict", "resolved"): 1, ("verdict", "reopened"): 1,
        ("alerts", "audit.burst", "security", "critical"): 1,
        ("notifications", "console", "new"): 1, ("notifications", "pager", "new"): 1,
        ("notifications", "console", "resolved"): 1, ("notifications", "pager", "resolved"): 1,
        ("notifications", "console", "reopened"): 1, ("notifications", "pager", "reopened"): 1,
    }  # fmt: skip
    assert world.state.active == {"critical": 1}


def test_evidence_too_large_to_carry_is_left_out_and_its_positions_stay() -> None:
    world = World()
    event = {"blob": "x" * 200_000}
    place = {"position": "audit.events/0/1", "event_id": "e", "event_time": START}
    large = {"evidence": [{**place, "event": event}]}
    world.give(finding(0, 0, observed=None, **large), finding(1, 1, observed="y" * 200_000, evidence=[]))
    assert world.alert().first[0].event == event
    world.give(finding(2, 2, observed=None, **large))
    alert = world.alert()
    assert len(msgspec.json.encode(alert)) < 500_000
    assert (alert.first[0].event, alert.first[0].position) == (None, "audit.events/0/1")
    assert alert.count == 3
    world.restart()
    world.give(finding(3, 3))
    assert (world.alert().count, world.alert().last[0].event) == (4, {"actor": "ada"})


def test_a_rule_may_fold_by_more_than_its_key() -> None:
    world = World()
    world.give(
        finding(0, fingerprint={"host": "a"}),
        finding(1, fingerprint={"host": "b"}),
        finding(2, fingerprint={"host": "a"}),
    )
    assert {name: world.alert(name).count for name in world.versions} == {"alert-0": 2, "alert-1": 1}
    world.restart()
    world.give(finding(3, 1, fingerprint={"host": "b"}), minute=1)
    assert world.alert("alert-1").count == 2


def test_a_resolved_alert_is_taken_back_as_well() -> None:
    world = World()
    world.give(finding(0), command(0, "resolve"))
    world.give(finding(1, 1, kind="retract", alert_id="alert-0"), minute=1)
    assert (world.alert().status, world.alert().why) == ("dismissed", "retracted")
