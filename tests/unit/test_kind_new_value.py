"""``new_value``, event by event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.detect.base import MAX_STATE, Observed, Skipped
from streams.detect.kinds.new_value import MOST_VALUES, parse
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))
UNSET = msgspec.UNSET
AT_ONCE: dict[str, Any] = {"learn": "0s", "learn_events": 0}


def play(block: dict[str, Any], *events: Any) -> list[Any]:
    """(at, *values): the value where it fires, or the reason why it was not looked at."""
    came = [Came(at, f"e{number}", tuple(values)) for number, (at, *values) in enumerate(events)]
    seen = drive(parse(block).detector(WORD), came)
    return [one.value if isinstance(one, Observed) else one for _, one in seen]


@pytest.mark.parametrize(
    ("block", "events", "said"),
    [
        (AT_ONCE, [(1, "DE"), (2, "DE"), (3, "FR"), (4, "DE")], ["DE", "FR"]),
        ({"learn": "0s"}, [(1, "DE"), (2, "DE"), (3, "FR")], ["FR"]),  # the first event of a key is what is normal
        ({"learn": "10ms"}, [(1, "DE"), (10, "FR"), (11, "IT"), (12, "FR")], ["IT"]),
        ({"learn": "10ms"}, [(1, "DE"), (12, "IT")], ["IT"]),
        ({"learn": "0s", "learn_events": 3}, [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "a")], ["d"]),
        ({"learn": "10ms", "learn_events": 3}, [(1, "a"), (20, "b"), (21, "c"), (22, "d")], ["d"]),  # both must be over
        ({"learn": "10ms"}, [(5, "a"), (1, "b"), (11, "c")], ["c"]),  # the earliest event began the learning
        (AT_ONCE, [(5, "a"), (1, "a"), (2, "b"), (9, "b")], ["a", "b"]),  # out of order
        (AT_ONCE | {"forget": "100ms"}, [(0, "a"), (99, "a"), (198, "a"), (298, "a")], ["a", "a"]),
        (AT_ONCE, [(1, 1), (2, 1.0), (3, "1"), (4, True), (5, [1]), (6, None), (7, UNSET)], [1, "1", True, "[1]", Skipped.UNUSABLE, Skipped.UNUSABLE]),
        (AT_ONCE | {"max_values": 2}, [(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "c")], ["a", "b", "c", "a"]),
        (AT_ONCE, [(1, str(2**255)), (2, str(2**255)), (3, "ü" * 99)], [str(2**255), "ü" * 99]),
    ],
)  # fmt: skip
def test_first_sights(block: dict[str, Any], events: list[Any], said: list[Any]) -> None:
    assert play({"field": "v", **block}, *events) == said


def test_a_combination_may_be_new_where_its_parts_are_not() -> None:
    said = play({"fields": ["c", "asn"], **AT_ONCE}, (1, "DE", 1), (2, "FR", 2), (3, "DE", 2), (4, "DE", 2))
    assert said == ["c=DE, asn=1", "c=FR, asn=2", "c=DE, asn=2"]


def test_a_redelivered_event_does_not_count_as_learning() -> None:
    events = [Came(1, "a", ("x",)), Came(1, "a", ("x",)), Came(2, "b", ("y",)), Came(3, "c", ("z",))]
    seen = [one for _, one in drive(parse({"field": "v", "learn": "0s", "learn_events": 2}).detector(WORD), events)]
    assert [one if isinstance(one, Skipped) else one.value for one in seen] == [Skipped.DUPLICATE, "z"]


def test_what_is_well_known_leaves_the_state_as_it_is() -> None:
    detector = parse({"field": "v", "learn": "0s"}).detector(WORD)
    state, _ = detector.step(None, Came(1, "a", ("x",)).moment(0))
    after, _ = detector.step(state, Came(60_000, "b", ("x",)).moment(1))
    assert after is state


def test_the_largest_state_fits_into_the_changelog() -> None:
    detector, state = parse({"field": "v", "max_values": MOST_VALUES, "learn": "0s"}).detector(WORD), None
    for number in range(MOST_VALUES + 10):
        state, _ = detector.step(state, Came(1_700_000_000_000 + number, "", (f"{number:063d}",)).moment(number))
        assert state is not None
        del state[: max(0, len(state) - detector.max_items)]
    assert len(state or ()) == detector.max_items
    assert len(msgspec.json.encode(state)) <= MAX_STATE


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({}, "takes either 'field' or 'fields'"),
        ({"field": "a", "learn": "90d"}, "learn: must be shorter than the 90d"),
        ({"field": "a", "max_values": 0}, "max_values: takes a whole number from 1 to 2500, not 0"),
        ({"field": "a", "learn_events": True}, "learn_events: takes a whole number"),
        ({"field": "a", "learning": "7d"}, "learning: is not known here (did you mean 'learn'?)"),
    ],
)
def test_a_bad_block_says_what_is_wrong(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        parse(block)
    assert problem in str(error.value)
