"""What one bad record or one bad rule must not do to the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.detect.kinds.count import Count, Counting
from streams.model import Batch, Control, Source
from streams.rules.compiled import compiled
from streams.rules.rule import RuleSet
from streams.state.detect.rulebook import MAX_ERRORS
from tests.detecting import (
    AUDIT,
    BASE,
    Changelog,
    Programs,
    batch,
    control,
    detecting,
    event,
    findings,
    letters,
    original_value,
    rule,
)  # fmt: skip

GOOD = rule("good", {"count": {"at_least": 2, "within": "10m"}})
BAD = rule("bad", {"count": {"at_least": 2, "within": "10m"}})
READS = rule("bad", {"distinct": {"field": "ip", "at_least": 2, "within": "10m"}})


class Broken:
    """A real program in which one rule raises, at one of the places where rules run."""

    def __init__(self, ruleset: RuleSet, source: Source, place: str, when: Any = lambda event: True) -> None:
        self._program = compiled(ruleset, source)
        self._place, self._when = place, when
        self.arms = self._program.arms
        self.decode, self.document = self._program.decode, self._program.document

    def _raise(self, place: str, index: int, event: Any) -> None:
        if place == self._place and self.arms[index].rule.id == "bad" and self._when(event):
            raise ZeroDivisionError(f"in {place}")

    def match(self, event: Any) -> Any:
        for index in range(len(self.arms)):
            self._raise("match", index, event)
        return self._program.match(event)

    def match_one(self, index: int, event: Any) -> bool:
        self._raise("match", index, event)
        return self._program.match_one(index, event)

    def key(self, index: int) -> Any:
        return self._reader("key", index)

    def row(self, index: int) -> Any:
        return self._reader("key", index, "row")

    def values(self, index: int) -> Any:
        return self._reader("values", index)

    def _reader(self, place: str, index: int, name: str = "") -> Any:
        reads = getattr(self._program, name or place)(index)

        def read(event: Any) -> Any:
            self._raise(place, index, event)
            return reads(event)

        return read


class FailingCount(Count):
    """A kind whose step raises where it is nearly done."""

    def detector(self, ladder: Any) -> Any:
        class Failing(Counting):
            def step(self, state: Any, moment: Any) -> Any:
                super().step(state, moment)
                raise ZeroDivisionError("in step")

        return Failing(self, 2)


def failing(place: str) -> tuple[Programs, Control]:
    """A way to make programs, and rules, in which ``bad`` raises at ``place``."""
    in_force = control(GOOD, READS if place == "values" else BAD)
    if place == "step":
        rules = [replace(r, detect=FailingCount(2, 600_000)) if r.id == "bad" else r for r in in_force.ruleset.rules]
        return compiled, Control(1, RuleSet(tuple(rules)))
    if place == "title":
        rules = [replace(r, title=None) if r.id == "bad" else r for r in in_force.ruleset.rules]  # type: ignore[arg-type]
        return compiled, Control(1, RuleSet(tuple(rules)))
    return lambda ruleset, source: Broken(ruleset, source, place), in_force  # type: ignore[return-value]


@pytest.mark.parametrize("place", ["match", "key", "values", "step", "title"])
def test_a_rule_that_raises_takes_nothing_from_the_others(place: str) -> None:
    program, in_force = failing(place)
    state = detecting(program=program)
    outputs = pipeline.detect(state, batch(event(number, number) for number in range(3)), 7, in_force)
    assert [f["position"] for f in findings(outputs) if f["rule"] == "good"] == ["audit.events/0/1", "audit.events/0/2"]
    failures = 2 if place == "title" else 3  # the first event only begins a window, and needs no title
    dead = letters(outputs)
    assert [(d["rule"], d["reason"], d["at"]) for d in dead] == [("bad", "rule_failed", 7)] * failures
    assert original_value(dead[-1]) == event(2, 2)
    assert dead[-1]["headers"] == [["h", "Mg=="]]
    failed = [f for f in findings(outputs) if f["rule"] == "tocsin.analysis-failed"]
    assert [(f["key"], f["type"], f["severity"], f["tenant"]) for f in failed] == [
        ({"rule": "bad"}, "system", "high", "acme")
    ] * failures
    assert state.counts["rule_errors", "bad"] == failures
    rows = [key for key, _ in state.changes() if key.startswith(b'["row","bad@')]
    assert len(rows) == (1 if place == "title" else 0)  # of the event that raised nothing is left


@pytest.mark.parametrize("place", ["match", "key", "step"])
@pytest.mark.parametrize("crash", [False, True])
def test_after_ten_errors_a_rule_is_off_until_a_new_version_comes(place: str, crash: bool) -> None:
    program, in_force = failing(place)
    log, state = Changelog(), detecting(program=program)
    errors = 0
    for offset in range(MAX_ERRORS + 5):
        outputs = pipeline.detect(state, Batch([(offset, event(offset, offset), BASE)]), 7, in_force)
        errors += len(letters(outputs))
        log.commit(state)
        if crash:
            state = log.reborn(detecting(program=program))
    assert errors == MAX_ERRORS
    pipeline.detect(state, Batch([]), 7, in_force)
    assert state.book.off == ["bad"]
    assert [table.rule.id for table, *_ in state.lanes] == ["good"]
    # The same rule under another title stays off; another version of it begins anew.
    other = rule("bad", {"count": {"at_least": 3, "within": "10m"}})
    titled = [replace(r, title="{actor}") for r in in_force.ruleset.rules]
    pipeline.detect(state, Batch([]), 7, Control(2, RuleSet(tuple(titled))))
    assert state.book.off == ["bad"]
    pipeline.detect(state, Batch([]), 8, control(GOOD, other, position=3))
    assert state.book.off == []
    log.commit(state)
    assert not any(b'"rule"' in key for key in log.rows)


def test_a_rule_that_goes_off_in_a_batch_is_quiet_for_the_rest_of_it() -> None:
    program, in_force = failing("match")
    outputs = pipeline.detect(detecting(program=program), batch(event(n, n) for n in range(40)), 7, in_force)
    assert len(letters(outputs)) == MAX_ERRORS
    assert len([f for f in findings(outputs) if f["rule"] == "good"]) == 39


def test_a_switched_off_rule_is_counted_once() -> None:
    program, in_force = failing("key")
    state = detecting(program=program)
    pipeline.detect(state, batch(event(n, n) for n in range(40)), 7, in_force)
    assert state.counts["rule_off", "bad"] == 1
    assert state.counts["rule_errors", "bad"] == MAX_ERRORS


DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, "tombstone"), (b"", "malformed"), (b"{", "malformed"), (b"[1]", "invalid"), (b"null", "invalid"), (b"\xff\xfe", "malformed"),
        (b'{"actor":"\xff"}', "malformed"), (b'{"skipped":"\xff"}', "malformed"), (DEEP, "malformed"), (b'{"a":1}x', "malformed"),
        (event(0, 1, event_time=True), "invalid"), (event(0, 1, event_time="soon"), "invalid"), (event(0, 1, event_time=[1]), "invalid"),
        (event(0, 1, event_time=-5), "invalid"), (event(0, 1, event_time=2**63), "invalid"), (event(0, 1, tenant=5), "invalid"),
        (event(0, 1, tenant=["acme"]), "invalid"), (event(0, 1, tenant="*"), "invalid"), (event(0, 1, event_id={}), "invalid"),
        (event(0, 1, event_id=True), "invalid"), (event(0, 1, event_id=1.5), "invalid"), (event(0, 1, tenant="x" * 300), "invalid"),
    ],
)  # fmt: skip
def test_a_bad_record_is_a_dead_letter_and_nothing_else(payload: bytes | None, reason: str) -> None:
    state, calm = detecting(), detecting()
    outputs = pipeline.detect(state, batch([event(0, 90), payload, event(1, 91)]), 7, control(GOOD))
    around = pipeline.detect(calm, batch([event(0, 90), event(1, 92), event(1, 91)]), 7, control(GOOD))
    (dead,) = letters(outputs)
    assert (dead["reason"], dead["origin"], dead["stage"]) == (reason, "audit.events/0/1", "detect")
    assert dead.get("size", 0) == len(payload or b"")
    assert state.counts["dead", "audit", reason] == 1
    assert state.counts["events", "audit"] == 3
    assert [f["position"] for f in findings(outputs)] == ["audit.events/0/2"]
    assert len(findings(around)) == 2
    assert state.position.next == state.position.committed == 3


@pytest.mark.parametrize("actor", ["x" * 900_000, "\u0000" * 5_000, "é" * 400, 2**63, -0.0, 10**300, "\U0001f600"])
def test_strange_keys_make_small_distinct_states(actor: Any) -> None:
    state = detecting()
    outputs = pipeline.detect(state, batch(event(n, n, actor=actor) for n in range(3)), 7, control(GOOD))
    assert [f["observed"] for f in findings(outputs)] == [2, 3]
    assert all(len(key) < 3_000 and len(value or b"") < 3_000 for key, value in state.changes())
    assert all(len(output.value) < 256 * 1024 for output in outputs)
    assert not letters(outputs)


def test_keys_of_different_types_never_share_a_state() -> None:
    state, actors = detecting(), ["1", 1, True, "true", 1.5, "1.5", "n"]
    outputs = pipeline.detect(
        state, batch(event(n, n, actor=actor) for n, actor in enumerate(actors)), 7, control(GOOD)
    )
    assert findings(outputs) == []
    assert len(state.changes()) == len(actors)
    again = pipeline.detect(
        state,
        Batch([(99 + n, event(n, 99 + n, actor=actor), BASE) for n, actor in enumerate(actors)]),
        7,
        control(GOOD),
    )
    assert [f["key"]["actor"] for f in findings(again)] == actors


def test_a_huge_event_leaves_a_finding_that_can_be_produced() -> None:
    fields = {"blob": "x" * 600_000, "note": "kept", "list": ["y" * 1_000] * 300, "id" * 20_000: 1}
    outputs = pipeline.detect(detecting(), batch(event(n, n, **fields) for n in range(2)), 7, control(GOOD))
    (found,) = [output for output in outputs if output.topic == "alert-input"]
    assert len(found.value) < 256 * 1024
    document = msgspec.json.decode(found.value)["evidence"][-1]["event"]
    assert document["note"] == "kept"
    assert document["_truncated"]["bytes"] > 600_000
    assert "blob" not in document


def test_a_duplicate_counts_once_and_is_counted_as_such() -> None:
    state = detecting()
    outputs = pipeline.detect(state, batch([event(0, 1), event(0, 1), event(5, 1), event(9, 2)]), 7, control(GOOD))
    assert [f["observed"] for f in findings(outputs)] == [2]
    assert state.counts["duplicates", "good"] == 2


def test_without_an_id_nothing_is_a_duplicate_and_the_position_is_the_evidence() -> None:
    outputs = pipeline.detect(detecting(), batch([event(0, 1, event_id=...)] * 2), 7, control(GOOD))
    (found,) = findings(outputs)
    assert [e["event_id"] for e in found["evidence"]] == ["audit.events/0/0", "audit.events/0/1"]


def test_outputs_of_a_batch_carry_the_right_original_where_offsets_have_gaps() -> None:
    incoming = [(offset, b"?", BASE) for offset in (3, 9, 27)]
    whole = Batch(incoming, lambda index: batch([]).original(0)._replace(key=b"k%d" % index))
    dead = letters(pipeline.detect(detecting(AUDIT), whole, 7, control(GOOD)))
    assert [(d["origin"], d["key"]) for d in dead] == [
        ("audit.events/0/3", "azA="), ("audit.events/0/9", "azE="), ("audit.events/0/27", "azI="),
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["decode", "match", "key"])
def test_want_of_memory_is_no_record_s_fault(place: str) -> None:
    def exhausted(*_: Any) -> Any:
        raise MemoryError

    def program(ruleset: RuleSet, source: Source) -> Any:
        made = Broken(ruleset, source, "nowhere")
        setattr(made, place, (lambda _: exhausted) if place == "key" else exhausted)
        if place == "key":
            made.row = made.key  # type: ignore[method-assign]
        if place == "match":
            made.match_one = exhausted  # type: ignore[method-assign]
        return made

    with pytest.raises(MemoryError):
        pipeline.detect(detecting(program=program), batch([event(0, 1)]), 7, control(GOOD))
