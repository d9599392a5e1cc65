"""The states of all keys of one rule in one partition, their timers, and what of them goes into the changelog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from streams.detect.base import FOREVER, NEVER, Detector, Kind, Measured, State, Timed
from streams.detect.living import Live
from streams.rules.rule import Rule
from streams.state.detect.keys import Row, row_head, row_tail, rule_key
from streams.state.form import FORMAT, encode
from streams.state.series import Series
from streams.state.shelf import Shelf
from streams.state.timers import Timers

#: Tenants of one rule in one partition; above it a sixteenth of them go, those that were silent for longest.
MAX_TENANTS = 20_000
#: Keys of a tenant, of one rule, above which states do not live on when they have been written: text needs less room.
MAX_LIVE = 20_000
#: What a state costs in memory, for a budget in bytes: a key, and an item of its list.
KEY_BYTES, ITEM_BYTES = 200, 40

_FILES = 64  #: that the time for which an entry matters is divided into


#: Loaded: state and captured values, by tenant and row.
Loaded = dict[str, dict[Row, State]]


class Table:
    """States by tenant and key. Whether and when expired keys are swept changes no result: they count as absent."""

    def __init__(self, rule: Rule, max_keys: int, loaded: Loaded | None = None, errors: int = 0) -> None:
        """``loaded`` and ``errors`` as the changelog had them."""
        self.rule = rule
        self.kind = cast(Kind, rule.detect)
        self.errors = errors
        self.evicted = 0
        self.span = rule.allowed_lateness + self.kind.keeps  #: the horizon lies so far behind the watermark
        self.refuses_late = self.kind.refuses_late
        self.captures = rule.captures
        self.reads = len(self.kind.fields())
        self._max_keys = rule.max_keys or max_keys
        self._width = max(1, self.kind.keeps // _FILES)
        self._timers = Timers()
        self.series = Series()
        self._rule_dirty = False
        self._gone: list[tuple[str, Row]] = []  # rows of tenants that had to go
        self.dropped_until = NEVER  #: the newest entry of a tenant that had to go
        self.next_sweep = NEVER  #: the horizon from which on a sweep finds anything
        self._cleared = NEVER  #: the horizon at which the last tenants were looked for that had nothing left
        self.shelves: dict[str, Shelf] = {}
        self.rebind(rule)
        for tenant, rows in (loaded or {}).items():
            self._load(tenant, rows)

    def rebind(self, rule: Rule) -> None:
        """The same rule with another title, ladder or cooldown: its state goes on."""
        self.rule = rule
        self.detector: Detector = self.kind.detector(rule.severity)
        self.timed = cast(Timed, self.detector) if self.kind.timed else None
        self.live = self.detector if isinstance(self.detector, Live) else None
        self.measured = self.detector if rule.export is not None and isinstance(self.detector, Measured) else None

    def _load(self, tenant: str, rows: dict[Row, State]) -> None:
        shelf = self._add(tenant)
        captured = self.captures
        if captured:
            shelf.captured = {row: tuple(state.pop()) for row, state in rows.items()}
        shelf.fill(rows, self.detector.newest)
        if self.timed is not None:
            for row, state in rows.items():
                self._timers.schedule(self.timed, shelf, row, state)

    def __len__(self) -> int:
        return sum(len(shelf.rows) for shelf in self.shelves.values())

    def _add(self, tenant: str) -> Shelf:
        shelf = self.shelves.get(tenant)
        if shelf is None:
            shelf = self.shelves[tenant] = Shelf(tenant, self._width)
        return shelf

    def find(self, tenant: str, row: Row) -> State | None:
        """A key's state, whether or not it has expired."""
        shelf = self.shelves.get(tenant)
        return None if shelf is None else shelf.rows.get(row)

    def written(self, tenant: str, row: Row) -> State | None:
        """As ``find``, in the form of the changelog."""
        state = self.find(tenant, row)
        return state if state is None or self.live is None else self.live.written(state)

    def spoiled(self, tenant: str, row: Row, before: State | None, horizon: int) -> None:
        """A step from ``before`` has raised: where that may have changed it, the key is forgotten."""
        if self.live is not None and before is not None:
            self.discard(tenant, row, horizon)

    def put(
        self, tenant: str, row: Row, before: State | None, state: State | None, horizon: int,
        captured: tuple[Any, ...] | None = None,
    ) -> None:  # fmt: skip
        """Take a key's new state in place of ``before``, and what was captured of its event, if anything was, unless
        that is older than the one of which something was. Above its room the oldest key of the tenant goes; counted
        where it had not expired at ``horizon``.
        """
        if state is before:
            return  # nothing came of it
        detector = self.detector
        shelf = self.shelves.get(tenant)
        if state is None:
            if shelf is not None and before is not None:
                shelf.remove(row, filed=True, newest=detector.newest(before))
                self._leave(shelf, horizon)
            return
        if shelf is None:
            if len(self.shelves) >= MAX_TENANTS:
                self._make_way(horizon)
            shelf = self._add(tenant)
        if captured is not None and ((known := shelf.captured.get(row)) is None or known[-1] <= captured[-1]):
            shelf.captured[row] = captured
        if len(state) > detector.max_items:
            surplus = len(state) - detector.max_items
            del state[:surplus]
            self._count_evicted(shelf, surplus // detector.stride, detector.newest(state), horizon)
        shelf.dirty[row] = shelf.rows[row] = state
        if before is None:
            shelf.items += len(state)
            shelf.file(row, detector.newest(state))
            if len(shelf.rows) > self._max_keys or self._is_full(shelf):
                self._make_room(shelf, horizon)
        else:
            shelf.items += len(state) - len(before)
            if shelf.parked and row in shelf.parked and not detector.holds(state):
                shelf.unpark(row, detector.newest(state))
            if self.rule.max_memory and self._is_full(shelf):
                self._make_room(shelf, horizon)
        if self.timed is not None:
            self._timers.schedule(self.timed, shelf, row, state)

    def discard(self, tenant: str, row: Row, horizon: int) -> None:
        """Forget a key whose timer raises, as if for want of room: it would raise again whenever anybody looked."""
        shelf = self.shelves[tenant]
        newest = self.detector.newest(shelf.rows[row])
        shelf.remove(row, filed=True, newest=newest)
        self._count_evicted(shelf, 1, newest, horizon)

    def show(self, tenant: str, row: Row, value: float | None) -> None:
        """Note the number that a key's state measures, for a dashboard."""
        assert self.rule.export is not None
        self.series.show(tenant, row, value, self.rule.export.max_series)

    # -- timers --------------------------------------------------------------------------------------------------

    @property
    def wake(self) -> int:
        """The watermark at which the first timer may be due; FOREVER without one."""
        first = self._timers.first
        return first if first == FOREVER else first + self.rule.allowed_lateness + 1

    def due(self, mark: int) -> Iterator[tuple[Shelf, Row, State]]:
        """Keys for which time alone brings something about, in order of time and key. Each must be ``put`` anew."""
        if self.timed is not None:
            yield from self._timers.due(self.timed, self.shelves, mark - self.rule.allowed_lateness - 1)

    def undecided(self, wall: int) -> int:
        """Keys whose time has come by the wall clock and not by the watermark; of the first thousand."""
        return 0 if self.timed is None else self._timers.undecided(self.timed, self.shelves, wall)

    # -- room ----------------------------------------------------------------------------------------------------

    def failed(self) -> int:
        """Count an error of the rule; returns how many there have been."""
        self.errors += 1
        self._rule_dirty = True
        return self.errors

    def sweep(self, horizon: int, budget: int) -> None:
        """Forget keys all of whose entries are at or below ``horizon``; looks at no more than ``budget`` a tenant."""
        detector, done = self.detector, True
        for shelf in list(self.shelves.values()):
            done &= shelf.sweep(horizon, budget, detector.newest, detector.holds) < budget
            self._leave(shelf, horizon)
        if done:
            self.next_sweep = horizon + self._width // 2

    def drop(self, tenants: Iterable[str]) -> None:
        """Forget all there is of tenants that have a setting of their own: it would count again when that goes."""
        for tenant in tenants:
            if (shelf := self.shelves.pop(tenant, None)) is not None:
                self._gone.extend((tenant, row) for row in shelf.remains())

    def _leave(self, shelf: Shelf, horizon: int) -> None:
        """Forget a tenant that has no key left, and lost none that could matter."""
        if not shelf.rows and shelf.evicted_until < (horizon + 1) // self._width * self._width:
            self._gone.extend((shelf.tenant, row) for row in shelf.remains())
            del self.shelves[shelf.tenant]

    def _make_way(self, horizon: int) -> None:
        """For one more tenant: those go that have nothing left, and if there are none, those silent for longest."""
        detector, cleared = self.detector, (horizon + 1) // self._width * self._width - 1
        if cleared > self._cleared:
            self._cleared = cleared
            for shelf in list(self.shelves.values()):
                shelf.sweep(cleared, len(shelf.rows) * 2 + 1, detector.newest, detector.holds)
                self._leave(shelf, cleared)
        if len(self.shelves) < MAX_TENANTS:
            return
        ages = sorted(
            (max(map(detector.newest, shelf.rows.values()), default=NEVER), tenant)
            for tenant, shelf in self.shelves.items()
        )
        for newest, tenant in ages[: max(1, len(ages) // 16)]:
            shelf = self.shelves[tenant]
            self.evicted += len(shelf.rows)
            self._gone.extend((tenant, row) for row in shelf.remains())
            del self.shelves[tenant]
            self.dropped_until = max(self.dropped_until, newest, shelf.evicted_until)
        self._rule_dirty = True

    def _is_full(self, shelf: Shelf) -> bool:
        memory = self.rule.max_memory
        return bool(memory) and shelf.items * ITEM_BYTES + len(shelf.rows) * KEY_BYTES > memory

    def _make_room(self, shelf: Shelf, horizon: int) -> None:
        detector = self.detector
        while len(shelf.rows) > 1 and (len(shelf.rows) > self._max_keys or self._is_full(shelf)):
            row = shelf.oldest(detector.newest, detector.holds)
            newest = detector.newest(shelf.rows[row])
            shelf.remove(row, filed=False)
            if newest > horizon:
                self._count_evicted(shelf, 1, newest, horizon)

    def _count_evicted(self, shelf: Shelf, n: int, newest: int, horizon: int) -> None:
        self.evicted += n
        shelf.evicted = n + (shelf.evicted if shelf.evicted_until > horizon else 0)  # others do not matter any more
        shelf.evicted_until = max(shelf.evicted_until, newest)
        self._rule_dirty = True

    # -- the changelog -------------------------------------------------------------------------------------------

    def remember(self, evicted: int, dropped_until: int, shelves: Iterable[tuple[str, int, int]]) -> None:
        """Take what the changelog had of evictions: how many, and by tenant how many and until when."""
        self.evicted, self.dropped_until = evicted, dropped_until
        for tenant, n, until in shelves:
            shelf = self._add(tenant)
            shelf.evicted, shelf.evicted_until = n, until

    def unload(self, tenant: str, row: Row) -> None:
        """Forget a state that the changelog does not hold."""
        if (shelf := self.shelves.get(tenant)) is not None:
            shelf.drop(row)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Changelog records of what changed since the last call; forgets that it did."""
        ref = self.rule.ref
        for shelf in self.shelves.values():
            if not (dirty := shelf.dirty):
                continue
            shelf.dirty = {}
            head = row_head(ref, shelf.tenant)
            only = head + b"["
            captured, live = shelf.captured if self.captures else None, self.live
            many = len(shelf.rows) > MAX_LIVE
            for row, state in dirty.items():
                if live is not None and state is not None:
                    state = live.written(state)
                    if many:
                        shelf.rows[row] = state
                key = b"%b%b]]" % (only, encode(row)) if row.__class__ is str else b"%b%b]" % (head, encode(row))
                if state is None:
                    yield key, None
                elif captured is None:
                    yield key, encode([FORMAT, state])
                else:
                    yield key, encode([FORMAT, [*state, captured.get(row, ())]])
        gone, self._gone = self._gone, []
        for tenant, row in gone:
            if tenant not in self.shelves or row not in self.shelves[tenant].rows:
                yield row_head(ref, tenant) + row_tail(row), None
        if self._rule_dirty:
            self._rule_dirty = False
            shelves = [[s.tenant, s.evicted, s.evicted_until] for s in self.shelves.values() if s.evicted]
            yield rule_key(ref), encode([FORMAT, self.errors, self.evicted, self.dropped_until, shelves])

    def forget(self) -> None:
        """As ``changes``, where nobody stores them: what changed is forgotten, and not written first."""
        for shelf in self.shelves.values():
            shelf.dirty.clear()
        self._gone.clear()
        self._rule_dirty = False

    def forgot(self, tenant: str, horizon: int) -> int:
        """How much was evicted that could still count above ``horizon``: for this tenant, or one it may have been."""
        if self.dropped_until > horizon:
            return self.evicted
        shelf = self.shelves.get(tenant)
        return shelf.evicted if shelf is not None and shelf.evicted_until > horizon else 0

    def overwrite(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Have these rows written, whatever is in them: the changelog holds remains of an earlier life of the rule."""
        for tenant, row in rows:
            shelf = self._add(tenant)
            shelf.dirty[row] = shelf.rows.get(row)
        self._rule_dirty = True

    def remains(self) -> Iterator[tuple[str, Row]]:
        """The rows that the changelog may hold."""
        for tenant, shelf in self.shelves.items():
            for row in shelf.remains():
                yield tenant, row
