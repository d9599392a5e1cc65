"""Presets: what stands under a policy, and that the user's word is the last."""

from __future__ import annotations

from typing import Any

import pytest

from streams.alerts.policy import parse_policy
from streams.errors import ConfigError
from streams.model import Severity
from streams.route.presets import NAMES, with_preset

MINUTE = 60_000


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_a_policy_by_itself(name: str) -> None:
    policy = parse_policy({"preset": name})
    assert policy.route is not None
    told = {receiver for node in policy.route.nodes() for receiver in node.receivers}
    told |= {one for ladder in policy.escalations.values() for level in ladder.levels for one in level.receivers}
    assert told | {one.fallback for one in policy.receivers if one.fallback} == set(policy.by_name)


def test_what_fills_a_control_record_says_all_of_it_and_no_preset() -> None:
    whole = with_preset({"preset": "trading", "retain": "3d"})
    assert "preset" not in whole
    assert parse_policy(whole) == parse_policy({"preset": "trading", "retain": "3d"})
    assert with_preset(whole) is whole


def test_a_receiver_is_changed_field_by_field_and_added_by_name() -> None:
    said = [{"name": "email", "min_severity": "critical"}, {"name": "slack", "tags": ["desk"]}, {"name": "telegram"}]
    policy = parse_policy({"preset": "trading", "receivers": said})
    assert list(policy.by_name) == ["slack", "pagerduty", "email", "telegram"]
    assert policy.by_name["email"].min_severity is Severity.CRITICAL
    assert policy.by_name["slack"].tags == ("desk",)


def test_an_escalation_of_the_users_replaces_the_one_of_its_name_alone() -> None:
    ours = {"high": {"levels": [{"after": "1m", "notify": ["phone"]}]}}
    policy = parse_policy({"preset": "operations", "escalations": ours, "escalate": {"low": "high"}})
    assert [level.after for level in policy.escalations["high"].levels] == [MINUTE]
    assert len(policy.escalations["critical"].levels) == 5
    assert policy.escalate == {
        "emergency": "emergency", "critical": "critical", "high": "high", "medium": "medium", "low": "high",
    }  # fmt: skip


def test_a_route_of_the_users_replaces_the_whole_tree() -> None:
    policy = parse_policy({"preset": "operations", "route": {"receivers": ["alerts"]}})
    assert policy.route is not None
    assert [node.receivers for node in policy.route.nodes()] == [("alerts",)]


def test_nothing_that_is_said_once_stays_in_the_preset() -> None:
    parse_policy({"preset": "audit", "receivers": [{"name": "email", "min_severity": "high"}]})
    assert parse_policy({"preset": "audit"}).by_name["email"].min_severity is Severity.INFO


#: (document, what the report must contain)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"preset": "opperations"}, "preset: there is no preset 'opperations' (did you mean 'operations'?)"),
    ({"preset": ["audit"]}, "preset: there is no preset ['audit']"),
    ({"presett": "audit"}, "did you mean preset?"),
    ({"preset": "audit", "receivers": "email"}, "receivers: 'email' is not a list of receivers"),
    ({"preset": "audit", "receivers": [{"name": "a"}, {"name": "a"}]}, "the name 'a' is given twice"),
    ({"preset": "audit", "receivers": [{"name": "email"}, {"name": "email"}]}, "the name 'email' is given twice"),
    ({"preset": "audit", "route": {"receivers": ["chat"]}}, "no receiver is called 'chat'"),
]


@pytest.mark.parametrize(("document", "said"), WRONG)
def test_what_is_wrong_is_said(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_policy(document)
    assert said in caught.value.message


def test_the_standard_delay_is_longer_the_less_bad_it_is() -> None:
    route = parse_policy({"receivers": [{"name": "a"}], "route": {"receivers": ["a"], "delay": "standard"}}).route
    assert route is not None
    assert route.delay is not None
    assert [route.delay[severity] // MINUTE for severity in Severity] == [0, 5, 15, 60, 1440]
