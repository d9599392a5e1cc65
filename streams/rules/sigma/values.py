"""One value of a Sigma detection, for one field, as a condition of ours.

Sigma does not type its values: ``4624`` and ``'4624'`` mean the same log line. So a number, a boolean and the text that
reads like it hold for each other. Patterns (wildcards, ``re``, ``cidr``) look at text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from streams.rules.sigma.refusal import Inexpressible

#: ``where`` of one field: operator to operand.
Operators = dict[str, Any]

_ORDER = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_MANY, _ONE = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE


def alternatives(value: SigmaType, placeholders: Mapping[str, Sequence[str]]) -> list[SigmaType]:
    """The value with its expansions (``base64offset``, ``windash``, placeholders) written out: any of them will do.

    Raises Inexpressible for a placeholder that the mapping does not explain.
    """
    if isinstance(value, SigmaExpansion):
        return [found for part in value.values for found in alternatives(part, placeholders)]
    if isinstance(value, SigmaString) and value.contains_placeholder():
        for part in value.s:
            if isinstance(part, Placeholder) and part.name not in placeholders:
                raise Inexpressible(f"the placeholder %{part.name}% has no values in the mapping's placeholders")
        cased = isinstance(value, SigmaCasedString)
        filled = value.replace_placeholders(lambda part: iter(placeholders[part.name]))
        return [SigmaCasedString.from_sigma_string(text) if cased else text for text in filled]
    if isinstance(value, SigmaRegularExpression) and value.contains_placeholder():
        raise Inexpressible("a placeholder inside a regular expression")
    return [value]


def operators(value: SigmaType, *, cased: bool = False) -> Operators:
    """What the field must be. ``cased``: plain equality minds case. Raises Inexpressible."""
    if isinstance(value, SigmaString):
        return _text(value, cased)
    if isinstance(value, SigmaTimestampPart):
        raise Inexpressible("the modifiers minute, hour, day, week, month and year look inside a time")
    if isinstance(value, SigmaNumber):
        return {"in": [value.number, plain_number(value.number)]}
    if isinstance(value, SigmaBool):
        return {"in": [value.boolean, str(value.boolean).lower()], "case_sensitive": False}
    if isinstance(value, SigmaNull):
        return {"eq": None, "if_missing": True}
    if isinstance(value, SigmaExists):
        return {"exists": bool(value)}
    if isinstance(value, SigmaRegularExpression):
        return _regex(value)
    if isinstance(value, SigmaCIDRExpression):
        return {"cidr": str(value.network)}
    if isinstance(value, SigmaCompareExpression) and value.op in _ORDER:
        return {_ORDER[value.op]: plain_number(value.number.number)}
    if isinstance(value, SigmaFieldReference):
        raise Inexpressible("a field against a part of another field (fieldref with startswith, endswith or contains)")
    raise Inexpressible(f"a value of the type {type(value).__name__}")


def plain_number(value: float) -> str:
    """Decimal text: as a bound it reads numbers and decimal text alike."""
    return str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f")


def _text(value: SigmaString, cased: bool) -> Operators:
    parts = value.s
    folded: Operators = {} if isinstance(value, SigmaCasedString) else {"case_sensitive": False}
    literal = "".join(part for part in parts if isinstance(part, str))
    wild = [part for part in parts if not isinstance(part, str)]
    if not wild:
        return _equal(literal, {} if cased else folded)
    if all(part is _MANY for part in parts):
        return {"ne": None}
    shape = tuple(part if isinstance(part, SpecialChars) else None for part in parts)
    if shape == (_MANY, None, _MANY):
        return {"contains": literal, **folded}
    if shape == (None, _MANY):
        return {"starts_with": literal, **folded}
    if shape == (_MANY, None):
        return {"ends_with": literal, **folded}
    return {"regex": wildcard_pattern(value), **folded}


def _equal(literal: str, folded: Operators) -> Operators:
    if literal.lower() in ("true", "false"):
        return {"in": [literal, literal.lower() == "true"], **folded}
    if _NUMBER.fullmatch(literal):
        return {"in": [literal, int(literal)]}
    # without cased letters there is no case to fold, and the rule can be found by this equality
    return {"eq": literal, **({} if literal.lower() == literal.upper() else folded)}


def wildcard_pattern(value: SigmaString) -> str:
    """The whole text as an RE2 pattern; ``*`` is anything, line ends too, ``?`` is one character."""
    pieces = []
    for part in value.s:
        if isinstance(part, str):
            pieces.append(_META.sub(r"\\\g<0>", part))
        else:
            pieces.append(".*" if part is _MANY else ".")
    return "(?s)^" + "".join(pieces) + "$"


def _regex(value: SigmaRegularExpression) -> Operators:
    pattern = value.regexp.to_plain(regex=True)
    flags = ("m" if SigmaRegularExpressionFlag.MULTILINE in value.flags else "") + (
        "s" if SigmaRegularExpressionFlag.DOTALL in value.flags else ""
    )
    found: Operators = {"regex": f"(?{flags}){pattern}" if flags else pattern}
    if SigmaRegularExpressionFlag.IGNORECASE in value.flags:
        found["case_sensitive"] = False
    return found
