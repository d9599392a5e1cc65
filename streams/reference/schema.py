"""A JSON Schema (draft 2020-12) of a rule file, made of the tables that stand beside the parsers.

It accepts whatever the loader accepts, refuses unknown names and values of another type, and knows nothing of what
several values have to do with each other: that is `tocsin rules check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from streams.detect.edge import FIELD_OPTIONS
from streams.detect.registry import MODULES
from streams.model.severity import SEVERITIES, SEVERITY_WORDS
from streams.reference.operands import NUMBER, SCALAR, field_test
from streams.rules.active import DAYS, HOURS_PATTERN
from streams.rules.durations import PATTERN as DURATION
from streams.rules.option import Option
from streams.rules.parse import KEYS, PATTERNS
from streams.rules.problems import BlockErrors
from streams.rules.where import GROUP_OPTIONS

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def rule_schema() -> Schema:
    """The whole schema; the same at every call."""
    return {
        "$schema": DRAFT,
        "title": "A rule of Tocsin",
        "description": "Made by `tocsin rules reference --schema`. What it cannot tell, `tocsin rules check` does.",
        **_object(KEYS),
        "$defs": {
            "duration": {"type": "string", "pattern": DURATION},
            "where": _where(),
            "field": field_test(),
            "key": _key(),
            "severity": _severity(),
            "threshold": {"anyOf": [*NUMBER["anyOf"], _object(FIELD_OPTIONS)]},
            "kind": _kinds(),
            **{f"kind.{name}": _kind(name) for name in MODULES},
        },
    }


def takes_schema(option: Option) -> Schema:
    """What may stand where this option is. Raises KeyError for a word in ``takes`` that nobody taught it."""
    if option.takes.startswith("one of "):
        return _one_of(option.takes.removeprefix("one of ").split(", "))
    if option.takes in _BLOCKS:
        return _BLOCKS[option.takes](option.of)
    return dict(_PLAIN[option.takes])


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(options: Iterable[Option], *, more: bool = False) -> Schema:
    """A mapping with these names and, unless ``more``, no other."""
    chosen = tuple(options)
    schema: Schema = {"type": "object", "properties": {option.name: _described(option) for option in chosen}}
    if required := [option.name for option in chosen if option.default is None]:
        schema["required"] = required
    if not more:
        schema["additionalProperties"] = False
    return schema


def _described(option: Option) -> Schema:
    default = f" Default: {option.default}." if option.default else ""
    return {**takes_schema(option), "description": f"{option.meaning}.{default}"}


def _list(of: Schema, least: int = 1, **more: Any) -> Schema:
    return {"type": "array", "items": of, **({"minItems": least} if least else {}), **more}


def _one_of(words: list[str]) -> Schema:
    """An enumeration; ``p1 to p100`` in it is p with a number."""
    plain = [word for word in words if " to " not in word]
    ranges = [word.partition(" to ")[0].rstrip("0123456789") for word in words if " to " in word]
    choices: list[Schema] = [{"enum": [*plain, None] if "null" in plain else plain}]
    choices += ({"type": "string", "pattern": f"^{name}[0-9]+(\\.[0-9]+)?$"} for name in ranges)
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _kinds() -> Schema:
    return {
        "type": "object",
        "properties": {name: _ref(f"kind.{name}") for name in MODULES},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _kind(name: str) -> Schema:
    module = MODULES[name]
    schema = {**_object(module.OPTIONS), "description": " ".join((module.__doc__ or "").split("\n\n")[0].split())}
    try:
        module.parse({})
    except BlockErrors:
        return schema
    return {**schema, "type": ["object", "null"]}


def _where() -> Schema:
    return {
        "type": ["object", "null"],
        "properties": {option.name: _described(option) for option in GROUP_OPTIONS},
        "additionalProperties": _ref("field"),
    }


def _key() -> Schema:
    text = {"type": "string", "minLength": 1}
    named = {"type": "object", "additionalProperties": text, "minProperties": 1, "maxProperties": 1}
    return _list({"anyOf": [text, named]}, 0, uniqueItems=True)


def _severity() -> Schema:
    words = [severity.value for severity in SEVERITIES]
    others = [word.upper() for word in SEVERITY_WORDS if word not in words]
    word: Schema = {"anyOf": [{"enum": [*words, *others]}, {"pattern": _any_case(SEVERITY_WORDS), "type": "string"}]}
    ladder = {
        "type": "object",
        "properties": {word: {"type": "number"} for word in words},
        "propertyNames": {"pattern": _any_case(SEVERITY_WORDS)},
        "additionalProperties": {"type": "number"},
        "minProperties": 1,
    }
    return {"anyOf": [word, ladder]}


def _any_case(words: Iterable[str]) -> str:
    """A pattern for these words in any mixture of case, which the patterns of a schema have no flag for."""
    spelt = ("".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word) for word in words)
    return f"^(?:{'|'.join(spelt)})$"


def _cases(options: tuple[Option, ...]) -> Schema:
    case = {**_object(options), "anyOf": [{"required": ["expect"]}, {"required": ["never"]}]}
    return _list(case)


def _events(options: tuple[Option, ...]) -> Schema:
    return _list(_object(options, more=True))


def _moments(options: tuple[Option, ...]) -> Schema:
    return _list({**_object(options, more=True), "minProperties": 1}, 0)


_TEXT: Schema = {"type": "string"}

#: By the word in ``Option.takes``: what holds no options itself.
_PLAIN: Mapping[str, Schema] = {
    "amount": NUMBER,
    "condition": _ref("where"),
    "conditions": _list({"allOf": [_ref("where"), {"type": "object", "minProperties": 1}]}),
    "days": _list({"enum": list(DAYS)}),
    "duration": _ref("duration"),
    "field": {"type": "string", "minLength": 1},
    "fields": _list({"type": "string", "minLength": 1}, 0, uniqueItems=True),
    "flag": {"type": "boolean"},
    "hours": {"type": "string", "pattern": HOURS_PATTERN},
    "integer": {"type": "integer"},
    "key": _ref("key"),
    "kind": _ref("kind"),
    "lists": {"type": "object", "additionalProperties": _list(_TEXT, 0)},
    "mapping": {"type": "object"},
    "moment": _TEXT,
    "number": NUMBER,
    "severity": _ref("severity"),
    "template": _TEXT,
    "templates": {"type": "object", "additionalProperties": _TEXT},
    "text": _TEXT,
    "texts": _list(_TEXT, 0, uniqueItems=True),
    "threshold": _ref("threshold"),
    "value": SCALAR,
    "values": {"anyOf": [SCALAR, _list(SCALAR)]},
    "zone": _TEXT,
    **{word: {"type": "string", "pattern": pattern} for word, pattern in PATTERNS.items()},
}

#: Those that do.
_BLOCKS: Mapping[str, Callable[[tuple[Option, ...]], Schema]] = {
    "block": _object,
    "condition or step": lambda options: {"anyOf": [_object(options), _ref("where")]},
    "events": _events,
    "members": lambda options: _list(_object(options), 2),
    "moments": _moments,
    "step": _object,
    "steps": lambda options: _list(_object(options), 2),
    "ways": lambda options: _list(_object(options), 1),
    "tests": _cases,
}
