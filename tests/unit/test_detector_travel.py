"""Impossible travel: distances that are known, edges of both limits, any order, positions that are none."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.travel import ImpossibleTravel, kilometres

BERLIN, NEW_YORK, TOKYO = (52.52, 13.405), (40.713, -74.006), (35.68, 139.69)
HOUR = 3_600_000


def login(at: int, place: tuple[Any, Any], ip: Any = "", **fields: Any) -> Event:
    return Event(at, "", {"geo.lat": place[0], "geo.lon": place[1], "source_ip": ip or f"ip-{place}", **fields})


def run(events: list[Event], **settings: Any) -> list[Any]:
    detector, state, seen = ImpossibleTravel(settings), None, list[Any]()
    for event in events:
        state, findings = detector.step(state, event)
        seen += findings
    return seen


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (BERLIN, NEW_YORK, 6385),
        (BERLIN, TOKYO, 8917),
        ((0.0, 179.9), (0.0, -179.9), 22),  # across the date line
        ((90.0, 0.0), (-90.0, 123.0), 20015),
        ((10.0, 10.0), (10.0, 10.0), 0),
        ((0.0, 0.5), (0.0, -179.5), 20015),  # opposite ends of the earth
    ],
)
def test_great_circles(one: tuple[float, float], other: tuple[float, float], km: int) -> None:
    assert round(kilometres(one, other)) == km
    assert round(kilometres(other, one)) == km


@pytest.mark.parametrize(
    ("hours", "fires"), [(0, True), (1, True), (7.0, True), (7.09, True), (7.1, False), (20, False)]
)
def test_berlin_to_new_york(hours: float, fires: bool) -> None:  # a case's expectation
    assert bool(run([login(0, BERLIN), login(int(hours * HOUR), NEW_YORK)])) is fires


def test_the_distance_counts_from_500_km_on() -> None:
    half = 500 / 111.19508372419141  # degrees of latitude
    assert run([login(0, (0.5, 0)), login(0, (0.5 + half + 1e-6, 0))])
    assert not run([login(0, (0.5, 0)), login(0, (0.5 + half - 1e-4, 0))])


def test_one_address_does_not_travel() -> None:
    assert not run([login(0, BERLIN, "192.0.2.1"), login(1, NEW_YORK, "192.0.2.1")])


@pytest.mark.parametrize("flag", ["vpn", "proxy", "relay", "datacenter", "geo.is_hosting"])
def test_who_comes_by_a_relay_is_told_low(flag: str) -> None:
    (masked,) = run([login(0, BERLIN), login(HOUR, NEW_YORK, "b", **{flag: True})])
    (plain,) = run([login(0, BERLIN), login(HOUR, NEW_YORK, "b", **{flag: "no"})])
    assert (masked.severity, plain.severity) == ("low", "")
    assert masked.detail["masked"] is True


def test_the_same_pairs_are_found_in_any_order_of_arrival() -> None:
    events = [login(0, BERLIN), login(HOUR, NEW_YORK), login(30 * HOUR, TOKYO)]
    for order in permutations(events):
        assert any(one.detail["km"] == 6385 for one in run(list(order))) or order[1].time == 30 * HOUR
    assert len(run(events)) == 1  # a day later Tokyo is within reach


def test_a_late_login_is_judged_against_both_neighbours() -> None:
    (found,) = run([login(0, BERLIN, "a"), login(20 * HOUR, BERLIN, "a"), login(10 * HOUR, TOKYO)], max_kmh=890)
    assert found.detail["km"] == 8917


@pytest.mark.parametrize(
    "place",
    [
        (None, None),
        ("x", 1),
        (91, 0),
        (0, 181),
        (True, True),
        (0, 0),
        ("NaN", "1"),
        (1e400, 1),
        ([], {}),
        ("1" * 500, 1),
    ],
)
def test_what_is_no_position_is_not_looked_at(place: tuple[Any, Any]) -> None:
    assert not run([login(0, BERLIN), login(1, place), login(2, BERLIN)])
    assert ImpossibleTravel({}).step(None, login(1, place)) == (None, ())


def test_decimal_text_is_a_position_and_the_state_is_bounded() -> None:
    assert run([login(0, ("52.52", "13.405")), login(1, ("40.713", "-74.006"))])
    detector: Any = ImpossibleTravel({})
    state: Any = None
    for at in range(500):
        state, _ = detector.step(state, login(at, (at % 90, at % 180)))
    assert len(state) == 16
