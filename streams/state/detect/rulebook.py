"""The tables of all rules of one partition, by rule version; and the deletion of those that are in force no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from streams.detect.base import FOREVER, NEVER, State
from streams.rules.rule import Rule, RuleSet
from streams.state.detect.keys import Row, only_text, parse, row_head, row_tail, rule_key
from streams.state.form import opened, rows_in
from streams.state.shelf import Shelf
from streams.state.tables import Loaded, Table

#: A rule that raised so often in a partition is off there, until a new version of it comes.
MAX_ERRORS = 10
#: Tombstones of dropped rules per transaction: a million at once would not fit in one.
MAX_TOMBSTONES = 20_000


class Rulebook:
    """Tables by ``rule.ref``. What was loaded waits until ``adopt`` says which rules there are."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._tables: dict[str, Table] = {}
        self._rows: dict[str, Loaded] = {}  # by rule
        self._near: tuple[bytes, dict[Row, State]] = (b"\0", {})  # what the last loaded key began with, and its rows
        self._rules: dict[str, list[Any]] = {}  # loaded: errors and evictions, by rule
        self._graves: dict[str, set[tuple[str, Row]]] = {}  # rows still to be deleted from the changelog, by rule
        self._dropping: frozenset[str] = frozenset()  # loaded: rules whose rows are such remains
        self._timed: list[Table] = []
        self.wake = FOREVER  #: the watermark at which time alone may bring something about; never too late

    # -- what is loaded, what is written -------------------------------------------------------------------------

    def load(self, key: bytes, value: bytes) -> None:
        """Take a changelog record. Raises StateMismatch."""
        head, rows_of = self._near
        if key.startswith(head) and (text := only_text(key, len(head))) is not None:
            rows_of[text] = opened(value)[1]  # most records are of the same rule and tenant as the one before
            return
        name, ref, tenant, row = parse(key)
        content = opened(value)
        if name == "rule":
            self._rules[ref] = content
            return
        rows = self._rows.get(ref)
        if rows is None:
            rows = self._rows[ref] = {}
        shelf = rows.get(tenant)
        if shelf is None:
            shelf = rows[tenant] = {}
        shelf[row] = content[1]
        self._near = row_head(ref, tenant), shelf

    def load_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """As ``load``, each in its order: a run of one rule and tenant, of which most are, is decoded as one."""
        begin = 0
        while begin < len(keys):
            head, rows_of = self._near
            end = begin
            while end < len(keys) and keys[end].startswith(head):
                end += 1
            states = rows_in(keys[begin:end], len(head), values[begin:end])
            if states is not None:
                rows_of.update(states)
            else:
                end = max(end, begin + 1)
                for key, value in zip(keys[begin:end], values[begin:end], strict=True):
                    self.load(key, value)
            begin = end

    def unload(self, key: bytes) -> None:
        """Forget what stands under a changelog key."""
        name, ref, tenant, row = parse(key)
        if name == "rule":
            self._rules.pop(ref, None)
            return
        self._rows.get(ref, {}).get(tenant, {}).pop(row, None)
        if (table := self._tables.get(ref)) is not None:
            table.unload(tenant, row)

    def loaded(self, dropping: Iterable[str]) -> None:
        """Everything is loaded. ``dropping`` as the position had it: these rows belong to no table any more."""
        self._dropping = frozenset(dropping)

    @property
    def dropping(self) -> list[str]:
        """Rules whose rows are not all deleted yet; goes into the position."""
        return sorted(self._graves)

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Changelog records since the last call; forgets them."""
        records: list[tuple[bytes, bytes | None]] = []
        for ref, rows in list(self._graves.items()):
            some = list(islice(rows, MAX_TOMBSTONES - len(records)))
            records.extend((row_head(ref, tenant) + row_tail(row), None) for tenant, row in some)
            rows.difference_update(some)
            if not rows:
                records.append((rule_key(ref), None))
                del self._graves[ref]
        for table in self._tables.values():
            records.extend(table.changes())
        return records

    def forget(self) -> None:
        """As ``changes``, where nobody stores them."""
        self._graves.clear()
        for table in self._tables.values():
            table.forget()

    # -- rules ---------------------------------------------------------------------------------------------------

    def adopt(self, ruleset: RuleSet, source: str = "") -> None:
        """Bring the rules over a source (all: empty) into force: unchanged ones keep their table, those of all others
        are dropped, and so is what a table has of tenants for which the rule is another one now, or off.
        """
        wanted = {rule.ref: rule for rule in ruleset.in_force() if not source or source in rule.sources}
        self._near = b"\0", {}
        for ref in self._tables.keys() - wanted.keys():
            self._graves.setdefault(ref, set()).update(self._tables.pop(ref).remains())
        for ref in (self._rows.keys() | self._rules.keys() | self._dropping) - (wanted.keys() - self._dropping):
            rows, known = self._rows.pop(ref, None), self._rules.pop(ref, None)
            if rows or known:
                remains = ((tenant, row) for tenant, shelf in (rows or {}).items() for row in shelf)
                self._graves.setdefault(ref, set()).update(remains)
        self._dropping = frozenset()
        for ref, rule in wanted.items():
            if ref in self._tables:
                self._tables[ref].rebind(rule)
            else:
                self._tables[ref] = self._made(ref, rule)
            if not rule.variant:
                self._tables[ref].drop(ruleset.variants.get(rule.id, ()))
        self._tables = dict(sorted(self._tables.items()))
        self._timed = [table for table in self._tables.values() if table.timed is not None]
        self.look()

    def _made(self, ref: str, rule: Rule) -> Table:
        _, errors, evicted, until, shelves = self._rules.pop(ref, None) or (0, 0, 0, NEVER, ())
        table = Table(rule, self._max_keys, self._rows.pop(ref, None), errors)
        table.remember(evicted, until, shelves)
        if ref in self._graves:  # it was dropped, and is back before all of it was deleted
            table.overwrite(self._graves.pop(ref))
        return table

    def table(self, ref: str) -> Table | None:
        """The table of a rule in force."""
        return self._tables.get(ref)

    def is_off(self, ref: str) -> bool:
        """Whether the rule has raised too often."""
        table = self._tables.get(ref)
        return table is not None and table.errors >= MAX_ERRORS

    @property
    def off(self) -> list[str]:
        """Rules that are off in this partition, by id."""
        return sorted({table.rule.id for table in self._tables.values() if table.errors >= MAX_ERRORS})

    @property
    def evicted(self) -> dict[str, int]:
        """Keys and entries that had to go for want of room, by rule id; rules that lost none are left out."""
        found: dict[str, int] = {}
        for table in self._tables.values():
            if table.evicted:
                found[table.rule.id] = found.get(table.rule.id, 0) + table.evicted
        return found

    def undecided(self, wall: int) -> dict[str, int]:
        """Keys that time should have decided by the wall clock but the watermark cannot yet, by rule id."""
        return {table.rule.id: n for table in self._timed if (n := table.undecided(wall))}

    def exporting(self) -> Iterator[Table]:
        """The tables of rules that export a series."""
        return (table for table in self._tables.values() if table.rule.export is not None)

    # -- time ----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Learn from the tables when time may bring something about next."""
        self.wake = min((table.wake for table in self._timed if table.errors < MAX_ERRORS), default=FOREVER)

    def due(self, mark: int) -> Iterator[tuple[Table, Shelf, Row, State]]:
        """Keys for which time alone brings something about at watermark ``mark``, in an order of the log's own."""
        for table in self._timed:
            if table.wake <= mark and table.errors < MAX_ERRORS:
                for shelf, row, state in table.due(mark):
                    yield table, shelf, row, state
        self.look()

    def sweep(self, mark: int, budget: int) -> None:
        """Forget what has expired at watermark ``mark``; looks at no more than ``budget`` keys of each rule."""
        for table in self._tables.values():
            horizon = mark - table.span
            if horizon >= table.next_sweep:
                table.sweep(horizon, budget)
