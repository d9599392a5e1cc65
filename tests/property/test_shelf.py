"""A shelf forgets and evicts what a plain dictionary would, whatever came before, and after a restart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import State
from streams.state import shelf as shelves
from streams.state.detect.keys import Row, row_tail
from streams.state.shelf import Shelf

WIDTH = 10
rows = st.sampled_from(["a", "b", "c", "d", "e", ("x", ("i", 1)), (("i", 2),)])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), rows, st.integers(-30, 60), st.booleans()),
        st.tuples(st.just("forget"), rows),
        st.tuples(st.just("evict")),
        st.tuples(st.just("sweep"), st.integers(-40, 70), st.integers(1, 4)),
        st.tuples(st.just("restart")),
    ),
    max_size=60,
)


def newest(state: State) -> int:
    at: int = state[0]
    return at


def holds(state: State) -> bool:
    return bool(state[1])


@settings(max_examples=400, deadline=None)
@given(operations)
def test_what_goes_is_what_is_oldest(steps: list[tuple[Any, ...]]) -> None:
    shelf = Shelf("acme", WIDTH)
    plain: dict[Row, State] = {}
    for step in steps:
        if step[0] == "put":
            _, row, at, held = step
            before = shelf.rows.get(row)
            state = [max(at, before[0]) if before else at, held]
            shelf.rows[row] = plain[row] = state
            if before is None:
                shelf.file(row, state[0])
            elif row in shelf.parked and not held:
                shelf.unpark(row, state[0])
        elif step[0] == "forget" and step[1] in plain:
            shelf.remove(step[1], filed=True, newest=plain[step[1]][0])
            del plain[step[1]]
        elif step[0] == "evict" and plain:
            free = [row for row, state in plain.items() if not state[1]]
            row = shelf.oldest(newest, holds)
            if free:
                assert row == min(free, key=lambda row: (plain[row][0] // WIDTH, row_tail(row)))
            else:
                assert row == min(plain, key=lambda row: (plain[row][0], row_tail(row)))
            shelf.remove(row, filed=False)
            del plain[row]
        elif step[0] == "sweep":
            shelf.sweep(step[1], step[2], newest, holds)
            gone = plain.keys() - shelf.rows.keys()
            assert all(plain[row][0] <= step[1] and not plain[row][1] for row in gone)
            for row in gone:
                del plain[row]
        elif step[0] == "restart":
            shelf = Shelf("acme", WIDTH)
            shelf.fill(dict(plain), newest)
        assert shelf.rows == plain
    shelf.sweep(1_000, 1_000, newest, holds)
    assert shelf.rows == {row: state for row, state in plain.items() if state[1]}


def test_each_eviction_from_a_full_shelf_looks_at_few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """All keys in one file, and keys that come late in between: the first eviction orders them, the others do not."""
    looked = 0

    def counted(row: Row) -> bytes:
        nonlocal looked
        looked += 1
        return row_tail(row)

    monkeypatch.setattr(shelves, "row_tail", counted)
    shelf = Shelf("acme", 1_000)
    for number in range(20_000):
        shelf.rows[f"k{number}"] = [0, False]
        shelf.file(f"k{number}", 0)
    for number in range(2_000):
        late = f"l{number}"
        for row, at in ((f"n{number}", 1), (late, -10_000 - number)):
            shelf.rows[row] = [at, False]
            shelf.file(row, at)
        assert shelf.oldest(newest, holds) == late
        shelf.remove(late, filed=False)
        shelf.remove(shelf.oldest(newest, holds), filed=False)
    assert looked <= 20_000 + 2 * 2_000
