"""What may be committed, and that no life of a worker sends what an earlier one finished."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Origin
from connectors.offsets import Commit, Offsets

NAME = ("notifications", 0)


def at(offset: int) -> Origin:
    return Origin(*NAME, offset)


def begun(count: int, *finished: int) -> Offsets:
    offsets = Offsets()
    for offset in range(count):
        assert offsets.begin(at(offset))
    for offset in finished:
        offsets.finish(at(offset))
    return offsets


@pytest.mark.parametrize(
    ("count", "finished", "commit"),
    [
        (3, (), Commit(0)),
        (3, (0,), Commit(1)),
        (3, (0, 1, 2), Commit(3)),
        (3, (2, 1), Commit(0, "tocsin1:3:")),  # 0 alone is left
        (6, (1, 3, 4), Commit(0, "tocsin1:6:2,3")),  # 0, 2 and 5 are left
    ],
)
def test_the_commit_names_what_is_left(count: int, finished: tuple[int, ...], commit: Commit) -> None:
    assert begun(count, *finished).committable() == {NAME: commit}


@pytest.mark.parametrize(
    "note",
    ["", "x", "tocsin1", "tocsin1:", "tocsin1:5", "tocsin1:-3:", "tocsin1:5:0", "tocsin1:5:-1,3", "tocsin1:5:9",
     "tocsin2:5:", "tocsin1:5:1,", "tocsin1:99999999999999:", "tocsin1:5:a", "\0", "tocsin1:" + "9" * 5000],
)  # fmt: skip
def test_a_note_that_makes_no_sense_claims_nothing(note: str) -> None:
    offsets = Offsets()
    offsets.resume(*NAME, Commit(10, note))
    claimed = [offset for offset in range(10, 20) if not offsets.begin(at(offset))]
    assert claimed == ([11, 12, 13, 14] if note == "tocsin1:5" else [])


def test_a_note_that_would_be_too_long_claims_less() -> None:
    offsets = begun(40_000, *range(1, 40_000, 2))
    commit = offsets.committable()[NAME]
    assert commit.offset == 0
    assert 3500 < len(commit.note) < 4096
    again = Offsets()
    again.resume(*NAME, commit)
    sent = [offset for offset in range(40_000) if again.begin(at(offset))]
    assert set(range(0, 40_000, 2)) <= set(sent)  # nothing unfinished is left out
    assert 1 not in sent
    assert 39_999 in sent


def test_records_that_are_no_items_do_not_hold_anything_back() -> None:
    offsets = Offsets()
    for offset in range(1000):
        offsets.skip(at(offset))
    assert offsets.committable() == {NAME: Commit(1000)}
    assert offsets.span == 0


@settings(max_examples=200, deadline=None)
@given(
    kinds=st.lists(st.booleans(), min_size=1, max_size=40),  # an item, or a record that is none
    lives=st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 39), max_size=40)), max_size=6),
)
def test_over_any_number_of_lives_every_item_is_finished_once(
    kinds: list[bool], lives: list[tuple[int, list[int]]]
) -> None:
    commit, finished = Commit(0), list[int]()
    for reads, finishes in [*lives, (40, list(range(40)))]:
        offsets, mine = Offsets(), set[int]()
        offsets.resume(*NAME, commit)
        for offset in range(commit.offset, min(len(kinds), commit.offset + reads)):
            if not kinds[offset]:
                offsets.skip(at(offset))
            elif offsets.begin(at(offset)):
                mine.add(offset)
        for offset in finishes:
            if offset in mine:
                mine.remove(offset)
                finished.append(offset)
                offsets.finish(at(offset))
        before, commit = commit, offsets.committable()[NAME]
        assert commit.offset >= before.offset
    assert sorted(finished) == [offset for offset, item in enumerate(kinds) if item]
    assert commit == Commit(len(kinds))
