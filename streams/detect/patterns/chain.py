"""Chains of events, one for each slot of a pattern, found among the entries of one key.

Entries stand in their order: event time, then arrival. A chain takes one entry for each slot, each after the one
before. What is asked for is always the *latest* chain: its last event the latest possible, then the one before it, and
so on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

#: In a row of ``starts``: no chain ends here.
NONE = -1


@dataclass(frozen=True, slots=True)
class Slot:
    """One event of a chain. ``bit``: of the step it is of, in the masks of entries."""

    bit: int
    within: int = 0  #: it comes less than so long after the event of the slot before; 0: whenever
    absent: int = 0  #: bits that no event between it and that of the slot before has
    step: int = 0  #: number of its step


@dataclass(frozen=True, slots=True)
class Pattern:
    """``within``: from the first event to the last is less than that. ``until``: bits that no event between has."""

    slots: tuple[Slot, ...]
    within: int
    until: int = 0
    before: tuple[tuple[int, int], ...] = ()  #: (bits, ms): none of them less than so long before the first event
    barred: int = 0  #: a bit that the first event does not have

    def starts(self, times: Sequence[int], masks: Sequence[int], through: int) -> list[list[int]]:
        """For each slot and entry the latest entry at which a chain of the slots so far begins that ends there.

        ``through``: the entry that every chain must contain that reaches or passes it; ``len(times)`` for none. The
        pattern's own ``within`` and ``until`` are not looked at: they depend on the end (``earliest``).
        """
        rows = [self._first(times, masks, through)]
        for slot in self.slots[1:]:
            rows.append(_next(slot, rows[-1], times, masks, through))
        return rows

    def _first(self, times: Sequence[int], masks: Sequence[int], through: int) -> list[int]:
        bit, row = self.slots[0].bit, [NONE] * len(times)
        if not self.before:
            for place in range(min(through + 1, len(times))):
                if masks[place] & bit:
                    row[place] = place
            return row
        last: list[int | None] = [None] * len(self.before)
        for place in range(min(through + 1, len(times))):
            at, mask = times[place], masks[place]
            if (
                mask & bit
                and not mask & self.barred
                and all(seen is None or seen <= at - ms for seen, (_, ms) in zip(last, self.before, strict=True))
            ):
                row[place] = place
            for number, (bits, _) in enumerate(self.before):
                if mask & bits:
                    last[number] = at
        return row

    def earliest(self, times: Sequence[int], masks: Sequence[int], end: int) -> int:
        """The first entry at which a chain that ends at ``end`` may begin."""
        first = bisect_right(times, times[end] - self.within)
        if self.until:
            for place in range(end - 1, first - 1, -1):
                if masks[place] & self.until:
                    return place
        return first

    def latest(
        self, rows: list[list[int]], times: Sequence[int], masks: Sequence[int], through: int, end: int
    ) -> list[int]:
        """The latest chain that ends at ``end``, entry by entry; the one that ``rows`` says there is."""
        earliest, chain, place = self.earliest(times, masks, end), [end], end
        for number in range(len(self.slots) - 1, 0, -1):
            slot, row = self.slots[number], rows[number - 1]
            oldest = times[place] - slot.within if slot.within else times[0] - 1
            floor = through if place > through else 0
            for other in range(place - 1, floor - 1, -1):
                if times[other] <= oldest:
                    break
                if row[other] >= earliest:
                    chain.append(other)
                    break
                if masks[other] & slot.absent:
                    break
            place = chain[-1]
        chain.reverse()
        return chain


def _next(slot: Slot, before: list[int], times: Sequence[int], masks: Sequence[int], through: int) -> list[int]:
    """The row of ``slot``: the largest of the row before between a floor, which only rises, and the entry."""
    bit, within, absent = slot.bit, slot.within, slot.absent
    row = [NONE] * len(times)
    floor = seen = 0
    falling: deque[int] = deque()  # places from the floor on, each with more in ``before`` than all that follow it
    for place, mask in enumerate(masks):
        if place == through + 1:
            floor = max(floor, through)
        if mask & bit:
            while seen < place:
                begin = before[seen]
                if begin > NONE:
                    while falling and before[falling[-1]] <= begin:
                        falling.pop()
                    falling.append(seen)
                seen += 1
            if within:
                while times[floor] <= times[place] - within:
                    floor += 1
            while falling and falling[0] < floor:
                falling.popleft()
            if falling:
                row[place] = before[falling[0]]
        if mask & absent:
            floor = place
    return row
