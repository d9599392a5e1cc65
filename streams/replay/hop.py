"""The hop of rekeyed rules without Kafka: all copies in the one order that does not depend on how they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from streams import pipeline
from streams.detect.base import NEVER
from streams.detect.hop import Copy, Mark, read
from streams.model import Batch, Control, Output, Record
from streams.rules.rule import RuleSet
from streams.state.detect.rekeyed import RekeyedState

_CHUNK = 2_000
TIMED = 16  #: one record (here: one chunk) in so many, where somebody watches
#: The one origin that is waited for: the replay itself, which says how far it is behind every chunk.
_SELF = ("replay", 0)
_COPY = Copy.__struct_config__.tag
_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct):
    """What decides where a record of ``rekeyed`` goes; the rest of it is read when its turn comes."""

    record: str
    rules: tuple[str, ...] = ()
    order: int = 0
    topic: str = ""
    partition: int = 0
    offset: int = 0


_head = msgspec.json.Decoder(_Head).decode


def _of(copy: Copy, places: set[int]) -> Copy:
    """The copy for some of its rules."""
    chosen = sorted(places)
    arms = tuple(copy.arms[place] for place in chosen) if copy.arms else ()
    rules, values = tuple(copy.rules[place] for place in chosen), tuple(copy.values[place] for place in chosen)
    return msgspec.structs.replace(copy, rules=rules, values=values, arms=arms)


def _origins(_: RuleSet) -> frozenset[tuple[str, int]]:
    return frozenset({_SELF})


class Hop:
    """Takes what DETECT sends to ``rekeyed``; ``drain`` evaluates it, once everything has been sent.

    Copies for the rules of the ids ``later`` are not evaluated here: they wait in ``held`` for what else those read.
    """

    def __init__(self, control: Control, later: frozenset[str] = frozenset()) -> None:
        self._control, self._later = control, later
        self.held: list[Copy] = []
        self._copies: list[tuple[int, str, int, int, int, bytes]] = []
        self.clock = 0  #: the latest time read anywhere, ms
        self._marks: dict[tuple[str, int], int] = {}  # how far each origin has come
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.watch: Callable[[], int] | None = None  #: tells ns: every so many chunks, the steps of rules are timed
        self.timings: list[tuple[str, int]] = []  #: (rule, ns)

    def take(self, output: Output) -> None:
        """One record for ``rekeyed``. The watermarks of origins are of no use: all copies come first."""
        head = _head(output.value)
        if head.record != _COPY:
            return
        if not (held := self._held_of(head.rules)):
            self._put(head, output.value)
            return
        copy = read(output.value)
        assert isinstance(copy, Copy)
        self.held.append(_of(copy, held))
        if len(held) < len(copy.rules):
            self.put(_of(copy, set(range(len(copy.rules))) - held))

    def put(self, copy: Copy) -> None:
        """One copy to evaluate."""
        self._put(copy, _encode(copy))

    def _put(self, place: _Head | Copy, value: bytes) -> None:
        self._copies.append((place.order, place.topic, place.partition, place.offset, len(self._copies), value))

    def _held_of(self, rules: tuple[str, ...]) -> set[int]:
        """Which of a copy's rules are evaluated later."""
        if not self._later:
            return set()
        return {place for place, ref in enumerate(rules) if ref.partition("@")[0] in self._later}

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
        copies = sorted(self._copies)
        self._copies = []
        state = RekeyedState(0, origins=_origins)
        state.loaded()
        offset = 0
        for number, begin in enumerate(range(0, len(copies), _CHUNK)):
            state.stopwatch = self.watch if number % TIMED == 0 else None
            chunk = copies[begin : begin + _CHUNK]
            values = [copy[-1] for copy in chunk]
            values.append(_encode(Mark(topic=_SELF[0], partition=_SELF[1], watermark=chunk[-1][0])))
            records: list[Record] = [(offset + n, value, self.clock) for n, value in enumerate(values)]
            offset += len(records)
            yield from pipeline.rekeyed(state, Batch(records), self.clock, self._control)
            state.forget()
            self.timings += state.timings
            state.timings.clear()
        state.stopwatch = None
        mark = min(self._marks.values(), default=NEVER)
        yield from pipeline.rekeyed_end(state, self.clock, self._control, mark=mark)
        self.counts += state.counts
