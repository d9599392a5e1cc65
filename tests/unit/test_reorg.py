"""A reorganisation end to end: alerts of orphaned blocks are retracted, whenever they come; successors are judged anew."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from streams.detect.detectors import Event, Found
from streams.detect.detectors.reorg import MOST_ALERTS, Depth, Orphaned
from streams.model import Alert, Record, Source
from streams.replay.runner import PartitionLog, replay
from tests.scenes import only

START = 1_709_208_000_000
RULES = ("chain.sandwich", "chain.orphaned-block", "chain.reorg")
FRONT, VICTIM, BACK = (
    {"tx_index": 1, "sender": "bot", "token_in": "W", "amount_in": 100, "token_out": "X", "amount_out": 50},
    {"tx_index": 2, "sender": "ann", "token_in": "W", "amount_in": 9, "token_out": "X", "amount_out": 4},
    {"tx_index": 3, "sender": "bot", "token_in": "X", "amount_in": 50, "token_out": "W", "amount_out": 101},
)


def swap(of: dict[str, Any], block_hash: str, at: int = 0) -> dict[str, Any]:
    return {"type": "swap", "pool": "p", "chain_id": 1, "block": 7, "block_hash": block_hash, "at": at,
            "tx_hash": f"t{of['tx_index']}", **of}  # fmt: skip


def orphaned(block_hash: str, at: int = 0) -> dict[str, Any]:
    return {"type": "block.orphaned", "chain_id": 1, "block": 7, "block_hash": block_hash, "depth": 1, "at": at}


def alerts(*events: dict[str, Any]) -> list[Alert]:
    """What the shipped rules make of the events, in this order of arrival; ``at`` is the event time, in ms."""
    log: list[Record] = []
    for number, event in enumerate((*events, {"type": "nothing", "at": 3_600_000})):
        whole = {"event_id": f"e{number}", "tenant": "acme", **event, "event_time": START + event["at"]}
        log.append((number, msgspec.json.encode(whole), START + 3_600_000))
    source = Source("chain", "chain.events", ("tenant", "pool"), max_disorder=60_000)
    result = replay([PartitionLog(source, 0, [log])], only(*RULES))
    assert not result.refused, result.refused
    return result.alerts


def told(found: list[Alert]) -> set[tuple[str, str, str]]:
    return {(one.rule, str(one.key.get("block_hash")), str(one.status)) for one in found if one.rule != "chain.reorg"}


A, B = ([swap(one, block_hash) for one in (FRONT, VICTIM, BACK)] for block_hash in ("aa", "bb"))
RETRACTED = {("chain.sandwich", "aa", "dismissed"), ("chain.orphaned-block", "aa", "active")}


def test_the_alert_of_an_orphaned_block_is_retracted() -> None:
    found = alerts(*A, orphaned("aa", 9_000))
    assert told(found) == RETRACTED
    (sandwich,) = [one for one in found if one.rule == "chain.sandwich"]
    assert (sandwich.resolved_by, sandwich.metadata["block_hash"]) == ("retracted", "aa")
    (block,) = [one for one in found if one.rule == "chain.orphaned-block"]
    assert block.values["observed"] == 1
    assert [one.severity for one in found if one.rule == "chain.reorg"] == ["info"]


@pytest.mark.parametrize("times", [(0, 9_000), (9_000, 0)])
def test_an_alert_that_comes_after_the_orphaning_is_retracted_too(times: tuple[int, int]) -> None:
    swaps, gone = times
    events = [{**one, "at": swaps} for one in A]
    assert told(alerts(orphaned("aa", gone), *events)) == RETRACTED
    assert told(alerts(*events[:2], orphaned("aa", gone), events[2])) == RETRACTED


def test_the_successor_is_judged_by_itself_and_keeps_its_alert() -> None:
    assert told(alerts(*A, orphaned("aa", 9_000), *B)) == {*RETRACTED, ("chain.sandwich", "bb", "active")}
    mixed = [swap(FRONT, "aa"), swap(VICTIM, "bb"), swap(BACK, "bb")]
    assert told(alerts(*mixed, orphaned("aa", 9_000))) == {("chain.orphaned-block", "aa", "active")}


def test_a_block_without_alerts_takes_nothing_back_from_another() -> None:
    found = told(alerts(*A, orphaned("cc", 9_000)))
    assert found == {("chain.sandwich", "aa", "active"), ("chain.orphaned-block", "cc", "active")}


def test_alerts_of_another_tenant_stand() -> None:
    foreign = {**orphaned("aa", 9_000), "tenant": "globex"}
    assert ("chain.sandwich", "aa", "active") in told(alerts(*A, foreign))


# --- the detectors


def event(number: int, ways: tuple[str, ...] = ("",), at: int = 0, **fields: Any) -> Event:
    return Event(at, f"e{number}", fields, (at, number, f"e{number}"), ways)


def test_in_any_order_of_alerts_and_orphaning_all_are_taken_back_once() -> None:
    events = [event(0), event(1, ("alerts",), id="a", rule="chain.x", key={}),
              event(2, ("alerts",), id="b", rule="chain.x", key={}), event(3, ("alerts",), id="b", rule="chain.x", key={})]  # fmt: skip
    for order in permutations(events):
        state: Any = None
        found: list[Found] = []
        detector = Orphaned({})
        for one in order:
            state, more = detector.step(msgspec.json.decode(msgspec.json.encode(state)), one)
            found += more
        assert sorted(one.retract.alert_id for one in found if one.retract) == ["a", "b"]
        assert len(found) == 3


@pytest.mark.parametrize("bad", [{}, {"id": 7, "rule": "r", "key": {}}, {"id": "a", "rule": "", "key": {}},
                                 {"id": "a", "rule": "r", "key": [1]}, {"id": None, "rule": None, "key": None}])  # fmt: skip
def test_what_is_no_alert_is_not_remembered(bad: dict[str, Any]) -> None:
    state, _ = Orphaned({}).step(None, event(0, ("alerts",), **bad))
    assert state["alerts"] == []


def test_alerts_beyond_what_is_remembered_are_counted() -> None:
    state, detector = None, Orphaned({})
    for number in range(MOST_ALERTS + 5):
        state, _ = detector.step(state, event(number, ("alerts",), id=f"a{number}", rule="r", key={"k": "x" * 700}))
    state, _ = detector.step(state, event(900, ("alerts",), id="large", rule="r", key={"k": "x" * 900}))
    _, found = detector.step(state, event(999))
    assert (found[0].value, found[0].detail["left"], len(found)) == (MOST_ALERTS, 6, MOST_ALERTS + 1)
    assert len(msgspec.json.encode(state)) < 128 * 1024


@pytest.mark.parametrize(
    ("fields", "depth"),
    [({"depth": 3}, 3), ({"depth": "4"}, 4), ({"depth": True}, 1), ({"depth": -2}, 1), ({"depth": 1e9}, 1),
     ({"depth": None}, 1), ({"depth": [9]}, 1), ({}, 1)],
)  # fmt: skip
def test_a_depth_that_is_none_counts_as_one(fields: dict[str, Any], depth: int) -> None:
    _, found = Depth({}).step(None, event(0, **fields))
    assert [one.value for one in found] == [depth]


def test_heights_near_in_time_are_one_reorganisation_in_any_order() -> None:
    for order in permutations([(0, 9), (1_000, 8), (2_000, 7), (2_000, 7)]):
        state, last, detector = None, 0, Depth({})
        for at, height in order:
            state, found = detector.step(state, event(at, at=at, block=height))
            last = max(last, found[0].value)
        assert last == 3
