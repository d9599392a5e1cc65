"""The key that has not changed for longest, cheaply: a change costs nothing, a look moves stale places on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush


class Oldest:
    """A heap of (last change, key) with at most one place a key.

    ``changed_at`` gives a key's true last change, or None where it does not belong here any more. A key is added
    once and may then change without a word: its place is corrected when it comes to the top.
    """

    def __init__(self, changed_at: Callable[[str], int | None]) -> None:
        self._changed_at = changed_at
        self._heap: list[tuple[int, str]] = []
        self._keys: set[str] = set()

    def fill(self, places: Iterable[tuple[int, str]]) -> None:
        """Begin anew with these."""
        self._heap = list(places)
        self._keys = {key for _, key in self._heap}
        heapify(self._heap)

    def add(self, at: int, key: str) -> None:
        if key not in self._keys:
            self._keys.add(key)
            heappush(self._heap, (at, key))

    def first(self) -> tuple[int, str] | None:
        """The oldest (last change, key)."""
        heap = self._heap
        while heap:
            at, key = heap[0]
            truth = self._changed_at(key)
            if truth == at:
                return heap[0]
            heappop(heap)
            if truth is None:
                self._keys.discard(key)
            else:
                heappush(heap, (truth, key))
        return None
