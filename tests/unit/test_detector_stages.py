"""Stages in their order: ties, disorder, what is told once; held against trying all combinations."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.stages import Stages

SETTINGS = {"stages": [["a"], ["b", "B"], ["c"]], "within": "10s"}


def run(events: list[tuple[int, Any]]) -> list[int]:
    """The indices of the events that complete."""
    detector, state, seen = Stages(SETTINGS), None, []
    for n, (at, action) in enumerate(events):
        state, findings = detector.step(state, Event(at, "", {"action": action}))
        seen += [n] * len(findings)
    return seen


@pytest.mark.parametrize(
    ("events", "completed"),
    [
        ([(0, "a"), (1, "b"), (2, "c")], [2]),
        ([(0, "c"), (0, "B"), (0, "a")], [2]),  # of one moment, in any order
        ([(2, "c"), (0, "a"), (1, "b")], [2]),  # out of order
        ([(0, "b"), (1, "a"), (2, "c")], []),
        ([(0, "a"), (5, "b"), (10_000, "c")], []),
        ([(1, "a"), (5, "b"), (10_000, "c")], [2]),
        ([(0, "a"), (1, "b"), (2, "c"), (3, "c"), (4, "b")], [2]),  # told once
        ([(0, "a"), (1, "b"), (2, "c"), (3, "a"), (4, "b"), (5, "c")], [2, 5]),
        ([(0, "a"), (1, "x"), (1, None), (1, 7), (1, ["b"]), (2, "c")], []),
        ([(0, "a"), (0, "a"), (0, "c")], []),
    ],
)
def test_what_completes(events: list[tuple[int, Any]], completed: list[int]) -> None:
    assert run(events) == completed


@given(st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from("abc")), max_size=12))
def test_something_is_found_exactly_where_some_combination_fits(events: list[tuple[int, str]]) -> None:
    times = [[at for at, action in events if action == stage] for stage in "abc"]
    fits = any(one <= two <= three < one + 10_000 for one, two, three in product(*times))
    assert bool(run(events)) is (fits and _kept(events))


def _kept(events: list[tuple[int, str]]) -> bool:
    """Whether no event came so late that it was forgotten: the promise is for what comes inside twice the window."""
    newest = 0
    for at, _ in events:
        newest = max(newest, at)
        if at <= newest - 20_000:
            return bool(run(events))
    return True


@pytest.mark.parametrize("stages", [[["a"]], [["a"], ["a"]], [["a"], []]])
def test_settings_that_cannot_be(stages: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="two or more lists"):
        Stages({"stages": stages})


def test_a_flood_stays_small() -> None:
    detector: Any = Stages(SETTINGS)
    state: Any = None
    for n in range(5_000):
        state, _ = detector.step(state, Event(n, "", {"action": "b"}))
    assert [len(times) for times in state[1]] == [0, 64, 0]
