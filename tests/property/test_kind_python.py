"""A class in its box finds what it finds outside of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import Observed
from streams.detect.detectors import Event
from streams.detect.detectors.runs import Rising
from streams.detect.kinds.python import parse
from streams.model import Severity
from streams.rules.rule import Ladder
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))
values = st.one_of(st.integers(-3, 9), st.sampled_from((None, True, "7", 0.5, 2**63, [1], {"a": "ü"})))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(values, st.booleans()), max_size=30), st.integers(1, 3))
def test_states_survive_the_changelog_and_duplicates_are_kept_out(pairs: list[Any], length: int) -> None:
    kind = parse({"class": "streams.detect.detectors.runs:Rising", "settings": {"field": "v", "length": length}})
    plain, state = Rising({"field": "v", "length": length}), None
    events, expected = [], []
    for number, (value, again) in enumerate(pairs):
        state, findings = plain.step(state, Event(number, f"e{number}", {"v": value}))
        expected += [(found.value, found.clear) for found in findings]
        events += [Came(number, f"e{number}", (value,))] * (1 + again)
    seen = [one for _, one in drive(kind.detector(WORD), events) if isinstance(one, Observed)]
    assert [(one.value, one.kind == "clear") for one in seen] == expected
