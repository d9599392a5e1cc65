"""What has been reminded of: each thing once, whatever is restarted, by the one partition whose tenant it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from streams.alerts.policy import Policy
from streams.alerts.reminders import Due, dues
from streams.model.partitioner import partition_of

TABLE: Final = "reminded"
_encode = msgspec.json.Encoder().encode


class Reminding:
    """Changelog: ``["reminded", "silence/<id>"]`` -> the moment, ms, that the last reminder was about."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._policy = Policy()
        self._said: dict[str, int] = {}
        self._dirty: dict[str, None] = {}

    def load(self, about: str, value: bytes) -> None:
        self._said[about] = msgspec.json.decode(value, type=int)

    def unload(self, about: str) -> None:
        self._said.pop(about, None)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        for about in dirty:
            yield _encode([TABLE, about]), _encode(self._said[about]) if about in self._said else None

    def adopt(self, policy: Policy, now: int, partitions: int) -> int | None:
        """Another policy is in force. As ``next``."""
        self._policy = policy
        return self.next(now, partitions)

    def take(self, now: int, partitions: int) -> list[Due]:
        """What is to be reminded of now, and is from here on taken for said."""
        found = [due for due in self._open(now, partitions) if due.at <= now]
        for due in found:
            self._said[due.about] = due.when
            self._dirty[due.about] = None
        for about in [about for about, when in self._said.items() if when <= now]:  # past: it cannot come again
            del self._said[about]
            self._dirty[about] = None
        return found

    def next(self, now: int, partitions: int) -> int | None:
        """When to look again, ms: for what is to be said, or because what was said of is over."""
        times = [due.at for due in self._open(now, partitions)]
        return min((*times, *self._said.values()), default=None)

    def _open(self, now: int, partitions: int) -> Iterator[Due]:
        """What this partition has not said. The alert lives where its tenant's commands arrive."""
        for due in dues(self._policy, now):
            if self._said.get(due.about) == due.when:
                continue
            if not partitions or partition_of(due.tenant.encode(), partitions) == self._partition:
                yield due
