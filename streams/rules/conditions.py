"""``where`` as a tree of frozen values, and its plain meaning.

``holds(read)`` is the definition that the compiled programs are held against: ``read`` gives the value at a dot path,
UNSET where it is missing. A leaf on a missing field is ``if_missing`` (false unless the rule says otherwise), but for
``exists``. ``not`` is the plain negation of what it holds, missing fields included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from streams.rules.comparing import OtherField
from streams.rules.operators import ANY_OF, ListName, Test, compile_test

Read = Callable[[str], Any]

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Leaf:
    """One operator on one field. Made by ``leaf``, which checks the operand."""

    path: str
    op: str
    operand: Any  #: canonical: a scalar, a tuple for the operators that take several, ``OtherField`` or ``ListName``
    case_sensitive: bool
    if_missing: bool
    test: Test = field(compare=False, repr=False)  #: of the value; of both where the operand is another field

    @property
    def paths(self) -> tuple[str, ...]:
        """What it reads: its own field, and the one that it is compared with."""
        return (self.path, self.operand.path) if isinstance(self.operand, OtherField) else (self.path,)

    def holds(self, read: Read) -> bool:
        value = read(self.path)
        if value is UNSET:
            return not self.operand if self.op == "exists" else self.if_missing
        if isinstance(self.operand, OtherField):
            other = read(self.operand.path)
            return self.if_missing if other is UNSET else self.test(value, other)
        return self.test(value)

    def document(self) -> dict[str, Any]:
        operand: Any = self.operand
        if isinstance(operand, OtherField):
            operand = operand.document()
        elif isinstance(operand, ListName):
            operand = operand.name
        elif self.op in ANY_OF:
            operand = sorted(operand, key=_encode)
        modifiers = {"case_sensitive": False} if not self.case_sensitive else {}
        if self.if_missing:
            modifiers["if_missing"] = True
        return {self.path: {self.op: operand, **modifiers}}

    def leaves(self) -> Iterator[Leaf]:
        yield self


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with no part, always."""

    parts: tuple[Condition, ...]

    def holds(self, read: Read) -> bool:
        return all(part.holds(read) for part in self.parts)

    def document(self) -> dict[str, Any]:
        return {"all": _sorted(self.parts)}

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def holds(self, read: Read) -> bool:
        return any(part.holds(read) for part in self.parts)

    def document(self) -> dict[str, Any]:
        return {"any": _sorted(self.parts)}

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold, be it for want of the field."""

    part: Condition

    def holds(self, read: Read) -> bool:
        return not self.part.holds(read)

    def document(self) -> dict[str, Any]:
        return {"not": self.part.document()}

    def leaves(self) -> Iterator[Leaf]:
        yield from self.part.leaves()


Condition = Leaf | All | AnyOf | Not

#: Holds for every event.
ALWAYS = All(())


def leaf(path: str, op: str, operand: Any, *, case_sensitive: bool = True, if_missing: bool = False) -> Leaf:
    """A leaf over a canonical operand (``operators.canonical``). Raises ValueError for a bad pattern or network."""
    return Leaf(path, op, operand, case_sensitive, if_missing, compile_test(op, operand, case_sensitive))


def conjuncts(condition: Condition) -> Iterator[Condition]:
    """What must hold, all of it, for the condition to hold: nested ``all`` dissolved."""
    if isinstance(condition, All):
        for part in condition.parts:
            yield from conjuncts(part)
    else:
        yield condition


def identity(condition: Condition) -> bytes:
    """Equal for conditions that mean the same to the letter; typed, unlike ``==`` (1 and true differ)."""
    return _encode(condition.document())


def _sorted(parts: tuple[Condition, ...]) -> list[dict[str, Any]]:
    return sorted((part.document() for part in parts), key=_encode)
