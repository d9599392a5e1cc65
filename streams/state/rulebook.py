"""The tables of all rules of one partition, by rule version; and the deletion of those that are in force no more."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from streams.detect.base import State
from streams.rules.rule import Rule
from streams.state.keys import parse, row_head, rule_key
from streams.state.tables import Table, opened

#: A rule that raised so often in a partition is off there, until a new version of it comes.
MAX_ERRORS = 10
#: Tombstones of dropped rules per transaction: a million at once would not fit in one.
MAX_TOMBSTONES = 20_000


class Rulebook:
    """Tables by ``rule.ref``. What was loaded waits until ``adopt`` says which rules there are."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._tables: dict[str, Table] = {}
        self._rows: dict[str, dict[bytes, State]] = {}  # loaded, by rule
        self._rules: dict[str, tuple[int, int]] = {}  # loaded: errors and evictions, by rule
        self._graves: dict[str, set[bytes]] = {}  # rows still to be deleted from the changelog, by rule
        self._dropping: frozenset[str] = frozenset()  # loaded: rules whose rows are such remains

    # -- what is loaded, what is written -------------------------------------------------------------------------

    def load(self, key: bytes, value: bytes) -> None:
        """Take a changelog record. Raises StateMismatch."""
        table, ref, row = parse(key)
        content = opened(value)
        if table == "row":
            self._rows.setdefault(ref, {})[row] = content[0]
        else:
            self._rules[ref] = content[0], content[1]

    def unload(self, key: bytes) -> None:
        """Forget what stands under a changelog key."""
        name, ref, row = parse(key)
        if name == "rule":
            self._rules.pop(ref, None)
            return
        self._rows.get(ref, {}).pop(row, None)
        if (table := self._tables.get(ref)) is not None:
            table.unload(row)

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
            head = row_head(ref)
            records.extend((head + row, None) for row in some)
            rows.difference_update(some)
            if not rows:
                records.append((rule_key(ref), None))
                del self._graves[ref]
        for table in self._tables.values():
            records.extend(table.changes())
        return records

    # -- rules ---------------------------------------------------------------------------------------------------

    def adopt(self, rules: Iterable[Rule]) -> None:
        """Bring rules into force: unchanged ones keep their table, those of all others are dropped."""
        wanted = {rule.ref: rule for rule in rules}
        for ref in self._tables.keys() - wanted.keys():
            self._graves.setdefault(ref, set()).update(self._tables.pop(ref).remains())
        for ref in (self._rows.keys() | self._rules.keys() | self._dropping) - (wanted.keys() - self._dropping):
            rows, known = self._rows.pop(ref, None), self._rules.pop(ref, None)
            if rows or known:
                self._graves.setdefault(ref, set()).update(rows or ())
        self._dropping = frozenset()
        for ref, rule in wanted.items():
            if ref in self._tables:
                self._tables[ref].rebind(rule)
            else:
                table = Table(rule, self._max_keys, self._rows.pop(ref, None), *self._rules.pop(ref, ()))
                if ref in self._graves:  # it was dropped, and is back before all of it was deleted
                    table.overwrite(self._graves.pop(ref))
                self._tables[ref] = table

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
        return sorted(table.rule.id for table in self._tables.values() if table.errors >= MAX_ERRORS)

    @property
    def evicted(self) -> dict[str, int]:
        """Keys and entries that had to go for want of room, by rule id; rules that lost none are left out."""
        return {table.rule.id: table.evicted for table in self._tables.values() if table.evicted}

    def sweep(self, mark: int, budget: int) -> None:
        """Forget what has expired at watermark ``mark``; looks at no more than ``budget`` keys of each rule."""
        for table in self._tables.values():
            table.sweep(mark - table.span, budget)
