"""The states of one tenant's keys under one rule: what there is, what is dirty, what is oldest.

Keys are filed by the age of their newest entry, coarsely: eight bytes a key, and nothing to do when an entry comes to
a key that is filed already. A key may have become newer than where it is filed; it is filed anew when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any

from streams.detect.base import NEVER, State
from streams.state.detect.keys import Row, row_tail

Newest = Callable[[State], int]


class _Again:
    """A row in a file while another file, nobody knows which, still holds it from an earlier life."""

    __slots__ = ("row",)

    def __init__(self, row: Row) -> None:
        self.row = row

    def __lt__(self, other: object) -> bool:  # in a heap, beside the row itself
        return False

    def __gt__(self, other: object) -> bool:
        return True


_Entry = str | tuple[Any, ...] | _Again


class Shelf:
    """States by row. ``items``: of all state lists together. ``evicted_until``: the newest that had to go."""

    __slots__ = (
        "_again", "_filed", "_ghosts", "_heaps", "_order", "_width", "captured", "dirty", "evicted", "evicted_until",
        "items", "parked", "rows", "scheduled", "tenant",
    )  # fmt: skip

    def __init__(self, tenant: str, width: int) -> None:
        """``width`` of a file, ms."""
        self.tenant = tenant
        self.rows: dict[Row, State] = {}
        self.dirty: dict[Row, State | None] = {}  #: what changed, and into what; None: the row is gone
        self.captured: dict[Row, tuple[Any, ...]] = {}  #: what templates need of a key's last event, and its time
        self.scheduled: dict[Row, int] = {}  #: when a key's timer is due
        self.parked: set[Row] = set()  #: keys that are old but hold their condition
        self.items = 0
        self.evicted = 0
        self.evicted_until = NEVER
        self._width = width
        self._filed: dict[int, list[_Entry]] = {}
        self._order: list[int] = []  # a heap of the files there are
        self._ghosts: dict[Row, int] = {}  # rows that are gone, but filed: no higher than this
        self._again: dict[Row, _Again] = {}  # rows that are filed so, and by themselves only as ghosts
        self._heaps: dict[int, list[tuple[bytes, _Entry]]] = {}  # files from which rows were evicted: in that order

    def fill(self, rows: dict[Row, State], newest: Newest) -> None:
        """Take what was loaded."""
        self.rows = rows
        filed, width = self._filed, self._width
        items = 0
        for row, state in rows.items():
            items += len(state)
            place = newest(state) // width
            try:
                filed[place].append(row)
            except KeyError:
                filed[place] = [row]
        self.items = items
        self._order = list(filed)
        heapify(self._order)

    def file(self, row: Row, newest: int) -> None:
        """File a new row."""
        place = newest // self._width
        if row not in self._ghosts:
            self._file(row, place)
        elif self._ghosts[row] <= place:
            del self._ghosts[row]  # it is filed, and not too high
        else:
            again = self._again[row] = _Again(row)
            self._file(again, place)

    def _file(self, entry: _Entry, place: int) -> None:
        entries = self._filed.get(place)
        if entries is not None:
            entries.append(entry)
        elif place in self._heaps:
            heappush(self._heaps[place], (_tail(entry), entry))
        else:
            self._filed[place] = [entry]
            heappush(self._order, place)

    def remove(self, row: Row, *, filed: bool, newest: int = NEVER) -> None:
        """Forget a row; ``filed``: it still stands in a file (a parked one does not), with ``newest`` at the most."""
        self.items -= len(self.rows.pop(row))
        self.dirty[row] = None
        self.captured.pop(row, None)
        self.scheduled.pop(row, None)
        if row in self.parked:
            self.parked.discard(row)
        elif filed and self._again.pop(row, None) is None:
            self._ghosts[row] = newest // self._width

    def drop(self, row: Row) -> None:
        """Forget a row that the changelog does not hold."""
        state = self.rows.pop(row, None)
        if state is not None:
            self.items -= len(state)
            self.captured.pop(row, None)
            self.parked.discard(row)

    def unpark(self, row: Row, newest: int) -> None:
        """The row holds no condition any more: it may grow old."""
        self.parked.discard(row)
        self.file(row, newest)

    def sweep(self, horizon: int, budget: int, newest: Newest, holds: Callable[[State], bool]) -> int:
        """Forget rows whose newest entry is at or below ``horizon``, file by file; looks at ``budget`` rows at most."""
        looked, width = 0, self._width
        while self._order and (self._order[0] + 1) * width - 1 <= horizon and looked < budget:
            place = self._order[0]
            entries = self._opened(place)
            while entries and looked < budget:
                looked += 1
                entry = entries.pop()
                if (row := self._known(entry)) is None:
                    continue
                state = self.rows[row]
                if (now := newest(state) // width) > place:
                    self._refile(entry, row, now)
                elif holds(state):
                    self.parked.add(row)
                else:
                    self.remove(row, filed=False)
            if not entries:
                self._close(place)
        return looked

    def oldest(self, newest: Newest, holds: Callable[[State], bool]) -> Row:
        """The row to go for want of room, of those that hold no condition if there are any: by file, then by key."""
        while self._order:
            place = self._order[0]
            entries = self._heap(place)
            while entries:
                _, entry = heappop(entries)
                if (row := self._known(entry)) is None:
                    continue
                state = self.rows[row]
                if (now := newest(state) // self._width) > place:
                    self._refile(entry, row, now)
                elif holds(state):
                    self.parked.add(row)
                else:
                    return row
            self._close(place)
        return min(self.parked, key=lambda row: (newest(self.rows[row]), row_tail(row)))

    def _opened(self, place: int) -> list[_Entry]:
        """A file as a list."""
        if place in self._heaps:
            self._filed[place] = [entry for _, entry in self._heaps.pop(place)]
        return self._filed[place]

    def _heap(self, place: int) -> list[tuple[bytes, _Entry]]:
        """A file in order of eviction; it stays so, for the next ones."""
        if place in self._filed:
            heap = self._heaps[place] = [(_tail(entry), entry) for entry in self._filed.pop(place)]
            heapify(heap)
        return self._heaps[place]

    def _known(self, entry: _Entry) -> Row | None:
        """The row of an entry that was taken from its file; None where it is gone, or stands elsewhere."""
        if isinstance(entry, _Again):
            row = entry.row
            if self._again.get(row) is not entry:
                return None
            del self._again[row]
            return row
        if entry in self._ghosts:
            del self._ghosts[entry]
            return None
        return entry if entry in self.rows else None

    def _refile(self, entry: _Entry, row: Row, place: int) -> None:
        if isinstance(entry, _Again):
            self._again[row] = entry
        self._file(entry, place)

    def _close(self, place: int) -> None:
        self._filed.pop(place, None)
        self._heaps.pop(place, None)
        heappop(self._order)

    def remains(self) -> Iterable[Row]:
        """The rows that the changelog may hold."""
        yield from self.rows
        yield from self.dirty.keys() - self.rows.keys()


def _tail(entry: _Entry) -> bytes:
    return row_tail(entry.row if isinstance(entry, _Again) else entry)
