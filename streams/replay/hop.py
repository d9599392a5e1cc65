"""The hop of rekeyed rules without Kafka: all copies in the one order that does not depend on how they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from streams import pipeline
from streams.detect.base import NEVER
from streams.detect.hop import Copy, Mark, read
from streams.model import Batch, Control, Output, Record
from streams.rules.rule import RuleSet
from streams.state.rekeyed import RekeyedState

_CHUNK = 2_000
#: The one origin that is waited for: the replay itself, which says how far it is behind every chunk.
_SELF = ("replay", 0)
_encode = msgspec.json.Encoder().encode


def _origins(_: RuleSet) -> frozenset[tuple[str, int]]:
    return frozenset({_SELF})


class Hop:
    """Takes what DETECT sends to ``rekeyed``; ``drain`` evaluates it, once everything has been sent."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._copies: list[tuple[int, str, int, int, int, bytes]] = []
        self.clock = 0  #: the latest time read anywhere, ms
        self._marks: dict[tuple[str, int], int] = {}  # how far each origin has come
        self.counts: Counter[tuple[str, ...]] = Counter()

    def take(self, output: Output) -> None:
        """One record for ``rekeyed``. The watermarks of origins are of no use: all copies come first."""
        copy = read(output.value)
        if isinstance(copy, Copy):
            place = copy.order, copy.topic, copy.partition, copy.offset
            self._copies.append((*place, len(self._copies), output.value))

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
        for begin in range(0, len(copies), _CHUNK):
            chunk = copies[begin : begin + _CHUNK]
            values = [copy[-1] for copy in chunk]
            values.append(_encode(Mark(topic=_SELF[0], partition=_SELF[1], watermark=chunk[-1][0])))
            records: list[Record] = [(offset + n, value, self.clock) for n, value in enumerate(values)]
            offset += len(records)
            yield from pipeline.rekeyed(state, Batch(records), self.clock, self._control)
            state.changes()  # nobody stores them
        mark = min(self._marks.values(), default=NEVER)
        yield from pipeline.rekeyed_end(state, self.clock, self._control, mark=mark)
        self.counts += state.counts
