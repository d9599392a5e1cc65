"""Domains of risk: which alert is of which, and when two of them make an emergency."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.boxed import MAX_INNER
from streams.detect.detectors import Event
from streams.detect.detectors.compound import MAX_ALERTS, MAX_ALL, RiskDomains

MINUTE = 60_000


def told(alerts: list[tuple[float, dict[str, Any]]]) -> list[tuple[float, str]]:
    """(minute, domains) of each finding over alerts in order of arrival."""
    detector, state, found = RiskDomains({}), None, []
    for n, (minute, fields) in enumerate(alerts):
        state, findings = detector.step(state, Event(int(minute * MINUTE), f"e{n}", fields))
        state = msgspec.json.decode(msgspec.json.encode(state))
        found += [(minute, one.detail["domains"]) for one in findings]
    return found


def of(*tags: Any, type: str = "system", rule: Any = "a.rule") -> dict[str, Any]:
    return {"tags": list(tags), "type": type, "rule": rule}


@pytest.mark.parametrize(
    ("fields", "domain"),
    [
        (of("risk.storage", type="security"), "storage"),  # the tag that says so comes first
        (of("authentication", "risk.consensus"), "consensus"),
        (of("consensus", type="performance"), "consensus"),
        (of("attack.t1110", type="security"), "security"),
        (of(type="metrics"), "performance"),
        (of(type="system"), "performance"),
        (of(type="compliance"), ""),
        ({"type": "security"}, "security"),
        ({"tags": "risk.storage", "type": None}, ""),
        ({"tags": [7, None, ["risk.storage"]], "type": 7}, ""),
        ({}, ""),
    ],
)
def test_an_alert_is_of_the_domain_that_its_tags_or_its_type_say(fields: dict[str, Any], domain: str) -> None:
    other = of("risk.other")
    assert told([(0, other), (1, fields)]) == ([(1, ", ".join(sorted((domain, "other"))))] if domain else [])


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        ([(0, "performance"), (9.99, "security")], [(9.99, "performance, security")]),
        ([(0, "performance"), (10, "security")], []),  # on the window's edge
        ([(0, "performance"), (1, "performance"), (2, "performance")], []),
        ([(5, "performance"), (0, "security")], [(0, "performance, security")]),  # told late
        ([(0, "a"), (4, "b"), (8, "c")], [(4, "a, b"), (8, "a, b, c")]),
        ([(0, "a"), (12, "b"), (6, "c")], [(6, "a, c")]),  # of two windows with two domains the earlier
        ([(0, "a"), (0, "b")], [(0, "a, b")]),
    ],
)
def test_two_domains_inside_one_window_are_told(alerts: list[tuple[float, str]], expected: list[Any]) -> None:
    assert told([(at, of(f"risk.{domain}")) for at, domain in alerts]) == expected


def test_the_rules_that_spoke_are_named() -> None:
    detector = RiskDomains({})
    state, _ = detector.step(None, Event(0, "a", of("risk.storage", rule="ops.disk")))
    _, (found,) = detector.step(state, Event(1, "b", of("risk.security", rule="audit.root")))
    assert (found.value, found.threshold) == (2, 2)
    assert found.detail == {"domains": "security, storage", "rules": "audit.root, ops.disk"}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), max_size=10), st.randoms(use_true_random=False))
def test_whether_there_is_an_emergency_does_not_depend_on_the_order_of_arrival(alerts: Any, rng: Random) -> None:
    mixed = list(alerts)
    rng.shuffle(mixed)
    given_order, other = (told([(at, of(f"risk.{domain}")) for at, domain in order]) for order in (alerts, mixed))
    assert bool(given_order) == bool(other) == (len({domain for _, domain in alerts}) >= 2)


@pytest.mark.parametrize(("domains", "most"), [(3, 3 * MAX_ALERTS), (1_000, MAX_ALL)])
def test_a_storm_of_alerts_stays_within_its_room(domains: int, most: int) -> None:
    detector = RiskDomains({})
    state: Any = None
    for n in range(1_000):
        fields = of(f"risk.{n % domains}{'x' * 500}", rule="r" * 5_000)
        state, _ = detector.step(state, Event(n, f"e{n}", fields))
    assert len(state) == most
    assert len(msgspec.json.encode(state)) < MAX_INNER


@pytest.mark.parametrize("wrong", [{"at_least": 1}, {"within_minutes": 0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at_least must be 2"):
        RiskDomains(wrong)
