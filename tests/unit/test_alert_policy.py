"""Policies and receivers: what a document may say, and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from streams.alerts.policy import DEFAULT, Policy, parse_policy
from streams.errors import ConfigError
from streams.model import Severity
from streams.route import Receiver
from tests.unit.alert_steps import World, finding


def test_a_whole_policy() -> None:
    document = {
        "receivers": [
            {"name": "console"},
            {"name": "pager", "min_severity": "P1", "types": ["security"], "rules": ["audit.*"], "tags": ["pci"]},
        ],
        "remind_after": "90s",
        "remind_severities": ["critical", "WARNING"],
        "max_reminders": 0,
        "retain": 3_600_000,
        "retain_open": "30d",
    }
    assert parse_policy(document) == Policy(
        receivers=(
            Receiver(name="console"),
            Receiver(name="pager", min_severity=Severity.HIGH, types=("security",), rules=("audit.*",), tags=("pci",)),
        ),
        remind_after=90_000,
        remind_severities=(Severity.CRITICAL, Severity.MEDIUM),
        max_reminders=0,
        retain=3_600_000,
        retain_open=30 * 86_400_000,
    )


def test_nothing_said_is_the_default() -> None:
    assert parse_policy({}) == DEFAULT


#: (document, what the report must contain)
WRONG: list[tuple[Any, list[str]]] = [
    ([], ["a mapping is expected"]),
    (None, ["a mapping is expected"]),
    ({"remind_afer": "5m"}, ["unknown key 'remind_afer'", "did you mean remind_after?"]),
    ({"remind_after": True}, ["remind_after: True is not a duration"]),
    ({"remind_after": 0}, ["remind_after: 0"]),
    ({"remind_after": -5}, ["remind_after: -5"]),
    ({"remind_after": 1.5}, ["remind_after: 1.5"]),
    ({"remind_after": "5 minutes"}, ["remind_after: '5 minutes'"]),
    ({"remind_after": "٥m"}, ["remind_after"]),
    ({"remind_after": "999999999999d"}, ["remind_after"]),
    ({"remind_after": float("nan")}, ["remind_after: nan"]),
    ({"retain": None}, ["retain: None"]),
    ({"max_reminders": True}, ["max_reminders: True"]),
    ({"max_reminders": 10**5000}, ["max_reminders: this int"]),
    ({"remind_severities": "critical"}, ["remind_severities: 'critical' is not a list"]),
    ({"remind_severities": ["bad", 1, None]}, ["remind_severities[0]", "[1]: 1", "[2]: None"]),
    ({"receivers": {"name": "x"}}, ["receivers: this dict is not a list"]),
    ({"receivers": ["console", {}]}, ["receivers[0]: 'console' is not a receiver", "receivers[1]: it has no name"]),
    ({"receivers": [{"name": ""}, {"name": 5}, {"name": "x" * 101}]}, ["[0].name", "[1].name: 5", "[2].name"]),
    ({"receivers": [{"name": "a", "types": "security"}]}, ["receivers[0].types: 'security' is not a list"]),
    ({"receivers": [{"name": "a", "tags": [[]]}]}, ["receivers[0].tags[0]: this list"]),
    ({"receivers": [{"name": "a", "min_severty": "high"}]}, ["unknown key 'min_severty' (did you mean min_severity?)"]),
    ({"receivers": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, ["the name 'a' is given twice"]),
    ({1: 2, None: 3}, ["unknown key 1", "unknown key None"]),
    ({"a": 1, "retain": "x", "max_reminders": -1}, ["unknown key 'a'", "retain: 'x'", "max_reminders: -1"]),
]


@pytest.mark.parametrize(("document", "expected"), WRONG)
def test_everything_wrong_is_said_at_once(document: Any, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_policy(document)
    for text in expected:
        assert text in caught.value.message
    assert caught.value.status == 2


#: (what the receiver wants, whether it takes a high security alert of rule audit.burst, source audit, tags pci, x)
WANTS = [
    ({}, True),
    ({"min_severity": "high"}, True),
    ({"min_severity": "critical"}, False),
    ({"types": ["security", "system"]}, True),
    ({"types": ["system"]}, False),
    ({"rules": ["audit.burst"]}, True),
    ({"rules": ["audit.bur"]}, False),
    ({"rules": ["audit.bur*"]}, True),
    ({"rules": ["*"]}, True),
    ({"rules": ["trade.*"]}, False),
    ({"sources": ["audit"]}, True),
    ({"sources": ["trade"]}, False),
    ({"tags": ["pci", "other"]}, True),
    ({"tags": ["other"]}, False),
    ({"types": ["security"], "sources": ["trade"]}, False),
]


@pytest.mark.parametrize(("wants", "taken"), WANTS)
def test_a_receiver_takes_what_all_its_matchers_allow(wants: dict[str, Any], taken: bool) -> None:
    world = World({"receivers": [{"name": "it", **wants}]})
    world.give(finding(0, severity="high", tags=["pci", "x"]))
    assert world.told() == ([("it", "new")] if taken else [])


def test_a_policy_that_slipped_through_tells_nobody_and_stops_nothing() -> None:
    world = World({"receivers": 5})
    world.give(finding(0))
    assert world.alert().version == 1
    assert world.state.counts["policy", "refused"] == 1
