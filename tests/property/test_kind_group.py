"""Groups against their definition: every event kept, every window and every assignment tried, nothing clever."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Moment, Observed, Skipped
from streams.detect.kinds.group import Group, Member
from streams.model import Severity
from streams.rules.rule import ArmSpec, Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))
WAY = ArmSpec(source="audit")
Timeline = list[tuple[int, str, set[int]]]


@dataclass
class Seen:
    at: int
    index: int  #: of arrival
    event_id: str
    arms: frozenset[int]
    decided: bool = False


@dataclass
class Oracle:
    """The promise in the docstring of ``Group``."""

    kind: Group
    need: int
    kept: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = [
            n for n, member in enumerate(self.kind.members) for _ in range(member.at_least) if not member.absent
        ]

    def window(self, end: int) -> list[Seen]:
        return [event for event in self.kept if end - self.kind.within < event.at <= end]

    def is_member(self, event: Seen) -> bool:
        return any(place in event.arms for place in self.places)

    def is_complete(self, window: list[Seen]) -> bool:
        """Some way to give each place an event of its own. Of events that fit the same, so many as there are places."""
        if len(window) < len(self.places):
            return False
        useful: list[Seen] = []
        for event in window:
            alike = sum(1 for other in useful if other.arms == event.arms)
            if self.is_member(event) and alike < sum(1 for place in self.places if place in event.arms):
                useful.append(event)
        return any(
            all(place in event.arms for place, event in zip(self.places, chosen, strict=True))
            for chosen in permutations(useful, len(self.places))
        )

    def is_exceeded(self, events: list[Seen]) -> bool:
        return any(
            member.at_most is not None and sum(1 for event in events if number in event.arms) > member.at_most
            for number, member in enumerate(self.kind.members)
        )

    def value(self, window: list[Seen]) -> int:
        members = [event.arms for event in window if self.is_member(event)]
        return sum(min(members.count(arms), self.need) for arms in set(members))

    def come(self, event: Seen, horizon: int) -> int | Skipped | None:
        self.kept = [other for other in self.kept if other.at > horizon]
        if event.event_id and event.event_id in [other.event_id for other in self.kept]:
            return Skipped.DUPLICATE
        self.kept.append(event)
        if self.kind.timed or not self.is_member(event):
            return None
        last = event.at + self.kind.within - 1
        ends = [self.window(other.at) for other in self.kept if self.is_member(other) and event.at <= other.at <= last]
        return max(
            (self.value(window) for window in ends if self.is_complete(window) and not self.is_exceeded(window)),
            default=None,
        )

    def pass_to(self, closed: int) -> list[tuple[int, int, int]]:
        """What is decided by then: (at, arrival of the event it is named after, value)."""
        told, wait = [], self.kind.waits
        for at in sorted({event.at for event in self.kept}):
            named = [event for event in self.kept if event.at == at and not event.decided and self.is_member(event)]
            if at + wait - 1 > closed or not named or not self.is_complete(self.window(at)):
                continue
            for event in named:
                event.decided = True
            around = [event for event in self.kept if at - self.kind.within < event.at < at + wait]
            if not self.is_exceeded(around):
                told.append((at + wait, named[-1].index, self.value(self.window(at))))
        return told


def run(kind: Group, events: Timeline, back: int, hurry: list[bool]) -> None:
    detector, state, newest = kind.detector(LADDER), None, NEVER
    oracle = Oracle(kind, detector._plan.need)
    named: set[Any] = set()

    def looked(closed: int) -> None:
        nonlocal state
        told: list[tuple[Any, Any, Any]] = []
        while state is not None and kind.timed and (due := detector.due(state)) is not None and due <= closed:
            before = list(state)
            after, seen = detector.expire(state)
            assert state == before
            state = msgspec.json.decode(msgspec.json.encode(after))
            later = detector.due(state)
            assert later is None or later > due
            if seen is not None:
                assert isinstance(seen, Observed)
                told.append((seen.at, seen.evidence[-1].ref, seen.value))
                assert seen.evidence[-1].ref not in named
                named.add(seen.evidence[-1].ref)
        if kind.timed:
            assert told == oracle.pass_to(closed)

    for index, (at, event_id, arms) in enumerate(events):
        horizon, closed = newest - back - kind.keeps, newest - back - 1
        if newest == NEVER:
            horizon = closed = NEVER
        newest = max(newest, at)
        if at <= horizon:
            continue
        looked(closed)  # always, before an event is stepped
        before = list(state) if state else state
        after, seen = detector.step(state, Moment(at, index, event_id, (), horizon, closed, tuple(sorted(arms))))
        assert (list(state) if state else state) == before  # a step leaves what it was given alone
        state = msgspec.json.decode(msgspec.json.encode(after))
        expected = oracle.come(Seen(at, index, event_id, frozenset(arms)), horizon)
        if isinstance(seen, Observed):
            assert seen.value == expected
            assert seen.threshold == len(oracle.places)
            assert index in [witness.ref for witness in seen.evidence]
            assert [witness.at for witness in seen.evidence] == sorted(witness.at for witness in seen.evidence)
        else:
            assert seen == expected
        if hurry[index % len(hurry)]:  # somebody looks in between: the same
            looked(closed)
    looked(1 << 40)


def members(capped: bool) -> st.SearchStrategy[Member]:
    def build(at_least: int, more: int | None) -> Member:
        most = None if more is None else 0 if more < 0 else at_least + more
        return Member("m", WAY, at_least, most)

    return st.builds(
        build, st.sampled_from((1, 1, 2)), st.sampled_from((None, None, -1, 0, 1)) if capped else st.none()
    )


def groups(capped: bool = True) -> st.SearchStrategy[Group]:
    def build(first: int, parts: list[Member], within: int, side: str, wait: int | None) -> Group:
        return Group(within, (Member("m", WAY, first), *parts), side, wait)

    return st.builds(
        build,
        st.integers(1, 2),
        st.lists(members(capped), min_size=1, max_size=2),
        st.integers(1, 12),
        st.sampled_from(("around", "around", "before")),
        st.none() | st.integers(1, 6),
    )


def timelines(most: int) -> st.SearchStrategy[Timeline]:
    one = st.tuples(
        st.integers(0, 16),
        st.sampled_from(("", "", "a", "b", "c", "d", "e", "f")),
        st.sets(st.integers(0, 5), min_size=1, max_size=2),
    )
    return st.lists(one, max_size=most)


def fitting(kind: Group, events: Timeline) -> Timeline:
    return [(at, event_id, {arm % len(kind.members) for arm in arms}) for at, event_id, arms in events]


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(groups(), timelines(12), st.sampled_from((0, 3, 30)), st.lists(st.booleans(), min_size=1, max_size=4))
def test_any_timeline_gives_what_the_definition_says(
    kind: Group, events: Timeline, back: int, hurry: list[bool]
) -> None:
    run(kind, fitting(kind, events), back, hurry)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(groups(capped=False), timelines(30), st.sampled_from((0, 3, 30)))
def test_what_is_superfluous_is_missed_by_nothing(kind: Group, events: Timeline, back: int) -> None:
    """But the id of what was forgotten: ids differ here."""
    told_apart = [(at, f"e{number}", arms) for number, (at, _, arms) in enumerate(fitting(kind, events))]
    with patch("streams.detect.kinds.group._LEAST_NEED", 0):
        run(kind, told_apart, back, [False])


@settings(max_examples=500, deadline=None, derandomize=True)
@given(groups(), timelines(30), st.integers(0, 3))
def test_with_bounds_neither_by_what_was_waited_for(kind: Group, events: Timeline, back: int) -> None:
    newest, on_time = NEVER, []
    for number, (at, _, arms) in enumerate(fitting(kind, events)):
        newest = max(newest, at)
        on_time.append((max(at, newest - back), f"e{number}", arms))
    with patch("streams.detect.kinds.group._LEAST_NEED", 0):
        run(kind, on_time, back, [False, True])
