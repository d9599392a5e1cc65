"""Spikes against their definition: all events kept, every baseline worked out anew, nothing skipped."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect.base import NEVER, Observed, Skipped
from streams.detect.kinds.spike import Spike
from streams.model import Severity
from streams.rules.rule import Ladder
from tests.driving import Came, drive

WORD = Ladder(((None, Severity.HIGH, "high"),))
RUNGS = Ladder(((2.0, Severity.LOW, "low"), (4.0, Severity.HIGH, "high")))
W = 1_000


class Definition:
    """Windows of one key, by the letter of the rule. ``seen``: (index, kind, index of the event it is named after)."""

    def __init__(self, spike: Spike, tops: list[float]) -> None:
        self.spike, self.tops = spike, tops
        self.content: dict[int, list[Fraction]] = {}
        self.cells: dict[int, Fraction | None] = {}
        self.next: int | None = None
        self.held, self.fired, self.spare = 0, -1, None
        self.seen: list[tuple[int, str, int]] = []

    def measured(self, window: int) -> Fraction | None:
        numbers = self.content.get(window, [])
        if self.spike.function == "avg":
            return sum(numbers, Fraction(0)) / len(numbers) if numbers else None
        return Fraction(sum(numbers)) if self.spike.function == "sum" else Fraction(len(numbers))

    def usual(self, window: int) -> list[Fraction]:
        back = range(window - self.spike.windows, window)
        return [cell for cell in (self.cells.get(number) for number in back) if cell is not None]

    def deviation_squared(self, known: list[Fraction]) -> Fraction:
        mean = sum(known) / len(known)
        least = abs(mean) if self.spike.function == "count" else (mean / 100) ** 2
        return max(sum((cell - mean) ** 2 for cell in known) / len(known), least)

    def rung(self, value: Fraction | None, window: int, way: int) -> int:
        known = self.usual(window)
        if value is None or len(known) < self.spike.min_baseline:
            return 0
        mean = sum(known) / len(known)
        if (value if way > 0 else mean) < self.spike.floor or (value - mean) * way <= 0:
            return 0
        limits = [self.spike.limit, *map(Fraction, self.tops)]
        if self.spike.is_z_score:
            spread = self.deviation_squared(known)
            reached = [(value - mean) ** 2 >= limit**2 * spread for limit in limits]
        elif mean < 0 or (way < 0 and mean == 0):
            return 0
        elif way > 0:
            reached = [value >= limit * mean for limit in limits]
        else:
            reached = [value * limit <= mean for limit in limits]
        if not reached[0]:
            return 0
        return max([1, *(number for number, top in enumerate(reached[1:], 1) if top)])

    def close(self, index: int) -> None:
        spike, window = self.spike, self.next
        assert window is not None
        self.next = window + 1
        value = self.measured(window)
        high = self.rung(value, window, 1) if spike.direction != "down" else 0
        low = self.rung(value, window, -1) if spike.direction != "up" else 0
        known = self.usual(window)
        if value is not None and (high or low) and not spike.adapt:
            mean = sum(known) / len(known)
            if spike.is_z_score:
                far = spike.limit * Fraction(math.sqrt(self.deviation_squared(known) * len(known) ** 2)) / len(known)
                value = max(spike.floor, mean + far) if high else mean - far
            else:
                value = max(spike.floor, mean * spike.limit) if high else mean / spike.limit
        if value is not None and value.denominator != 1:
            value = Fraction(repr(float(value)))
        self.cells[window] = value
        if self.held:
            still = high if self.held > 0 else low
            if not still:
                self.held = 0
                self.seen.append((index, "clear", self.fired))
            elif still > abs(self.held) and self.spare is not None:
                self.tell(index, still if self.held > 0 else -still)
        elif (spike.direction != "up" or spike.function == "avg") and (high or low) and self.spare is not None:
            self.tell(index, high or -low)

    def tell(self, index: int, held: int) -> None:
        assert self.spare is not None
        self.held, self.fired, self.spare = held, self.spare, None
        self.seen.append((index, "fire", self.fired))

    def come(self, index: int, came: Came) -> None:
        while self.next is not None and (self.next + 1) * W - 1 <= came.closed:
            self.close(index)
        if came.event_id is None:
            return
        window = came.at // W
        if (window + 1) * W - 1 <= came.closed or (self.cells and window < (self.next or 0)):
            return
        self.next = window if self.next is None else min(self.next, window)
        self.content.setdefault(window, []).append(Fraction(came.values[0]) if came.values else Fraction(1))
        rung = 0
        if self.spike.direction != "down" and self.spike.function != "avg":
            rung = self.rung(self.measured(window), window, 1)
        if rung and self.held < 0:
            self.held = 0
            self.seen.append((index, "clear", index))
        elif rung > max(0, self.held):
            self.held, self.fired = rung, index
            self.seen.append((index, "fire", index))
        else:
            self.spare = index


#: How many events each window has, and how far out of order they come.
volumes = st.lists(st.sampled_from((0, 1, 2, 2, 2, 3, 5, 9)), min_size=4, max_size=24)
disorders = st.lists(st.sampled_from((0, 0, 0, 300, 900, 2_500)), min_size=1, max_size=7)
amounts = st.lists(st.sampled_from((-3, 0, 1, 1, 1, 2, 2, 10)), min_size=1, max_size=7)


def arrivals(volumes: list[int], disorders: list[int], amounts: list[int], *, valued: bool) -> list[Came]:
    coming = []
    for window, volume in enumerate(volumes):
        for copy in range(volume):
            number = len(coming)
            at = window * W + (copy * 370 + window * 130) % W
            coming.append((at + disorders[number % len(disorders)], at, amounts[number % len(amounts)]))
    events, closed, newest = [], NEVER, NEVER
    for number, (_, at, amount) in enumerate(sorted(coming)):
        closed = max(closed, newest - (700 if number % 5 else 100))
        if number % 7 == 3:
            events.append(Came(0, None, (), closed))
        events.append(Came(at, f"e{number}", (amount,) if valued else (), closed))
        newest = max(newest, at)
    return [*events, Came(0, None, (), newest + 60_000)]


kinds = st.builds(
    Spike,
    window=st.just(W),
    limit=st.sampled_from((Fraction(2), Fraction(3, 2))),
    is_z_score=st.booleans(),
    baseline=st.sampled_from((3_000, 6_000, 20_000)),
    function=st.sampled_from(("count", "sum", "avg")),
    direction=st.sampled_from(("up", "down", "both")),
    floor=st.sampled_from((Fraction(0), Fraction(2))),
    min_baseline=st.sampled_from((2, 3)),
    adapt=st.booleans(),
)


@settings(max_examples=800, deadline=None)
@given(volumes, disorders, amounts, kinds, st.booleans())
def test_windows_are_held_against_all_that_is_usual(
    volumes: list[int], disorders: list[int], amounts: list[int], spike: Spike, has_rungs: bool
) -> None:
    events = arrivals(volumes, disorders, amounts, valued=spike.function != "count")
    definition = Definition(spike, [2.0, 4.0] if has_rungs else [])
    for index, came in enumerate(events):
        definition.come(index, came)
    detector = spike.detector(RUNGS if has_rungs else WORD)
    seen = drive(detector, events)
    assert not [one for _, one in seen if one in (Skipped.DUPLICATE, Skipped.UNUSABLE)]
    told = [(index, one.kind.value, one.evidence[-1].ref) for index, one in seen if isinstance(one, Observed)]
    assert told == definition.seen
