"""The hop of rekeyed rules without Kafka: all copies in the one order that does not depend on how they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from streams import pipeline
from streams.detect.base import NEVER
from streams.detect.hop import Copy, read
from streams.model import Control, Output
from streams.state.detect.arrived import Arrived, arrived, of_rules, turn_of
from streams.state.detect.rekeyed import RekeyedState

_CHUNK = 2_000
TIMED = 16  #: one record (here: one chunk) in so many, where somebody watches


class Hop:
    """Takes what DETECT sends to ``rekeyed``; ``drain`` evaluates it, once everything has been sent.

    Copies for the rules of the ids ``later`` are not evaluated here: they wait in ``held`` for what else those read.
    """

    def __init__(self, control: Control, later: frozenset[str] = frozenset()) -> None:
        self._control, self._later = control, later
        self.held: list[Arrived] = []
        self._copies: list[Arrived] = []
        self.clock = 0  #: the latest time read anywhere, ms
        self._marks: dict[tuple[str, int], int] = {}  # how far each origin has come
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.watch: Callable[[], int] | None = None  #: tells ns: every so many chunks, the steps of rules are timed
        self.timings: list[tuple[str, int]] = []  #: (rule, ns)

    def take(self, value: bytes) -> None:
        """One record for ``rekeyed``. The watermarks of origins are of no use: all copies come first."""
        if isinstance(copy := read(value), Copy):
            self.put(arrived(copy))

    def put(self, copy: Arrived) -> None:
        """One copy to evaluate."""
        if self._later and (held := self._held_of(copy.rules)):
            self.held.append(of_rules(copy, held))
            if len(held) == len(copy.rules):
                return
            copy = of_rules(copy, [place for place in range(len(copy.rules)) if place not in held])
        self._copies.append(copy)

    def _held_of(self, rules: tuple[str, ...]) -> list[int]:
        """Which of a copy's rules are evaluated later."""
        return [place for place, ref in enumerate(rules) if ref.partition("@")[0] in self._later]

    def join(self, other: Hop) -> None:
        """Take what ``other`` holds, and how far its origins and its clock have come."""
        for copy in other.held:
            self.put(copy)
        self.clock = max(self.clock, other.clock)
        if other.held:
            self._marks |= other._marks

    def came(self, topic: str, partition: int, mark: int) -> None:
        """An origin has come so far: timers that are due by then, for all origins, fire in the end."""
        self._marks[topic, partition] = mark

    def drain(self) -> Iterator[Output]:
        """All copies through DETECT's second half."""
        copies = sorted(self._copies, key=turn_of)  # those of one event as they came
        self._copies = []
        state = RekeyedState(0, origins=lambda _: frozenset())
        state.loaded()
        for number, begin in enumerate(range(0, len(copies), _CHUNK)):
            state.stopwatch = self.watch if number % TIMED == 0 else None
            yield from pipeline.rekeyed_in_turn(state, copies[begin : begin + _CHUNK], self.clock, self._control)
            state.forget()
            self.timings += state.timings
            state.timings.clear()
        state.stopwatch = None
        mark = min(self._marks.values(), default=NEVER)
        yield from pipeline.rekeyed_end(state, self.clock, self._control, mark=mark)
        self.counts += state.counts
