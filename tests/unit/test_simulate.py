"""Simulated traffic: deterministic, in order, harmless in the background, and honest about its attacks."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from streams.config import load_config
from streams.errors import ConfigError
from streams.simulate import Simulated, generate
from streams.simulate.people import POPULATION, Pace, address, foreign_address, name
from streams.simulate.registry import DOMAINS
from streams.simulate.traffic import record_key
from streams.simulate.write import paced, to_files, truth

DAY = 86_400_000
NOON = 1_704_110_400_000  # 2024-01-01T12:00:00Z, a Monday
NIGHT = NOON + 8 * 3_600_000
MINUTE = 60_000


def run(**more: object) -> list[Simulated]:
    arguments: dict[str, object] = {"seed": 1, "start_ms": NOON, "duration_ms": MINUTE, "rate": 50, **more}
    return list(generate(**arguments))  # type: ignore[arg-type]


def test_the_same_arguments_give_the_same_bytes() -> None:
    one, two = (msgspec.json.encode([(s.key.decode(), s.event, s.label) for s in run()]) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("change", [{"seed": 2}, {"start_ms": NOON + 1}])
def test_another_seed_or_start_shares_no_event_id_and_no_attacker(change: dict[str, int]) -> None:
    one, two = run(), run(**change)
    assert not {s.event["event_id"] for s in one} & {s.event["event_id"] for s in two}
    assert not {str(s.label.key) for s in one if s.label and "pool" not in s.label.key} & {
        str(s.label.key) for s in two if s.label and "pool" not in s.label.key
    }


def test_events_come_in_event_time_order_inside_the_duration() -> None:
    times = [s.event["event_time"] for s in run()]
    assert times == sorted(times)
    assert times[0] >= NOON
    assert times[-1] < NOON + MINUTE


@pytest.mark.parametrize(("rate", "expected"), [(50, 3000), (0.5, 30), (333.3, 19998)])
def test_rate_counts_the_background_of_all_domains_together(rate: float, expected: int) -> None:
    assert sum(s.label is None for s in run(rate=rate)) == expected


def test_ids_are_unique() -> None:
    assert max(Counter(s.event["event_id"] for s in run()).values()) == 1


@pytest.mark.parametrize("domains", [["audit"], ["trade", "metric"], ["chain"]])
def test_only_the_chosen_domains_send(domains: list[str]) -> None:
    assert {s.source for s in run(domains=domains)} == set(domains)


def test_domains_have_the_configured_keys() -> None:
    sources = load_config(None, {}).sources
    assert {source: domain().partition_by for source, domain in DOMAINS.items()} == {
        source: sources[source].partition_by for source in DOMAINS
    }


def test_the_record_key_is_a_function_of_the_partition_fields_alone() -> None:
    keys: dict[tuple[str, object, object], bytes] = {}
    for s in run(duration_ms=5 * MINUTE):
        fields = DOMAINS[s.source]().partition_by
        values = (s.source, *(s.event[field] for field in fields))
        assert keys.setdefault(values, s.key) == s.key  # type: ignore[arg-type]
        assert s.key == record_key(s.event, fields)
        assert json.loads(s.key) == list(values[1:])


def test_labels_name_every_event_of_the_attack_in_order() -> None:
    traffic = run(start_ms=NIGHT, duration_ms=10 * MINUTE)
    by_id = {s.event["event_id"]: s for s in traffic}
    labels = {s.label.attack: s.label for s in traffic if s.label}
    for label in labels.values():
        events = [by_id[event_id] for event_id in label.event_ids]
        assert all(s.label == label for s in events)
        assert events[0].event["event_time"] == label.first_event_time
        assert label.completes in label.event_ids
        assert {s.event["tenant"] for s in events} == {label.tenant}
        for field, value in label.key.items():
            assert {s.event[field] for s in events if field in s.event} <= {value}
    assert sum(len(label.event_ids) for label in labels.values()) == sum(s.label is not None for s in traffic)


def test_every_scenario_is_played_once_an_interval() -> None:
    played = Counter(s.label.scenario for s in {s.label.attack: s for s in run(
        start_ms=NIGHT, duration_ms=10 * MINUTE, rate=1, every_ms=2 * MINUTE) if s.label}.values() if s.label)  # fmt: skip
    scenarios = {scenario.name for domain in DOMAINS.values() for scenario in domain().scenarios}
    assert played.keys() == scenarios
    assert all(2 <= n <= 5 for n in played.values()), played


def test_in_a_few_seconds_every_scenario_is_still_played_whole() -> None:
    scenarios = {scenario.name for domain in DOMAINS.values() for scenario in domain().scenarios}
    assert {s.label.scenario for s in run(start_ms=NIGHT, duration_ms=5_000) if s.label} == scenarios


def test_at_noon_nobody_works_at_night() -> None:
    assert "off-hours" not in {s.label.scenario for s in run(duration_ms=DAY // 8, rate=0.1) if s.label}


def test_attackers_are_nobody_of_the_population() -> None:
    members = {name(who) for who in range(POPULATION)}
    assert len(members) == POPULATION
    assert not {s.label.key["actor"] for s in run() if s.label and "actor" in s.label.key} & members


def test_addresses_do_not_collide() -> None:
    assert len({address(who) for who in range(0, 1 << 24, 97)}) == len(range(0, 1 << 24, 97))
    assert len({foreign_address(who) for who in range(1 << 17)}) == 1 << 17


def test_a_few_are_much_busier_than_most() -> None:
    actors = Counter(s.event["actor"] for s in run(domains=["audit"], rate=1000) if not s.label)
    assert len(actors) > 5_000
    assert actors.most_common(1)[0][1] > 100 * sorted(actors.values())[len(actors) // 2]


def test_events_are_as_large_as_real_ones() -> None:
    sizes: dict[str, list[int]] = {}
    for s in run():
        sizes.setdefault(s.source, []).append(len(msgspec.json.encode(s.event)))
    for source, measured in sizes.items():
        assert 300 <= sum(measured) / len(measured) <= 480, source  # hashes make chain events longer


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": 1e12}, "rate"),
        ({"duration_ms": -1}, "duration"),
        ({"start_ms": -1}, "1970"),
        ({"every_ms": 0}, "interval"),
        ({"domains": ["audits"]}, "audits"),
    ],
)
def test_impossible_arguments_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        run(**change)


def test_pace_lets_everybody_do_it_once_a_gap() -> None:
    pace = Pace(10)
    assert [pace.allows(1, at) for at in (0, 9, 10, 19, 20)] == [True, False, True, False, True]
    assert pace.allows(2, 9)


def test_files_hold_what_was_sent_one_a_source(tmp_path: Path) -> None:
    traffic = run(duration_ms=5_000)
    assert list(to_files(iter(traffic), tmp_path / "new" / "folder")) == traffic
    for source in DOMAINS:
        lines = (tmp_path / "new" / "folder" / f"{source}.jsonl").read_bytes().splitlines()
        assert [json.loads(line) for line in lines] == [s.event for s in traffic if s.source == source]


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("x")
    with pytest.raises(ConfigError, match="here"):
        list(to_files(iter(run(duration_ms=1000)), tmp_path / "here"))


def test_the_truth_is_a_line_a_label() -> None:
    labels = {s.label.attack: s.label for s in run() if s.label}
    assert [json.loads(line)["attack"] for line in truth(labels.values())] == list(labels)


def test_paced_traffic_waits_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("streams.simulate.write.time.sleep", slept.append)
    traffic = list(islice(generate(1, NOON, 10_000, 10), 20))
    assert list(paced(iter(traffic), NOON, clock=lambda: 0.0)) == traffic
    assert slept == pytest.approx(
        [(s.event["event_time"] - NOON) / 1000 for s in traffic if s.event["event_time"] - NOON > 2]
    )
