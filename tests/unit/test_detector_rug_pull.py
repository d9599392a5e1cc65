"""The share of a pool that its creator takes inside an hour, in pieces and out of order."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.rug_pull import RugPull
from tests.stepping import event, values, walk

MINUTE, HOUR = 60_000, 3_600_000
_SETTINGS = {"created": ["PairCreated"], "added": ["mint"], "removed": ["burn"]}


def burn(at: int, liquidity: Any, before: Any = 1000, who: str = "0xD1", **more: Any) -> Event:
    return event(at, type="burn", provider=who, pool_creator="0xd1", liquidity=liquidity, pool_liquidity=before, **more)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([burn(0, 800)], [(0, 80)]),
        ([burn(0, 799)], []),
        ([burn(0, 400), burn(HOUR - 1, 400, 600)], [(HOUR - 1, 80)]),
        ([burn(0, 400), burn(HOUR, 400, 600)], []),  # an hour later is outside
        ([burn(0, 800, who="0xe5")], []),
        ([burn(0, "800" + "0" * 60, "1000" + "0" * 60)], [(0, 80)]),
        ([burn(0, 5_000, 1_000)], [(0, 100)]),  # more than there was is all there was
        ([burn(0, 900, amount_usd=9_999)], []),
        ([burn(0, 900, amount_usd="10000")], [(0, 90)]),
        ([burn(0, 450, amount_usd=1), burn(1, 450, 550)], [(1, 90)]),  # of unknown worth is not little
        ([event(0, type="burn", provider="0xd1", liquidity=900, pool_liquidity=1000)], []),  # a creator nobody named
    ],
)
def test_what_is_taken_is_added_up_over_an_hour(events: list[Event], found: list[Any]) -> None:
    assert values(RugPull(_SETTINGS), events) == found


def test_a_pool_that_is_known_from_its_creation_needs_no_totals() -> None:
    made = event(0, type="PairCreated", from_="0xfac7")
    first = event(1, type="mint", provider="0xd1", liquidity=900, pool_creator="0xd1")
    other = event(2, type="mint", provider="0xe5", liquidity=100)
    taken = event(3, type="burn", provider="0xD1", liquidity=850)
    assert values(RugPull(_SETTINGS), [made, first, other, taken]) == [(3, 85)]
    assert values(RugPull(_SETTINGS), [first, other, taken]) == []  # who knows what was in it before


def test_the_withdrawals_are_the_evidence() -> None:
    found = walk(RugPull(_SETTINGS), [burn(0, 10), burn(2 * HOUR, 400), burn(2 * HOUR + 1, 400, 600)])
    assert [[sight[2] for sight in one.evidence] for _, one in found] == [["e7200000", "e7200001"]]


@given(
    pieces=st.lists(st.tuples(st.integers(0, 150), st.integers(1, 500)), min_size=1, max_size=7),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_in_whatever_order_they_come_the_worst_hour_is_found(pieces: list[tuple[int, int]], order: Any) -> None:
    events = [burn(minute * MINUTE, part, 1000) for minute, part in pieces]
    order.shuffle(events)
    windows = [
        sum(part for other, part in pieces if minute - 60 < other <= minute) for minute, _ in pieces
    ]  # brute force
    worst = min(Fraction(max(windows), 10), Fraction(100))
    found = [share for _, share in values(RugPull(_SETTINGS), events)]
    assert max(found, default=0) == (float(worst) if worst >= 80 else 0)
