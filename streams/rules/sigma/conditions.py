"""The condition of a Sigma rule as a ``where``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaRule
from sigma.types import (
    SigmaCasedString,
    SigmaFieldReference,
    SigmaRegularExpression,
    SigmaString,
    SigmaType,
    SpecialChars,
)

from streams.rules.sigma.mapping import FieldMapping, Logsource
from streams.rules.sigma.refusal import Inexpressible
from streams.rules.sigma.values import alternatives, operators
from streams.rules.values import path_problem

Where = dict[str, Any]

_GROUPS = ("all", "any", "not")


def where_of(rule: SigmaRule, mapping: FieldMapping, logsource: Logsource) -> Where:
    """What the rule's conditions ask of an event; where it has several, any of them. Raises Inexpressible."""
    for detection in rule.detection.detections.values():
        _check_items(detection)
    reader = _Reader(mapping, logsource)
    found = [reader.read(condition.parsed) for condition in rule.detection.parsed_condition]
    asked = found[0] if len(found) == 1 else {"any": found}
    return _and([dict(logsource.where), asked]) if logsource.where else asked


class _Reader:
    def __init__(self, mapping: FieldMapping, logsource: Logsource) -> None:
        self._mapping, self._logsource = mapping, logsource

    def read(self, node: Any) -> Where:
        if isinstance(node, ConditionAND):
            return _and([self.read(part) for part in node.args])
        if isinstance(node, ConditionOR):
            return _or([self.read(part) for part in node.args])
        if isinstance(node, ConditionNOT):
            return {"not": self.read(node.args[0])}
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._field(node.field, node.value)
        if isinstance(node, ConditionValueExpression):
            return self._keyword(node.value)
        raise Inexpressible("an empty condition")

    def path(self, name: str) -> str:
        """The field's name here. Raises Inexpressible where it cannot be addressed, or is not mapped and has to be."""
        path = self._logsource.fields.get(name)
        if path is None:
            if self._mapping.strict:
                raise Inexpressible(f"the field {name} is not in the mapping")
            path = name
        if problem := path_problem(path):
            raise Inexpressible(f"the field {name} {problem}; give it another name in the mapping")
        if path in _GROUPS:
            raise Inexpressible(f"a field called {path} cannot be addressed; give it another name in the mapping")
        return path

    def _field(self, name: str, value: SigmaType) -> Where:
        path = self.path(name)
        if isinstance(value, SigmaFieldReference) and not (value.starts_with or value.ends_with):
            return {path: {"eq": {"field": self.path(value.field)}, "case_sensitive": False}}
        cased = self._logsource.cased
        return _or([{path: operators(part, cased=cased)} for part in alternatives(value, self._mapping.placeholders)])

    def _keyword(self, value: SigmaType) -> Where:
        if not self._logsource.keywords:
            raise Inexpressible("a value without a field; the mapping's keywords can say which fields to search")
        if not isinstance(value, SigmaString):
            raise Inexpressible("a value without a field that is no text")
        return _or([{path: operators(_anywhere(part))} for path in self._logsource.keywords
                    for part in alternatives(value, self._mapping.placeholders)])  # fmt: skip


def path_in(name: str, mapping: FieldMapping, logsource: Logsource) -> str:
    """A field that a correlation names, as it is called here. Raises Inexpressible."""
    return _Reader(mapping, logsource).path(name)


def _anywhere(value: SigmaType) -> SigmaType:
    many = SpecialChars.WILDCARD_MULTI
    if not isinstance(value, SigmaString):
        return value
    wide = value if value.startswith(many) else many + value
    wide = wide if wide.endswith(many) else wide + many
    return SigmaCasedString.from_sigma_string(wide) if isinstance(value, SigmaCasedString) else wide


def _check_items(detection: SigmaDetection) -> None:
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            _check_items(item)
        elif isinstance(item, SigmaDetectionItem):
            affix = {SigmaStartswithModifier, SigmaEndswithModifier} & set(item.modifiers)
            if affix and any(isinstance(value, SigmaRegularExpression) for value in item.value):
                raise Inexpressible("re with startswith or endswith: where such an expression is anchored is open")


def _and(parts: list[Where]) -> Where:
    """All of them: one mapping where no name stands twice."""
    flat: list[Where] = []
    for part in parts:
        flat += part["all"] if set(part) == {"all"} else [part]
    return _one_mapping(flat) or {"all": flat}


def _one_mapping(parts: Iterable[Where]) -> Where | None:
    whole: Where = {}
    for part in parts:
        if whole.keys() & part.keys():
            return None
        whole |= part
    return whole


def _or(parts: list[Where]) -> Where:
    """Any of them: one list of values where they are the same question of the same field."""
    flat: list[Where] = []
    for part in parts:
        flat += part["any"] if set(part) == {"any"} else [part]
    merged: list[Where] = []
    for part in flat:
        for place, other in enumerate(merged):
            both = _same_question(other, part)
            if both is not None:
                merged[place] = both
                break
        else:
            merged.append(part)
    return merged[0] if len(merged) == 1 else {"any": merged}


_FOLDED = {"case_sensitive": False}
_AS_LIST = {"eq": "in", "in": "in"} | {name: name for name in ("contains", "starts_with", "ends_with", "regex", "cidr")}


def _same_question(one: Where, other: Where) -> Where | None:
    if len(one) != 1 or one.keys() != other.keys():
        return None
    ((path, first),) = one.items()
    second = other[path]
    if path in _GROUPS or not isinstance(first, dict) or not isinstance(second, dict):
        return None
    op, values, modifiers = _split(first)
    op2, values2, modifiers2 = _split(second)
    if op != op2 or op is None:
        return None
    if modifiers != modifiers2:
        if (modifiers, modifiers2) not in (({}, _FOLDED), (_FOLDED, {})):
            return None
        # values without letters ask the same with and without case
        if op != "in" or not all(_caseless(item) for item in (values2 if modifiers else values)):
            return None
        modifiers = _FOLDED
    return {path: {op: _unique([*values, *values2]), **modifiers}}


def _split(question: dict[str, Any]) -> tuple[str | None, list[Any], dict[str, Any]]:
    modifiers = {name: value for name, value in question.items() if name in ("case_sensitive", "if_missing")}
    rest = [(name, value) for name, value in question.items() if name not in modifiers]
    if len(rest) != 1 or rest[0][0] not in _AS_LIST or isinstance(rest[0][1], dict):
        return None, [], {}
    ((name, value),) = rest
    return _AS_LIST[name], value if isinstance(value, list) else [value], modifiers


def _caseless(value: Any) -> bool:
    return not isinstance(value, str) or value.lower() == value.upper()


def _unique(values: list[Any]) -> list[Any]:
    seen: dict[Any, Any] = {}
    key: Callable[[Any], Any] = lambda value: (type(value), value)  # noqa: E731  # true is not 1
    for value in values:
        seen.setdefault(key(value), value)
    return list(seen.values())
