"""Which offsets may be committed: those behind the oldest unfinished item of each partition."""

from __future__ import annotations

from collections import deque

from connectors.base import Origin


class _Partition:
    __slots__ = ("finished", "next", "open")

    def __init__(self) -> None:
        self.open: deque[int] = deque()  # begun, oldest first; the head is not finished
        self.finished: set[int] = set()  # those of ``open`` that are
        self.next = 0


class Offsets:
    """Items begin in offset order and finish in any order."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, int], _Partition] = {}

    def begin(self, origin: Origin) -> bool:
        """False where this offset was begun before: a record read again after a pause is not a second item."""
        part = self._partitions.setdefault((origin.topic, origin.partition), _Partition())
        if origin.offset < part.next:
            return False
        part.open.append(origin.offset)
        part.next = origin.offset + 1
        return True

    def finish(self, origin: Origin) -> None:
        """Finished; ignored where the partition was forgotten meanwhile."""
        part = self._partitions.get((origin.topic, origin.partition))
        if part is None or not part.open or origin.offset < part.open[0]:
            return
        part.finished.add(origin.offset)
        while part.open and part.open[0] in part.finished:
            part.finished.remove(part.open.popleft())

    def forget(self, topic: str, partition: int) -> None:
        self._partitions.pop((topic, partition), None)

    def committable(self) -> dict[tuple[str, int], int]:
        """Per partition the offset to begin at after a restart."""
        return {name: part.open[0] if part.open else part.next for name, part in self._partitions.items()}

    @property
    def span(self) -> int:
        """The most records of one partition that a crash now would read again."""
        return max((len(part.open) for part in self._partitions.values()), default=0)
