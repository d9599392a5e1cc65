"""What leaves a bridge less what comes in, inside an hour of minutes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.detectors import Event
from streams.detect.detectors.bridge_drain import BridgeDrain
from tests.stepping import event, values

MINUTE = 60_000
_SETTINGS = {"deposits": ["in"], "withdrawals": ["out"]}


def moved(minute: int, amount: Any, locked: Any = 1000, type_: str = "out", **more: Any) -> Event:
    return event(minute * MINUTE, type=type_, amount=amount, locked=locked, **more)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([moved(0, 200)], [20]),
        ([moved(0, 199)], []),
        ([moved(0, 100), moved(59, 100, 900)], [20]),
        ([moved(0, 100), moved(60, 100, 900)], []),
        ([moved(0, 100, type_="in"), moved(1, 299)], []),
        ([moved(0, 300), moved(1, 300, type_="in")], [30]),
        ([moved(0, 300, None)], []),
        ([moved(0, 300, 0)], []),
        ([moved(0, 300, amount_usd=99_999)], []),
        ([moved(0, 300, amount_usd=100_000)], [30]),
        ([moved(0, -300), moved(1, True), moved(2, "x"), moved(3, 300, type_="other")], []),
        ([moved(0, str(2 * 10**70), str(10**71))], [20]),
    ],
)
def test_a_fifth_of_what_is_locked(events: list[Event], found: list[Any]) -> None:
    assert [share for _, share in values(BridgeDrain(_SETTINGS), events)] == found


@given(
    parts=st.lists(st.tuples(st.integers(0, 100), st.integers(-150, 150)), min_size=1, max_size=9),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_in_whatever_order_they_come_the_last_state_knows_every_hour(parts: list[tuple[int, int]], order: Any) -> None:
    events = [moved(minute, abs(part), 1000, "out" if part > 0 else "in") for minute, part in parts if part]
    order.shuffle(events)
    last = max((one.time // MINUTE for one in events), default=0)
    found = values(BridgeDrain(_SETTINGS), [*events, moved(last, 1)])
    parts = [*parts, (last, 1)]
    net = sum(part for minute, part in parts if last - 60 < minute <= last)
    assert [share for at, share in found[-1:] if at == last * MINUTE and net >= 200] == (
        [net / 10] if net >= 200 else []
    )


@pytest.mark.parametrize("within", ["30s", "5h"])
def test_a_window_is_from_a_minute_to_four_hours(within: str) -> None:
    with pytest.raises(ValueError, match="from 1m to 4h"):
        BridgeDrain({**_SETTINGS, "within": within})
