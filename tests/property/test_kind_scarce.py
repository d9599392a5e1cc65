"""Too few: a flatline against its definition, moment by moment; timers looked at whenever, the state cut anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Moment, Observed, Skipped, State, Timed
from streams.detect.kinds.count import parse as parse_count
from streams.detect.kinds.distinct import parse as parse_distinct
from streams.model import FindingKind, Severity
from streams.rules.rule import Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))
Told = tuple[FindingKind, int, int, int]  # kind, when by event time, how many, named after


@dataclass(frozen=True)
class Event:
    at: int
    event_id: str = ""
    value: Any = "x"


Tick = int  # the watermark comes so much further
Life = Sequence[Event | Tick]


class Machine:
    """One key: steps and timers as the engine does them."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.timed = cast(Timed, kind.detector(LADDER))
        self.state: State | None = None
        self.seen: list[Told] = []
        self.lookouts = 0

    def look(self, closed: int) -> None:
        while self.state is not None and (due := self.timed.due(self.state)) is not None and due <= closed:
            before, newest = msgspec.json.encode(self.state), self.timed.newest(self.state)
            after, found = self.timed.expire(self.state)
            assert msgspec.json.encode(self.state) == before
            assert after is None or (later := self.timed.due(after)) is None or later > due or self.timed.holds(after)
            assert after is None or self.timed.newest(after) >= newest
            self.state = after
            self.take(found, None)

    def step(self, event: Event, ref: int, horizon: int, closed: int) -> None:
        self.look(closed)
        after, found = self.timed.step(
            self.state, Moment(event.at, ref, event.event_id, (event.value,), horizon, closed)
        )
        self.state = None if after is None else msgspec.json.decode(msgspec.json.encode(after), type=list[Any])
        self.take(found, event)

    def take(self, found: Any, event: Event | None) -> None:
        if isinstance(found, Observed):
            at = found.at if event is None else event.at
            assert at is not None
            assert isinstance(found.evidence[-1].ref, int)
            self.seen.append((found.kind, at, found.value, found.evidence[-1].ref))


def run(kind: Any, life: Life, lateness: int, looks: Callable[[int], bool]) -> list[Told]:
    """``looks``: whether somebody looks at the timers behind the item of a number, or only its next event does."""
    machine, mark = Machine(kind), NEVER
    for number, item in enumerate(life):
        if isinstance(item, int):
            mark = mark if mark == NEVER else mark + item
        else:
            closed = NEVER if mark == NEVER else mark - lateness - 1
            horizon = NEVER if mark == NEVER else mark - lateness - kind.keeps
            if item.at > horizon:
                machine.step(item, number, horizon, closed)
            mark = max(mark, item.at)
        if looks(number) and mark != NEVER:
            machine.look(mark - lateness - 1)
    machine.look(mark - lateness - 1)
    names = [(kind, ref) for kind, _, _, ref in machine.seen]
    assert len(set(names)) == len(names)  # no two of a kind are named after the same event
    return machine.seen


class Defined:
    """The same, by walking through event time one moment after the other."""

    def __init__(self, kind: Any, lateness: int, *, by_value: bool, bucket: int = 0) -> None:
        self.kind, self.lateness, self.by_value, self.bucket = kind, lateness, by_value, bucket
        self.seen: list[Told] = []
        self.forget()

    def forget(self) -> None:
        self.kept: list[Event] = []
        self.held, self.until, self.newest, self.named = False, NEVER, NEVER, -1

    def size(self, end: int) -> int | None:
        """What the window holds whose last moment is ``end``; None: none ends there."""
        if self.bucket and (end + 1) % self.bucket:
            return None
        length = self.bucket or self.kind.within
        inside = [event for event in self.kept if end - length < event.at <= end]
        return len({repr(event.value) for event in inside}) if self.by_value else len(inside)

    def close(self, closed: int) -> None:
        """All moments up to ``closed`` are judged."""
        if self.newest == NEVER:
            return
        for end in range(self.until + 1, closed + 1):
            size = self.size(end)
            if not self.held and end < self.newest + self.kind.forget and size is not None and size < self.kind.below:
                self.held = True
                self.seen.append((FindingKind.FIRE, end, size, self.named))
            if end >= self.newest + self.kind.forget - 1:
                self.forget()
                return
            self.until = end
        if closed >= self.newest + self.kind.forget - 1:
            self.forget()

    def step(self, event: Event, number: int, closed: int) -> None:
        if self.newest == NEVER:
            start = event.at - event.at % self.bucket - 1 if self.bucket else 0
            partial = start + self.bucket if self.bucket and start + 1 != event.at else start
            self.until = partial if self.bucket else event.at + self.kind.within - 1
        self.until = max(self.until, closed)  # what is judged stays so
        if event.event_id and event.event_id in self.known():
            return
        self.kept.append(event)
        if self.newest == NEVER or self.looked_at(event.at):
            self.named = number  # not one that was delivered again after its windows were judged
        self.newest = max(self.newest, event.at)
        if not self.held or self.named != number:
            return
        last = max(self.newest, self.until + 1) + (self.bucket or self.kind.within)
        for end in range(self.until + 1, last + 1):
            size = self.size(end)
            if size is not None and size >= self.kind.below:
                self.held, self.until = False, end
                self.seen.append((FindingKind.CLEAR, event.at, self.kind.below, number))
                return

    def looked_at(self, at: int) -> bool:
        """Whether an event of this time lies in a window that is not judged yet."""
        end = at - at % self.bucket + self.bucket - 1 if self.bucket else at + self.kind.within - 1
        return end > self.until

    def known(self) -> set[str]:
        if self.bucket:
            return {event.event_id for event in self.kept}
        return {event.event_id for event in self.kept if event.at > self.until + 1 - self.kind.within}


def defined(kind: Any, life: Life, lateness: int, *, by_value: bool = False, bucket: int = 0) -> list[Told]:
    oracle, mark = Defined(kind, lateness, by_value=by_value, bucket=bucket), NEVER
    for number, item in enumerate(life):
        if isinstance(item, int):
            mark = mark if mark == NEVER else mark + item
            continue
        if mark != NEVER:
            oracle.close(mark - lateness - 1)
        if mark == NEVER or item.at > mark - lateness - kind.keeps:
            oracle.step(item, number, NEVER if mark == NEVER else mark - lateness - 1)
        mark = max(mark, item.at)
    oracle.close(mark - lateness - 1)
    return oracle.seen


events = st.builds(
    Event, st.integers(0, 80), st.integers(0, 9).map(lambda n: f"e{n}" if n else ""), st.sampled_from("abcd")
)
lives = st.lists(events | st.integers(1, 30), max_size=30)
ordered = st.lists(events | st.integers(1, 30), max_size=30).map(
    lambda life: sorted((item for item in life if isinstance(item, Event)), key=lambda event: event.at)
)
lookers = st.sets(st.integers(0, 30))


@settings(max_examples=400, deadline=None)
@given(lives | ordered, st.integers(1, 12), st.integers(1, 4), st.integers(2, 8), st.sampled_from((0, 4, 40)), lookers)
def test_a_sliding_count_that_is_too_low_is_told_when_it_is_so(
    life: Life, within: int, below: int, times: int, lateness: int, looks: set[int]
) -> None:
    kind = parse_count({"below": below, "within": f"{within}ms", "forget": f"{within * times}ms"})
    assert run(kind, life, lateness, looks.__contains__) == defined(kind, life, lateness)


@settings(max_examples=400, deadline=None)
@given(lives | ordered, st.integers(1, 12), st.integers(1, 4), st.integers(2, 8), st.sampled_from((0, 4, 40)), lookers)
def test_too_few_different_values_are_told_when_it_is_so(
    life: Life, within: int, below: int, times: int, lateness: int, looks: set[int]
) -> None:
    kind = parse_distinct({"field": "v", "below": below, "within": f"{within}ms", "forget": f"{within * times}ms"})
    assert run(kind, life, lateness, looks.__contains__) == defined(kind, life, lateness, by_value=True)


@settings(max_examples=400, deadline=None)
@given(lives | ordered, st.integers(1, 12), st.integers(1, 4), st.integers(2, 8), st.sampled_from((0, 4, 40)), lookers)
def test_a_bucket_that_ends_with_too_few_is_told_when_it_ends(
    life: Life, within: int, below: int, times: int, lateness: int, looks: set[int]
) -> None:
    block = {"below": below, "within": f"{within}ms", "window": "tumbling", "forget": f"{within * times}ms"}
    kind = parse_count(block)
    assert run(kind, life, lateness, looks.__contains__) == defined(kind, life, lateness, bucket=within)
    other = parse_distinct({**block, "field": "v"})
    assert run(other, life, lateness, looks.__contains__) == defined(
        other, life, lateness, by_value=True, bucket=within
    )


@pytest.mark.parametrize(
    ("life", "said"),
    [
        # known from 0: the first whole window ends at 10
        ([Event(0), 60], [("fire", 10, 0)]),
        ([Event(0), Event(5), 60], [("fire", 10, 1)]),
        ([Event(0), Event(5), Event(9), 60], [("fire", 15, 1)]),  # at 15 the event of 5 has left
        ([Event(0), Event(5), Event(9), Event(14), 60], [("fire", 19, 1)]),
        # cleared by the second event inside one window, and again when it has left
        ([Event(0), 60, Event(61), Event(62), 60], [("fire", 10, 0), ("clear", 62, 2), ("fire", 71, 1)]),
        # with the event of 20, that was known already, the one of 12 fills a window
        ([Event(0), Event(5), Event(20), Event(12), Event(13), 60], [("fire", 10, 1), ("clear", 12, 2), ("fire", 23, 1)]),
        ([Event(0), 2_000, Event(2_001), 5], [("fire", 10, 0)]),  # forgotten: known anew
    ],
)  # fmt: skip
def test_a_flatline(life: Life, said: list[tuple[str, int, int]]) -> None:
    kind = parse_count({"below": 2, "within": "10ms", "forget": "1s"})
    seen = run(kind, life, 0, lambda number: True)
    assert [(kind.value, at, value) for kind, at, value, _ in seen] == said


def test_what_cannot_be_used_says_so_and_changes_nothing() -> None:
    detector = parse_distinct({"field": "v", "below": 2, "within": "10ms"}).detector(LADDER)
    for value in (None, msgspec.UNSET):
        assert detector.step(None, Moment(1, 1, "", (value,), NEVER)) == (None, Skipped.UNUSABLE)


def test_a_busy_key_keeps_no_more_than_it_needs() -> None:
    detector, state = parse_count({"below": 5, "within": "1m"}).detector(LADDER), None
    for at in range(5_000):
        state, _ = detector.step(state, Moment(at, at, f"e{at}", (), NEVER))
        assert state
        assert len(state) <= 2 * 5 * 3 + 6
