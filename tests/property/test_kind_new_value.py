"""First sights against their definition: every event kept, every one before it looked at."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Observed
from streams.detect.kinds.new_value import NewValue
from streams.model import Severity
from streams.rules.rule import Ladder
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from("abcdef")), max_size=40),
    st.integers(0, 60), st.integers(0, 6), st.integers(100, 250), st.sampled_from((0, 20, 1_000)),
)  # fmt: skip
def test_a_value_fires_where_no_earlier_arrival_had_it(
    pairs: list[tuple[int, str]], learn: int, learn_events: int, forget: int, lag: int
) -> None:
    grain = forget // 100
    kept: list[tuple[int, int, str]] = []  # rounded time, time, value: of the key as long as it is known
    newest, events, expected = NEVER, [], []
    for index, (at, value) in enumerate(pairs):
        horizon = newest - lag - forget if newest != NEVER else NEVER
        newest = max(newest, at)
        if at <= horizon:
            continue
        events.append(Came(at, f"e{index}", (value,), horizon=horizon))
        floor = max(horizon, at - forget)
        if all(rounded <= floor for rounded, _, _ in kept):
            kept = []
        known = any(rounded > floor for rounded, _, other in kept if other == value)
        first = min([at, *(time for _, time, _ in kept)])
        if not known and len(kept) >= learn_events and at >= first + learn:
            expected.append((len(events) - 1, value))
        kept.append((at - at % grain, at, value))
    kind = NewValue(("v",), learn, learn_events, forget)
    seen = drive(kind.detector(WORD), events)
    assert [(index, one.value) for index, one in seen if isinstance(one, Observed)] == expected
