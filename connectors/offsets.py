"""Which offsets may be committed, and what is finished beyond them.

The committed offset stands at the oldest unfinished item. Beside it goes a note (the commit's metadata) that names the
unfinished items beyond, so that after a crash or a rebalance the others are not sent again.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import NamedTuple

from connectors.base import Origin

_MARK = "tocsin1"
_LONGEST_NOTE = 4000  # Kafka's ``offset.metadata.max.bytes`` is 4096
_FURTHEST = 10_000_000


class Commit(NamedTuple):
    """Begin at ``offset`` after a restart; ``note`` says which records from there on are finished already."""

    offset: int
    note: str = ""


class _Partition:
    __slots__ = ("claim", "claim_end", "next", "open", "unfinished")

    def __init__(self) -> None:
        self.open: deque[int] = deque()  # items begun, oldest first; the head is unfinished
        self.unfinished: set[int] = set()
        self.next = 0  # behind the last record seen
        self.claim: frozenset[int] = frozenset()  # below claim_end an earlier life finished all records but these
        self.claim_end = 0

    def see(self, offset: int) -> bool:
        """False where the record was seen before, or finished in an earlier life."""
        if offset < self.next:
            return False
        self.next = offset + 1
        return offset >= self.claim_end or offset in self.claim

    def commit(self) -> Commit:
        unread = (offset for offset in self.claim if offset >= self.next)
        unfinished = sorted(self.unfinished.union(unread))
        end = max(self.next, self.claim_end)
        return Commit(unfinished[0], _note(end, unfinished)) if unfinished else Commit(end)


class Offsets:
    """Items begin in offset order and finish in any order."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, int], _Partition] = {}

    def resume(self, topic: str, partition: int, commit: Commit) -> None:
        """Go on where an earlier life, of this worker or another, committed."""
        part = self._partitions[topic, partition] = _Partition()
        part.next = commit.offset
        part.claim_end, part.claim = _read(commit)

    def begin(self, origin: Origin) -> bool:
        """False where the item was begun before, or finished in an earlier life: it is not to be sent."""
        part = self._partitions.setdefault((origin.topic, origin.partition), _Partition())
        if not part.see(origin.offset):
            return False
        part.open.append(origin.offset)
        part.unfinished.add(origin.offset)
        return True

    def skip(self, origin: Origin) -> None:
        """A record that is no item."""
        self._partitions.setdefault((origin.topic, origin.partition), _Partition()).see(origin.offset)

    def finish(self, origin: Origin) -> None:
        """Ignored where the partition was forgotten meanwhile."""
        part = self._partitions.get((origin.topic, origin.partition))
        if part is None:
            return
        part.unfinished.discard(origin.offset)
        while part.open and part.open[0] not in part.unfinished:
            part.open.popleft()

    def forget(self, topic: str, partition: int) -> None:
        self._partitions.pop((topic, partition), None)

    def committable(self) -> dict[tuple[str, int], Commit]:
        """What to commit per partition."""
        return {name: part.commit() for name, part in self._partitions.items()}

    @property
    def span(self) -> int:
        """The most items of one partition from its oldest unfinished one on."""
        return max((len(part.open) for part in self._partitions.values()), default=0)


def _note(end: int, unfinished: list[int]) -> str:
    """``tocsin1:<end>:<gap>,<gap>…``, from the committed offset on; cut where it grows too long, claiming less."""
    base = unfinished[0]
    if end - base <= len(unfinished):
        return ""  # nothing beyond is finished
    gaps, length = [], 0
    for before, after in pairwise(unfinished):
        gap = str(after - before)
        length += len(gap) + 1
        if length > _LONGEST_NOTE - 30:
            end = after
            break
        gaps.append(gap)
    return f"{_MARK}:{end - base}:{','.join(gaps)}"


def _read(commit: Commit) -> tuple[int, frozenset[int]]:
    """End of the claim and the unfinished below it; nothing is claimed by a note that is not ours or makes no sense."""
    mark, _, rest = commit.note.partition(":")
    length, _, gaps = rest.partition(":")
    try:
        end = commit.offset + int(length)
        unfinished = [commit.offset]
        for gap in gaps.split(",") if gaps else ():
            unfinished.append(unfinished[-1] + int(gap))
    except ValueError:
        return 0, frozenset()
    rising = all(before < after for before, after in pairwise(unfinished))
    if mark != _MARK or not rising or not unfinished[-1] < end <= commit.offset + _FURTHEST:
        return 0, frozenset()
    return end, frozenset(unfinished)
