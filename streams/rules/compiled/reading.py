"""What reads the keys and values of arms from an event, as Python text. Arms that read the same share a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from streams.rules.compiled.projection import Projection
from streams.rules.keyed import KeyField
from streams.rules.rule import Arm, Rule


class Reading:
    """Writes functions over an event ``e`` into ``functions``, and gives their names."""

    def __init__(self, projection: Projection, bind: Callable[[object], str]) -> None:
        self.functions: list[list[str]] = []
        self._projection, self._bind = projection, bind
        self._names: dict[tuple[str, ...], str] = {}

    def key(self, arm: Arm) -> str:
        """See ``Program.key``."""
        return self._function("key", (arm.rule.missing, *(part.text for part in arm.key)), self._key(arm))

    def row(self, arm: Arm) -> str:
        """See ``Program.row``."""
        if len(arm.key) != 1:
            return self.key(arm)
        return self._function("row", (arm.rule.missing, arm.key[0].text), self._row(arm))

    def values(self, rule: Rule) -> str:
        """See ``Program.values``."""
        paths = (*rule.detect.fields(), *rule.captures)
        return self._function(
            "values", paths, iter([f"    return ({''.join(f'{self._value(path)}, ' for path in paths)})"])
        )

    def _function(self, what: str, of: tuple[str, ...], lines: Iterator[str]) -> str:
        known = (what, *of)
        if known not in self._names:
            name = self._names[known] = f"{what}{len(self._names)}"
            self.functions.append([f"def {name}(e):", *lines])
        return self._names[known]

    def _key(self, arm: Arm) -> Iterator[str]:
        for place, field in enumerate(arm.key):
            yield from self._part(f"a{place}", field)
            yield f"    if a{place}.__class__ is not str:"
            yield from self._typed(f"a{place}", arm, "        ")
        yield f"    return ({''.join(f'a{place}, ' for place in range(len(arm.key)))})"

    def _row(self, arm: Arm) -> Iterator[str]:
        yield from self._part("a", arm.key[0])
        yield "    if a.__class__ is str:"
        yield "        return a"
        yield from self._typed("a", arm, "    ")
        yield "    return a if a.__class__ is str else (a,)"

    def _typed(self, name: str, arm: Arm, indent: str) -> Iterator[str]:
        """A part that is no text as keys have it."""
        if arm.rule.missing == "skip":
            yield f"{indent}if {name} is UNSET:"
            yield f"{indent}    return None"
        other = f"part({name}, {self._bind(arm.rule.missing)})"
        yield f"{indent}{name} = ('i', {name}) if {name}.__class__ is int and MIN <= {name} <= MAX else {other}"
        yield f"{indent}if {name} is None:"
        yield f"{indent}    return None"

    def _part(self, name: str, field: KeyField) -> Iterator[str]:
        """What a part is made of. ``first`` and ``lower``, which most expressions are, are written out."""
        read = [self._projection.source(path) for path in field.paths]
        first = field.paths[0] if len(read) == 1 else f"first({', '.join(field.paths)})"
        if not field.is_field and field.text not in (first, f"lower({first})"):
            yield f"    {name} = {self._bind(field.apply)}({', '.join(map(self._value, field.paths))})"
            return
        yield f"    {name} = {read[0]}"
        for other in read[1:]:
            yield f"    if {name} is UNSET or {name} is None:"
            yield f"        {name} = {other}"
        if field.text == f"lower({first})":
            yield f"    if {name}.__class__ is str:"
            yield f"        {name} = {name}.lower()"

    def _value(self, path: str) -> str:
        """The value at a path as a full decode gives it; nothing is called for text and what is missing."""
        return f"v if (v := {self._projection.source(path)}).__class__ is str or v is UNSET else normal(v)"
