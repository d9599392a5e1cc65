"""Sequences against their definition: every chain of every subset of events tried, nothing clever."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Moment, Observed, Skipped
from streams.detect.kinds.sequence import Sequence, Step, parse
from streams.model import Severity
from streams.rules.rule import ArmSpec, Ladder

LADDER = Ladder(((None, Severity.HIGH, "high"),))
WAY = ArmSpec(source="audit")


@dataclass
class Seen:
    at: int
    index: int  #: of arrival
    event_id: str
    arms: set[int]
    used: bool = False
    ends: bool = False  #: of a match: nothing that began before goes on
    decided: bool = False
    barred: bool = False  #: by what is forgotten: no match begins with it

    @property
    def order(self) -> tuple[int, int]:
        return self.at, self.index


@dataclass
class Oracle:
    """The promise in the docstring of ``Sequence``, by trying everything."""

    kind: Sequence
    kept: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        steps = self.kind.steps
        self.slots = [number for number, step in enumerate(steps) if not step.absent for _ in range(step.runs)]
        self.until = len(steps)

    def is_match(self, chain: tuple[Seen, ...]) -> bool:
        steps, kept, within = self.kind.steps, self.kept, self.kind.within
        if any(event.used or slot not in event.arms for event, slot in zip(chain, self.slots, strict=True)):
            return False
        if chain[0].barred or chain[-1].at - chain[0].at >= within:
            return False
        for event in kept:
            if chain[0].order < event.order < chain[-1].order and (self.until in event.arms or event.ends):
                return False
        for number in range(self.slots[0]):
            for event in kept:
                long = steps[number].within or within
                if number in event.arms and event.order < chain[0].order and event.at > chain[0].at - long:
                    return False
        for place in range(1, len(chain)):
            one, two = self.slots[place - 1], self.slots[place]
            if one == two:
                continue
            before, after = chain[place - 1], chain[place]
            if steps[two].within and after.at - before.at >= steps[two].within:
                return False
            for number in range(one + 1, two):
                if any(number in event.arms and before.order < event.order < after.order for event in kept):
                    return False
        return True

    def matches(self) -> list[tuple[Seen, ...]]:
        events = sorted((event for event in self.kept if not event.used), key=lambda event: event.order)
        found = [chain for chain in combinations(events, len(self.slots)) if self.is_match(chain)]
        return sorted(found, key=lambda chain: [event.order for event in reversed(chain)], reverse=True)

    def use_up(self, chain: tuple[Seen, ...]) -> None:
        if self.kind.overlap == "skip":
            for event in chain:
                event.used = True
            chain[-1].ends = True

    def come(self, event: Seen, horizon: int) -> tuple[int, ...] | Skipped | None:
        forgotten = [other for other in self.kept if other.at <= horizon]
        self.kept = [other for other in self.kept if other.at > horizon]
        for number in range(self.slots[0]):
            long = self.kind.steps[number].within or self.kind.within
            for other in self.kept:
                other.barred |= any(number in gone.arms and gone.at > other.at - long for gone in forgotten)
        if event.event_id and event.event_id in [other.event_id for other in self.kept]:
            return Skipped.DUPLICATE
        self.kept.append(event)
        if self.kind.timed:
            return None
        chain = next((chain for chain in self.matches() if event in chain), None)
        if chain is None:
            return None
        self.use_up(chain)
        return tuple(one.index for one in chain)

    def pass_to(self, closed: int) -> list[tuple[int, tuple[int, ...]]]:
        """The ends that are decided by then, in order of time: (at, chain)."""
        told: list[tuple[int, tuple[int, ...]]] = []
        steps, last = self.kind.steps, self.slots[-1]
        waits = {number: steps[number].within or self.kind.within for number in range(last + 1, len(steps))}
        wait = max(waits.values())
        while True:
            open_ends = [c for c in self.matches() if not c[-1].decided and c[-1].at + wait - 1 <= closed]
            if not open_ends:
                return told
            at = min(chain[-1].at for chain in open_ends)
            fired = None
            for chain in open_ends:
                end = chain[-1]
                if end.at != at or end.decided:
                    continue
                end.decided = True
                broken = any(
                    event.order > end.order
                    and (
                        any(number in event.arms and event.at < at + waits[number] for number in waits)
                        or (self.until in event.arms and event.at < at + wait)
                    )
                    for event in self.kept
                )
                if fired is None and not broken:
                    fired = chain
            if fired is not None:
                self.use_up(fired)
                told.append((at + wait, tuple(one.index for one in fired)))


def run(kind: Sequence, events: list[tuple[int, str, set[int]]], back: int, hurry: list[bool]) -> None:
    detector, oracle, state, newest = kind.detector(LADDER), Oracle(kind), None, NEVER

    def looked(closed: int) -> None:
        nonlocal state
        told: list[tuple[int | None, list[Any]]] = []
        while state is not None and kind.timed and (due := detector.due(state)) is not None and due <= closed:
            before = list(state)
            after, seen = detector.expire(state)
            assert state == before
            state = msgspec.json.decode(msgspec.json.encode(after))
            later = detector.due(state)
            assert later is None or later > due
            if seen is not None:
                assert isinstance(seen, Observed)
                told.append((seen.at, [witness.ref for witness in seen.evidence]))
        if kind.timed:
            expected = oracle.pass_to(closed)
            assert [at for at, _ in told] == [at for at, _ in expected]
            for (_, refs), (_, chain) in zip(told, expected, strict=True):
                assert refs[0] == chain[0]
                assert refs[-1] == chain[-1]
                assert set(refs) <= set(chain)
                assert chain[-1] not in named
                named.add(chain[-1])

    named: set[int] = set()
    for index, (at, event_id, arms) in enumerate(events):
        mark = newest if newest != NEVER else NEVER
        horizon, closed = mark - back - kind.keeps, mark - back - 1
        if mark == NEVER:
            horizon = closed = NEVER
        newest = max(newest, at)
        if at <= horizon:
            continue
        looked(closed)  # always, before an event is stepped
        before = list(state) if state else state
        moment = Moment(at, index, event_id, (), horizon, closed, tuple(sorted(arms)))
        after, seen = detector.step(state, moment)
        assert (list(state) if state else state) == before  # a step leaves what it was given alone
        state = msgspec.json.decode(msgspec.json.encode(after))
        expected = oracle.come(Seen(at, index, event_id, arms), horizon)
        if isinstance(expected, tuple):
            assert isinstance(seen, Observed)
            refs = [witness.ref for witness in seen.evidence]
            assert refs[0] == expected[0]
            assert {expected[-1], index} <= set(refs) <= set(expected)
            assert seen.threshold == len(expected) <= seen.value
        else:
            assert seen == expected
        if hurry[index % len(hurry)]:  # somebody looks in between: the same
            looked(closed)
    looked(1 << 40)


def sequences() -> st.SearchStrategy[Sequence]:
    def build(parts: list[tuple[bool, int, int]], within: int, overlap: str, until: bool) -> Sequence:
        absent = [flag for flag, _, _ in parts]
        if all(absent):
            parts = [(False, parts[0][1], parts[0][2]), *parts[1:]]
            absent[0] = False
        first, last = absent.index(False), len(absent) - 1 - absent[::-1].index(False)
        steps = tuple(
            Step(
                str(number), WAY, 1 if flag else runs,
                0 if number == first or (flag and first < number < last) else min(own, within), flag,
            )
            for number, (flag, runs, own) in enumerate(parts)
        )  # fmt: skip
        return Sequence(within, steps, WAY if until else None, overlap)

    part = st.tuples(
        st.sampled_from((False, False, True)), st.sampled_from((1, 1, 1, 2)), st.sampled_from((0, 0, 2, 5))
    )
    return st.builds(
        build,
        st.lists(part, min_size=2, max_size=4),
        st.integers(1, 14),
        st.sampled_from(("skip", "all")),
        st.booleans(),
    )


def timelines(most: int) -> st.SearchStrategy[list[tuple[int, str, set[int]]]]:
    one = st.tuples(
        st.integers(0, 16),
        st.sampled_from(("", "", "a", "b", "c", "d", "e", "f")),
        st.sets(st.integers(0, 11), min_size=1, max_size=2),
    )
    return st.lists(one, max_size=most)


def fitting(kind: Sequence, events: list[tuple[int, str, set[int]]]) -> list[tuple[int, str, set[int]]]:
    ways = len(kind.arms())
    return [(at, event_id, {arm % ways for arm in arms}) for at, event_id, arms in events]


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(sequences(), timelines(11), st.sampled_from((0, 3, 30)), st.lists(st.booleans(), min_size=1, max_size=4))
def test_any_timeline_gives_what_the_definition_says(
    kind: Sequence, events: list[tuple[int, str, set[int]]], back: int, hurry: list[bool]
) -> None:
    run(kind, fitting(kind, events), back, hurry)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(sequences(), timelines(13), st.sampled_from((0, 3)))
def test_events_in_order_give_what_the_definition_says(
    kind: Sequence, events: list[tuple[int, str, set[int]]], back: int
) -> None:
    run(kind, sorted(fitting(kind, events), key=lambda event: event[0]), back, [False])


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(sequences(), timelines(13), st.integers(0, 3))
def test_what_is_forgotten_is_missed_by_nothing_that_was_waited_for(
    kind: Sequence, events: list[tuple[int, str, set[int]]], back: int
) -> None:
    """Nothing comes later than ``back`` behind the newest; and with all thinned that can be, the same is found."""
    newest, on_time = NEVER, []
    for number, (at, _, arms) in enumerate(fitting(kind, events)):
        newest = max(newest, at)
        on_time.append((max(at, newest - back), f"e{number}", arms))
    with patch("streams.detect.patterns.sequencing.THIN_ABOVE", 1):
        run(kind, on_time, back, [False, True])


def test_a_document_is_read_as_it_is_written_again() -> None:
    block: dict[str, Any] = {
        "within": "10m",
        "steps": [
            {"name": "fail", "where": {"outcome": "failure"}, "runs": 5},
            {"where": {"outcome": "success"}, "within": "1m"},
            {"where": {"outcome": "logout"}, "absent": True, "within": "5m"},
        ],
        "until": {"action": "reset"},
        "overlap": "all",
    }
    kind = parse(block)
    assert [step.name for step in kind.steps] == ["fail", "2", "3"]
    assert (kind.timed, kind.keeps, kind.within) == (True, 15 * 60_000, 600_000)
    assert len(kind.arms()) == 4
    assert kind.document() == parse(block).document()
    msgspec.json.encode(kind.document())
