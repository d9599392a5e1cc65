"""Producers whose keys are not what ``partition_by`` says are seen by where equal values stand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams import telemetry
from streams.detect.placement import EVERY, Placement
from streams.model import Batch, Control, Original, Source
from streams.rules.rule import RuleSet
from streams.runtime.stages import looking_where_keys_stand, program
from streams.state.detect.detecting import DetectState
from tests.detecting import AUDIT

DEEP = Source("audit", "audit.events", ("tenant", "user.id"))


def batch(*events: Any, first: int = 0) -> Batch:
    payloads = [event if isinstance(event, bytes | None) else msgspec.json.encode(event) for event in events]
    return Batch([(first + place, payload, 0) for place, payload in enumerate(payloads)])


def look(placement: Placement, *parts: Batch) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    found = [misplaced for number, part in enumerate(parts) for misplaced in placement.sample(number, part, every=1)]
    return [(misplaced.first, misplaced.then) for misplaced in found]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"actor": "ada"}, {"actor": "ada"}, True),
        ({"actor": "ada"}, {"actor": "bea"}, False),
        ({"actor": "ada", "tenant": "a"}, {"actor": "ada", "tenant": "b"}, False),
        ({"actor": "ada"}, {"actor": "ada", "tenant": "default"}, True),  # the source's default tenant
        ({"actor": "ada", "tenant": None}, {"actor": "ada", "tenant": ""}, True),
        ({"actor": 1}, {"actor": 1.0}, True),
        ({"actor": 1}, {"actor": "1"}, False),
        ({"actor": 1}, {"actor": True}, False),
        ({"actor": 2**200}, {"actor": str(2**200)}, True),  # decimal text, as rules see it
        ({"actor": "é😀"}, {"actor": "é😀"}, True),
        ({}, {}, False),  # no key: no promise
        ({"actor": None}, {"actor": None}, False),
        ({"actor": ["ada"]}, {"actor": ["ada"]}, False),
        ({"actor": {"a": 1}}, {"actor": {"a": 1}}, False),
        (b"{", b"{", False),
        (b"\xff", b"\xff", False),
        (None, None, False),
        (b"[" * 10_000, b"[" * 10_000, False),
        ({"actor": "ada", "tenant": 5}, {"actor": "ada", "tenant": 5}, False),
    ],
)
def test_equal_values_in_two_partitions_are_found(one: Any, other: Any, found: bool) -> None:
    assert look(Placement(AUDIT), batch(one, first=7), batch(other, first=9)) == ([((0, 7), (1, 9))] if found else [])


def test_paths_mappings_and_joined_payloads_are_read_as_rules_read_them() -> None:
    event = {"user": {"id": "u1"}}
    assert look(Placement(DEEP), batch(event), batch(event))
    mapped = Source("audit", "t", ("tenant", "actor"), mapping=lambda raw: {"actor": msgspec.json.decode(raw)["who"]})
    assert look(Placement(mapped), batch({"who": "ada"}), batch({"who": "ada"}))

    def join(raw: bytes, original: Original) -> bytes:
        return original.key or b""

    joined = Source("audit", "t", ("actor",), join=join)
    records = batch(b"1", b"2")
    with_keys = Batch(records.records, lambda _: Original(b'{"actor":"ada"}', ()))
    assert look(Placement(joined), with_keys, with_keys) == [((0, 0), (1, 0))]


def test_values_are_told_once_and_never_shown() -> None:
    placement = Placement(AUDIT)
    (misplaced,) = [
        one for number in (0, 1, 2, 1, 0) for one in placement.sample(number, batch({"actor": "ada-secret"}), every=1)
    ]
    assert "ada" not in str(misplaced)
    assert "partition 0 (offset 0) and in 1 (offset 0)" in str(misplaced)


def test_what_is_remembered_is_bounded_and_the_oldest_give_way() -> None:
    placement = Placement(AUDIT, limit=10)
    look(placement, batch(*({"actor": f"a{n}"} for n in range(100))))
    assert len(placement._seen) == 10
    assert [
        one.first[1] for one in placement.sample(1, batch(*({"actor": f"a{n}"} for n in range(100))), every=1)
    ] == []
    assert [one.first[1] for one in placement.sample(0, batch({"actor": "a99"}), every=1)] == [99]


@pytest.mark.parametrize("first", [0, 1, EVERY - 1, EVERY, 5 * EVERY + 7])
def test_one_record_in_so_many_is_looked_at_by_its_offset_alone(first: int) -> None:
    events = batch(*({"actor": f"a{n}"} for n in range(first, first + 3 * EVERY)), first=first)
    placement = Placement(AUDIT)
    placement.sample(0, events)
    looked_at = {offset for _, offset in placement._seen.values()}
    assert looked_at == {offset for offset in range(first, first + 3 * EVERY) if offset % EVERY == 0}
    assert placement.sample(0, batch()) == []


def test_a_worker_counts_what_it_sees_and_detects_all_the_same() -> None:
    step, control = looking_where_keys_stand(AUDIT), Control(1, RuleSet(()))
    name, labels = "tocsin_misplaced_keys_total", {"source": "audit"}
    before = telemetry.REGISTRY.get_sample_value(name, labels) or 0
    for number in (0, 1):
        state = DetectState(AUDIT, number, rekeyed_partitions=1, program=program)
        state.loaded()
        step(state, batch({"actor": "ada", "event_time": 5}), 10, control)
        assert state.counts["events", "audit"] == 1
    assert (telemetry.REGISTRY.get_sample_value(name, labels) or 0) == before + 1
