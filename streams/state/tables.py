"""The states of all keys of one rule in one partition: plain lists in a dict, what is dirty, what may be forgotten."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from streams.detect.base import Detector, Kind, Moment, Observed, Skipped, State
from streams.errors import StateMismatch
from streams.rules.rule import Rule
from streams.state.keys import row_head, rule_key

#: Format of the values in the changelog.
FORMAT = 1

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


class Table:
    """States by ``row_tail``. Whether and when expired keys are swept changes no result: they count as absent."""

    def __init__(
        self, rule: Rule, max_keys: int, rows: dict[bytes, State] | None = None, errors: int = 0, evicted: int = 0
    ) -> None:
        """``rows``, ``errors`` and ``evicted`` as the changelog had them."""
        self.rule = rule
        self.kind = cast(Kind, rule.detect)
        self.detector: Detector = self.kind.detector(rule.severity)
        self.span = rule.allowed_lateness + self.kind.keeps  #: the horizon lies so far behind the watermark
        self.refuses_late = self.kind.refuses_late
        self.errors = errors
        self.evicted = evicted
        self._max_keys = max_keys
        self._head = row_head(rule.ref)
        self._rows: dict[bytes, State] = {} if rows is None else rows
        self._dirty: set[bytes] = set()
        self._rule_dirty = False
        # Each key not parked stands here once, with a time its newest entry had; looked at again when that is due.
        self._ages = [(self.detector.newest(state), row) for row, state in self._rows.items()]
        heapq.heapify(self._ages)
        self._parked: set[bytes] = set()  # keys that were due but hold their condition

    def rebind(self, rule: Rule) -> None:
        """The same rule with another title, ladder or cooldown: its state goes on."""
        self.rule = rule
        self.detector = self.kind.detector(rule.severity)

    def __len__(self) -> int:
        return len(self._rows)

    def step(self, row: bytes, moment: Moment) -> tuple[State | None, Observed | Skipped | None]:
        """What the detector makes of it. Nothing is changed: ``put`` the state when all that may raise is done."""
        return self.detector.step(self._rows.get(row), moment)

    def put(self, row: bytes, state: State | None, horizon: int) -> None:
        """Take a new state. Above ``max_keys`` the key with the oldest newest entry goes; counted where it had not
        expired at ``horizon``.
        """
        rows = self._rows
        if state is None:
            if rows.pop(row, None) is not None:
                self._parked.discard(row)
                self._dirty.add(row)
            return
        detector = self.detector
        if len(state) > detector.max_items:
            self._count_evicted((len(state) - detector.max_items) // detector.stride)
            del state[: len(state) - detector.max_items]
        self._dirty.add(row)
        known = row in rows
        rows[row] = state
        if not known:
            heapq.heappush(self._ages, (detector.newest(state), row))
            while len(rows) > self._max_keys:
                self._evict(horizon)
        elif row in self._parked and not detector.holds(state):
            self._parked.discard(row)
            heapq.heappush(self._ages, (detector.newest(state), row))

    def failed(self) -> int:
        """Count an error of the rule; returns how many there have been."""
        self.errors += 1
        self._rule_dirty = True
        return self.errors

    def sweep(self, horizon: int, budget: int) -> int:
        """Forget keys all of whose entries are at or below ``horizon``; looks at no more than ``budget`` of them."""
        ages, rows, detector, looked = self._ages, self._rows, self.detector, 0
        while ages and ages[0][0] <= horizon and looked < budget:
            looked += 1
            age, row = ages[0]
            if (state := rows.get(row)) is None:
                heapq.heappop(ages)
            elif (newest := detector.newest(state)) > age:
                heapq.heapreplace(ages, (newest, row))
            else:
                heapq.heappop(ages)
                if detector.holds(state):
                    self._parked.add(row)
                else:
                    del rows[row]
                    self._dirty.add(row)
        return looked

    def unload(self, row: bytes) -> None:
        """Forget a state that the changelog does not hold."""
        self._rows.pop(row, None)
        self._parked.discard(row)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Changelog records of what changed since the last call; forgets that it did."""
        dirty, self._dirty = self._dirty, set()
        for row in dirty:
            state = self._rows.get(row)
            yield self._head + row, None if state is None else _encode([FORMAT, state])
        if self._rule_dirty:
            self._rule_dirty = False
            yield rule_key(self.rule.ref), _encode([FORMAT, self.errors, self.evicted])

    def overwrite(self, rows: Iterable[bytes]) -> None:
        """Have these rows written, whatever is in them: the changelog holds remains of an earlier life of the rule."""
        self._dirty.update(rows)
        self._rule_dirty = True

    def remains(self) -> list[bytes]:
        """The rows that the changelog may hold."""
        return [*self._rows, *(self._dirty - self._rows.keys())]

    def _evict(self, horizon: int) -> None:
        while self._ages:
            age, row = heapq.heappop(self._ages)
            if (state := self._rows.get(row)) is None:
                continue
            if (newest := self.detector.newest(state)) > age:
                heapq.heappush(self._ages, (newest, row))
            elif self.detector.holds(state):
                self._parked.add(row)
            else:
                return self._remove(row, expired=newest <= horizon)
        oldest = min(self._parked, key=lambda row: (self.detector.newest(self._rows[row]), row))
        self._parked.discard(oldest)
        return self._remove(oldest, expired=False)

    def _remove(self, row: bytes, *, expired: bool) -> None:
        del self._rows[row]
        self._dirty.add(row)
        if not expired:
            self._count_evicted(1)

    def _count_evicted(self, n: int) -> None:
        self.evicted += n
        self._rule_dirty = True


def opened(value: bytes) -> list[Any]:
    """What stands in a changelog value, behind its format. Raises StateMismatch for a format of another program."""
    content = _decode(value)
    if not content or content[0] != FORMAT:
        raise StateMismatch(
            f"the changelog holds a state of format {content[:1]}, this program writes {FORMAT}",
            "it was written by a newer version: run that, or reset the group and its changelog",
        )
    return content[1:]
