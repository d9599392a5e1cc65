"""Keys in memory and in the changelog: typed parts, canonical JSON, bounded."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from streams.errors import StateMismatch
from streams.rules.program import Key, KeyPart

#: Keys with more characters are ``bounded``: nobody may write a megabyte into every state record.
MAX_KEY = 900
_MAX_PART = 200

#: What stands for a key in a table: its only part where that is text, else all of them.
Row = str | Key

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


def too_long(key: Key) -> bool:
    """Whether a key has to be ``bounded``."""
    return sum(len(part) for part in key if part.__class__ is str) > MAX_KEY


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
    return tuple(part if part.__class__ is str else _part(part) for part in parts)


def _part(part: Any) -> KeyPart:
    if isinstance(part, list) and len(part) == 2 and part[0] in ("i", "f", "b", "n"):
        return part[0], part[1]
    raise ValueError(f"not a part of a key: {part!r}")


def row_head(ref: str, tenant: str) -> bytes:
    """What the changelog keys of one tenant's states of a rule begin with."""
    return _encode(["row", ref, tenant])[:-1] + b","


def row_tail(row: Row) -> bytes:
    """What follows; also an order of rows that does not depend on how they came."""
    return b"[" + _encode(row) + b"]]" if row.__class__ is str else _encode(row) + b"]"


def only_text(key: bytes, head: int) -> str | None:
    """The row in a changelog key, of which ``head`` bytes are known, where it is plain text; None: ``parse`` it."""
    body = key[head + 1 : -2]
    if body[:1] != b'"' or body[-1:] != b'"' or body.count(b'"') != 2 or b"\\" in body or len(body) < 2:
        return None
    return body[1:-1].decode()


def row_of(key: Key) -> Row:
    """What stands for a key in a table."""
    return key[0] if len(key) == 1 and key[0].__class__ is str else key


def key_at(row: Row) -> Key:
    """The key for which a row stands."""
    return (row,) if isinstance(row, str) else row


def rule_key(ref: str) -> bytes:
    """The changelog key of what is remembered of a rule."""
    return _encode(["rule", ref])


def parse(key: bytes) -> tuple[str, str, str, Row]:
    """Table, rule and, for a row, tenant and row. Raises StateMismatch for a key that this program did not write."""
    try:
        parts = _decode(key)
        if len(parts) == 4 and parts[0] == "row":
            return "row", parts[1], parts[2], row_of(key_of(parts[3]))
        if len(parts) == 2 and parts[0] == "rule":
            return "rule", str(parts[1]), "", ()
    except (ValueError, TypeError):
        pass
    raise StateMismatch(f"the changelog holds a key that is none of ours: {key[:80]!r}",
                        "it was written by a newer version, or the changelog topic is shared")  # fmt: skip
