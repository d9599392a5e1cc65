"""Events that come twice, and events that come in another order: where nothing changes, and where something does."""

from __future__ import annotations

import random
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.model import Batch, Control, Output
from tests.detecting import BASE, control, detecting, event, findings, records, rule
from tests.everykind import AUDIT, DISORDER, every_kind, river, trades
from tests.everykind import LOCAL as RULES
from tests.property.test_engine_rekeyed import ALL as REKEYED
from tests.property.test_engine_rekeyed import Log, evaluated, interleaved, sent

LOCAL = every_kind()


def doubled(log: Log, rnd: random.Random, share: float) -> Log:
    """With some events delivered again, anywhere later. The offsets of the first deliveries stay as they were."""
    spread = [(offset * 100, value, stamp) for offset, value, stamp in log]
    again = []
    for offset, value, stamp in spread:
        if rnd.random() < share:
            again.append((rnd.randrange(offset, len(log) * 100), value, stamp))
    taken = {offset for offset, _, _ in spread}
    fresh = {offset: (offset, value, stamp) for offset, value, stamp in again if offset not in taken}
    return sorted([*spread, *fresh.values()], key=lambda record: record[0])


def found(log: Log, in_force: Control = LOCAL) -> dict[str, list[dict[str, Any]]]:
    """Findings of one partition, by rule, in their order."""
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for one in findings(pipeline.detect(detecting(AUDIT), Batch(log), 7, in_force)):
        by_rule.setdefault(one["rule"], []).append(one)
    return by_rule


#: Where a second delivery can be told from a first one only by what is kept no longer.
FORGETFUL = {
    "match-dedup": "an id is known for `dedup`, here ten seconds, and an old event still matches",
    "distinct": "of one value only the first and the latest event inside a window are kept",
    "budget": "the key, with its ids, had to go for want of room",
    "memory": "as above",
    "new-value": "values are forgotten a grain earlier than events are late",
    "count-below-sliding": "of a full window only so many events are kept as could matter",
}


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((0.1, 0.5)))
def test_events_that_are_delivered_twice_change_nothing(seed: int, share: float) -> None:
    rnd = random.Random(seed)
    log = records([*river(rnd, 50, tidy=True)])
    once, twice = found(doubled(log, rnd, 0.0)), found(doubled(log, rnd, share))
    for name in once.keys() | twice.keys():
        if name not in FORGETFUL:
            assert twice.get(name) == once.get(name)


@pytest.mark.parametrize("name", sorted(FORGETFUL))
def test_the_kinds_that_forget_ids_do_so(name: str) -> None:
    only = every_kind(of=[one for one in RULES if one["id"] in (name, "count", "level")])  # of which there are variants

    def differs(seed: int) -> bool:
        rnd = random.Random(seed)
        log = records([*river(rnd, 50, tidy=True)])
        return found(doubled(log, rnd, 0.0), only).get(name) != found(doubled(log, rnd, 0.3), only).get(name)

    assert any(differs(seed) for seed in range(150))


# --- another order


def shuffled(payloads: list[bytes], rnd: random.Random, disorder: int) -> list[bytes]:
    """In another order of arrival, in which no event comes after one that is newer by more than ``disorder``."""
    delayed = [(at_of(payload) + rnd.randrange(disorder), payload) for payload in payloads]
    return [payload for _, payload in sorted(delayed)]


def at_of(payload: bytes) -> int:
    at: int = msgspec.json.decode(payload)["event_time"]
    return at


def told(logs: list[Log], rnd: random.Random) -> list[dict[str, Any]]:
    """What one rekeyed partition finds, with the ids of events in place of their positions."""
    names = {
        f"{topic}/{number}/{offset}": msgspec.json.decode(value or b"")["event_id"]
        for (topic, number), log in zip(
            (("audit.events", 0), ("audit.events", 1), ("trade.events", 0)), logs, strict=True
        )
        for offset, value, _ in log
    }
    lanes = sent(logs, REKEYED, rnd, 1)
    outputs, _ = evaluated(interleaved([lane[0] for lane in lanes], rnd), REKEYED, rnd, 0.1)
    return [named(output, names) for output in outputs if output.topic == "alert-input"]


def named(output: Output, names: dict[str, str]) -> dict[str, Any]:
    text = re.sub(r"(audit|trade)\.events/\d+/\d+", lambda match: names[match[0]], output.value.decode())
    document: dict[str, Any] = msgspec.json.decode(text)
    return {name: value for name, value in document.items() if name not in ("id", "alert_id")}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_over_rekeyed_any_order_inside_the_allowed_disorder_finds_the_same_in_the_same_order(seed: int) -> None:
    """Then an event's place is its event time, and who arrived when decides nothing."""
    rnd = random.Random(seed)
    rivers = [river(rnd, 25, tidy=True), river(rnd, 25, tidy=True), trades(rnd, 25, tidy=True)]
    calm = told([records([*payloads]) for payloads in rivers], random.Random(1))
    rough = told([records([*shuffled(payloads, rnd, DISORDER)]) for payloads in rivers], rnd)
    by_place = lambda found: (found["rule"], found["tenant"], repr(found["key"]))  # noqa: E731  # said twice
    assert sorted(rough, key=by_place) == sorted(calm, key=by_place)


def test_where_events_arrive_is_who_completes_a_window_in_a_local_rule() -> None:
    """What is not promised: a local rule is evaluated in the order of the log, so that another order names another
    event, and opens another alert, although the same window is full. Over ``rekeyed`` it is the same alert as long as
    no event comes later than ``max_disorder``; one that comes later, but inside ``allowed_lateness``, counts as well,
    and completes the window when it comes.
    """
    three = control(rule("three", {"count": {"at_least": 3, "within": "10s"}}, allowed_lateness="1m"))
    orders = [(0, 1_000, 2_000), (2_000, 0, 1_000)]
    logs = [records([event(at, at) for at in order]) for order in orders]
    alerts = [findings(pipeline.detect(detecting(AUDIT), Batch(log), 7, three)) for log in logs]
    assert [[one["event_time"] - BASE for one in alert] for alert in alerts] == [[2_000], [1_000]]
    assert [[one["observed"] for one in alert] for alert in alerts] == [[3], [3]]
