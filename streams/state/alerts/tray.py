"""What waits to be told: groups of alerts, by receiver, node of the tree and shared labels; each with its own clock."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

from streams.model import Reason, content_hash

FORMAT: Final = 1
#: Alerts that a group remembers to have told; of more the oldest are forgotten, and so not said again.
MEMBERS_KEPT: Final = 1_000
TABLE: Final = "group"

_encode = msgspec.json.Encoder().encode


class Waiting(msgspec.Struct):
    """An alert that is to be told. ``ripe``: not before, so that somebody may see to it first."""

    reason: Reason
    ripe: int
    at: int = 0  #: since when


class Pile(msgspec.Struct, kw_only=True):
    """A group. Times in ms. ``due``: when to look again; ``number``: of its messages so far."""

    id: str
    tenant: str
    receiver: str
    path: str  #: of the node
    key: dict[str, str] | None  #: shared labels; None: of one alert alone
    pending: dict[str, Waiting]
    members: dict[str, None]
    due: int
    told_at: int = 0
    number: int = 0
    v: int = FORMAT

    def is_full(self, batch: int, now: int) -> bool:
        """Whether ``batch`` alerts or more may be told now."""
        ripe = len(self.pending) >= batch and sum(waiting.ripe <= now for waiting in self.pending.values())
        return ripe >= batch


_decode = msgspec.json.Decoder(Pile).decode


class Tray:
    """All groups of a partition."""

    def __init__(self) -> None:
        self.piles: dict[str, Pile] = {}
        self.dirty: dict[str, None] = {}
        self._heap: list[tuple[int, str]] = []  #: (due, id); one that no longer holds is skipped

    def load(self, identity: str, value: bytes) -> None:
        self.piles[identity] = _decode(value)

    def unload(self, identity: str) -> None:
        self.piles.pop(identity, None)

    def loaded(self) -> None:
        self._heap = [(pile.due, identity) for identity, pile in self.piles.items()]
        heapify(self._heap)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        dirty, self.dirty = self.dirty, {}
        for identity in dirty:
            pile = self.piles.get(identity)
            yield _encode([TABLE, identity]), None if pile is None else _encode(pile)

    def put(
        self, tenant: str, receiver: str, path: str, key: dict[str, str] | None, alert: str, waiting: Waiting, due: int
    ) -> Pile:
        """Let an alert wait in its group, which is looked at by ``due``. The worse of two reasons stays."""
        identity = content_hash("group", tenant, receiver, path, key if key is not None else alert)
        pile = self.piles.get(identity)
        if pile is None:
            pile = self.piles[identity] = Pile(
                id=identity, tenant=tenant, receiver=receiver, path=path, key=key, pending={}, members={}, due=due
            )
            heappush(self._heap, (due, identity))
        elif due < pile.due:
            self.later(pile, due)
        known = pile.pending.get(alert)
        if known is not None and waiting.reason not in (Reason.RESOLVED, Reason.REOPENED):
            waiting = Waiting(known.reason, min(known.ripe, waiting.ripe), max(known.at, waiting.at))
        pile.pending[alert] = waiting
        self.dirty[identity] = None
        return pile

    def find(self, tenant: str, receiver: str, path: str, key: dict[str, str]) -> Pile | None:
        """The group of alerts that share ``key``, while there is one."""
        return self.piles.get(content_hash("group", tenant, receiver, path, key))

    def leave(self, pile: Pile, alert: str) -> None:
        """An alert is told of as one of the group no more."""
        del pile.members[alert]
        self.dirty[pile.id] = None

    def later(self, pile: Pile, due: int) -> None:
        """Look at a group at another time."""
        pile.due = due
        heappush(self._heap, (due, pile.id))
        self.dirty[pile.id] = None

    def drop(self, pile: Pile) -> None:
        """Forget a group that has nothing to say."""
        del self.piles[pile.id]
        self.dirty[pile.id] = None

    def next(self) -> int | None:
        """When the first group is to be looked at."""
        heap, piles = self._heap, self.piles
        while heap:
            pile = piles.get(heap[0][1])
            if pile is not None and pile.due == heap[0][0]:
                return heap[0][0]
            heappop(heap)
        return None

    def take(self, now: int, limit: int) -> Iterator[Pile]:
        """Groups that are due, in order of (due, id), at most ``limit``. Each must be put later, or dropped."""
        while limit > 0 and (due := self.next()) is not None and due <= now:
            limit -= 1
            yield self.piles[heappop(self._heap)[1]]
