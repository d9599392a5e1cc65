"""What a field of ``where`` may be, as a schema: a value, a list of values, or operators with their operands."""

from __future__ import annotations

from typing import Any, Final

from streams.rules.comparing import OPTIONS as OTHER_FIELD
from streams.rules.operators import ANY_OF, COMPARING, MEANINGS, ORDER
from streams.rules.where import MODIFIER_OPTIONS

#: A value that an event can have and that is no list and no object.
SCALAR: Final[dict[str, Any]] = {"type": ["string", "number", "boolean", "null"]}
#: A number, decimal text, or a percentage.
NUMBER: Final[dict[str, Any]] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\s*%?$"}]
}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_AMOUNT: Final[dict[str, Any]] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}]
}
_OTHER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        option.name: {**(_AMOUNT if option.takes == "amount" else _TEXT), "description": option.meaning}
        for option in OTHER_FIELD
    },
    "required": [option.name for option in OTHER_FIELD if option.default is None],
    "additionalProperties": False,
}
#: Operators of text and addresses, whose operands are text.
_OF_TEXT: Final = ("starts_with", "ends_with", "regex", "cidr")


def field_test() -> dict[str, Any]:
    """The schema of what stands behind the name of a field."""
    properties = {op: {**operand(op), "description": f"holds for what {MEANINGS[op]}"} for op in MEANINGS}
    properties |= {option.name: {"type": "boolean", "description": option.meaning} for option in MODIFIER_OPTIONS}
    tests = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "anyOf": [{"required": [op]} for op in MEANINGS],
    }
    return {"anyOf": [SCALAR, _several(SCALAR), tests]}


def operand(op: str) -> dict[str, Any]:
    """The schema of what an operator takes (``streams.rules.operators.canonical``)."""
    if op == "exists":
        return {"type": "boolean"}
    if op in COMPARING:
        value = _AMOUNT["anyOf"] if op in ORDER else [SCALAR]
        return {"anyOf": [*value, _OTHER]}
    if op in ("in", "not_in"):
        return _several(SCALAR)
    if op == "in_list":
        return {"anyOf": [{"type": "string", "minLength": 1}, _several(SCALAR)]}
    assert op in ANY_OF
    one = _TEXT if op in _OF_TEXT else SCALAR
    return {"anyOf": [one, _several(one)]}


def takes(op: str) -> str:
    """The same in words."""
    if op == "exists":
        return "`true` or `false`"
    if op in ORDER:
        return "a number, decimal text, or another field"
    if op in COMPARING:
        return "a value, or another field"
    if op == "in_list":
        return "a list, or the name of one"
    if op in ("in", "not_in"):
        return "a list of values"
    return "text, or a list of texts" if op in _OF_TEXT else "a value, or a list of values"


def _several(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1}
