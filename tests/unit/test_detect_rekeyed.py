"""The hop: what origins publish and when, and how the other side waits for it."""

from __future__ import annotations

from typing import Any

import msgspec

from streams import pipeline
from streams.model import Batch, Control, Output
from streams.rules.rule import RuleSet
from streams.state.detect.rekeyed import RekeyedState
from tests.detecting import BASE, Changelog, batch, control, detecting, event, findings, letters, rule

BY_IP = rule("by-ip", {"count": {"at_least": 2, "within": "10s"}}, group_by=["ip"], title="{ip} {count}")
LOCAL = rule("local", {"count": {"at_least": 2, "within": "10s"}})
HOP = control(BY_IP)
TWO = frozenset({("audit.events", 0), ("audit.events", 1)})


def marks(outputs: list[Output]) -> list[tuple[int | None, Any, bool]]:
    """(rekeyed partition, watermark since the base, idle) of what was published."""
    found = []
    for output in outputs:
        document = msgspec.json.decode(output.value)
        if document.get("record") == "watermark":
            mark = document.get("watermark")
            found.append((output.partition, mark if mark is None else mark - BASE, document.get("idle", False)))
    return found


def copies(outputs: list[Output]) -> list[bytes]:
    return [output.value for output in outputs if b'"record":"copy"' in output.value[:20]]


def copy(at: int, number: int, partition: int = 0, in_force: Control = HOP) -> bytes:
    """The copy an origin partition sends of one event."""
    state = detecting(partition=partition)
    outputs = pipeline.detect(state, Batch([(number, event(at, number, ip="10.0.0.1"), BASE + at)]), 7, in_force)
    return copies(outputs)[0]


def mark(partition: int, at: int | None) -> bytes:
    whole = {"record": "watermark", "topic": "audit.events", "partition": partition}
    return msgspec.json.encode({**whole, "idle": True} if at is None else {**whole, "watermark": BASE + at})


def rekeyed(origins: frozenset[tuple[str, int]] = TWO) -> RekeyedState:
    state = RekeyedState(0, lambda ruleset: origins if ruleset.rules else frozenset())
    state.loaded()
    return state


def step(state: RekeyedState, begin: int, *values: bytes, in_force: Control = HOP) -> list[str]:
    batch = Batch([(begin + index, value, 0) for index, value in enumerate(values)])
    return [f["position"] for f in findings(pipeline.rekeyed(state, batch, 7, in_force))]


def test_watermarks_go_behind_the_events_once_a_second_to_every_partition() -> None:
    state = detecting()
    outputs = pipeline.detect(state, batch([event(0, 1, ip="x"), event(9_000, 2, ip="x")]), 50_000, HOP)
    assert [output.topic for output in outputs] == ["rekeyed"] * 4
    assert len(copies(outputs[:2])) == 2
    assert marks(outputs) == [(0, 4_000, False), (1, 4_000, False)]
    later = [(2, event(20_000, 3, ip="x"), BASE + 20_000)]
    assert marks(pipeline.detect(state, Batch(later), 50_999, HOP)) == []
    assert state.due() == 51_000
    assert marks(pipeline.detect_tick(state, 51_000, HOP, at_end=False)) == [(0, 15_000, False), (1, 15_000, False)]
    assert marks(pipeline.detect_tick(state, 53_000, HOP, at_end=False)) == []  # nothing new to say
    assert marks(pipeline.detect_tick(state, 54_000, HOP, at_end=True))[0] == (0, 18_001, False)  # idle for 3.001 s


def test_a_partition_without_rekeyed_rules_publishes_nothing() -> None:
    state = detecting()
    assert state.due() == 0  # to learn which rules are in force
    outputs = pipeline.detect(state, batch([event(0, 1)]), 50_000, control(LOCAL))
    outputs += pipeline.detect_tick(state, 90_000, control(LOCAL), at_end=True)
    assert outputs == []
    assert state.due() == 100_000


def test_a_partition_that_never_had_an_event_says_that_it_is_idle() -> None:
    state, log = detecting(), Changelog()
    said = []
    for now, at_end in [(10_000, False), (11_000, True), (13_999, True), (14_000, True), (20_000, True)]:
        said.append(marks(pipeline.detect_tick(state, now, HOP, at_end=at_end)))
        log.commit(state)
        state = log.reborn(detecting())
    assert said == [[], [], [], [(0, None, True), (1, None, True)], []]
    outputs = pipeline.detect(state, batch([event(0, 1, ip="x")]), 21_000, HOP)
    assert marks(outputs) == [(0, -5_000, False), (1, -5_000, False)]


def test_a_publication_follows_every_copy_even_of_an_event_that_moves_no_watermark() -> None:
    state = detecting()
    for now in (1_000, 5_000):
        pipeline.detect_tick(state, now, HOP, at_end=True)
    skewed = [(0, event(10**12, 1, ip="x"), BASE)]
    outputs = pipeline.detect(state, Batch(skewed), 5_500, HOP)
    assert msgspec.json.decode(copies(outputs)[0])["order"] == 0  # its turn does not wait for its own time
    assert state.due() == 6_000
    again = pipeline.detect_tick(state, 9_000, HOP, at_end=True) + pipeline.detect_tick(state, 12_000, HOP, at_end=True)
    assert (0, None, True) in marks(outputs) + marks(again)


def test_one_copy_serves_all_rules_of_a_key() -> None:
    other = rule("by-ip-too", {"distinct": {"field": "actor", "at_least": 2, "within": "10s"}}, group_by=["ip"])
    third = rule("by-path", {"match": {}}, group_by=["path"])
    outputs = pipeline.detect(detecting(), batch([event(0, 1, ip="x", path="/")]), 7, control(BY_IP, other, third))
    found = [msgspec.json.decode(value) for value in copies(outputs)]
    assert [[ref.split("@")[0] for ref in document["rules"]] for document in found] == [
        ["by-ip", "by-ip-too"],
        ["by-path"],
    ]
    assert found[0]["values"] == [[], [["ada"]]]


def test_nothing_is_evaluated_before_every_origin_has_passed_it() -> None:
    state = rekeyed()
    assert step(state, 0, copy(1_000, 5, partition=0), copy(900, 6, partition=1)) == []
    assert step(state, 2, mark(0, 5_000)) == []  # partition 1 has said nothing yet
    assert step(state, 3, mark(1, 1_000)) == []  # strictly below: another event of that time may come
    assert (state.position.committed, state.position.next) == (0, 4)
    assert step(state, 4, mark(1, 1_001)) == ["audit.events/0/5"]  # the later event completes it, whoever came first
    assert (state.position.committed, state.position.next) == (5, 5)


def test_an_idle_origin_is_left_out_until_it_sends() -> None:
    state = rekeyed()
    assert step(state, 0, mark(1, None), copy(0, 1), copy(1, 2), mark(0, 50)) == ["audit.events/0/2"]
    assert step(state, 4, copy(60, 3), copy(55, 4, partition=1), mark(0, 90)) == []  # not idle any more
    assert step(state, 7, mark(1, None)) == ["audit.events/1/4", "audit.events/0/3"]


def test_a_copy_below_what_was_evaluated_is_stepped_at_once_and_counted() -> None:
    state = rekeyed()
    step(state, 0, copy(0, 1), mark(1, None), mark(0, 5_000))
    assert step(state, 3, copy(4_000, 2, partition=1)) == ["audit.events/1/2"]
    assert state.counts["copies", "below_limit"] == 1
    outputs = pipeline.rekeyed(state, Batch([(4, copy(-20_000, 3, partition=1), 0)]), 7, HOP)
    assert [letter["reason"] for letter in letters(outputs, "late")] == ["late"]


def test_what_waited_is_read_again_after_a_crash_and_never_twice_counted() -> None:
    state, log = rekeyed(), Changelog()
    values = [copy(1_000, 5), copy(30_000, 6), mark(0, 9_000), mark(1, 9_000), copy(30_500, 7)]
    assert step(state, 0, *values) == []
    log.commit(state)
    assert (state.position.committed, state.position.next) == (1, 5)
    state = log.reborn(rekeyed())
    # Nothing is evaluated before all is there again, though fewer origins would allow it.
    state._origins_of = lambda _: frozenset({("audit.events", 0)})
    assert step(state, 1, values[1]) == []
    assert step(state, 2, *values[2:]) == []
    assert step(state, 5, mark(0, 40_000)) == ["audit.events/0/7"]


def test_a_copy_whose_rule_is_gone_is_dropped_and_counted() -> None:
    state = rekeyed()
    changed = control(BY_IP | {"detect": {"count": {"at_least": 3, "within": "10s"}}}, position=2)
    step(state, 0, copy(0, 1), copy(1, 2), copy(2, 3))
    assert step(state, 3, mark(0, 50), mark(1, 50), in_force=changed) == []
    assert state.counts["copies", "not_in_force"] == 3


def test_without_any_rekeyed_rule_nothing_waits_for_ever() -> None:
    state = rekeyed()
    step(state, 0, copy(0, 1), copy(1, 2))
    assert state.due() is not None
    assert pipeline.rekeyed_tick(state, 8, Control(2, RuleSet(())), at_end=True) == []
    assert (state.position.committed, state.due()) == (2, None)
    assert state.counts["copies", "not_in_force"] == 2
    back = Control(3, HOP.ruleset)  # nothing was decided about times to come
    assert step(state, 2, copy(3, 3), copy(4, 4), mark(0, 50), mark(1, 50), in_force=back) == ["audit.events/0/4"]


def test_a_replay_ends_with_all_that_waits() -> None:
    state = rekeyed()
    assert step(state, 0, copy(9, 2), copy(1, 1)) == []
    assert [f["position"] for f in findings(pipeline.rekeyed_end(state, 7, HOP, mark=0))] == ["audit.events/0/2"]


def test_records_that_are_none_are_dead_letters() -> None:
    outputs = pipeline.rekeyed(rekeyed(), batch([None, b"", b"{}", b'{"record":"copy"}', mark(0, 1), b"\xff"]), 7, HOP)
    assert [letter["reason"] for letter in letters(outputs)] == [
        "tombstone",
        "malformed",
        "invalid",
        "invalid",
        "malformed",
    ]
    assert letters(outputs)[0]["origin"] == "rekeyed/0/0"


def test_the_finding_after_the_hop_says_what_the_origin_knew() -> None:
    state = rekeyed()
    step(state, 0, copy(0, 1), copy(1, 2))
    (found,) = findings(pipeline.rekeyed(state, Batch([(2, mark(0, 50), 0), (3, mark(1, 50), 0)]), 7, HOP))
    assert found["title"] == "10.0.0.1 2"
    assert found["key"] == {"ip": "10.0.0.1"}
    assert [e["position"] for e in found["evidence"]] == ["audit.events/0/1", "audit.events/0/2"]
    assert found["evidence"][-1]["event"]["actor"] == "ada"


def test_a_copy_that_could_never_be_stepped_is_its_own_dead_letter() -> None:
    whole = msgspec.json.decode(copy(0, 1))
    broken = [{**whole, "key": [{"x": 1}]}, {**whole, "key": [["z", 1]]}, {**whole, "rules": []}]
    incoming = [*map(msgspec.json.encode, broken), copy(1, 2), copy(2, 3), mark(0, 50), mark(1, 50)]
    outputs = pipeline.rekeyed(rekeyed(), batch(incoming), 7, HOP)
    assert [letter["reason"] for letter in letters(outputs)] == ["invalid"] * 3
    assert [f["position"] for f in findings(outputs)] == ["audit.events/0/3"]


def test_idleness_that_began_before_the_first_rekeyed_rule_outlives_a_crash() -> None:
    said = []
    for crash in (False, True):
        state, log = detecting(), Changelog()
        pipeline.detect_tick(state, 1_000, control(LOCAL), at_end=True)
        log.commit(state)
        if crash:
            state = log.reborn(detecting())
        said.append(marks(pipeline.detect_tick(state, 9_000, control(BY_IP, position=2), at_end=True)))
    assert said[0] == said[1] == [(0, None, True), (1, None, True)]
