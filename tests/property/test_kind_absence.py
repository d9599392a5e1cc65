"""Absence against its definition: every event kept, every wait looked at."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Observed
from streams.detect.silence import Awaiting, Listening
from streams.model import FindingKind
from tests.driving import Came, drive

FIRE, CLEAR = FindingKind.FIRE, FindingKind.CLEAR

# (time, kind of thing that comes, how far closing lags behind the newest time)
comings = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("eeeet"), st.integers(0, 30)), max_size=30)


def timeline(parts: list[tuple[int, str, int]], arms: list[tuple[int, ...]] | None = None) -> list[Came]:
    closed, made = NEVER, []
    newest = NEVER
    for number, (at, what, lag) in enumerate(parts):
        closed = max(closed, newest - lag)
        made.append(Came(at, None if what == "t" else f"e{number}", (), closed, arms[number] if arms else (0,)))
        newest = max(newest, at)
    return [*made, Came(0, None, (), 10_000)]


def heartbeats(within: int, events: list[Came]) -> list[tuple[Any, ...]]:
    """(index, kind, time of the event it is named after, moment or None)."""
    seen: list[tuple[Any, ...]] = []
    times: set[int] = set()
    silent: int | None = None
    floor = NEVER
    for index, (at, event_id, _, closed, _, _) in enumerate(events):
        while True:
            alive = sorted(time for time in times if time >= floor)
            if silent is None:
                ends = [t for t in alive if not any(t < other <= t + within for other in alive)]
                if not ends or ends[0] + within > closed:
                    break
                silent = floor = ends[0]
                seen.append((index, FIRE, silent, silent + within))
            else:
                later = [t for t in alive if t > silent]
                if not later or later[0] > closed:
                    break
                seen.append((index, CLEAR, later[0], later[0]))
                silent, floor = None, later[0]
        if event_id is None:
            continue
        late, later = at + within <= closed, [t for t in times if silent is not None and t > silent]
        if silent is not None and at > silent:
            if late and not any(at < t <= at + within for t in later):
                silent = floor = at
            elif not later:
                seen.append((index, CLEAR, at, None))
                silent, floor = None, at
            times.add(at)
        elif not times or (silent is None and at >= floor and not late):
            times.add(at)
    return seen


@settings(max_examples=600, deadline=None)
@given(comings, st.integers(1, 20))
def test_a_silence_is_told_at_its_end_whenever_anybody_looks(parts: list[tuple[int, str, int]], within: int) -> None:
    events = timeline(parts)
    seen = [
        (index, one.kind, one.evidence[-1].at, one.at)
        for index, one in drive(Listening(within), events) if isinstance(one, Observed)
    ]  # fmt: skip
    assert seen == heartbeats(within, events)


def waits(within: int, events: list[Came]) -> list[tuple[Any, ...]]:
    """As ``heartbeats``: each trigger by itself, everything heard kept."""
    seen: list[tuple[Any, ...]] = []
    waiting: list[int] = []
    heard: list[int] = []
    silent: int | None = None
    for index, (at, event_id, _, closed, arms, _) in enumerate(events):
        while waiting and min(waiting) + within <= closed:
            trigger = min(waiting)
            waiting = [t for t in waiting if t != trigger]
            seen.append((index, FIRE, trigger, trigger + within))
            silent = trigger
            later = sorted(t for t in heard if t > trigger)
            if later:
                seen.append((index, CLEAR, trigger, later[0]))
                silent = None
        if event_id is None:
            continue
        if 1 in arms:
            heard.append(at)
            waiting = [t for t in waiting if not t <= at <= t + within]
            if silent is not None and at >= silent:
                seen.append((index, CLEAR, at, None))
                silent = None
        elif at + within > closed and not any(at <= t <= at + within for t in heard):
            waiting.append(at)
    return seen


@settings(max_examples=600, deadline=None)
@given(comings, st.integers(1, 20), st.data())
def test_each_trigger_is_followed_in_time_or_told(
    parts: list[tuple[int, str, int]], within: int, data: st.DataObject
) -> None:
    arms = data.draw(st.lists(st.sampled_from(((0,), (1,), (0, 1))), min_size=len(parts), max_size=len(parts)))
    events = timeline(parts, arms)
    seen = [
        (index, one.kind, one.evidence[-1].at, one.at)
        for index, one in drive(Awaiting(within, 1_000), events) if isinstance(one, Observed)
    ]  # fmt: skip
    assert seen == waits(within, events)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=20, max_size=120), st.integers(1, 50))
def test_two_entries_are_kept_for_each_length_of_a_wait(ats: list[int], within: int) -> None:
    detector, state = Listening(within), None
    for index, at in enumerate(ats):
        state, _ = detector.step(state, Came(at, f"e{index}").moment(index))
    assert state is not None
    times = state[:-2:3]
    assert all(later - earlier > within for earlier, later in zip(times, times[2:], strict=False))
