"""Round trips: held against a search of every order of legs, and silent about what market makers do to each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detect.detectors import Event, Found
from streams.detect.detectors.round_trip import MAX_LEGS, RoundTrip

Leg = tuple[int, str, str]  #: seconds, seller, buyer

HOUR, DAY = 3_600, 86_400


def sale(leg: Leg, **more: Any) -> Event:
    at, seller, buyer = leg
    fields = {"type": "nft.sale", "token_id": "7", "seller": seller, "buyer": buyer, "price": 5, **more}
    return Event(at * 1000, "", fields)


def trade(at: int, seller: str, buyer: str, qty: Any = 77, price: Any = 2) -> Event:
    return Event(at * 1000, "", {"type": "trade", "seller": seller, "buyer": buyer, "qty": qty, "price": price})


def run(events: Iterable[Event], **settings: Any) -> list[Found]:
    detector, state = RoundTrip(settings), None
    found: list[Found] = []
    for event in events:
        state, seen = detector.step(json.loads(json.dumps(state)), event)
        assert len(json.dumps(state)) < 128 * 1024
        found += seen
    return found


def parties(found: Iterable[Found]) -> set[str]:
    return {one.detail["parties"] for one in found}


def rings(legs: list[Leg], fewest: int, most: int) -> set[str]:
    """Every set of parties round which a token could have gone: all selections of legs in all orders."""
    seen = set()
    for n in range(fewest, most + 1):
        for chosen in permutations(legs, n):
            follows = all(one[2] == other[1] and one[0] <= other[0] for one, other in pairwise(chosen))
            names = {one[1] for one in chosen}
            if follows and chosen[-1][2] == chosen[0][1] and len(names) == n:
                seen.add(", ".join(sorted(names)))
    return seen


legs_of_few = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=6)


@given(legs_of_few, st.sampled_from([(2, 2), (3, 4)]))
def test_in_any_order_of_arrival_some_ring_is_told_where_there_is_one(legs: list[Leg], bounds: tuple[int, int]) -> None:
    expected = rings([leg for leg in legs if leg[1] != leg[2]], *bounds)
    told = parties(run(map(sale, legs), parties=list(bounds)))
    assert told <= expected
    assert bool(told) == bool(expected)


@given(legs_of_few.map(sorted))
def test_each_pair_is_told_where_legs_come_in_order(legs: list[Leg]) -> None:
    expected = rings([leg for leg in legs if leg[1] != leg[2]], 2, 2)
    assert parties(run(map(sale, legs))) == expected


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([sale((0, "a", "b")), sale((30 * DAY - 1, "b", "a"))], 1),
        ([sale((0, "a", "b")), sale((30 * DAY, "b", "a"))], 0),  # a month later
        ([sale((0, "0xAb", "b")), sale((1, "b", "0xaB"))], 1),  # an address in capitals
        ([sale((0, "a", "b")), sale((1, "b", "a"), price=0)], 0),  # given back for nothing
        ([sale((0, "a", "b")), sale((1, "b", "a"), price=-1)], 0),
        ([sale((0, "a", "b")), sale((1, "b", "a"), price="NaN")], 0),
        ([sale((0, "a", "b")), sale((1, "b", "a"), price=True)], 0),
        ([sale((0, "a", "b")), sale((1, "b", "a"), price=str(2**256 - 1))], 1),
        ([sale((0, "a", "a")), sale((1, "a", "a"))], 0),  # self-referential: another rule's
        ([sale((0, "0x" + "0" * 40, "b")), sale((1, "b", "0x" + "0" * 40))], 0),  # minted and burnt
        ([trade(0, "a", "b"), trade(1, "b", "a")], 1),
        ([trade(0, "a", "b"), trade(300, "b", "a")], 0),  # five minutes later
        ([trade(0, "a", "b", 77), trade(1, "b", "a", 75)], 0),
        ([trade(0, "a", "b", 77, -37.5), trade(1, "b", "a", 77, -37.5)], 1),  # prices below zero are traded
        ([trade(0, "a", "b", str(2**255)), trade(1, "b", "a", str(2**255))], 1),
        ([trade(0, "a", "b"), trade(1, "a", "b"), trade(2, "a", "b")], 0),  # both sides tell of one trade
    ],
)
def test_what_is_back_and_what_is_not(events: list[Event], told: int) -> None:
    assert len(run(events)) == told


def test_what_intermediaries_do_is_nobodys_round_trip() -> None:
    legs = [(0, "a", "pool"), (1, "pool", "a")]
    assert len(run(map(sale, legs))) == 1
    assert run(map(sale, legs), intermediaries=["pool"]) == []


def test_each_pair_is_told_once_a_day() -> None:
    legs = [(n * HOUR, "ab"[n % 2], "ba"[n % 2]) for n in range(28)]
    assert len(run(map(sale, legs))) == 2


def test_ten_market_makers_trade_round_lots_all_day_in_silence() -> None:
    rng, names = Random(5), [f"m{n}" for n in range(10)]
    events = []
    for n in range(600):
        seller, buyer = rng.sample(names, 2)
        events.append(trade(n, seller, buyer, 100, round(2 * rng.gauss(1, 0.0005), 4)))
    assert run(events) == []
    assert run(events, parties=[3, 6]) == []


def test_the_state_of_a_flood_is_bounded_and_the_search_ends() -> None:
    rng = Random(1)
    names = [f"{'long' * 20}-{n}" for n in range(12)]
    events = [sale((n // 50, rng.choice(names[:6]), rng.choice(names[6:]))) for n in range(150)]
    events += [sale((4, rng.choice(names[6:]), rng.choice(names[:6]))) for n in range(50)]
    assert len(run(events, parties=[6, 6])) < 50
    crowd = [trade(0, f"s{n}", f"b{n}") for n in range(2 * MAX_LEGS)]
    assert run(crowd) == []


@pytest.mark.parametrize("settings", [{"parties": [1, 2]}, {"parties": [3, 9]}, {"within": 5}, {"intermediaries": "x"}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RoundTrip(settings)
