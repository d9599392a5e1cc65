"""In a replay copies are handed over as they are: they must be what they would have been behind a record."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.detect.hop import Copy, read
from streams.model import Batch, Output
from streams.state.detect import leaving
from streams.state.detect.arrived import Arrived, arrived, same_by_json, turn_of
from streams.state.detect.rekeyed import RekeyedState
from tests.detecting import BASE, detecting, records
from tests.everykind import BY_IP, OVER_SOURCES, every_kind, river

ALL = every_kind(*OVER_SOURCES)
#: As they may stand in a payload.
VALUES = (
    "null", "true", "false", "0", "-0.0", "1.0", "1e3", "1e300", "1e999", "0.1", str(2**63 - 1), str(2**63),
    str(2**64 - 1), str(2**64), str(-(2**63) - 1), '""', r'"\u0000\ud83d\ude00"', r'"\ud800"', '"\N{SNOWMAN}"',
    "[]", "[1, [2]]", f"[{2**70}]", '{"a": {"b": null}}', '"' + "x" * 950 + '"',
)  # fmt: skip


def hostile(payload: bytes | None, rnd: random.Random) -> bytes | None:
    """The payload with some of its values replaced, others gone, and blanks around it."""
    try:
        document = json.loads(payload or b"")
        fields = [(json.dumps(name), json.dumps(value)) for name, value in document.items()]
    except (ValueError, AttributeError):
        return payload
    texts = [
        f"{name}: {rnd.choice(VALUES) if rnd.random() < 0.15 else value}"
        for name, value in fields
        if rnd.random() < 0.97
    ]
    blank = rnd.choice(("", "", " ", "\n", "\t\r\n "))
    return f"{blank}{{{', '.join(texts)}}}{blank}".encode()


def exactly(copies: list[Arrived]) -> list[Any]:
    """Comparable, and so that 1, 1.0 and True are three things."""
    return [repr(copy) for copy in sorted(copies, key=turn_of)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_copy_that_is_handed_over_is_what_its_record_would_have_said(seed: int) -> None:
    rnd = random.Random(seed)
    log = records([hostile(payload, rnd) for payload in river(rnd, 40)])
    handing, writing, handed = detecting(BY_IP), detecting(BY_IP), list[Arrived]()
    handing.hand = handed.append
    others, written = (pipeline.detect(state, Batch(log), BASE, ALL) for state in (handing, writing))
    by_record = [read(one.value) for one in written if one.topic == "rekeyed"]
    assert exactly(handed) == exactly([arrived(copy) for copy in by_record if isinstance(copy, Copy)])
    assert [one for one in others if one.topic != "rekeyed"] == [one for one in written if one.topic != "rekeyed"]
    assert handing.counts == writing.counts


def test_most_copies_are_handed_over_unwritten_and_some_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    handed, same = list[Arrived](), list[bool]()

    def noting(one: Arrived) -> bool:
        same.append(same_by_json(one))
        return same[-1]

    monkeypatch.setattr(leaving, "same_by_json", noting)
    for seed in range(10):
        rnd = random.Random(seed)
        state = detecting(BY_IP)
        state.hand = handed.append
        pipeline.detect(state, Batch(records([hostile(payload, rnd) for payload in river(rnd, 40)])), BASE, ALL)
    assert len(handed) == len(same)
    assert same.count(True) > 5 * same.count(False) > 0


def by_rule(copies: list[Arrived]) -> list[str]:
    """What each rule gets, whichever others go with it."""
    return sorted(
        repr((turn_of(one), one.tenant, one.key, ref, values, arms, one.raw, one.position, one.from_record))
        for one in copies
        for ref, values, arms in zip(one.rules, one.values, one.arms or [(0,)] * len(one.rules), strict=True)
    )


@settings(max_examples=20, deadline=None, phases=[Phase.generate])
@given(st.integers(0, 10**6))
def test_what_is_found_the_short_way_is_what_is_found_step_by_step(seed: int) -> None:
    rnd = random.Random(seed)
    log = records([hostile(payload, rnd) for payload in river(rnd, 60)])
    sent: list[list[Arrived]] = []
    found: list[tuple[list[Output], list[tuple[bytes, bytes | None]]]] = []
    for stopwatch in (None, lambda: 0):  # what is timed goes the long way
        origin, behind, handed = detecting(BY_IP), RekeyedState(0, lambda _: frozenset()), list[Arrived]()
        origin.hand, origin.stopwatch, behind.stopwatch = handed.append, stopwatch, stopwatch
        outputs = pipeline.detect(origin, Batch(log), BASE, ALL)
        sent.append(handed)
        behind.loaded()
        waiting = sorted(sent[0], key=turn_of)
        for begin in range(0, len(waiting), 25):
            outputs += pipeline.rekeyed_in_turn(behind, waiting[begin : begin + 25], BASE, ALL)
        outputs += pipeline.rekeyed_end(behind, BASE, ALL, mark=BASE + 10**7)
        found.append((outputs, [*origin.changes(), *behind.changes()]))
    assert by_rule(sent[0]) == by_rule(sent[1])
    assert found[0] == found[1]
    assert any(output.topic == "alert-input" for output in found[0][0])
