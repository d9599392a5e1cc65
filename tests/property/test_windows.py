"""Windows against their definition: every event kept, every window tried, nothing clever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Moment, Observed, Ref, Skipped, State
from streams.detect.counting import Counting
from streams.detect.entries import kept_id
from streams.detect.kinds.count import LEAST_NEED, Count
from streams.detect.kinds.distinct import Distinct, Telling
from streams.detect.kinds.match import Match
from streams.model import Severity
from streams.rules.rule import Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))


@dataclass(frozen=True)
class Event:
    at: int
    event_id: str
    value: Any = "x"


def machine(kind: Any, need: int) -> Any:
    return Telling(kind, need) if kind.fields() else Counting(kind, need)


def run(kind: Any, need: int, events: list[Event], back: int) -> list[tuple[int, Any]]:
    """(index, observed value or the reason why not) per event that is not late; the horizon lies ``back`` behind."""
    detector, newest, seen = machine(kind, need), NEVER, list[tuple[int, Any]]()
    state: State | None = None
    for index, event in enumerate(events):
        horizon = newest - back - kind.within if newest != NEVER else NEVER
        newest = max(newest, event.at)
        if event.at <= horizon:
            continue
        before = list(state) if state else state
        values = (event.value,) if kind.fields() else ()
        after, observed = detector.step(state, Moment(event.at, index, event.event_id, values, horizon))
        assert (list(state) if state else state) == before  # a step leaves what it was given alone
        state = None if after is None else msgspec.json.decode(msgspec.json.encode(after))  # it is its own snapshot
        if isinstance(observed, Observed):
            seen.append((index, observed.value))
            assert index in [witness.ref for witness in observed.evidence]
            assert [w.at for w in observed.evidence] == sorted(w.at for w in observed.evidence)
        elif observed is not None:
            seen.append((index, observed))
    return seen


def defined(kind: Any, most: int, events: list[Event], back: int) -> list[tuple[int, Any]]:
    """What ``run`` must give."""
    kept: list[Event] = []
    newest, seen = NEVER, list[tuple[int, Any]]()
    for index, event in enumerate(events):
        horizon = newest - back - kind.within if newest != NEVER else NEVER
        newest = max(newest, event.at)
        if event.at <= horizon:
            continue
        alive = [other for other in kept if other.at > horizon]
        if event.event_id and event.event_id in [other.event_id for other in alive]:
            seen.append((index, Skipped.DUPLICATE))
            continue
        kept.append(event)
        alive.append(event)
        best = 0
        for end in range(event.at, event.at + kind.within):
            window = [other for other in alive if end - kind.within < other.at <= end]
            size = len({repr(other.value) for other in window}) if kind.fields() else len(window)
            best = max(best, size)
        if best >= kind.at_least:
            seen.append((index, min(best, most)))
    return seen


# Dense and disordered, with windows about as long as the times are spread: where dropping an entry could hurt.
times = st.lists(st.integers(0, 24), max_size=24) | st.lists(st.integers(0, 60), max_size=60)
sizes = st.integers(1, 12)


@settings(max_examples=300, deadline=None)
@given(times, st.integers(1, 4), sizes, st.integers(0, 3), st.sampled_from((0, 3, 30)))
def test_counts_are_exact_up_to_the_need_in_any_order(
    ats: list[int], at_least: int, within: int, more: int, back: int
) -> None:
    events = [Event(at, f"e{index}") for index, at in enumerate(ats)]
    kind, top = Count(at_least, within), at_least + more
    assert run(kind, top, events, back) == defined(kind, top, events, back)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=40), st.integers(1, 4), sizes)
def test_an_id_counts_once_while_it_is_remembered(pairs: list[tuple[int, int]], at_least: int, within: int) -> None:
    events = [Event(at, f"e{number}" if number else "") for at, number in pairs]
    kind = Count(at_least, within)
    assert run(kind, 50, events, 10) == defined(kind, 50, events, 10)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 24), st.sampled_from("abcdefgh")), max_size=40),
    st.integers(1, 3), sizes, st.integers(0, 2), st.sampled_from((0, 3, 30)),
)  # fmt: skip
def test_distinct_values_are_exact_up_to_the_need(
    pairs: list[tuple[int, str]], at_least: int, within: int, more: int, back: int
) -> None:
    events = [Event(at, f"e{index}", value) for index, (at, value) in enumerate(pairs)]
    kind, top = Distinct("actor", at_least, within), at_least + more
    assert run(kind, top, events, back) == defined(kind, top, events, back)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=50, max_size=300), st.integers(1, 6), st.integers(1, 60))
def test_state_never_holds_more_than_the_need_calls_for(ats: list[int], need: int, within: int) -> None:
    counting, telling = machine(Count(need, within), need), machine(Distinct("v", need, within), need)
    count: State | None = None
    distinct: State | None = None
    for index, at in enumerate(ats):
        count, _ = counting.step(count, Moment(at, index, f"e{index}", (), NEVER))
        distinct, _ = telling.step(distinct, Moment(at, index, f"e{index}", (index % 97,), NEVER))
        assert count
        assert distinct
        for times, most in ((count[:-1], 2 * need), (distinct[::4], 4 * need)):
            assert times == sorted(times)
            assert all(b - a >= within for a, b in zip(times, times[most:], strict=False))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=40), st.integers(1, 20))
def test_a_match_counts_each_id_once_while_its_time_is_remembered(pairs: list[tuple[int, int]], dedup: int) -> None:
    detector, state, newest = Match(dedup).detector(LADDER), None, NEVER
    remembered: list[tuple[int, int]] = []
    for index, (at, number) in enumerate(pairs):
        horizon = newest - dedup if newest != NEVER else NEVER
        remembered = [(since, known) for since, known in remembered if since > horizon]
        state, seen = detector.step(state, Moment(at, index, f"e{number}", (), horizon))
        if number in [known for _, known in remembered]:
            assert seen is Skipped.DUPLICATE
        else:
            assert isinstance(seen, Observed)
            remembered.append((max(at, newest), number))  # an old event is remembered from when it came
        newest = max(newest, at)


@given(st.text(max_size=80), st.text(max_size=80))
def test_ids_kept_as_digests_stay_different(one: str, other: str) -> None:
    assert (kept_id(one) == kept_id(other)) == (one == other)
    assert len(kept_id(one)) <= 64


def test_a_rule_counts_to_the_top_of_its_ladder_and_a_little_beyond_its_threshold() -> None:
    rungs = Ladder(((5.0, Severity.LOW, "low"), (70.0, Severity.HIGH, "high")))
    for ladder, most in ((rungs, 70), (LADDER, LEAST_NEED)):
        for kind in (Count(5, 1_000), Distinct("v", 5, 1_000)):
            detector, state, values = kind.detector(ladder), None, []
            for index in range(200):
                state, seen = detector.step(state, Moment(index, index, f"e{index}", (index,), NEVER))
                values.append(seen.value if isinstance(seen, Observed) else None)
            assert values == [None] * 4 + [*range(5, most), *[most] * (201 - most)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=60), sizes, st.integers(2, 6))
def test_what_had_to_go_for_want_of_room_counts_no_more_and_the_rest_as_before(
    pairs: list[tuple[int, int]], within: int, room: int
) -> None:
    counting, kept = Counting(Count(3, within), 50), list[tuple[int, str]]()
    state: State | None = None
    counting.max_items = room + 1
    for index, (at, number) in enumerate(pairs):
        event_id = f"e{number}" if number else ""
        state, seen = counting.step(state, Moment(at, index, event_id, (), NEVER))
        if event_id and event_id in [known for _, known in kept]:
            assert seen is Skipped.DUPLICATE
            continue
        assert state
        kept = sorted([*kept, (at, event_id)], key=lambda entry: entry[0])
        best = max(sum(end - within < other <= end for other, _ in kept) for end in range(at, at + within))
        assert (seen.value if isinstance(seen, Observed) else seen) == (best if best >= 3 else None)
        del state[: max(0, len(state) - counting.max_items)]  # as a table does it
        del kept[: max(0, len(kept) - room)]
        assert state[:-1] == [at for at, _ in kept]


def test_ids_that_look_like_positions_are_not_taken_for_them() -> None:
    counting, state = Counting(Count(9, 1_000), 20), None
    for index, event_id in enumerate(["1", "0", "2", "2 1", "2,1", " ", ",", "#1", "x/1", ""]):
        state, seen = counting.step(state, Moment(index, index, event_id, (), NEVER))
        assert isinstance(seen, Observed) is (index >= 8)
    for event_id in ("1", "0", "2 1", "2,1", " ", ",", "#1", "x/1"):
        assert counting.step(state, Moment(50, 50, event_id, (), NEVER))[1] is Skipped.DUPLICATE
    assert isinstance(counting.step(state, Moment(50, 50, "", (), NEVER))[1], Observed)


def test_evidence_has_whole_positions_and_numbers_alike() -> None:
    cases: tuple[list[Ref], ...] = ([7, 8, 9], ["audit.events/0/7", "audit.events/1/8", "file:abc:9"])
    for refs in cases:
        counting, state, seen = Counting(Count(3, 1_000), 20), None, None
        for at, ref in enumerate(refs):
            state, seen = counting.step(state, Moment(at, ref, f"e{at}", (), NEVER))
        assert isinstance(seen, Observed)
        assert [(w.at, w.ref, w.event_id) for w in seen.evidence] == [(i, ref, f"e{i}") for i, ref in enumerate(refs)]
