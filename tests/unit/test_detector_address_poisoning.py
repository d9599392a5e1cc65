"""Look-alikes of those whom a wallet deals with."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from streams.detect.detectors import Event
from streams.detect.detectors.address_poisoning import AddressPoisoning
from tests.stepping import event, values, walk

OWN = "0x" + "1" * 40
PAYEE = "0xAbCd" + "0" * 32 + "1234"
BAIT = "0xabcd" + "9" * 32 + "1234"


def pays(at: int, to: str, amount: Any = "500", **more: Any) -> Event:
    return event(at, from_=OWN, to=to, amount=amount, **more)


def gets(at: int, sender: str, amount: Any = "1", **more: Any) -> Event:
    return event(at, "received", from_=sender, to=OWN, amount=amount, **more)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([pays(0, PAYEE), gets(1, BAIT)], [(1, 1)]),
        ([pays(0, PAYEE), gets(1, BAIT, "0")], [(1, 1)]),
        ([pays(0, PAYEE), pays(1, BAIT, "0")], [(1, 1)]),
        ([gets(0, PAYEE), gets(1, BAIT, "0")], [(1, 1)]),
        ([pays(0, PAYEE), gets(1, BAIT), gets(2, BAIT), gets(3, BAIT, "0")], [(1, 1)]),
        ([pays(0, PAYEE), gets(1, BAIT), pays(2, BAIT)], [(1, 1), (2, 2)]),
        ([pays(0, PAYEE), pays(1, BAIT), pays(2, BAIT)], [(1, 2), (2, 2)]),
        ([pays(0, PAYEE), gets(1, BAIT), pays(2, PAYEE)], [(1, 1)]),  # the right one is paid
        ([pays(0, PAYEE), gets(1, BAIT, "5", amount_usd=10)], []),  # nobody baits with money
        ([pays(0, PAYEE), gets(1, BAIT, "5", amount_usd="9.99")], [(1, 1)]),
        ([pays(0, PAYEE, "0"), gets(1, BAIT, "0")], []),  # nothing was dealt with either
        ([pays(0, PAYEE), gets(1, PAYEE.lower(), "0")], []),
        ([pays(0, PAYEE), gets(1, "0xabcd" + "9" * 32 + "0234", "0")], []),
        ([pays(0, PAYEE), gets(1, "0xabc0" + "9" * 32 + "1234", "0")], []),
        ([pays(0, PAYEE), gets(1, "abcd1234", "0")], []),
        ([pays(0, PAYEE), gets(1, BAIT, "-1"), gets(2, BAIT, None), gets(3, BAIT, str(2**256))], []),
        ([pays(0, OWN, "0"), gets(0, OWN, "0")], []),
    ],
)
def test_who_looks_like_whom(events: list[Event], found: list[Any]) -> None:
    assert values(AddressPoisoning({}), events) == found


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_bait_is_the_one_that_came_later_by_event_time(order: tuple[int, ...]) -> None:
    events = [pays(0, PAYEE), gets(5, BAIT), pays(9, "0x" + "7" * 40)]
    found = walk(AddressPoisoning({}), [events[place] for place in order])
    assert [(one.detail["bait"], one.detail["stage"]) for _, one in found] == [(BAIT, "bait")]
    assert [sight[2] for sight in found[0][1].evidence] == ["e0", "e5"]


def test_in_a_tie_the_one_that_moved_less_is_the_bait() -> None:
    events = [gets(0, BAIT, "0"), pays(0, PAYEE)]
    for arrival in (events, events[::-1]):
        assert [one.detail["bait"] for _, one in walk(AddressPoisoning({}), arrival)] == [BAIT]


def test_the_counterparty_not_seen_for_longest_is_forgotten() -> None:
    others = [pays(1 + n, f"0x{n:040x}") for n in range(64)]
    assert values(AddressPoisoning({}), [pays(0, PAYEE), *others[:62], gets(99, BAIT)]) == [(99, 1)]
    assert values(AddressPoisoning({}), [pays(0, PAYEE), *others, gets(99, BAIT)]) == []
