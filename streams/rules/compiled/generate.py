"""The matcher of all rules over one source, as Python text.

Rules are filed under the equality conditions they need: a function looks a field's value up in a table and goes on with
the function of the rules filed there, itself made the same way, less what the table has decided. What is left stands in
a row: fields that several conditions read are read once, conditions that several rules share are asked once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from streams.model.decode import INT_MAX, INT_MIN
from streams.rules.compiled.leaves import NEVER, Folded, index_values
from streams.rules.compiled.projection import Projection
from streams.rules.compiled.reading import Reading
from streams.rules.compiled.row import ALWAYS, Row, Texts
from streams.rules.conditions import Condition, Leaf, conjuncts
from streams.rules.rule import Arm
from streams.rules.values import key_part, normal

#: From so many rules on a table is faster than asking each.
_WORTH_A_TABLE = 3
_MAX_INDEXED = 1_000
#: Tables inside each other, and rules filed in all tables together (for each rule, and to begin with): what keeps the
#: text short for rules that overlap in many values. Beyond it rules are asked one by one.
_MAX_NESTED = 6
_MAX_FILED = 40, 4_000


class _Open(NamedTuple):
    """A way into a rule, and what is still to be asked of the event."""

    number: int  #: of the arm in the program
    parts: tuple[Condition, ...]


class Generator:
    """Writes functions over an event ``e`` and binds what they refer to in ``names``."""

    def __init__(self, arms: tuple[Arm, ...], projection: Projection) -> None:
        self.names: dict[str, Any] = {
            "INF": float("inf"), "MIN": INT_MIN, "MAX": INT_MAX, "part": key_part, "normal": normal,
        }  # fmt: skip
        self._projection, self._texts = projection, Texts(self.bind)
        self._functions: list[list[str]] = []
        self._buckets: dict[tuple[tuple[int, tuple[int, ...]], ...], str] = {}
        self._tables: list[tuple[dict[Any, Any], dict[Any, str]]] = []
        self._bound: dict[tuple[type, Any], str] = {}
        self._may_file = _MAX_FILED[0] * len(arms) + _MAX_FILED[1]
        self._matcher("match", 0, [_Open(index, tuple(conjuncts(arm.where))) for index, arm in enumerate(arms)])
        reading = Reading(projection, self.bind)
        self.keys = [reading.key(arm) for arm in arms]
        self.rows = [reading.row(arm) for arm in arms]
        self.values = [reading.values(arm.rule) for arm in arms]
        self._functions += reading.functions
        self.names |= projection.names
        self.source_code = "\n".join(
            [*self._legend(), *(line for lines in self._functions for line in ["", *lines]), ""]
        )

    def run(self, title: str) -> dict[str, Any]:
        """Compile the text and fill the tables. The namespace holds ``match``, and what is named by arm in ``keys``,
        ``rows`` and ``values``.
        """
        exec(compile(self.source_code, f"<rules over {title}>", "exec"), self.names)
        for table, functions in self._tables:
            table.update((value, self.names[name]) for value, name in functions.items())
        return self.names

    def bind(self, value: Any) -> str:
        """The name of a constant; equal constants of one type share it."""
        try:
            known: tuple[type, Any] | None = (type(value), value)
            if known in self._bound:
                return self._bound[known]
        except TypeError:
            known = None
        name = f"K{len(self.names)}"
        self.names[name] = value
        if known is not None:
            self._bound[known] = name
        return name

    def _legend(self) -> Iterator[str]:
        for name, value in self.names.items():
            if name.startswith("K") and isinstance(value, (str, int, float, tuple, frozenset)):
                shown = ascii(sorted(value, key=str) if isinstance(value, frozenset) else value)
                yield f"# {name} = {shown if len(shown) <= 80 else shown[:77] + '...'}"

    # -- matching ------------------------------------------------------------------------------------------------

    def _matcher(self, name: str, depth: int, rules: list[_Open]) -> None:
        lines = [f"def {name}(e):"]
        self._functions.append(lines)
        rest, sections = rules, 0
        while depth < _MAX_NESTED and (path := _best_field(rest)):
            filed, others = _file_under(path, rest)
            self._may_file -= sum(len(values) for values, _ in filed)
            if self._may_file < 0:
                break
            rest = others
            for table in _by_type(filed):
                lines += self._lookup(path, depth, table, first=sections == 0)
                sections += 1
        if rest:
            lines += self._row(rest, first=sections == 0)
            sections += 1
        if sections == 0:
            lines.append("    return None")
        elif sections == 1:
            lines.append("    return r")
        else:
            lines.append("    return r if r is None or len(r) == 1 else tuple(sorted(r))")

    def _lookup(self, path: str, depth: int, filed: dict[Any, list[_Open]], *, first: bool) -> Iterator[str]:
        functions = {value: self._bucket(depth + 1, rules) for value, rules in filed.items()}
        table: dict[Any, Any] = {}
        self._tables.append((table, functions))
        name = f"T{len(self._tables)}"
        self.names[name] = table
        kinds = {type(value) for value in filed}
        asked = ["v.__class__ is str"] if kinds & {str, Folded} else []
        if kinds & {int, float}:
            asked += ["v.__class__ is int", "v.__class__ is float"]
        if first:
            yield "    r = None"
        yield f"    v = {self._projection.source(path)}"
        yield f"    if {' or '.join(asked)}:"
        yield f"        b = {name}.get(v{'.casefold()' if Folded in kinds else ''})"
        yield "        if b is not None:"
        if first:
            yield "            r = b(e)"
        else:
            yield "            x = b(e)"
            yield "            if x is not None:"
            yield "                r = x if r is None else r + x"

    def _bucket(self, depth: int, rules: list[_Open]) -> str:
        known = tuple((rule.number, tuple(map(id, rule.parts))) for rule in rules)
        if known not in self._buckets:
            self._buckets[known] = f"b{len(self._buckets)}"
            self._matcher(self._buckets[known], depth, rules)
        return self._buckets[known]

    def _row(self, rules: list[_Open], *, first: bool) -> Iterator[str]:
        row = Row(self._projection, self._texts, [part for rule in rules for part in rule.parts])
        conditions = [row.all_of(rule.parts) for rule in rules]
        if first:
            yield "    r = None"
        yield from row.shared
        for rule, condition in zip(rules, conditions, strict=True):
            if condition == NEVER:
                continue
            if condition != ALWAYS:
                yield f"    if {condition}:"
            indent = "    " if condition == ALWAYS else "        "
            yield f"{indent}r = ({rule.number},) if r is None else (*r, {rule.number})"


def _best_field(rules: list[_Open]) -> str | None:
    """The field under which most rules can be filed, if enough of them can."""
    filed: Counter[str] = Counter()
    values: dict[str, set[Any]] = {}
    for rule in rules:
        for path in {leaf.path for leaf in rule.parts if isinstance(leaf, Leaf) and _indexed(leaf)}:
            filed[path] += 1
        for leaf in rule.parts:
            if isinstance(leaf, Leaf):
                values.setdefault(leaf.path, set()).update(_indexed(leaf) or ())
    best = max(filed, key=lambda path: (filed[path], len(values[path]), path), default=None)
    return best if best is not None and filed[best] >= _WORTH_A_TABLE else None


def _indexed(leaf: Leaf) -> tuple[Any, ...] | None:
    values = index_values(leaf)
    return values if values is not None and len(values) <= _MAX_INDEXED else None


def _file_under(path: str, rules: list[_Open]) -> tuple[list[tuple[tuple[Any, ...], _Open]], list[_Open]]:
    """(values, rule less the condition they stand for) of those that can be filed, and the others."""
    filed, rest = [], []
    for rule in rules:
        for place, leaf in enumerate(rule.parts):
            values = _indexed(leaf) if isinstance(leaf, Leaf) and leaf.path == path else None
            if values is not None:
                filed.append((values, rule._replace(parts=rule.parts[:place] + rule.parts[place + 1 :])))
                break
        else:
            rest.append(rule)
    return filed, rest


def _by_type(filed: list[tuple[tuple[Any, ...], _Open]]) -> Iterator[dict[Any, list[_Open]]]:
    """A table for text and numbers, and one for folded text, as far as they are needed."""
    for kinds in ((str, int, float), (Folded,)):
        table: dict[Any, list[_Open]] = {}
        for values, rule in filed:
            for value in dict.fromkeys(values):
                if type(value) in kinds:
                    table.setdefault(value, []).append(rule)
        if table:
            yield table
