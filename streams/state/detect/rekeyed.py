"""What DETECT remembers of one partition of ``rekeyed``: copies that wait for their turn, and the tables they step.

Copies are evaluated in the order (order time, topic, partition, offset), as far as every origin has said that nothing
older will come. So neither the number of workers nor any delay between the origins changes what is found.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from streams.detect.base import NEVER
from streams.detect.hop import Copy, Mark
from streams.model import Control, position
from streams.rules.rule import RuleSet
from streams.state.detect.arrived import Arrived, arrived
from streams.state.detect.lanes import Short, of_copies
from streams.state.detect.rulebook import Rulebook
from streams.state.partition import Position, take_up
from streams.state.tables import Table

#: A partition in which copies wait looks so often whether the control state has changed.
QUIET_TICK = 10_000

Origin = tuple[str, int]
Way = tuple[Table | None, Short | None]
Turn = tuple[int, str, int, int, int]  # order time, topic, partition, offset, offset here


class RekeyedState:
    """Satisfies ``PartitionState``. ``origins``: all partitions that send copies under a rule set."""

    stirred = True

    topic = "rekeyed"

    def __init__(
        self, partition: int, origins: Callable[[RuleSet], frozenset[Origin]], max_keys: int = 1_000_000
    ) -> None:
        self.partition = partition
        self.position = Position(committed=0, next=0)
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.timings: list[tuple[str, int]] = []  #: (rule, ns) while there is a stopwatch; whoever set it empties it
        self.stopwatch: Callable[[], int] | None = None
        self.control: Control | None = None
        self.book = Rulebook(max_keys)
        self.limit = NEVER  #: what has a smaller order time has been evaluated
        self.ways: dict[str, Way] = {}  #: by rule
        self._origins_of = origins
        self._expected: frozenset[Origin] = frozenset()
        self._marks: dict[Origin, int | None] = {}  # None: idle
        self._read: int | None = None  # next offset to take; below position.next while reading again after a restart
        self._heap: list[tuple[Turn, Arrived]] = []
        self._waiting: set[int] = set()  # offsets of what stands in the heap
        self._arrived: deque[int] = deque()  # the same, in order, with those that have gone since

    def locate(self, offset: int, /) -> str:
        """The position of a record of ``rekeyed`` itself."""
        return position(self.topic, self.partition, offset)

    # -- what is loaded, what is written -------------------------------------------------------------------------

    def load(self, key: bytes, value: bytes) -> None:
        self.book.load(key, value)

    def load_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        self.book.load_all(keys, values)

    def unload(self, key: bytes) -> None:
        self.book.unload(key)

    def loaded(self) -> None:
        stage = self.position.stage
        self.limit = stage.get("limit", NEVER)
        self._marks = {(topic, number): mark for topic, number, mark in stage.get("origins", ())}
        self.book.loaded(stage.get("dropping", ()))

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        return self.book.changes()

    def forget(self) -> None:
        """Forget what has changed, in place of ``changes``, where nobody stores it."""
        self.book.forget()

    def due(self) -> int | None:
        """Copies wait for watermarks, and those are records; only a new rule set may free them without one."""
        return self.position.now + QUIET_TICK if self._heap else None

    # -- a step --------------------------------------------------------------------------------------------------

    def begin(self, control: Control) -> None:
        """Adopt the control state if it is another one. State of rules that did not change is kept."""
        if control is self.control:
            return
        take_up(self.position, control, f"{self.topic}/{self.partition}")
        self.control = control
        self.book.adopt(control.ruleset)
        self.ways = {}
        self._expected = self._origins_of(control.ruleset)

    def way(self, ref: str) -> Way:
        """A rule's table, if it is in force, and the short way into it."""
        table = self.book.table(ref)
        short = None if table is None or table.rule.export is not None else of_copies(table, self.book, self.counts)
        way = table, short
        if table is not None:  # others may be any number
            self.ways[ref] = way
        return way

    def take(self, offset: int, record: Copy | Mark) -> Arrived | None:
        """Note a watermark, or let a copy wait. A copy that came too late to wait is given back. Raises ValueError."""
        again = offset < self.position.next
        if self._read is not None and offset < self._read:
            return None
        if isinstance(record, Mark):
            if not again:
                self._mark(record)
            return None
        came = arrived(record)  # whatever is wrong with it must show here, while it is this record's fault
        if record.order < self.limit:
            if again:  # evaluated before the restart
                return None
            self.counts["copies", "below_limit"] += 1
            return came
        origin = record.topic, record.partition
        if not again and origin in self._marks and self._marks[origin] is None:
            del self._marks[origin]  # it is idle no more, and will say how far it is
        heapq.heappush(self._heap, ((record.order, *origin, record.offset, offset), came))
        self._waiting.add(offset)
        self._arrived.append(offset)
        return None

    def came(self, next_offset: int) -> None:
        """Everything below ``next_offset`` has been taken."""
        self._read = next_offset
        self.position.next = max(self.position.next, next_offset)

    def ready(self, limit: int | None = None) -> Iterator[Arrived]:
        """The copies whose turn has come; with ``limit`` those below it, whatever the origins say."""
        if limit is None:
            if self._read is None or self._read < self.position.next:
                return  # what waited before the restart is not all there yet
            limit = self._reached()
        while self._heap and self._heap[0][0][0] < limit:
            turn, copy = heapq.heappop(self._heap)
            self._waiting.discard(turn[4])
            yield copy
        self.passed(limit)

    def passed(self, limit: int) -> None:
        """What has a smaller order time has been evaluated."""
        self.limit = max(self.limit, limit)

    def finish(self, now: int, budget: int) -> None:
        """Forget what has expired, and bring the position up to date."""
        self.position.now = max(self.position.now, now)
        if not self._expected and self._read is not None and self._read >= self.position.next:
            # No rule in force needs a hop: what waits belongs to none.
            self.counts["copies", "not_in_force"] += len(self._heap)
            self._heap.clear()
            self._waiting.clear()
        arrived = self._arrived
        while arrived and arrived[0] not in self._waiting:
            arrived.popleft()
        if self._read is None or self._read >= self.position.next:
            self.position.committed = arrived[0] if arrived else self.position.next
        self.book.sweep(self.limit, budget)
        stage: dict[str, Any] = {
            "limit": self.limit,
            "origins": [[*origin, mark] for origin, mark in self._marks.items()],
        }
        if self.limit > NEVER:
            stage["watermark"] = self.limit
        if dropping := self.book.dropping:
            stage["dropping"] = dropping
        self.position.stage = stage

    def _mark(self, record: Mark) -> None:
        origin = record.topic, record.partition
        known = self._marks.get(origin)
        if record.watermark is None:
            if known is None:  # never heard of, or idle as before; a watermark is never taken back
                self._marks[origin] = None
        else:
            self._marks[origin] = record.watermark if known is None else max(known, record.watermark)

    def _reached(self) -> int:
        """The smallest watermark of all origins that are not idle; no further than before while one is unheard of."""
        marks = []
        for origin in self._expected:
            if origin not in self._marks:
                return self.limit
            if (mark := self._marks[origin]) is not None:
                marks.append(mark)
        return max(self.limit, min(marks, default=self.limit))
