"""What time alone brings about: before the event that proves it, in one order, and never twice or for what is gone."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.model import Batch
from streams.state.detecting import DetectState
from tests.detecting import detecting, records
from tests.everykind import AUDIT, every_kind, river

ALL = every_kind()


def forgettable_too_soon(state: DetectState) -> list[tuple[str, Any]]:
    """Keys that a sweep could forget although a timer of theirs has not come: what was found would depend on it."""
    found = []
    for ref in (rule.ref for rule in ALL.ruleset.in_force()):
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
