"""The state of a partition: keys, tables, the deletion of what is gone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.errors import StateMismatch
from streams.model import Batch, Control
from streams.rules.rule import RuleSet
from streams.state.detect import rulebook
from streams.state.detect.keys import bounded, key_at, parse, row_head, row_of, row_tail, rule_key
from tests.detecting import BASE, Changelog, batch, control, detecting, event, findings, records, rule

COUNT = rule("count", {"count": {"at_least": 3, "within": "10s"}})
LEVEL = rule("level", {"level": {"value": "n", "above": 5, "forget": "10s"}})


@pytest.mark.parametrize(
    "key", [("ada",), (("i", 5),), (("b", True),), (("n", None),), (("f", 1.5), "x", ("i", 2**63)), (), ('q"\\',), ("é\U0001f600\x00",)]
)  # fmt: skip
def test_keys_come_back_from_the_changelog(key: Any) -> None:
    row = row_of(key)
    written = row_head("r@1", "acme") + row_tail(row)
    assert parse(written) == ("row", "r@1", "acme", row)
    assert key_at(row) == key
    assert msgspec.json.encode(msgspec.json.decode(written)) == written
    assert parse(rule_key("r@1")) == ("rule", "r@1", "", ())


@pytest.mark.parametrize("key", [b"", b"[]", b"{", b'["row"]', b'["other","r"]', b"\xff", b'["alert","x"]'])
def test_a_foreign_changelog_is_refused(key: bytes) -> None:
    with pytest.raises(StateMismatch):
        parse(key)
    with pytest.raises(StateMismatch):
        detecting().load(row_head("r@1", "acme") + row_tail("ada"), b"[1,[]]")


def test_long_keys_are_cut_and_stay_different() -> None:
    keys = [("x" * 2_000 + str(n), ("i", n)) for n in range(5)]
    assert len({bounded(key) for key in keys}) == 5
    assert all(len(row_tail(bounded(key))) < 600 for key in keys)
    assert bounded(("short", ("i", 1))) == ("short", ("i", 1))


def test_the_key_with_the_oldest_newest_event_goes_first_and_alerts_say_so() -> None:
    state, in_force = detecting(max_keys=2), control(COUNT)
    order = ["ada", "bob", "ada", "cyd", "ada", "bob"]  # cyd pushes bob out, then bob's return pushes cyd out
    payloads = (event(n * 1_000, n, actor=actor) for n, actor in enumerate(order))
    outputs = pipeline.detect(state, batch(payloads), 7, in_force)
    assert [(f["key"]["actor"], f["metadata"]) for f in findings(outputs)] == [("ada", {"state_evicted": 1})]
    assert {key for key, value in state.changes() if value is not None} == {
        *(row_head(state.lanes[0].table.rule.ref, "acme") + row_tail(actor) for actor in ("ada", "bob")),
        rule_key(state.lanes[0].table.rule.ref),
    }


def test_expired_keys_leave_the_memory_and_the_changelog() -> None:
    state, in_force, log = detecting(), control(COUNT, LEVEL), Changelog()
    payloads = [event(n, n, actor=f"a{n}", n=n) for n in range(9)]
    pipeline.detect(state, batch(payloads), 7, in_force)
    log.commit(state)
    assert len(log.rows) == 18
    pipeline.detect(state, Batch([(9, event(60_000, 9, actor="z", n=0), BASE + 60_000)]), 8, in_force)
    log.commit(state)
    held = {key for key in log.rows if b"level" in key}
    assert len(log.rows) == 1 + len(held)
    assert len(held) == 3 + 1  # levels 6, 7 and 8 still hold, and z is fresh
    assert {len(table) for table, *_ in state.lanes} == {1, 4}


def test_a_level_that_held_for_long_still_clears_and_then_expires() -> None:
    state, in_force, log = detecting(), control(LEVEL), Changelog()
    for offset, (at, n, actor) in enumerate(
        [(0, 9, "ada"), (90_000, 1, "bob"), (90_001, 2, "ada"), (200_000, 1, "bob")]
    ):
        outputs = pipeline.detect(state, Batch([(offset, event(at, offset, n=n, actor=actor), BASE + at)]), 7, in_force)
        log.commit(state)
        kinds = [f["kind"] for f in findings(outputs)]
        assert kinds == (["fire"] if offset == 0 else ["clear"] if offset == 2 else [])
    assert len(log.rows) == 1


def test_a_changed_rule_begins_anew_and_a_new_title_does_not() -> None:
    state, log = detecting(), Changelog()
    pipeline.detect(state, batch([event(0, 1), event(1, 2)]), 7, control(COUNT))
    log.commit(state)
    titled = COUNT | {"title": "another {actor}", "severity": {"low": 3}}
    (found,) = findings(pipeline.detect(state, Batch([(2, event(2, 3), BASE)]), 7, control(titled, position=2)))
    assert (found["title"], found["severity"], found["observed"]) == ("another ada", "low", 3)
    other = COUNT | {"detect": {"count": {"at_least": 2, "within": "10s"}}}
    assert findings(pipeline.detect(state, Batch([(3, event(3, 4), BASE)]), 7, control(other, position=3))) == []
    log.commit(state)
    assert len(log.rows) == 1
    assert (state.position.control, state.position.ruleset) == (3, control(other).ruleset.version)


def test_control_state_never_goes_back() -> None:
    state = detecting()
    pipeline.detect(state, batch([]), 7, control(COUNT, position=5))
    with pytest.raises(StateMismatch, match="control position 5"):
        pipeline.detect(state, batch([]), 7, control(COUNT, position=4))


@pytest.mark.parametrize("crash_after", [0, 1, 2, 3, 9])
def test_a_rule_that_comes_back_before_its_remains_are_deleted_begins_anew(
    crash_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebook, "MAX_TOMBSTONES", 4)
    state, log, both, other = detecting(), Changelog(), control(COUNT, LEVEL), control(LEVEL, position=2)

    def step(number: int, in_force: Control, payloads: list[bytes]) -> list[Any]:
        nonlocal state
        offset = state.position.next
        incoming = [(offset + index, payload, BASE + 50) for index, payload in enumerate(payloads)]
        found = findings(pipeline.detect(state, Batch(incoming), 7, in_force))
        log.commit(state)
        if number == crash_after:
            state = log.reborn(detecting())
        return found

    step(0, both, [event(n, n, actor=f"a{n % 10}", n=0) for n in range(20)])  # two of each: one more would fire
    step(1, other, [event(30, 30, n=0)])
    assert sum(b"count@" in key for key in log.rows) == 6
    again = Control(3, both.ruleset)
    assert step(2, again, [event(40 + n, 40 + n, actor=f"a{n}", n=0) for n in range(10)]) == []
    rows = {key: value for key, value in log.rows.items() if key.startswith(b'["row","count@')}
    assert len(rows) == 10
    assert all(len(msgspec.json.decode(value)[1]) == 2 for value in rows.values())  # one time, and one line
    assert len(step(3, again, [event(60 + n, 60 + n, actor="a1", n=0) for n in range(2)])) == 1


def test_dropped_rules_are_deleted_bit_by_bit_and_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_TOMBSTONES", 4)
    state, log = detecting(), Changelog()
    pipeline.detect(state, batch(event(n, n, actor=f"a{n}") for n in range(10)), 7, control(COUNT))
    log.commit(state)
    state = log.reborn(detecting())
    for now in range(5):
        pipeline.detect(state, batch([]), now, Control(2, RuleSet(())))
        log.commit(state)
        state = log.reborn(detecting())
    assert log.rows == {}
    assert "dropping" not in state.position.stage


def test_the_stopwatch_times_single_rules() -> None:
    state, ticks = detecting(), iter(range(0, 10_000, 7))
    state.stopwatch = lambda: next(ticks)
    pipeline.detect(state, batch([event(0, 1, n=0), event(1, 2, action="other")]), 7, control(COUNT, LEVEL))
    assert state.timings == [("count", 7), ("level", 7)]


def test_positions_of_files_are_written_as_files() -> None:
    state = detecting(locate=lambda offset: f"file:abc:{offset + 1}")
    (found,) = findings(pipeline.detect(state, Batch(records(event(n, n) for n in range(3))), 7, control(COUNT)))
    assert found["position"] == "file:abc:3"
    assert [e["position"] for e in found["evidence"]] == ["file:abc:1", "file:abc:2", "file:abc:3"]
    assert "event" in found["evidence"][-1]
    assert "event" not in found["evidence"][0]


def test_what_is_forgotten_is_never_written_and_changes_nothing_that_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_TOMBSTONES", 4)
    stored, thrown = detecting(max_keys=3), detecting(max_keys=3)
    both = [control(COUNT, LEVEL), control(LEVEL, position=2), control(COUNT, LEVEL, position=3)]
    found: list[tuple[Any, Any]] = []
    for number, in_force in enumerate([both[0], both[0], both[1], both[2], both[2]]):
        payloads = [event(40 * number + n, 40 * number + n, actor=f"a{n % 5}", n=n) for n in range(20)]
        again = Batch([(20 * number + n, raw, stamp) for n, raw, stamp in records(payloads)])
        found.append((pipeline.detect(stored, again, 7, in_force), pipeline.detect(thrown, again, 7, in_force)))
        assert stored.changes()
        thrown.forget()
        assert thrown.changes() == []
    assert all(one == other for one, other in found)
    assert sum(len(findings(one)) for one, _ in found) > 20
    later = Batch([(100, event(300, 100, actor="new", n=0), BASE + 4_000)])
    pipeline.detect(thrown, later, 7, both[2])
    rows = {parse(key)[3] for key, value in thrown.changes() if value is not None and b'"row"' in key}
    assert rows == {"new"}
