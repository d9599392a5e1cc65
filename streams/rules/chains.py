"""Rules over alerts: which rules' alerts a rule may see, and that none sees its own, by whatever way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from streams.rules.conditions import All, AnyOf, Condition, Leaf, Not
from streams.rules.rule import Rule

#: The source that carries our own alerts.
ALERTS = "alerts"


def circles(rules: Sequence[Rule]) -> Iterator[tuple[Rule, tuple[str, ...]]]:
    """Each rule over alerts that may come to see its own: with the ids of the rules on the way, itself at both ends."""
    over = [rule for rule in rules if ALERTS in rule.sources]
    sees = {rule.id: [other.id for other in over if may_see(rule, other)] for rule in over}
    for rule in over:
        way = _way(rule.id, rule.id, sees)
        if way:
            yield rule, way


def may_see(rule: Rule, other: Rule) -> bool:
    """Whether the conditions of ``rule`` leave open that it matches an alert of ``other``."""
    known: dict[str, Any] = {
        "rule": other.id,
        "type": other.type,
        "source": other.source,
        "violation_type": other.violation_type or UNSET,
    }
    return any(_holds(arm.where, known) is not False for arm in rule.arms if arm.source == ALERTS)


def _holds(condition: Condition, known: Mapping[str, Any]) -> bool | None:
    """Whether it holds for an alert of which only this much is known; None: that depends on the rest."""
    if isinstance(condition, Leaf):
        return condition.holds(lambda path: known[path]) if known.keys() >= set(condition.paths) else None
    if isinstance(condition, Not):
        inner = _holds(condition.part, known)
        return None if inner is None else not inner
    answers = [_holds(part, known) for part in condition.parts]
    if isinstance(condition, All):
        return False if False in answers else None if None in answers else True
    assert isinstance(condition, AnyOf)
    return True if True in answers else None if None in answers else False


def _way(begin: str, end: str, sees: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The shortest way from one rule over those whose alerts it sees back to another; empty: there is none."""
    ways: list[tuple[str, ...]] = [(begin,)]
    seen = {begin}
    while ways:
        way = ways.pop(0)
        for other in sees[way[-1]]:
            if other == end:
                return (*way, other)
            if other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()
