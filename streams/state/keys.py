"""Changelog keys: canonical JSON arrays, typed, so that ``1``, ``"1"`` and ``true`` never share a state.

["row", "<rule id>@<version>", "<tenant>", ["ada", ["i", 5]]]     the state of one key of one rule
["rule", "<rule id>@<version>"]                                   what is remembered of the rule itself
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from streams.errors import StateMismatch
from streams.rules.program import Key, KeyPart

#: Keys that are longer in the changelog are ``bounded``: nobody may write a megabyte into every state record.
MAX_KEY = 1_024
_MAX_PART = 200

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


def bounded(key: Key) -> Key:
    """The key with its long parts cut, each with a digest of the whole part."""
    return tuple(_bounded(part) for part in key)


def _bounded(part: KeyPart) -> KeyPart:
    if isinstance(part, str) and len(part) > _MAX_PART:
        digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{part[:_MAX_PART]}…#{digest}"
    return part


def values_of(key: Key) -> tuple[Any, ...]:
    """The JSON values a key was made of."""
    return tuple(part if isinstance(part, str) else part[1] for part in key)


def key_of(parts: list[Any]) -> Key:
    """A key again from the parts that JSON brought. Raises ValueError."""
    return tuple(_part(part) for part in parts)


def _part(part: Any) -> KeyPart:
    if isinstance(part, str):
        return part
    if isinstance(part, list) and len(part) == 2 and part[0] in ("i", "f", "b", "n"):
        return part[0], part[1]
    raise ValueError(f"not a part of a key: {part!r}")


def row_head(ref: str) -> bytes:
    """What the changelog keys of one rule's states begin with."""
    return _encode(["row", ref])[:-1] + b","


def row_tail(tenant: str, key: Key) -> bytes:
    """What follows; it is also the key of the state in memory: compact, hashable, and ordered."""
    return _encode([tenant, key])[1:]


def rule_key(ref: str) -> bytes:
    """The changelog key of what is remembered of a rule."""
    return _encode(["rule", ref])


def parse(key: bytes) -> tuple[str, str, bytes]:
    """Table, rule and, for a row, its tail. Raises StateMismatch for a key that this program did not write."""
    try:
        parts = _decode(key)
        if len(parts) == 4 and parts[0] == "row":
            return "row", str(parts[1]), _encode(parts[2:])[1:]
        if len(parts) == 2 and parts[0] == "rule":
            return "rule", str(parts[1]), b""
    except ValueError:
        pass
    raise StateMismatch(f"the changelog holds a key that is none of ours: {key[:80]!r}",
                        "it was written by a newer version, or the changelog topic is shared")  # fmt: skip
