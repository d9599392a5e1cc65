"""Values of fields as short text that tells them apart by type: ``1``, ``"1"`` and ``true`` are three."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from streams.detect.kinds.distinct import token
from streams.rules.block import Block, paths

#: Of a value that is kept to be shown to people, characters.
_SHOWN = 120
_TOKEN_LIMIT = 64
_MAX_FIELDS = 8

_encode = msgspec.json.Encoder(order="sorted").encode


def combined(values: tuple[Any, ...], *, absent: bool = False) -> str | None:
    """One token for the values together; None where one is missing or null, unless ``absent`` values count too."""
    tokens: list[str] = []
    for value in values:
        told = token(value)
        if told is None:
            if not absent:
                return None
            told = "n" if value is None else "u"
        tokens.append(told)
    if len(tokens) == 1:
        return tokens[0]
    text = "".join(f"{len(told)}:{told}" for told in tokens)
    return text if len(text) <= _TOKEN_LIMIT else "#" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def showable(value: Any) -> Any:
    """The value as state and metadata may keep it: itself where it is short; None where it is missing."""
    if value is msgspec.UNSET:
        return None
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    if isinstance(value, (list, dict)):
        text = _encode(value).decode()
        return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return value


def named(fields: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """What a person reads: the value of a single field, ``a=1, b=2`` for several."""
    if len(values) == 1:
        return showable(values[0])
    return ", ".join(f"{field}={showable(value)}" for field, value in zip(fields, values, strict=True))


def field_or_fields(read: Block) -> tuple[str, ...]:
    """The options ``field`` and ``fields`` of a block, of which there must be one; problems are noted there."""
    if read.has("field") == read.has("fields"):
        read.problem("", "takes either 'field' or 'fields'")
        return ()
    if read.has("field"):
        return (read.path("field"),)
    chosen: tuple[str, ...] | None = read.read("fields", paths)
    if chosen is not None and not 1 <= len(chosen) <= _MAX_FIELDS:
        read.problem("fields", f"takes one to {_MAX_FIELDS} fields, not {len(chosen)}")
    return chosen or ()
