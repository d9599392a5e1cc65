"""What was in force at each moment of a replay: control states, each from its time on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from streams.model import Batch, Control


@dataclass(frozen=True, slots=True)
class Controls:
    """``since``: from when on each of ``states`` is in force, ms, in order; the first one is before that, too."""

    states: tuple[Control, ...]
    since: tuple[int, ...]

    @classmethod
    def throughout(cls, control: Control) -> Self:
        """One state from beginning to end."""
        return cls((control,), (0,))

    @property
    def last(self) -> Control:
        return self.states[-1]

    def at(self, now: int) -> Control:
        """What is in force at ``now``."""
        return self.states[max(0, bisect_right(self.since, now) - 1)]

    def of(self, position: int) -> Control:
        """The state of that position, or the last one before it."""
        return self.states[max(0, bisect_right(self.states, position, key=lambda control: control.position) - 1)]

    def changes(self, after: int, until: int) -> tuple[int, ...]:
        """When another state comes into force later than ``after`` and no later than ``until``; ms."""
        first = max(1, bisect_right(self.since, after))
        return tuple(dict.fromkeys(self.since[first : bisect_right(self.since, until)]))

    def of_rules(self) -> Controls:
        """Only where the rules change, or the lists they test against: what else changes does not concern events."""
        kept: list[tuple[Control, int]] = []
        for control, since in zip(self.states, self.since, strict=True):
            if not kept or kept[-1][0].ruleset.identity != control.ruleset.identity:
                kept.append((control, since))
        states, times = zip(*kept, strict=True)
        return Controls(states, times)

    def parted(self, batch: Batch, now: int) -> Iterator[tuple[Batch, int, Control]]:
        """``batch`` in pieces: each with the clock after it, ms, and what was in force for it. The clock stood at
        ``now`` before, goes with the time at which records were written, and never back.
        """
        begin, clock, control = 0, now, None
        for index, (_, _, stamp) in enumerate(batch.records if len(self.states) > 1 else ()):
            if stamp <= clock and control is not None:
                continue
            ahead = max(clock, stamp)
            fresh = self.at(ahead)
            if control is not None and fresh is not control:
                yield _piece(batch, begin, index), clock, control
                begin = index
            clock, control = ahead, fresh
        latest = max((now, *(stamp for _, _, stamp in batch.records)))
        yield (_piece(batch, begin, len(batch.records)) if begin else batch), latest, self.at(latest)


def _piece(batch: Batch, begin: int, end: int) -> Batch:
    return Batch(batch.records[begin:end], lambda index: batch.original(begin + index))
