"""Where the generated matcher files a rule: the walk of ``Generator`` again, along one way into one rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streams.rules.compiled.generate import _MAX_NESTED, _best_field, _file_under, _Open
from streams.rules.conditions import conjuncts
from streams.rules.rule import Arm


class Filed(NamedTuple):
    """A table through which events come to a rule, and how many ways into rules share the place with it."""

    path: str
    values: tuple[Any, ...]
    sharing: int


def filed(arms: Sequence[Arm], arm: Arm) -> list[Filed]:
    """The tables that lead to ``arm`` among these, outermost first; empty where it is asked of every event.

    Of a rule filed under several values the first one's place is shown. Raises ValueError for an arm that is not there.
    """
    number = list(arms).index(arm)
    rest = [_Open(index, tuple(conjuncts(other.where))) for index, other in enumerate(arms)]
    found: list[Filed] = []
    while len(found) < _MAX_NESTED and (path := _best_field(rest)):
        shelved, rest = _file_under(path, rest)
        mine = next((values for values, way in shelved if way.number == number), None)
        if mine is None:
            continue  # asked after this table, perhaps through another one
        rest = [way for values, way in shelved if mine[0] in values]
        found.append(Filed(path, mine, len(rest) - 1))
    return found
