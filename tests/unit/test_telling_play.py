"""A past night played again: today's policy tells what it told, id by id; another one on the same clock."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from streams.model import Command, Control, Finding, Record
from streams.replay.telling.difference import AT_ONCE, difference, hearings, waits
from streams.replay.telling.given import Given, Lane
from streams.replay.telling.heard import Heard
from streams.replay.telling.play import Controls, play
from streams.simulate.night.play import default_policy
from streams.simulate.night.script import HOUR
from tests.unit.nights_past import EVENING, LENGTH, Past

MINUTE = 60_000


@pytest.fixture(scope="module")
def past() -> Past:
    return Past(default_policy())


def under(past: Past, document: dict[str, Any]) -> Controls:
    """The policy of ``document`` in the place of the one there was; silences and windows as they came."""
    made = {n: Control(n, None, {**one.records, "policy/default": document}) for n, one in past.history.items()}
    return made.__getitem__


def changed(**sections: Any) -> dict[str, Any]:
    return {**default_policy(), **sections}


def ids(heard: Heard) -> list[str]:
    return [one.id for one in heard.told]


@pytest.mark.parametrize(("seed", "down"), [(1, False), (2, False), (3, False), (4, True), (5, True)])
def test_todays_policy_tells_what_was_told_id_by_id(seed: int, down: bool) -> None:
    past = Past(default_policy(), seed, down=down)
    today, candidate = play(past.given, [past.control, under(past, default_policy())])
    assert ids(today) == ids(candidate) == list(past.sent)
    assert {one.at for one in today.told} == {one.at for one in past.sent.values()}
    assert {one.rule for one in past.alerts.values()} >= {"tocsin.storm", "tocsin.incident", "ops.ledger-stopped"}


def test_a_level_that_comes_sooner_has_ticks_of_its_own_and_the_rest_stays(past: Past) -> None:
    document = deepcopy(default_policy())
    document["escalations"]["urgent"]["levels"][0]["after"] = "90s"
    today, candidate = play(past.given, [past.control, under(past, document)])
    apart = difference(today.told, candidate.told)
    sooner = [(before.receiver, before.reason) for before, _ in apart.earlier]
    assert set(sooner) == {("phone", "escalated")}
    assert all(before.at - after.at in range(3 * MINUTE, 4 * MINUTE) for before, after in apart.earlier)
    assert {one.receiver for one in apart.new} <= {"phone"}, "some are in hand before five minutes, not before 90 s"
    assert (apart.gone, apart.later) == ([], [])


def test_a_policy_on_the_live_clock_says_what_it_says_on_a_free_one() -> None:
    """Where the worker was never busy, its clock takes nothing away."""
    past = Past(default_policy(), 7, prompt=True)
    route = {"receivers": ["chat"], "group_by": ["rule"], "group_wait": "45s", "repeat_interval": "2h"}
    document = changed(route=route, escalate={"critical": "slow"})
    _, bound = play(past.given, [past.control, under(past, document)])
    moments = [moment for lane in past.given.lanes for moment in lane.moments if moment.records]
    _, free = play(Given([Lane(moments)], EVENING + LENGTH), [past.control, under(past, document)])
    apart = difference(free.told, bound.told)
    assert len(bound.told) > 50
    assert [*apart.new, *apart.gone, *apart.later, *apart.earlier] == []


def test_only_the_range_is_heard_but_what_came_before_counts(past: Past) -> None:
    begin, end = EVENING + 3 * HOUR, EVENING + 5 * HOUR
    (part,) = play(replace(past.given, end=end), [past.control], begin)
    assert ids(part) == [name for name, one in past.sent.items() if begin <= one.at < end]
    assert all(one.created_at >= begin for one in part.opened())
    assert part.alerts.keys() > {one.id for one in part.opened()}
    given = [msgspec.json.decode(value or b"", type=Finding | Command)
             for moment in past.moments if begin <= moment.now < end for _, value, _ in moment.records]  # fmt: skip
    assert part.findings == sum(isinstance(one, Finding) for one in given)
    assert part.commands == len(given) - part.findings > 0


def test_no_failure_comes_of_a_message_that_was_not_sent(past: Past) -> None:
    assert any(one.reason == "fallback" for one in past.sent.values())
    silent = {"receivers": [{"name": "chat"}, {"name": "spare"}, {"name": "pager", "fallback": "spare"}],
              "route": {"receivers": ["chat"]}, "remind_severities": []}  # fmt: skip
    _, candidate = play(past.given, [past.control, under(past, silent)])
    assert {one.receiver for one in candidate.told} == {"chat"}, "the pager was told of nothing, so it failed nowhere"


def test_what_somebody_did_stands_though_versions_are_others(past: Past) -> None:
    """An acknowledgement that names the version it was made for is applied where it was applied then."""
    moments, commands = [], []
    for moment in past.moments:
        records: list[Record] = []
        for offset, value, stamp in moment.records:
            record = msgspec.json.decode(value or b"", type=Finding | Command)
            commands += [record] if isinstance(record, Command) else []
            if isinstance(record, Command) and record.action == "acknowledge":
                known = [one for one in past.sent.values() if one.alert_id == record.alert_id and one.at <= moment.now]
                record = msgspec.structs.replace(record, expected_version=max(one.alert.version for one in known))
            records.append((offset, msgspec.json.encode(record), stamp))
        moments.append(replace(moment, records=records))
    document = changed(route={"receivers": ["chat"]}, escalate={})
    given = replace(past.given, lanes=[Lane(moments)])
    today, candidate = play(given, [past.control, under(past, document)])
    assert today.applied - candidate.applied == {one.id for one in commands if one.action == "delivery_failed"}, (
        "whatever was done is done"
    )


def test_how_long_it_takes_until_somebody_hears(past: Past) -> None:
    document = changed(route={"receivers": ["chat"], "delay": {"critical": "2m"}}, storm={"alerts": 1000, "within": "1m"},
                       escalate={})  # fmt: skip
    _, candidate = play(past.given, [past.control, under(past, document)])
    by_severity = {one.severity: one for one in waits(candidate)}
    assert by_severity["critical"].p50 in range(2 * MINUTE, 2 * MINUTE + AT_ONCE)
    assert by_severity["medium"].longest == 0
    assert by_severity["critical"].told <= by_severity["critical"].alerts


def test_a_message_about_many_is_heard_of_each(past: Past) -> None:
    (today,) = play(past.given, [past.control])
    groups = [one for one in today.told if len(one.about) > 1]
    assert groups
    assert len(hearings(today.told)) == sum(len(one.about) for one in today.told) > len(today.told)
