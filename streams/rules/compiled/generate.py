"""The matcher of all rules over one source, as Python text.

Rules are filed under the equality conditions they need: a function looks a field's value up in a table and goes on with
the function of the rules filed there, itself made the same way, less what the table has decided. What is left stands in
a row: fields that several conditions read are read once, conditions that several rules share are asked once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from streams.rules.compiled.leaves import OTHER, VALUE, Folded, index_values, source
from streams.rules.compiled.projection import Projection
from streams.rules.conditions import All, AnyOf, Condition, Leaf, Not, conjuncts, identity
from streams.rules.rule import Arm, Rule
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
        self.names: dict[str, Any] = {"INF": float("inf"), "part": key_part, "normal": normal}
        self._projection = projection
        self._functions: list[list[str]] = []
        self._buckets: dict[tuple[tuple[int, tuple[int, ...]], ...], str] = {}
        self._tables: list[tuple[dict[Any, Any], dict[Any, str]]] = []
        self._bound: dict[tuple[type, Any], str] = {}
        self._may_file = _MAX_FILED[0] * len(arms) + _MAX_FILED[1]
        self._matcher("match", 0, [_Open(index, tuple(conjuncts(arm.where))) for index, arm in enumerate(arms)])
        for index, arm in enumerate(arms):
            self._key(index, arm)
            self._values(index, arm.rule)
        self.names |= projection.names
        self.source_code = "\n".join(
            [*self._legend(), *(line for lines in self._functions for line in ["", *lines]), ""]
        )

    def run(self, title: str) -> dict[str, Any]:
        """Compile the text and fill the tables. The namespace holds ``match``, ``key<i>`` and ``values<i>``."""
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
        kind = type(next(iter(filed)))
        is_text = issubclass(kind, str)
        if first:
            yield "    r = None"
        yield f"    v = {self._projection.source(path)}"
        yield f"    if {'v.__class__ is str' if is_text else '(v.__class__ is int or v.__class__ is float)'}:"
        yield f"        b = {name}.get(v{'.casefold()' if kind is Folded else ''})"
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
        row = _Row(self._projection, self.bind, [part for rule in rules for part in rule.parts])
        conditions = [row.all_of(rule.parts) for rule in rules]
        if first:
            yield "    r = None"
        yield from row.shared
        for rule, condition in zip(rules, conditions, strict=True):
            if condition:
                yield f"    if {condition}:"
            indent = "        " if condition else "    "
            yield f"{indent}r = ({rule.number},) if r is None else (*r, {rule.number})"

    # -- keys and values -----------------------------------------------------------------------------------------

    def _key(self, index: int, arm: Arm) -> None:
        """``key<i>``, and ``row<i>``: the same, but a key of one part that is text is that text."""
        lines = []
        for place, field in enumerate(arm.key):
            read = [self._projection.source(path) for path in field.paths]
            if field.is_field:
                value = read[0]
            else:
                value = f"{self.bind(field.apply)}({', '.join(f'normal({text})' for text in read)})"
            lines += [
                f"    a{place} = {value}",
                f"    if a{place}.__class__ is not str:",
                f"        a{place} = part(a{place}, {self.bind(arm.rule.missing)})",
                f"        if a{place} is None:",
                "            return None",
            ]
        whole = f"    return ({''.join(f'a{place}, ' for place in range(len(arm.key)))})"
        only = ["    if a0.__class__ is str:", "        return a0"] if len(arm.key) == 1 else []
        self._functions.append([f"def key{index}(e):", *lines, whole])
        self._functions.append([f"def row{index}(e):", *lines, *only, whole])

    def _values(self, index: int, rule: Rule) -> None:
        paths = (*rule.detect.fields(), *rule.captures)
        values = [
            f"        v if (v := {self._projection.source(path)}).__class__ is str or v is UNSET else normal(v),"
            for path in paths
        ]
        self._functions.append([f"def values{index}(e):", "    return (", *values, "    )"])


class _Row:
    """Conditions in a row, with what they share read and asked once, in ``shared``."""

    def __init__(self, projection: Projection, bind: Callable[[Any], str], parts: list[Condition]) -> None:
        self.shared: list[str] = []
        self._projection, self._bind = projection, bind
        self._texts: dict[bytes, tuple[str, bool]] = {}
        self._locals: dict[str, str] = {}
        self._answers: dict[bytes, str] = {}
        leaves = [leaf for part in parts for leaf in _leaves(part)]
        asked = Counter(map(identity, leaves))
        read = Counter(path for leaf in {identity(leaf): leaf for leaf in leaves}.values() for path in leaf.paths)
        for path, times in read.items():
            if times > 1:
                name = self._locals[path] = f"v{len(self._locals)}"
                self.shared.append(f"    {name} = {projection.source(path)}")
        for leaf in leaves:
            known = identity(leaf)
            if asked[known] > 1 and known not in self._answers and self._text(leaf)[1]:
                answer = self.leaf(leaf)
                name = self._answers[known] = f"c{len(self._answers)}"
                self.shared.append(f"    {name} = {answer}")

    def _text(self, leaf: Leaf) -> tuple[str, bool]:
        known = identity(leaf)
        if known not in self._texts:
            self._texts[known] = source(leaf, self._bind)
        return self._texts[known]

    def all_of(self, parts: tuple[Condition, ...]) -> str:
        """All parts, the cheap ones first; empty where there is nothing to ask."""
        texts = [(self._cost(part), self.condition(part)) for part in parts]
        return " and ".join(text for _, text in sorted(texts, key=lambda text: text[0]))

    def _cost(self, part: Condition) -> int:
        return sum(1 if self._text(leaf)[1] else 100 for leaf in _leaves(part)) if isinstance(part, KNOWN) else 1_000

    def condition(self, condition: Condition) -> str:
        if isinstance(condition, Leaf):
            return self.leaf(condition)
        if isinstance(condition, All):
            return f"({self.all_of(condition.parts) or 'True'})"
        if isinstance(condition, AnyOf):
            return f"({' or '.join(map(self.condition, condition.parts)) or 'False'})"
        if isinstance(condition, Not):
            return f"(not {self.condition(condition.part)})"
        return f"{self._bind(self._asked_plainly(condition))}(e)"

    def leaf(self, leaf: Leaf) -> str:
        known = identity(leaf)
        if known in self._answers:
            return self._answers[known]
        text, _ = self._text(leaf)
        for other in leaf.paths[1:]:
            text = text.replace(OTHER, self._locals.get(other) or self._projection.source(other))
        if leaf.path in self._locals:
            return text.replace(VALUE, self._locals[leaf.path])
        value = self._projection.source(leaf.path)
        if text.count(VALUE) == 1:
            return text.replace(VALUE, value)
        if leaf.if_missing:
            return f"((v := {value}) is UNSET or {text.replace(VALUE, 'v')})"
        return f"((v := {value}) is not UNSET and {text.replace(VALUE, 'v')})"

    def _asked_plainly(self, condition: Any) -> Callable[[Any], bool]:
        """For a condition that is none of ours."""
        readers = readers_of(self._projection, [path for leaf in condition.leaves() for path in leaf.paths])
        return lambda event: bool(condition.holds(lambda path: normal(readers[path](event))))


KNOWN = (Leaf, All, AnyOf, Not)


def _leaves(part: Condition) -> Iterator[Leaf]:
    return part.leaves() if isinstance(part, KNOWN) else iter(())


def readers_of(projection: Projection, paths: list[str]) -> dict[str, Callable[[Any], Any]]:
    """A function per path that reads it from an event."""
    names: dict[str, Any] = {}
    text = "".join(f"def read{place}(e):\n    return {projection.source(path)}\n" for place, path in enumerate(paths))
    names |= projection.names
    exec(compile(text, "<reading>", "exec"), names)
    return {path: names[f"read{place}"] for place, path in enumerate(paths)}


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
    """A table for text, one for folded text and one for numbers, as far as they are needed."""
    for kinds in ((str,), (Folded,), (int, float)):
        table: dict[Any, list[_Open]] = {}
        for values, rule in filed:
            for value in dict.fromkeys(values):
                if type(value) in kinds:
                    table.setdefault(value, []).append(rule)
        if table:
            yield table
