"""Who plays: scenarios of areas are played whole or not at all, and their events stand where they say."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from streams.errors import ConfigError
from streams.simulate import Simulated, generate
from streams.simulate.areas import Area
from streams.simulate.cast import ALL, cast
from streams.simulate.registry import DOMAINS
from streams.simulate.scene import Attack, Nature, Scenario

START = 1_709_164_800_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Quiet:
    """Says one thing, over and over."""

    source, share = "audit", 1000

    def background(self, rng: Random, at: int) -> dict[str, Any]:
        return {"tenant": "acme", "source": "audit", "type": "quiet", "actor": "nobody"}


def _crosses(rng: Random, who: int, begin: int, span: int) -> Attack:
    audit = {"tenant": "acme", "source": "audit", "actor": f"a-{who}"}
    trade = {"tenant": "acme", "source": "trade", "account": f"t-{who}"}
    return Attack("acme", {"actor": f"a-{who}"}, [(0, audit), (span, trade)], completes=1)


def _monday(at: int) -> bool:
    return (at // DAY + 3) % 7 == 0


AREA = Area(
    "test",
    "audit",
    (Quiet,),
    (
        Scenario("crosses", "test.crosses", 2 * HOUR, _crosses),
        Scenario("crosses-not", "test.crosses", 10 * DAY, _crosses, Nature.NEAR_MISS),
        Scenario("mondays", "test.mondays", MINUTE, _crosses, possible=_monday),
    ),
)


@pytest.fixture(autouse=True)
def area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.simulate.cast.areas", lambda: (AREA,))


def run(duration: int, **more: Any) -> list[Simulated]:
    arguments: dict[str, Any] = {"every_ms": duration, "scenarios": ALL, **more}
    return list(generate(1, START, duration, 0.01, **arguments))


def labels(traffic: list[Simulated]) -> dict[str, Any]:
    return {s.label.scenario: s.label for s in traffic if s.label}


def test_without_being_asked_for_areas_stay_away() -> None:
    assert {part.scenario.name for part in cast().parts} == {
        scenario.name for domain in DOMAINS.values() for scenario in domain().scenarios
    }
    assert not [s for s in run(DAY, scenarios="showcase") if s.event["type"] == "quiet"]


def test_backgrounds_of_areas_come_beside_those_of_the_domains() -> None:
    types = {s.event["type"] for s in run(DAY, areas=True) if not s.label}
    assert "quiet" in types
    assert len(types) > 1


@pytest.mark.parametrize(
    ("duration", "played"),
    [(HOUR, set()), (DAY, {"crosses"}), (12 * DAY, {"crosses", "crosses-not", "mondays"})],
)
def test_a_scenario_takes_its_own_time_or_is_left_out(duration: int, played: set[str]) -> None:
    traffic = run(duration, scenarios=["test.crosses", "test.mondays"])
    assert labels(traffic).keys() == played
    for label in labels(traffic).values():
        at = {s.event["event_id"]: s.event["event_time"] for s in traffic}
        assert label.completed_at == at[label.completes]
        if label.scenario == "crosses":
            assert label.completed_at - label.first_event_time == 2 * HOUR - 1


def test_what_is_possible_on_mondays_waits_for_one() -> None:
    label = labels(run(12 * DAY, scenarios=["mondays"]))["mondays"]
    assert _monday(label.first_event_time)


def test_nothing_is_played_in_the_margin() -> None:
    traffic = run(DAY, scenarios=["crosses"], margin_ms=20 * HOUR)
    assert all(s.event["event_time"] < START + 4 * HOUR for s in traffic if s.label)
    assert max(s.event["event_time"] for s in traffic) > START + 20 * HOUR
    with pytest.raises(ConfigError, match="margin"):
        run(DAY, margin_ms=DAY)


def test_an_event_stands_in_the_log_of_the_source_it_names() -> None:
    traffic = [s for s in run(DAY, scenarios=["crosses"]) if s.label]
    assert [s.source for s in traffic] == ["audit", "trade"]
    assert [json.loads(s.key)[1] for s in traffic] == [traffic[0].event["actor"], traffic[1].event["account"]]
    assert {s.label.source for s in traffic if s.label} == {"audit"}


def test_actors_of_two_attacks_are_far_enough_apart_to_bring_others_along() -> None:
    traffic = run(12 * DAY, every_ms=DAY, scenarios=["crosses", "mondays"])
    actors = sorted(int(s.event["actor"][2:]) for s in traffic if s.label and s.source == "audit")
    assert len(actors) > 10
    assert min(b - a for a, b in pairwise(actors)) >= 31


@pytest.mark.parametrize("names", [["crosses-not"], ["test.crosses"], ["crosses", "cpu-overload"]])
def test_scenarios_are_chosen_by_their_name_or_their_rule(names: list[str]) -> None:
    chosen = {part.scenario.name for part in cast(None, names).parts}
    assert chosen == {"crosses", "crosses-not"} if names == ["test.crosses"] else chosen == set(names)


@pytest.mark.parametrize(("name", "hint"), [("crosse", "crosses"), ("zzz", "all, showcase")])
def test_a_name_that_nobody_has_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        cast(None, [name])
    assert hint in refused.value.hint


class Thin(Quiet):
    least_rate = 1.0


def test_few_people_over_months_come_in_hours_of_their_own_and_what_would_be_too_thin_stays_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.simulate.cast.areas", lambda: (AREA._replace(backgrounds=(Thin,)),))
    assert "quiet" in {s.event.get("type") for s in run(DAY, areas=True)}
    traffic = list(generate(1, START, 60 * DAY, 0.01, ["audit"], every_ms=60 * DAY, areas=True, population=50))
    actors = [s.event["actor"] for s in traffic if s.label is None]
    assert "nobody" not in actors
    assert len(set(actors)) == 50
    one = max(set(actors), key=actors.count)
    hours = {s.event["event_time"] // HOUR % 24 for s in traffic if s.label is None and s.event["actor"] == one}
    assert len(hours) <= 12
