"""Sigma's eight correlation types as kinds of ours, with their windows, keys and aliases.

| Sigma | here | fires |
|---|---|---|
| `event_count` `value_count` with `gte` `gt` | `count` `distinct` | on the event that reaches the number, sliding |
| `temporal` | `group` | once every rule has matched inside the timespan |
| `temporal_ordered` | `sequence` | once they have, in order |
| `value_sum` `value_avg` `value_median` `value_percentile` | `aggregate` | when the value crosses the threshold |

`lt` and `lte` are refused: Sigma's group-by sees a key once it has an event, and a low value at once; here what is too
low is decided where a window closes, for keys known before it began. `eq` and `neq` are refused: windows slide, so a
number is passed on the way to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigma.correlations import (
    CorrelationConditionAND,
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from streams.rules.durations import MAX_DURATION, format_duration
from streams.rules.sigma.refusal import Inexpressible

_COUNTS = {SigmaCorrelationType.EVENT_COUNT: "count", SigmaCorrelationType.VALUE_COUNT: "distinct"}
_AGGREGATES = {
    SigmaCorrelationType.VALUE_SUM: "sum",
    SigmaCorrelationType.VALUE_AVG: "avg",
    SigmaCorrelationType.VALUE_MEDIAN: "median",
    SigmaCorrelationType.VALUE_PERCENTILE: "percentile",
}
_THRESHOLDS = {"GT": "above", "GTE": "at_least"}
#: Why a condition has no equal.
_REFUSED = {
    "LT": "what is too low is decided at a window's close, for keys known before it began; Sigma asks of every window",
    "EQ": "windows slide, and a value held for a moment on the way to the next is no finding",
}
_REFUSED |= {"LTE": _REFUSED["LT"], "NEQ": _REFUSED["EQ"]}


@dataclass(frozen=True, slots=True)
class Part:
    """A rule that a correlation refers to, as it reads here. ``fields``: a name in that rule to our dot path."""

    name: str
    source: str
    where: Mapping[str, Any]
    fields: Mapping[str, str]


def correlated(rule: SigmaCorrelationRule, parts: Sequence[Part]) -> dict[str, Any]:
    """``source``, ``where``, ``group_by`` and ``detect``. ``parts`` in the order of the rule's references.

    Raises Inexpressible.
    """
    keys = [_keys(rule, reference, part) for reference, part in zip(rule.referenced_rules, parts, strict=True)]
    within = rule.timespan.seconds * 1_000
    if within > MAX_DURATION:
        raise Inexpressible("a timespan longer than ten years")
    timespan = format_duration(within)
    if rule.type is SigmaCorrelationType.TEMPORAL or rule.type is SigmaCorrelationType.TEMPORAL_ORDERED:
        _all_of(rule, len(parts))
        return _temporal(parts, keys, timespan, ordered=rule.type is SigmaCorrelationType.TEMPORAL_ORDERED)
    condition = rule.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise Inexpressible("this correlation has no number to compare with")
    if len({part.source for part in parts}) > 1:
        raise Inexpressible("it counts over several sources; only temporal correlations read more than one")
    if len({tuple(key) for key in keys}) > 1:
        raise Inexpressible("its aliases name different fields in different rules; only temporal correlations can")
    wheres = [dict(part.where) for part in parts]
    where = wheres[0] if len(wheres) == 1 else {"any": wheres}
    base = {"source": parts[0].source, "where": where, "group_by": keys[0]}
    if rule.type in _COUNTS:
        return {**base, "detect": {_COUNTS[rule.type]: _count(rule, condition, parts, timespan)}}
    return {**base, "detect": {"aggregate": _aggregate(rule, condition, parts, timespan)}}


def _keys(rule: SigmaCorrelationRule, reference: SigmaRuleReference, part: Part) -> list[str]:
    """The group-by of one rule: an alias stands for the field it names there."""
    found = []
    for name in rule.group_by or ():
        alias = rule.aliases.aliases.get(name)
        if alias is not None:
            named = {ref.reference: field for ref, field in alias.mapping.items()}
            if reference.reference not in named:
                raise Inexpressible(f"the alias {name} names no field of the rule {reference.reference}")
            name = named[reference.reference]
        found.append(part.fields[name])
    return found


def _temporal(parts: Sequence[Part], keys: list[list[str]], timespan: str, *, ordered: bool) -> dict[str, Any]:
    steps = []
    for number, (part, key) in enumerate(zip(parts, keys, strict=True), 1):
        step: dict[str, Any] = {"name": f"{number}: {part.name}"[:60], "where": dict(part.where)}
        if part.source != parts[0].source:
            step["source"] = part.source
        if key != keys[0]:
            step["by"] = key
        steps.append(step)
    kind = {"sequence": {"within": timespan, "steps": steps}} if ordered else {
        "group": {"within": timespan, "members": steps}
    }  # fmt: skip
    return {"source": parts[0].source, "group_by": keys[0], "detect": kind}


def _all_of(rule: SigmaCorrelationRule, size: int) -> None:
    """Only "every rule" can be said of a temporal correlation."""
    condition = rule.condition
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        tree = condition.parsed
        flat = isinstance(tree, CorrelationConditionAND) and all(isinstance(a, SigmaRuleReference) for a in tree.args)
        if not flat or rule.type is SigmaCorrelationType.TEMPORAL_ORDERED:
            raise Inexpressible(
                "an extended condition with or, not or an order; only 'a and b' of temporal can be said"
            )
        return
    needed = _least(condition)
    if needed != size:
        raise Inexpressible(f"it asks for {needed} of its {size} rules; only all of them can be asked for")
    if size < 2:
        raise Inexpressible("it correlates a single rule")


def _least(condition: SigmaCorrelationCondition) -> int:
    """The whole number from which the condition holds. Raises Inexpressible where it does not hold from one on."""
    _rising(condition)
    return math.ceil(condition.count) if condition.op.name == "GTE" else math.floor(condition.count) + 1


def _rising(condition: SigmaCorrelationCondition) -> str:
    """How a kind calls the condition. Raises Inexpressible for one that has no equal."""
    name = condition.op.name
    if name in _REFUSED:
        raise Inexpressible(f"the condition {name.lower()}: {_REFUSED[name]}")
    return _THRESHOLDS[name]


def _count(
    rule: SigmaCorrelationRule, condition: SigmaCorrelationCondition, parts: Sequence[Part], timespan: str
) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if rule.type is SigmaCorrelationType.VALUE_COUNT:
        settings["field"] = _field(condition, parts)
    least = _least(condition)
    if least < 1:
        raise Inexpressible("its condition holds without any event")
    return {**settings, "at_least": least, "within": timespan}


def _aggregate(
    rule: SigmaCorrelationRule, condition: SigmaCorrelationCondition, parts: Sequence[Part], timespan: str
) -> dict[str, Any]:
    threshold = _rising(condition)
    function = _AGGREGATES[rule.type]
    if function == "percentile":
        if condition.percentile is None or not 0 < condition.percentile < 100:
            raise Inexpressible("value_percentile needs a percentile from 1 to 99")
        function = f"p{condition.percentile}"
    return {"field": _field(condition, parts), "function": function, threshold: condition.count, "within": timespan}


def _field(condition: SigmaCorrelationCondition, parts: Sequence[Part]) -> str:
    names = [condition.fieldref] if isinstance(condition.fieldref, str) else list(condition.fieldref or ())
    if len(names) != 1:
        raise Inexpressible("several fields measured together")
    paths = {part.fields[names[0]] for part in parts}
    if len(paths) > 1:
        raise Inexpressible(f"the field {names[0]} has different names in the rules it is measured over")
    return paths.pop()


def fields_of(rule: SigmaCorrelationRule) -> list[str]:
    """Every field of events that the correlation itself names, aliases' own fields among them."""
    condition = rule.condition
    measured: Any = condition.fieldref if isinstance(condition, SigmaCorrelationCondition) else None
    named = [name for name in rule.group_by or () if name not in rule.aliases.aliases]
    named += [measured] if isinstance(measured, str) else list(measured or ())
    return named + [field for alias in rule.aliases for field in alias.mapping.values()]
