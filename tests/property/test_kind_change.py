"""Changes against their definition, over values of every type and times in any order."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import Observed, Skipped
from streams.detect.kinds.change import Change
from streams.model import Severity
from streams.rules.rule import Ladder
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))
values = st.sampled_from(
    (1, 1.0, "1", True, False, 0, None, msgspec.UNSET, 2**63, str(2**255), 0.5, "ä", [1], {"a": []})
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return isinstance(one, bool) == isinstance(other, bool) and one == other
    return type(one) is type(other) and one == other


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), values), max_size=30), st.booleans(), st.integers(1, 30))
def test_each_event_is_held_against_the_one_before_it(pairs: list[tuple[int, Any]], ignore: bool, forget: int) -> None:
    seen = drive(
        Change(("v",), ignore_missing=ignore, forget=forget).detector(WORD),
        [Came(at, f"e{number}", (value,)) for number, (at, value) in enumerate(pairs)],
    )
    expected: list[Any] = []
    last: tuple[int, Any] | None = None
    for index, (at, value) in enumerate(pairs):
        if ignore and (value is None or value is msgspec.UNSET):
            expected.append((index, Skipped.UNUSABLE))
        elif last is not None and last[0] > at:
            expected.append((index, Skipped.STALE))
        else:
            if last is not None and last[0] > at - forget and not same(last[1], value):
                expected.append((index, "fire"))
            last = (at, value)
    assert [(index, one.kind.value if isinstance(one, Observed) else one) for index, one in seen] == expected
