"""Approvals without limit, and transfers that somebody else than the owner begins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.approval_phishing import ApprovalPhishing
from tests.stepping import event, values, walk

DAY = 86_400_000
_SETTINGS = {"approvals": ["Approval"]}
_ALL = str(2**256 - 1)


def approves(at: int, owner: str, amount: Any = _ALL, **more: Any) -> Event:
    return event(at, type="approval", owner=owner, spender="0xbad", amount=amount, **more)


def takes(at: int, owner: str, begun_by: Any = "0xbad", amount: Any = "5", **more: Any) -> Event:
    return event(at, type="transfer", from_=owner, spender="0xbad", tx_from=begun_by, amount=amount, **more)


def both(owners: str, **more: Any) -> list[Event]:
    return [approves(n, owner) for n, owner in enumerate(owners)] + [
        takes(100 + n, owner, **more) for n, owner in enumerate(owners)
    ]


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (both("abc"), [(102, 3)]),
        (both("abcde"), [(102, 3), (103, 4), (104, 5)]),
        (both("ab"), []),
        (both("abc", begun_by=None), []),  # who began it is not known
        ([approves(0, o) for o in "abc"] + [takes(9, o, begun_by=o.upper()) for o in "abc"], []),
        (both("abc", amount="0"), []),
        (both("abc", amount="-5"), []),
        (both("abc", amount=True), []),
        ([approves(0, o, 2**96 - 1) for o in "abc"] + [takes(9, o) for o in "abc"], [(9, 3)]),
        ([approves(0, o, 2**96 - 2) for o in "abc"] + [takes(9, o) for o in "abc"], []),
        ([approves(0, o, None, approved=True) for o in "abc"] + [takes(9, o) for o in "abc"], [(9, 3)]),
        ([approves(0, o) for o in "abc"] + [approves(1, o, "0") for o in "abc"] + [takes(9, o) for o in "abc"], []),
        ([approves(0, o) for o in "abc"] + [takes(7 * DAY - 1, o) for o in "abc"], [(7 * DAY - 1, 3)]),
        ([approves(0, o) for o in "abc"] + [takes(7 * DAY, o) for o in "abc"], []),
        ([approves(9, o) for o in "abc"] + [takes(8, o) for o in "abc"], []),  # taken before
        ([approves(n, "aAaAaA"[n]) for n in range(6)] + [takes(9, "a") for _ in range(6)], []),  # one owner
        ([approves(n, o, spender_is_contract=False) for n, o in enumerate("abc")], [(2, 3)]),
        ([approves(n, o, spender_is_contract=None) for n, o in enumerate("abc")], []),
        ([approves(0, "z")] + [one for o in "abc" for one in (approves(31 * DAY, o), takes(31 * DAY, o))], []),
        ([approves(0, "0xBAD"), takes(1, "0xbad")] * 3, []),
    ],
)
def test_three_owners_who_lost_what_they_approved(events: list[Event], found: list[Any]) -> None:
    assert values(ApprovalPhishing(_SETTINGS), events) == found


@given(order=st.permutations(range(8)))
@settings(max_examples=80, deadline=None)
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    events = both("abcd")
    found = walk(ApprovalPhishing(_SETTINGS), [events[place] for place in order])
    assert found[-1][1].value == 4
    assert {sight[2] for sight in found[-1][1].evidence} == {one.id for one in events}
