"""What the journal says was evaluated, and each way in which something was not."""

from __future__ import annotations

import pytest

from streams.detect.registry import KINDS
from streams.model import Step
from streams.replay.lookback.coverage import Gap, InForce, Stretch, Why, gaps, runs, stretches
from streams.rules.load import ruleset_from_documents
from streams.rules.rule import Rule
from tests.detecting import rule

RULES = ruleset_from_documents([rule("a", {"match": {}}), rule("b", {"match": {}})], KINDS)
A, B = RULES.rules


def step(begin: int, end: int, control: int = 1) -> Step:
    return Step(begin, begin, end, f"set{control}", control)


def ruled(one: Rule) -> InForce:
    """``a`` is in force from position 1 on, ``b`` from 2 on, but not at 3."""
    return (lambda _: True) if one.id == "a" else (lambda position: position in (2, 4))


CASES = [
    ([step(0, 5), step(5, 5), step(5, 9)], 0, 9, [A], []),
    ([], 0, 4, [A], [Gap(Why.UNREAD, 0, 4)]),
    ([], 4, 4, [A], []),  # there is nothing to read
    ([step(3, 9)], 0, 9, [A], [Gap(Why.BEFORE_JOURNAL, 0, 3)]),
    ([step(0, 9)], 4, 9, [A], [Gap(Why.RETENTION, 0, 4)]),
    ([step(0, 9)], 20, 20, [A], [Gap(Why.RETENTION, 0, 9), Gap(Why.LOST, 9, 20)]),
    ([step(0, 4), step(6, 9)], 0, 9, [A], [Gap(Why.SKIPPED, 4, 6)]),
    ([step(0, 9)], 0, 12, [A], [Gap(Why.LAG, 9, 12)]),
    ([step(0, 4), step(4, 9, 2)], 0, 9, [A, B], [Gap(Why.NOT_IN_FORCE, 0, 4, ("b",))]),
    ([step(0, 4), step(4, 9)], 0, 9, [B], [Gap(Why.NOT_IN_FORCE, 0, 9, ("b",))]),
    ([step(0, 4, 2), step(4, 6, 3), step(6, 9, 4)], 0, 9, [B], [Gap(Why.NOT_IN_FORCE, 4, 6, ("b",))]),
    ([step(0, 4), step(4, 9, 2)], 5, 9, [B], [Gap(Why.RETENTION, 0, 5)]),  # what is gone lacks no rule
]  # fmt: skip


@pytest.mark.parametrize(("steps", "low", "high", "now", "expected"), CASES)
def test_every_gap_has_its_name(steps: list[Step], low: int, high: int, now: list[Rule], expected: list[Gap]) -> None:
    assert gaps(steps, low, high, now, ruled) == expected


def test_a_run_ends_where_the_rule_was_not_in_force_even_for_a_tick() -> None:
    steps = [step(0, 4, 2), step(4, 4, 3), step(4, 6, 2), step(6, 8, 2)]
    assert runs(steps, ruled(B)) == [(0, 4), (4, 8)]  # its state began anew in between


def test_offsets_are_told_by_the_rule_set_that_looked_at_them() -> None:
    steps = [step(0, 4), step(4, 4), step(4, 6), step(6, 8, 2), step(9, 10, 2)]
    assert stretches(steps, lambda _: RULES, "audit") == (
        Stretch(0, 6, "set1", 2), Stretch(6, 8, "set2", 2), Stretch(9, 10, "set2", 2),
    )  # fmt: skip
