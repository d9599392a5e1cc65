"""Windows in buckets, weights, sessions and flatlines against their definition: every event kept, nothing clever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Detector, Moment, Observed, Skipped, State
from streams.detect.exact import plain
from streams.detect.kinds.count import parse as parse_count
from streams.detect.kinds.distinct import parse as parse_distinct
from streams.model import Severity
from streams.rules.rule import Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))
HOUR = 3_600_000


@dataclass(frozen=True)
class Event:
    at: int
    event_id: str = ""
    value: Any = 1


Size = Callable[[Iterable[Event]], Fraction]


def count(events: Iterable[Event]) -> Fraction:
    return Fraction(sum(1 for _ in events))


def weights(events: Iterable[Event]) -> Fraction:
    return sum((Fraction(str(event.value)) for event in events), Fraction(0))


def different(events: Iterable[Event]) -> Fraction:
    return Fraction(len({(type(event.value), event.value) for event in events}))


def is_weight(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        return 0 <= Fraction(str(value)) < 10**78
    except ValueError:
        return False


def through_json(state: State | None) -> State | None:
    return None if state is None else msgspec.json.decode(msgspec.json.encode(state), type=list[Any])


def run(detector: Detector, events: Sequence[Event], keeps: int, lateness: int) -> list[tuple[int, Any]]:
    """(index, value or reason) of each event that is not late; the state goes through JSON after every step."""
    state: State | None = None
    newest, seen = NEVER, list[tuple[int, Any]]()
    for index, event in enumerate(events):
        horizon = newest - lateness - keeps if newest != NEVER else NEVER
        newest = max(newest, event.at)
        if event.at <= horizon:
            continue
        before = msgspec.json.encode(state)
        age = NEVER if state is None else detector.newest(state)
        after, found = detector.step(state, Moment(event.at, index, event.event_id, (event.value,), horizon))
        assert msgspec.json.encode(state) == before
        state = through_json(after)
        if state is not None:
            assert detector.newest(state) >= (age if isinstance(found, Skipped) else max(age, event.at))
            assert len(state) <= detector.max_items
        if isinstance(found, Observed):
            assert found.evidence[-1].at >= event.at
            assert index in [witness.ref for witness in found.evidence]
            assert [w.at for w in found.evidence] == sorted(w.at for w in found.evidence)
            seen.append((index, found.value))
        elif found is not None:
            seen.append((index, found))
    return seen


# -- the definitions -----------------------------------------------------------------------------------------------


def taken(
    events: Sequence[Event], keeps: int, lateness: int, usable: Callable[[Any], bool], last: Callable[[int], int]
) -> Iterable[tuple[int, Event, list[Event], int] | tuple[int, Skipped]]:
    """(index, event, all that were taken until then with it, horizon), or why it was not.

    ``last``: up to when an event of a time can matter. When none can, the key is forgotten, ids and all.
    """
    kept: list[Event] = []
    newest = NEVER
    for index, event in enumerate(events):
        horizon = newest - lateness - keeps if newest != NEVER else NEVER
        newest = max(newest, event.at)
        if event.at <= horizon:
            continue
        if all(last(other.at) <= horizon for other in kept):
            kept.clear()
        if not usable(event.value):
            yield index, Skipped.UNUSABLE
        elif event.event_id and any(event.event_id == other.event_id for other in kept):
            yield index, Skipped.DUPLICATE
        else:
            kept.append(event)
            yield index, event, list(kept), horizon


def bucketed(
    events: Sequence[Event], bucket: Callable[[int], int], at_least: Fraction, size: Size, keeps: int, lateness: int,
    usable: Callable[[Any], bool],
) -> list[tuple[int, Any]]:  # fmt: skip
    seen: list[tuple[int, Any]] = []
    for row in taken(events, keeps, lateness, usable, lambda at: bucket(at) - 1):
        if len(row) == 2:
            seen.append(row)
            continue
        index, event, kept, _ = row
        found = size(other for other in kept if bucket(other.at) == bucket(event.at))
        if found >= at_least:
            seen.append((index, plain(found)))
    return seen


def hopping(
    events: Sequence[Event], within: int, every: int, at_least: Fraction, size: Size, lateness: int
) -> list[tuple[int, Any]]:
    seen: list[tuple[int, Any]] = []
    for row in taken(events, within, lateness, lambda value: True, lambda at: at - at % every + every - 1):
        if len(row) == 2:
            seen.append(row)
            continue
        index, event, kept, horizon = row
        # A pane counts until the horizon has reached its last moment.
        kept = [other for other in kept if other.at - other.at % every + every - 1 > horizon]
        first_end = event.at - event.at % every + every
        ends = range(first_end, first_end + within, every)
        found = max(size([other for other in kept if end - within <= other.at < end]) for end in ends)
        if found >= at_least:
            seen.append((index, plain(found)))
    return seen


def sessions(events: Sequence[Event], gap: int, within: int, at_least: int, lateness: int) -> list[tuple[int, Any]]:
    """Sets of events; an event is put to one, or two become one, as the documentation says."""
    seen: list[tuple[int, Any]] = []
    groups: list[list[Event]] = []

    def joins(one: list[Event], other: list[Event]) -> bool:
        near = min(e.at for e in other) - max(e.at for e in one) <= gap
        return near and max(e.at for e in one + other) - min(e.at for e in one + other) < within

    for row in taken(events, within, lateness, lambda value: True, lambda at: at + gap):
        if len(row) == 2:
            seen.append(row)
            continue
        index, event, _, _ = row
        groups.sort(key=lambda group: min(e.at for e in group))
        before = [group for group in groups if min(e.at for e in group) <= event.at][-1:]
        after = [group for group in groups if min(e.at for e in group) > event.at][:1]
        if before and joins(before[0], [event]):
            home = before[0]
            home.append(event)
            if after and joins(home, after[0]):
                home += after[0]
                groups.remove(after[0])
        elif after and joins([event], after[0]):
            home = after[0]
            home.append(event)
        else:
            groups.append(home := [event])
        if len(home) >= at_least:
            seen.append((index, len(home)))
    return seen


# -- what is held equal --------------------------------------------------------------------------------------------

ids = st.integers(0, 12).map(lambda number: f"e{number}" if number else "")
stamps = st.integers(0, 60)
plain_events = st.lists(st.builds(Event, stamps, ids), max_size=40)
valued_events = st.lists(st.builds(Event, stamps, ids, st.sampled_from(["a", "b", "c", 1, "1", 2.5])), max_size=40)
amounts = st.one_of(
    st.integers(0, 9), st.sampled_from([0.1, 2.5, "0.1", "3", str(2**255), "1e3", 2**63, 2**64 - 1]),
    st.sampled_from([-1, "-1", True, None, msgspec.UNSET, "x", [1], {}, "1e400", "9" * 79]),
)  # fmt: skip
heavy_events = st.lists(st.builds(Event, stamps, ids, amounts), max_size=40)


@settings(max_examples=250, deadline=None)
@given(plain_events, st.integers(1, 15), st.integers(1, 4), st.sampled_from((0, 5, 90)))
def test_tumbling_counts_are_what_lies_in_the_bucket(
    events: list[Event], within: int, at_least: int, lateness: int
) -> None:
    kind = parse_count({"at_least": at_least, "window": "tumbling", "within": f"{within}ms"})
    assert run(kind.detector(LADDER), events, kind.keeps, lateness) == bucketed(
        events, lambda at: at - at % within + within, Fraction(at_least), count, within, lateness, lambda value: True
    )


@settings(max_examples=250, deadline=None)
@given(heavy_events, st.integers(1, 15), st.sampled_from([1, 4, "2.6", str(2**255 + 4)]), st.sampled_from((0, 5, 90)))
def test_tumbling_weights_are_added_up_exactly(events: list[Event], within: int, at_least: Any, lateness: int) -> None:
    kind = parse_count({"at_least": at_least, "weight": "w", "window": "tumbling", "within": f"{within}ms"})
    assert run(kind.detector(LADDER), events, kind.keeps, lateness) == bucketed(
        events, lambda at: at - at % within + within, Fraction(str(at_least)), weights, within, lateness, is_weight
    )


@settings(max_examples=250, deadline=None)
@given(plain_events, st.integers(1, 5), st.integers(2, 6), st.integers(1, 4), st.sampled_from((0, 5, 90)))
def test_hopping_counts_are_those_of_the_fullest_window(
    events: list[Event], every: int, panes: int, at_least: int, lateness: int
) -> None:
    kind = parse_count({"at_least": at_least, "within": f"{every * panes}ms", "every": f"{every}ms"})
    assert run(kind.detector(LADDER), events, kind.keeps, lateness) == hopping(
        events, every * panes, every, Fraction(at_least), count, lateness
    )


@settings(max_examples=250, deadline=None)
@given(valued_events, st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.sampled_from((0, 5, 90)))
def test_hopping_and_tumbling_values_are_those_of_the_fullest_window(
    events: list[Event], every: int, panes: int, at_least: int, lateness: int
) -> None:
    kind = parse_distinct({"field": "v", "at_least": at_least, "within": f"{every * panes}ms", "every": f"{every}ms"})
    assert run(kind.detector(LADDER), events, kind.keeps, lateness) == hopping(
        events, every * panes, every, Fraction(at_least), different, lateness
    )


@settings(max_examples=250, deadline=None)
@given(plain_events, st.integers(1, 8), st.integers(1, 25), st.integers(1, 4), st.sampled_from((0, 5, 90)))
def test_sessions_end_with_a_pause(events: list[Event], gap: int, more: int, at_least: int, lateness: int) -> None:
    kind = parse_count({"at_least": at_least, "window": "session", "gap": f"{gap}ms", "within": f"{gap + more}ms"})
    assert run(kind.detector(LADDER), events, kind.keeps, lateness) == sessions(
        events, gap, gap + more, at_least, lateness
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.builds(Event, st.integers(0, 60 * HOUR), ids), max_size=30), st.sampled_from(("hour", "day")),
    st.integers(1, 4),
)  # fmt: skip
def test_calendar_counts_are_those_of_the_clock(events: list[Event], align: str, at_least: int) -> None:
    step = HOUR if align == "hour" else 24 * HOUR
    kind = parse_count({"at_least": at_least, "align": align})
    keeps = kind.keeps
    assert run(kind.detector(LADDER), events, keeps, 0) == bucketed(
        events, lambda at: at - at % step + step,
        Fraction(at_least), count, keeps, 0, lambda value: True,
    )  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(heavy_events, st.integers(1, 30), st.sampled_from([1, 4, "2.6", str(2**255 + 4)]), st.sampled_from((0, 5, 90)))
def test_sliding_weights_are_added_up_exactly(events: list[Event], within: int, at_least: Any, lateness: int) -> None:
    kind = parse_count({"at_least": at_least, "weight": "w", "within": f"{within}ms"})
    kept: list[Event] = []
    newest, seen = NEVER, list[tuple[int, Any]]()
    for index, event in enumerate(events):
        horizon = newest - lateness - within if newest != NEVER else NEVER
        newest = max(newest, event.at)
        if event.at <= horizon:
            continue
        alive = [other for other in kept if other.at > horizon]
        if not is_weight(event.value):
            seen.append((index, Skipped.UNUSABLE))
        elif event.event_id and event.event_id in [other.event_id for other in alive]:
            seen.append((index, Skipped.DUPLICATE))
        else:
            kept.append(event)
            alive.append(event)
            ends = range(event.at, event.at + within)
            best = max(weights(other for other in alive if end - within < other.at <= end) for end in ends)
            if best >= Fraction(str(at_least)):
                seen.append((index, plain(best)))
    assert run(kind.detector(LADDER), events, within, lateness) == seen
