"""Conditions that stand in a row in a generated matcher: what several of them read or ask is read and asked once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from streams.rules.compiled.leaves import NEVER, OTHER, VALUE, Bind, Written, source
from streams.rules.compiled.projection import Projection
from streams.rules.conditions import All, AnyOf, Condition, Leaf, Not, identity
from streams.rules.values import normal

#: The text of a condition that holds for every event.
ALWAYS = "True"

#: A field, and whether with its case folded.
_Slot = tuple[str, bool]


class Texts:
    """What leaves are as text, and which are the same: worked out once, however many rows a leaf stands in."""

    def __init__(self, bind: Bind) -> None:
        self.bind = bind
        self._made: dict[int, tuple[Leaf, bytes, Written]] = {}  # by the leaf's id; the leaf keeps that its own

    def written(self, leaf: Leaf) -> Written:
        return self._of(leaf)[2]

    def identity(self, leaf: Leaf) -> bytes:
        return self._of(leaf)[1]

    def _of(self, leaf: Leaf) -> tuple[Leaf, bytes, Written]:
        made = self._made.get(id(leaf))
        if made is None:
            made = self._made[id(leaf)] = leaf, identity(leaf), source(leaf, self.bind)
        return made


class Row:
    """Conditions in a row, with what they share read and asked once, in ``shared``."""

    def __init__(self, projection: Projection, texts: Texts, parts: list[Condition]) -> None:
        self.shared: list[str] = []
        self._projection, self._texts = projection, texts
        self._locals: dict[_Slot, str] = {}
        self._answers: dict[bytes, str] = {}
        leaves = [leaf for part in parts for leaf in _leaves(part)]
        asked = Counter(map(texts.identity, leaves))
        different = {texts.identity(leaf): leaf for leaf in leaves}.values()
        self._share(Counter(slot for leaf in different for slot in self._slots(leaf)))
        for leaf in leaves:
            known, written = texts.identity(leaf), self._texts.written(leaf)
            if asked[known] > 1 and known not in self._answers and written.is_cheap and written.text != NEVER:
                answer = self.leaf(leaf)
                name = self._answers[known] = f"c{len(self._answers)}"
                self.shared.append(f"    {name} = {answer}")

    def _slots(self, leaf: Leaf) -> list[_Slot]:
        """What a leaf reads."""
        written = self._texts.written(leaf)
        return [(path, written.is_folded) for path in leaf.paths] if written.text != NEVER else []

    def _share(self, read: Counter[_Slot]) -> None:
        """Read what is read several times; fold that once, too."""
        for is_folded in (False, True):
            for (path, folded), times in read.items():
                if times > 1 and folded is is_folded:
                    value = self._value(path, is_folded)
                    name = self._locals[path, is_folded] = f"v{len(self._locals)}"
                    self.shared.append(f"    {name} = {value}")

    def _value(self, path: str, is_folded: bool) -> str:
        if (path, is_folded) in self._locals:
            return self._locals[path, is_folded]
        if is_folded:
            return f"(t.casefold() if (t := {self._value(path, False)}).__class__ is str else t)"
        return self._projection.source(path)

    def all_of(self, parts: tuple[Condition, ...]) -> str:
        """All parts, the cheap ones first."""
        texts = [(self._cost(part), self.condition(part)) for part in parts]
        return _joined("and", [text for _, text in sorted(texts, key=lambda text: text[0])])

    def _cost(self, part: Condition) -> int:
        return (
            sum(1 if self._texts.written(leaf).is_cheap else 100 for leaf in _leaves(part))
            if isinstance(part, KNOWN)
            else 1_000
        )

    def condition(self, condition: Condition) -> str:
        """The text of a condition, ``ALWAYS`` or ``NEVER`` where that is known."""
        if isinstance(condition, Leaf):
            return self.leaf(condition)
        if isinstance(condition, All):
            return _bracketed(self.all_of(condition.parts))
        if isinstance(condition, AnyOf):
            return _bracketed(_joined("or", [self.condition(part) for part in condition.parts]))
        if isinstance(condition, Not):
            return {ALWAYS: NEVER, NEVER: ALWAYS}.get(text := self.condition(condition.part), f"(not {text})")
        return f"{self._texts.bind(self._asked_plainly(condition))}(e)"

    def leaf(self, leaf: Leaf) -> str:
        known = self._texts.identity(leaf)
        if known in self._answers:
            return self._answers[known]
        text, _, is_folded = self._texts.written(leaf)
        for other in leaf.paths[1:]:
            text = text.replace(OTHER, self._value(other, False))
        value = self._value(leaf.path, is_folded)
        if text.count(VALUE) > 1 and (leaf.path, is_folded) not in self._locals:
            text, value = text.replace(VALUE, f"(v := {value})", 1), "v"
        return text.replace(VALUE, value)

    def _asked_plainly(self, condition: Any) -> Callable[[Any], bool]:
        """For a condition that is none of ours."""
        readers = readers_of(self._projection, [path for leaf in condition.leaves() for path in leaf.paths])
        return lambda event: bool(condition.holds(lambda path: normal(readers[path](event))))


KNOWN = (Leaf, All, AnyOf, Not)


def _joined(word: str, texts: list[str]) -> str:
    """``and`` or ``or`` over conditions, less what is decided."""
    decides, says_nothing = (NEVER, ALWAYS) if word == "and" else (ALWAYS, NEVER)
    open_ones = [text for text in texts if text != says_nothing]
    return decides if decides in open_ones else f" {word} ".join(open_ones) or says_nothing


def _bracketed(text: str) -> str:
    return text if text in (ALWAYS, NEVER) else f"({text})"


def _leaves(part: Condition) -> Iterator[Leaf]:
    return part.leaves() if isinstance(part, KNOWN) else iter(())


def readers_of(projection: Projection, paths: list[str]) -> dict[str, Callable[[Any], Any]]:
    """A function per path that reads it from an event."""
    names: dict[str, Any] = {}
    text = "".join(f"def read{place}(e):\n    return {projection.source(path)}\n" for place, path in enumerate(paths))
    names |= projection.names
    exec(compile(text, "<reading>", "exec"), names)
    return {path: names[f"read{place}"] for place, path in enumerate(paths)}
