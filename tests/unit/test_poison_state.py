"""A key under attack: what a rule keeps of it stays in its room, and an event costs what the one before it did."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from streams import pipeline
from streams.detect.base import MAX_STATE
from streams.model import Batch, Control
from streams.rules.compiled import compiled
from streams.rules.lists import bind
from tests.detecting import BASE, control, detecting, event, records
from tests.everykind import AUDIT, LISTS, LOCAL

#: A further event may cost as many further calls as it has entries to look through, never as many as came before it.
GROWTH = 2

HOSTILE: tuple[Any, ...] = (
    None, True, False, ..., "", "7", "x" * 2_000, "\u0000", "é☃😀", str(2**255), "1e999", "192.0.2.1/999", -(10**18), 2**64,
    10**18, 1e300, -1e300, 5e-324, -0.0, 0, [1, [2]], {"a": {"b": 1}},
)  # fmt: skip


def hostile(count: int, seed: int = 7) -> Iterator[bytes]:
    """Events of one key a millisecond apart, a third of them late, with ids, addresses and numbers that never repeat."""
    rnd = random.Random(seed)
    for number in range(count):
        fields = {
            "action": rnd.choice(("login", "login", "sudo")),
            "outcome": rnd.choice(("failure", "success", rnd.choice(HOSTILE))),
            "ip": rnd.choice((f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", rnd.choice(HOSTILE))),
            "n": rnd.choice((number, number / 10, f"{number}{'0' * 20}", f"v{number}", rnd.choice(HOSTILE))),
        }
        if rnd.random() < 0.3:
            fields["event_id"] = rnd.choice((..., None, 2**70, "", "i" * 400 + str(number)))
        yield event(number - rnd.choice((0, 0, 3_000)), number, **fields)


class Attacked:
    """A partition with one rule, and what became of it so far."""

    def __init__(self, document: dict[str, Any]) -> None:
        rules = control(document).ruleset
        assert rules is not None
        self.control = Control(1, bind(rules, LISTS))
        self.state = detecting(AUDIT, program=compiled)
        self.largest = 0  #: row that was written for the key
        self.taken = 0

    def take(self, payloads: list[bytes]) -> None:
        for begin in range(0, len(payloads), 2_000):
            batch = payloads[begin : begin + 2_000]
            numbered = [(self.taken + place, raw, stamp) for place, raw, stamp in records(batch)]
            outputs = pipeline.detect(self.state, Batch(numbered), BASE, self.control)
            assert {output.topic for output in outputs} <= {"alert-input", "late"}
            self.taken += len(batch)
            self.largest = max([self.largest, *(len(row) for _, row in self.state.changes() if row)])

    def calls(self, payloads: list[bytes]) -> int:
        """Takes them, and counts what is called meanwhile."""
        count = 0

        def called(frame: FrameType, what: str, _: object) -> None:
            nonlocal count
            count += what in ("call", "c_call")

        sys.setprofile(called)
        try:
            self.take(payloads)
        finally:
            sys.setprofile(None)
        return count


MANY = list(hostile(6_000))


@pytest.mark.parametrize("document", LOCAL, ids=lambda document: document["id"])
def test_a_key_under_attack_keeps_to_its_room_and_later_events_cost_what_earlier_ones_did(
    document: dict[str, Any],
) -> None:
    attacked = Attacked(document)
    attacked.take(MANY[:3_000])
    before = attacked.calls(MANY[3_000:3_200])
    attacked.take(MANY[3_200:5_800])
    after = attacked.calls(MANY[5_800:])
    assert attacked.largest <= MAX_STATE
    assert after <= GROWTH * before
    assert not [name for name in attacked.state.counts if name[0] in ("dead", "rule_errors", "rule_off")]


#: One of each way of keeping state that costs so little that the whole attack takes a second.
CHEAP = ("level", "absence", "absence-after", "spike", "count-below", "budget")


def test_nor_do_100_000_events_on_one_key_make_more_of_it() -> None:
    payloads = list(hostile(100_000, seed=8))
    for document in LOCAL:
        if document["id"] in CHEAP:
            attacked = Attacked(document)
            attacked.take(payloads)
            assert attacked.taken == 100_000
            assert attacked.largest <= MAX_STATE // 16, document["id"]
            assert len(list(attacked.state.changes())) == 0, "all was written"
