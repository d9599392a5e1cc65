"""A detector that says it is steady ends in the same states, and sees the same, as if it had said nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Moment
from streams.detect.boxed import Boxed
from streams.detect.detectors import Event
from streams.detect.handed import read, reading
from streams.detect.kinds.python import Python, found
from tests.scenes import shipped

#: Those whose states live besides are held to both in ``test_live_states``.
STEADY = {
    rule.id: (made, rule.detect.settings)
    for rule in shipped().rules
    if isinstance(rule.detect, Python)
    and getattr(made := found(rule.detect.target), "steady", False)
    and not getattr(made, "live", False)
}
HOSTILE: tuple[Any, ...] = (msgspec.UNSET, None, True, [], {"a": 1}, "", "x" * 200, -1, 10**30, float("inf"))
NUMBERS = (1, 2, 5, 40, 100, 0.5, "100", "1e3", 2_000_000, 101)
KNOWN: dict[str, tuple[Any, ...]] = {
    "type": ("order.placed", "order.cancelled", "order.replaced", "order.filled", "trade", "nft.sale", "order"),
    "action": ("new", "cancel", "fill"),
    "status": ("filled", "open"),
    "side": ("buy", "sell", "B", 2, "ASK"),
    **dict.fromkeys(("account", "counterparty", "buyer", "seller"), ("a", "b", "c", 7, "0xAB")),
    **dict.fromkeys(("owner", "counterparty_owner", "buyer_owner", "seller_owner"), ("o", "p")),
    **dict.fromkeys(("order_id", "trade_id", "token_id"), ("1", "2", 3)),
}


class Silent:
    """The same detector, of which nothing is known."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def step(self, state: Any, event: Event) -> Any:
        return self._inner.step(state, event)


def _values(fields: tuple[str, ...], draw: Any) -> tuple[Any, ...]:
    """Mostly what the detector looks for."""
    return tuple(draw(st.sampled_from(KNOWN.get(path, NUMBERS) * 3 + HOSTILE)) for path in fields)


@pytest.mark.parametrize("rule", sorted(STEADY))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_saying_it_changes_neither_states_nor_what_is_seen(rule: str, data: st.DataObject) -> None:
    made, raw = STEADY[rule]
    one, other = (made(msgspec.json.decode(raw)) for _ in range(2))
    fields = tuple(one.fields)
    said, silent = Boxed(one, fields, 1 << 40), Boxed(Silent(other), fields, 1 << 40)
    left, right, at = None, None, 1_709_208_000_000
    for number in range(data.draw(st.integers(1, 30))):
        at += data.draw(st.sampled_from((0, 0, 500, 5_000, -1_000, 600_000)))
        values = _values(fields, data.draw)
        moment = Moment(at, number, f"e{data.draw(st.sampled_from((number, 0)))}", values, NEVER)
        before = deepcopy((values, left))
        (left, seen), (right, expected) = said.step(left, moment), silent.step(right, moment)
        assert (left, seen) == (right, expected)
        assert repr(before[0]) == repr(values), "a steady detector changes nothing of an event"


def test_an_event_is_read_once_for_all_who_read_the_same_of_it() -> None:
    values = (1, msgspec.UNSET)
    one, other = reading(("a", "b"), ("",)), reading(("a", "b"), ("",))
    event = one(values, 5, 7, "id", (0,))
    assert other(values, 5, 7, "id", (0,)) is event
    assert event == read(("a", "b"), ("",), values, 5, 7, "id", (0,)) == Event(5, "id", {"a": 1}, (5, 7, "id"))


@pytest.mark.parametrize(
    ("values", "at", "ref", "event_id", "arms"),
    [
        ((1, 3), 5, 7, "id", (0,)),  # other values
        ((1, 2), 6, 7, "id", (0,)),  # the same values, at another time
        ((1, 2), 5, 8, "id", (0,)),
        ((1, 2), 5, 7, "other", (0,)),
        ((1, 2), 5, 7, "id", (1,)),
    ],
)
def test_what_differs_in_anything_is_read_for_itself(
    values: tuple[Any, ...], at: int, ref: int, event_id: str, arms: tuple[int, ...]
) -> None:
    once = reading(("a", "b"), ("", "way"))
    once((1, 2), 5, 7, "id", (0,))
    expected = read(("a", "b"), ("", "way"), values, at, ref, event_id, arms)
    assert once(values, at, ref, event_id, arms) == expected
