"""What time alone brings about: before the event that proves it, in one order, and never twice or for what is gone."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.detect.kinds.absence import Absence
from streams.detect.silence import Listening
from streams.model import Batch, Control
from streams.rules.rule import RuleSet
from streams.state.detect import judging
from streams.state.detect.detecting import DetectState
from streams.state.detect.judging import lapse
from tests.detecting import BASE, control, detecting, event, findings, letters, records, rule
from tests.everykind import AUDIT, every_kind, river
from tests.property.test_engine_cuts import Tick, lived

ALL = every_kind()


def forgettable_too_soon(state: DetectState) -> list[tuple[str, Any]]:
    """Keys that a sweep could forget although a timer of theirs has not come: what was found would depend on it."""
    found = []
    for ref in (one.ref for one in ALL.ruleset.in_force()):
        table = state.book.table(ref)
        assert table is not None
        if table.timed is None:
            continue
        for shelf in table.shelves.values():
            for row, one in shelf.rows.items():
                due = table.timed.due(one)
                if due is not None and not table.timed.holds(one) and due >= table.timed.newest(one) + table.kind.keeps:
                    found.append((ref, (row, due, one)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_no_key_may_be_forgotten_before_its_timer(seed: int) -> None:
    state = detecting(AUDIT)
    for record in records(river(random.Random(seed), 40)):
        pipeline.detect(state, Batch([record]), 7, ALL)
        assert forgettable_too_soon(state) == []


class FailingListening(Listening):
    """Raises in ``expire`` for a key that was heard last by an event whose id says so."""

    def expire(self, state: Any) -> Any:
        if state[-3].startswith("bad"):
            raise ZeroDivisionError("in expire")
        return super().expire(state)


class FailingAbsence(Absence):
    def detector(self, ladder: Any) -> Any:
        return FailingListening(self.within)


(SILENT,) = control(rule("silent", {"absence": {"within": "5s"}})).ruleset.rules
FAILING = Control(1, RuleSet((replace(SILENT, detect=FailingAbsence(5_000)),)))


def heard(at: int, actor: str, event_id: str) -> bytes:
    return event(at, 0, actor=actor, event_id=event_id)


def test_a_timer_that_raises_is_told_once_and_takes_only_its_key() -> None:
    payloads = [heard(0, "ada", "bad-1"), heard(0, "bob", "b1"), *(heard(9_000 + n, "zoe", f"z{n}") for n in range(30))]
    state = detecting(AUDIT)
    outputs = pipeline.detect(state, Batch(records(payloads)), 7, FAILING)
    assert [(f["rule"], f["key"]) for f in findings(outputs)] == [
        ("tocsin.analysis-failed", {"rule": "silent"}), ("silent", {"actor": "bob"}),
    ]  # fmt: skip
    assert [letter["reason"] for letter in letters(outputs)] == ["rule_failed"]
    later = pipeline.detect(state, Batch([(50, heard(10_000, "ada", "a2"), BASE + 10**6)]), 7, FAILING)
    later += pipeline.detect(state, Batch([(51, heard(90_000, "zoe", "z2"), BASE + 10**6)]), 7, FAILING)
    assert [(f["rule"], f["key"]["actor"]) for f in findings(later)] == [("silent", "zoe"), ("silent", "ada")]
    assert all(f["metadata"]["state_evicted"] == 1 for f in findings(later))  # what it knew of ada is gone


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_a_timer_that_raises_does_so_in_the_same_place_whatever_was_cut(
    seed: int, cuts: list[int], crash: bool
) -> None:
    rnd, now = random.Random(seed), 0
    payloads = []
    for number in range(40):
        now += rnd.choice((0, 500, 1_000, 4_000, 9_000))
        name = ("bad" if rnd.random() < 0.1 else "e") + str(number)
        payloads.append(heard(now, rnd.choice(("ada", "bob", "cleo")), name))
    incoming, ticks = records(payloads), [Tick(rnd.randrange(40), BASE + 10_000), Tick(40, BASE + 60_000)]
    whole, _, _ = lived(incoming, ticks, [], crash=False, in_force=FAILING)
    parts, _, _ = lived(incoming, ticks, [cut for cut in cuts if cut < 40], crash=crash, in_force=FAILING)
    assert parts == whole


@pytest.mark.parametrize("further", [60_000, 365 * 86_400_000, 253_402_300_799_999 - BASE - 60_000])
def test_a_leap_over_years_costs_few_looks_and_not_one_for_each_window(
    monkeypatch: pytest.MonkeyPatch, further: int
) -> None:
    looks = Counter[str]()

    def looked(state: Any, table: Any, *args: Any, **named: Any) -> Any:
        looks[table.rule.id] += 1
        assert looks[table.rule.id] < 1_000, table.rule.id
        return lapse(state, table, *args, **named)

    monkeypatch.setattr(judging, "lapse", looked)
    fields = {"outcome": "failure", "ip": "10.0.0.1"}
    payloads = [event(n * 1_000, n, n=n % 7, **fields) for n in range(60)]
    payloads += [event(60_000 + further, 60 + n, n=n, **fields) for n in range(3)]
    payloads += [event(60_000 + further, 70, n=1, actor="zoe", **fields)]
    outputs = pipeline.detect(detecting(AUDIT), Batch(records([*payloads], stamp=BASE + 60_000 + further)), 7, ALL)
    assert {"absence", "aggregate-tumbling", "spike-z"} <= looks.keys()
    assert letters(outputs) == []
