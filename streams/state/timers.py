"""When time alone may bring something about for the keys of one rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush

from streams.detect.base import FOREVER, State, Timed
from streams.state.detect.keys import Row, row_tail
from streams.state.shelf import Shelf

_LOOKED_AT = 1_000


class Timers:
    """A heap of (due, tenant, key). An entry that does not hold any more is passed over when its turn comes."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, bytes, Row]] = []

    @property
    def first(self) -> int:
        """The moment that must be closed before anything is due; FOREVER without one."""
        return self._heap[0][0] if self._heap else FOREVER

    def schedule(self, timed: Timed, shelf: Shelf, row: Row, state: State) -> None:
        """Note when something comes to pass for a state, unless an earlier entry stands for it."""
        due = timed.due(state)
        if due is None:
            return
        known = shelf.scheduled.get(row)
        if known is None or due < known:
            shelf.scheduled[row] = due
            heappush(self._heap, (due, shelf.tenant, row_tail(row), row))

    def due(self, timed: Timed, shelves: Mapping[str, Shelf], closed: int) -> Iterator[tuple[Shelf, Row, State]]:
        """Keys for which something has come to pass up to ``closed``, in order of time and key. The state of each must
        be scheduled anew.
        """
        heap = self._heap
        while heap and heap[0][0] <= closed:
            due, tenant, _, row = heappop(heap)
            shelf = shelves.get(tenant)
            if shelf is None or shelf.scheduled.get(row) != due:
                continue  # another one stands for it
            del shelf.scheduled[row]
            state = shelf.rows.get(row)
            if state is None:
                continue
            truth = timed.due(state)
            if truth is not None and truth <= due:
                yield shelf, row, state
            else:
                self.schedule(timed, shelf, row, state)

    def undecided(self, timed: Timed, shelves: Mapping[str, Shelf], wall: int) -> int:
        """Keys whose time has come by ``wall``; of the first ones looked at."""
        found = 0
        for due, tenant, _, row in self._heap[:_LOOKED_AT]:  # a heap: the first are among the earliest
            shelf = shelves.get(tenant)
            if due <= wall and shelf is not None and shelf.scheduled.get(row) == due and row in shelf.rows:
                truth = timed.due(shelf.rows[row])
                found += truth is not None and truth <= wall
        return found
