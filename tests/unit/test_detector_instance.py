"""Credentials of a machine used elsewhere: networks, declared ones, both at once, addresses that say nothing."""

from __future__ import annotations

from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.instance import StolenSession

MINUTE = 60_000


def run(calls: list[tuple[Any, ...]], **settings: Any) -> list[str]:
    detector, state, seen = StolenSession(settings), None, []
    for at, ip, *asn in calls:
        state, findings = detector.step(
            state, Event(at * MINUTE, "", {"source_ip": ip, **({"geo.asn": asn[0]} if asn else {})})
        )
        seen += [one.severity for one in findings]
    return seen


@pytest.mark.parametrize(
    ("calls", "severities"),
    [
        ([(0, "203.0.113.1"), (1, "203.0.113.9")], []),
        ([(0, "203.0.113.1"), (1, "198.51.100.1")], ["high"]),
        ([(0, "203.0.113.1", 1), (1, "198.51.100.1", 1)], ["medium"]),
        ([(0, "203.0.113.1", 1), (1, "198.51.100.1", 2)], ["high"]),
        ([(0, "203.0.113.1"), (1, "198.51.100.1"), (2, "203.0.113.1")], ["high", "critical"]),
        ([(0, "203.0.113.1"), (5, "198.51.100.1"), (4, "203.0.113.1")], ["high"]),  # only came late
        ([(0, "203.0.113.1"), (1, "198.51.100.1"), (2, "198.51.100.2")], ["high"]),  # moved for good
        ([(0, "203.0.113.1"), (1, "198.51.100.1"), (90, "203.0.113.1")], ["high"]),
        ([(0, "2001:db8:1::1"), (1, "2001:db8:1:ffff::9")], []),
        ([(0, "2001:db8:1::1"), (1, "2001:db8:2::1")], ["high"]),
        ([(0, "203.0.113.1"), (1, "::ffff:203.0.113.7")], []),
        ([(0, "203.0.113.1"), (1, "10.0.0.1"), (2, "172.31.0.1"), (3, "100.64.0.1"), (4, "fd00::1")], []),
        ([(0, "203.0.113.1"), (1, "AWS Internal"), (2, "ec2.amazonaws.com"), (3, None), (4, 5), (5, True)], []),
        ([(0, "203.0.113.1"), (1, "999.1.1.1"), (2, "1" * 10_000)], []),
    ],
)
def test_what_is_found(calls: list[tuple[Any, ...]], severities: list[str]) -> None:
    assert run(calls) == severities


def test_declared_networks_make_the_first_use_elsewhere_a_finding() -> None:
    home = {"networks": ["203.0.113.0/24", "2001:db8::/32"]}
    assert run([(0, "203.0.113.5"), (1, "2001:db8::1")], **home) == []
    assert run([(0, "198.51.100.1"), (1, "198.51.100.2")], **home) == ["high"]
    assert run([(0, "198.51.100.1", 64500)], asns=[64500]) == []
    assert run([(0, "198.51.100.1", "64501")], asns=[64500]) == ["high"]
    assert run([(0, "198.51.100.1")], asns=[64500]) == ["high"]


@pytest.mark.parametrize(
    "settings", [{"networks": ["home"]}, {"networks": [5]}, {"ipv4_prefix": 33}, {"ipv6_prefix": 0}]
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no network|a prefix is"):
        StolenSession(settings)


def test_the_state_is_bounded() -> None:
    detector: Any = StolenSession({})
    state: Any = None
    for n in range(500):
        state, _ = detector.step(state, Event(n, "", {"source_ip": f"198.{n % 100}.{n % 250}.1"}))
    assert len(state) == 32
