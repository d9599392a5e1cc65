"""Options as tables of the reference page: what each takes, its default, and the settings inside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from streams.reference.prose import marked, table
from streams.rules.option import Option

_LITERAL = re.compile(r"[\w.\[\]{}:-]+")
#: Defaults of one word that nobody would write.
_WORDS: Final = frozenset({"none", "any", "always"})

_TERMS: Final = {
    "amount": "number, or decimal text",
    "block": "settings",
    "condition": "[conditions](#where)",
    "condition or step": "[conditions](#where), or settings",
    "conditions": "list of [conditions](#where)",
    "days": "list of `mon` `tue` `wed` `thu` `fri` `sat` `sun`",
    "duration": "[duration](#durations-and-sizes)",
    "events": "list of events",
    "field": "field, or dot path",
    "fields": "list of fields",
    "flag": "`true` or `false`",
    "hours": 'such as `"18:00-08:00"`',
    "id": "text",
    "integer": "whole number",
    "key": "list of [fields and expressions](#group_by)",
    "kind": "[a kind](#kinds)",
    "lists": "names with lists of texts",
    "mapping": "mapping",
    "members": "list of settings",
    "moment": "moment, with its zone",
    "moments": "list of mappings",
    "number": "number",
    "series": "text",
    "severity": "[a word, or a ladder](#severity)",
    "size": "[size](#durations-and-sizes)",
    "source": "name of a source",
    "step": "settings",
    "steps": "list of settings",
    "ways": "list of settings",
    "template": "[template](#templates)",
    "templates": "names with [templates](#templates)",
    "tests": "[list of cases](#tests)",
    "text": "text",
    "texts": "list of texts",
    "threshold": "[threshold](#thresholds)",
    "value": "value",
    "values": "value, or list of values",
    "zone": "time zone",
}


def term(option: Option) -> str:
    """What an option takes, for people. Raises KeyError for a word that nobody explained."""
    if option.takes.startswith("one of "):
        words = option.takes.removeprefix("one of ").split(", ")
        return " ".join(" to ".join(f"`{end}`" for end in word.split(" to ")) for word in words)
    return _TERMS[option.takes]


def default(option: Option) -> str:
    """The default as a cell: code where it is what one would write, words where it is none of that."""
    if option.default is None:
        return "required"
    written = _LITERAL.fullmatch(option.default) and option.default not in _WORDS
    return f"`{option.default}`" if written else option.default


def options_table(options: Iterable[Option], *, tunable: frozenset[str] = frozenset()) -> Iterator[str]:
    """A table, then one for each option with settings inside. ``tunable``: those that are marked as such."""
    chosen = tuple(options)
    rows = (
        (
            f"`{option.name}`{' ⚙' if option.name in tunable else ''}",
            term(option),
            default(option),
            marked(option.meaning),
        )
        for option in chosen
    )
    yield from table(("name", "takes", "default", "meaning"), rows)
    inside: dict[tuple[Option, ...], list[str]] = {}
    for option in chosen:
        if option.of:
            inside.setdefault(option.of, []).append(f"`{option.name}`")
    for settings, names in inside.items():
        yield from ("", f"In {' and '.join(names)}:", "", *options_table(settings))
