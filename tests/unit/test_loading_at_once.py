"""A changelog is loaded in runs of one rule and tenant; what comes of it is what one record after the other gives."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from streams import pipeline
from streams.errors import StateMismatch
from streams.state.detect.rulebook import Rulebook
from streams.state.form import FORMAT
from tests.detecting import Changelog, batch, control, detecting, event, rule

COUNT = rule("counted", {"count": {"at_least": 3, "within": "1h"}})
PAIR = rule("paired", {"count": {"at_least": 3, "within": "1h"}}, group_by=["actor", "action"])
ACTORS: tuple[Any, ...] = ("a", 'q"uo\\te', "ü", "\u2028", "x" * 2_000, 7, None, True, "", "b")


def _written() -> list[tuple[bytes, bytes]]:
    state, log = detecting(), Changelog()
    made = [
        event(number, number, actor=ACTORS[number % 10], action="login", tenant=("acme", "bolt")[number % 3 == 0])
        for number in range(60)
    ]
    pipeline.detect(state, batch(made), 0, control(COUNT, PAIR))
    log.commit(state)
    assert len(log.rows) > 30
    return list(log.rows.items())


@pytest.mark.parametrize("seed", range(8))
def test_at_once_is_one_by_one(seed: int) -> None:
    rows = _written()
    if seed:
        random.Random(seed).shuffle(rows)
    states = detecting(), detecting()
    for key, value in rows:
        states[0].load(key, value)
    for begin in range(0, len(rows), 7):
        some = rows[begin : begin + 7]
        states[1].load_all([key for key, _ in some], [value for _, value in some])
    for state in states:
        state.loaded()
        state.begin(control(COUNT, PAIR))
    one, other = (
        {
            ref: {tenant: shelf.rows for tenant, shelf in table.shelves.items()}
            for ref, table in state.book._tables.items()
        }
        for state in states
    )
    assert one == other


@pytest.mark.parametrize(
    "value",
    [b'[2,[1,"0 a,"]]', b"[3]", b"[]", b"7", b'[3,[1,"0 a,"]],[3,[2,"0 b,"]]', b'[3,[1,"0 a,"', b""],
    ids=["older", "no state", "empty", "number", "two", "cut", "nothing"],
)
def test_a_value_of_another_program_is_refused_wherever_it_stands(value: bytes) -> None:
    (first, good), *more = [(key, content) for key, content in _written() if b'["a"]' in key or b'["b"]' in key]
    head = first[: first.rindex(b"[")]
    keys = [first, head + b'["n1"]]', head + b'["n2"]]']
    book = Rulebook(10)
    with pytest.raises((StateMismatch, ValueError, IndexError)):
        book.load_all(keys, [good, value, good])
    assert more
    assert msgspec.json.decode(good)[0] == FORMAT


def test_nothing_is_loaded_of_no_records() -> None:
    book = Rulebook(10)
    book.load_all([], [])
    assert list(book.changes()) == []
