"""``count`` and ``distinct`` beyond a small sliding window: what they take, what they refuse, how large they get."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from streams.detect import sketch
from streams.detect.base import MAX_STATE, NEVER, Moment, Observed, State
from streams.detect.registry import KINDS, MODULES
from streams.detect.values import digest, token
from streams.model import Severity
from streams.rules.problems import BlockErrors
from streams.rules.rule import Ladder

WORD = Ladder(((None, Severity.HIGH, "high"),))
RUNGS = Ladder(((5.0, Severity.LOW, "low"), (10.0, Severity.HIGH, "high")))
DAY = 86_400_000


def play(kind: str, block: dict[str, Any], *events: tuple[int, Any]) -> list[Any]:
    """What each (at, value) brings: the observed number, a reason, or nothing."""
    detector, state, said = KINDS[kind](block).detector(WORD), None, []
    for number, (at, value) in enumerate(events):
        state, seen = detector.step(state, Moment(at, number, f"e{number}", (value,), NEVER))
        said.append(seen.value if isinstance(seen, Observed) else seen)
    return said


@pytest.mark.parametrize(
    ("kind", "block", "events", "said"),
    [
        ("count", {"at_least": 2, "window": "tumbling", "within": "10ms"}, [(8, 0), (9, 0), (10, 0), (11, 0)], [None, 2, None, 2]),
        ("count", {"at_least": 2, "within": "10ms"}, [(8, 0), (9, 0), (10, 0), (11, 0)], [None, 2, 3, 4]),
        ("count", {"at_least": 3, "within": "10ms", "every": "5ms"}, [(4, 0), (5, 0), (9, 0), (10, 0)], [None, None, 3, 3]),
        ("count", {"at_least": 2, "align": "day"}, [(DAY - 1, 0), (DAY, 0), (DAY + 1, 0)], [None, None, 2]),
        ("count", {"at_least": 2, "align": "day", "timezone": "Asia/Tokyo"}, [(DAY - 1, 0), (DAY, 0), (DAY + 1, 0)], [None, 2, 3]),
        ("count", {"at_least": 3, "window": "session", "gap": "5ms"}, [(0, 0), (10, 0), (5, 0), (16, 0)], [None, None, 3, None]),  # the third joins two
        ("count", {"at_least": 3, "window": "session", "gap": "5ms", "within": "8ms"}, [(0, 0), (4, 0), (8, 0), (12, 0)], [None] * 4),  # no longer than that
        ("count", {"at_least": 1, "weight": "w", "within": "10ms"}, [(0, 0.1), (1, 0.2), (2, "0.7")], [None, None, 1]),  # exactly 1
        ("count", {"at_least": str(2**255), "weight": "w", "within": "1ms"}, [(0, str(2**255 - 1)), (5, str(2**255))], [None, float(2**255)]),
        ("distinct", {"field": "v", "at_least": 2, "align": "hour"}, [(0, "a"), (1, "a"), (2, 1), (3, "1")], [None, None, 2, 3]),
        ("distinct", {"field": "v", "at_least": 2, "window": "session", "gap": "2ms"}, [(0, "a"), (3, "b"), (4, "c")], [None, None, 2]),
        ("distinct", {"field": "v", "at_least": 2, "align": "day", "approximate": True}, [(0, "a"), (3, "b"), (4, "b")], [None, 2, 2]),
    ],
)  # fmt: skip
def test_windows(kind: str, block: dict[str, Any], events: list[tuple[int, Any]], said: list[Any]) -> None:
    assert play(kind, block, *events) == said


@pytest.mark.parametrize(
    ("kind", "block", "problem"),
    [
        ("count", {"within": "1m"}, "at_least: is missing"),
        ("count", {"at_least": 1501, "within": "1m"}, "at_least: takes a whole number from 1 to 1500"),
        ("count", {"at_least": 10**15 + 1, "align": "day"}, "at_least: takes a whole number from 1 to 1000000000000000"),
        ("count", {"at_least": 5, "below": 2, "within": "1m"}, "below: cannot stand beside at_least"),
        ("count", {"below": 2, "within": "1h", "every": "1m"}, "below: has no meaning for hopping windows"),
        ("count", {"below": 2, "window": "session", "gap": "1m"}, "below: has no meaning for session windows"),
        ("count", {"below": 2, "within": "1h", "forget": "1h"}, "forget: is shorter than two windows (2h)"),
        ("count", {"at_least": 2, "within": "1h", "forget": "1h"}, "forget: has a meaning only with below"),
        ("count", {"below": 2, "within": "1h", "weight": "w"}, "weight: has a meaning only with at_least"),
        ("count", {"at_least": 0, "within": "1h", "weight": "w"}, "at_least: takes a number above 0"),
        ("count", {"at_least": True, "within": "1h", "weight": "w"}, "at_least: takes a number above 0"),
        ("count", {"at_least": float("inf"), "within": "1h", "weight": "w"}, "at_least: takes a number above 0"),
        ("count", {"at_least": "many", "within": "1h", "weight": "w"}, "at_least: takes a number above 0"),
        ("count", {"at_least": 5, "within": "500m", "every": "1m", "weight": "w"}, "with a weight at most 400"),
        ("count", {"at_least": 5, "within": "1h", "dedup": 1_000}, "dedup: takes a whole number from 0 to 150"),
        ("distinct", {"field": "v", "at_least": 401, "within": "1m"}, "at_least: takes a whole number from 1 to 400"),
        ("distinct", {"field": "v", "at_least": 501, "within": "10m", "every": "1m"}, "from 1 to 500"),
        ("distinct", {"field": "v", "at_least": 9, "within": "1m", "approximate": True}, "approximate: has no meaning for sliding"),
    ],
)  # fmt: skip
def test_a_bad_block_says_what_is_wrong(kind: str, block: Any, problem: str) -> None:
    with pytest.raises(BlockErrors) as error:
        KINDS[kind](block)
    assert problem in str(error.value)


@pytest.mark.parametrize("kind", ["count", "distinct"])
def test_every_option_is_on_the_reference_page_and_no_other(kind: str) -> None:
    known = {option.name for option in MODULES[kind].OPTIONS}
    with pytest.raises(BlockErrors) as error:
        KINDS[kind](dict.fromkeys([*known, "nonsense"]))
    assert [name for name, message in error.value.problems if "is not known here" in message] == ["nonsense"]


def test_a_flatline_takes_one_word_for_its_severity() -> None:
    assert KINDS["count"]({"below": 2, "within": "1m"}).against(RUNGS)
    assert not KINDS["count"]({"below": 2, "within": "1m"}).against(WORD)
    assert not KINDS["count"]({"at_least": 10**9, "align": "day"}).against(RUNGS)


def test_what_was_written_before_windows_has_the_version_it_had() -> None:
    assert KINDS["count"]({"at_least": 5, "within": "10m"}).document() == {"at_least": 5, "within": "10m"}
    block = {"field": "v", "at_least": 5, "within": "10m"}
    assert KINDS["distinct"](block).document() == block


@pytest.mark.parametrize(
    "more",
    [
        {"every": "1m"}, {"window": "tumbling", "within": "10m"}, {"align": "day", "within": ...}, {"dedup": 0},
        {"window": "session", "gap": "1m"}, {"below": 5, "at_least": ...}, {"weight": "w"},
    ],
    ids=lambda more: ",".join(more),
)  # fmt: skip
def test_every_setting_is_part_of_the_version(more: dict[str, Any]) -> None:
    base = {"at_least": 5, "within": "1h"}
    block = {name: value for name, value in {**base, **more}.items() if value is not ...}
    assert KINDS["count"](block).document() != KINDS["count"](base).document()


def test_a_day_is_the_cooldown_of_a_day() -> None:
    kind = KINDS["count"]({"at_least": 2, "align": "day", "timezone": "Europe/Berlin"})
    assert kind.within == DAY
    assert kind.keeps >= 25 * 3_600_000  # the day on which clocks are set back


@pytest.mark.parametrize(
    ("kind", "block", "times"),
    [
        ("count", {"at_least": 1_500, "within": "1h"}, 4_000),
        ("count", {"at_least": 9, "weight": "w", "within": "1h"}, 4_000),
        ("count", {"at_least": 9, "within": "1500m", "every": "1m"}, 4_000),
        ("count", {"at_least": 9, "within": "400m", "every": "1m", "weight": "w"}, 2_000),
        ("count", {"at_least": 9, "window": "session", "gap": "59s"}, 4_000),
        ("count", {"below": 1_500, "within": "1h"}, 2_000),
        ("distinct", {"field": "v", "at_least": 400, "within": "1h"}, 2_500),
        ("distinct", {"field": "v", "at_least": 5_000, "align": "month"}, 7_000),
        ("distinct", {"field": "v", "at_least": 83, "within": "1h", "every": "1m"}, 4_000),
        ("distinct", {"field": "v", "at_least": 10**6, "align": "hour", "approximate": True}, 9_000),
        ("distinct", {"field": "v", "below": 5_000, "align": "hour"}, 7_000),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else str(value),
)  # fmt: skip
def test_no_state_grows_beyond_what_the_changelog_takes(kind: str, block: dict[str, Any], times: int) -> None:
    detector, state = KINDS[kind](block).detector(WORD), None
    weighed = "weight" in block
    minute = 60_000 if "every" in block or "gap" in block else 500
    for number in range(times):
        at = 1_700_000_000_000 + number * minute
        value = str(2**255 + number) + ".5" if weighed else f"value {number} of some length, to be sure"
        moment = Moment(at, 10**9 + number, f"{number:036d}", (value,), NEVER)
        state, _ = detector.step(state, moment)
        assert state is not None
        del state[: max(0, len(state) - detector.max_items)]  # as a table does it
    assert len(msgspec.json.encode(state)) <= MAX_STATE


def test_a_bucket_counts_to_any_number_in_constant_room() -> None:
    detector = KINDS["count"]({"at_least": 10**15, "align": "day"}).detector(WORD)
    state, seen = detector.step(None, Moment(0, 0, "e0", (), NEVER))
    assert state
    state[1] = 10**15 - 2
    state, seen = detector.step(state, Moment(1, 1, "e1", (), NEVER))
    assert seen is None
    state, seen = detector.step(state, Moment(2, 2, "e2", (), NEVER))
    assert isinstance(seen, Observed)
    assert seen.value == 10**15
    assert [witness.event_id for witness in seen.evidence] == ["e0", "e2"]


def test_ids_are_remembered_up_to_the_setting() -> None:
    detector, state = KINDS["count"]({"at_least": 1, "align": "day", "dedup": 2}).detector(WORD), None
    said = []
    for number, event_id in enumerate(["a", "b", "a", "c", "a", "b"]):
        state, seen = detector.step(state, Moment(number, number, event_id, (), NEVER))
        said.append(seen.value if isinstance(seen, Observed) else str(seen))
    assert said == [1, 2, "duplicates", 3, 4, 5]  # with c the first is forgotten


def test_a_sketch_is_a_function_of_the_set() -> None:
    digests = [digest(token(number) or "") for number in range(2_000)]
    shuffled = random.Random(7).sample(digests, len(digests))  # an order, and no secret
    one = two = three = ""
    for value in digests:
        one = sketch.add(one, value)
    for value in shuffled + shuffled[:500]:
        two = sketch.add(two, value)
    assert one == two
    for value in digests[:1_200]:
        three = sketch.add(three, value)
    rest = ""
    for value in digests[1_000:]:
        rest = sketch.add(rest, value)
    assert sketch.join(three, rest) == sketch.join(rest, three) == one


@pytest.mark.parametrize("salt", range(3))
def test_a_sketch_is_exact_where_there_are_few_and_within_four_errors_else(salt: int) -> None:
    held = ""
    for number in range(1, 20_001):
        held = sketch.add(held, digest(token(f"{salt} {number}") or ""))
        if number <= 341:
            assert sketch.size(held) == number
        elif number % 500 == 0:
            assert abs(sketch.size(held) / number - 1) < 4 * 0.01625
    assert len(msgspec.json.encode(held)) <= sketch.ROOM


def test_a_bucket_of_values_stops_at_its_need() -> None:
    detector = KINDS["distinct"]({"field": "v", "at_least": 5, "align": "day"}).detector(WORD)
    state: State | None = None
    values = []
    for number in range(50):
        state, seen = detector.step(state, Moment(number, number, f"e{number}", (number % 40,), NEVER))
        values.append(seen.value if isinstance(seen, Observed) else None)
    assert values == [None] * 4 + [*range(5, 21)] + [20] * 30
