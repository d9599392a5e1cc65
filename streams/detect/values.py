"""Values of events as short text that tells them apart: typed, so that ``1``, ``"1"`` and ``true`` are three."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

_VALUE_LIMIT = 64

_canonical = msgspec.json.Encoder(order="sorted")


def token(value: Any) -> str | None:
    """A value as a short typed string; None for null and missing. Integral floats are integers."""
    if value is None or value is msgspec.UNSET:
        return None
    if isinstance(value, str):
        text = "s" + value
    elif isinstance(value, float) and value.is_integer():
        text = f"j{int(value)}"
    else:
        text = "j" + _canonical.encode(value).decode()
    if len(text) <= _VALUE_LIMIT and text.isascii() and text.isprintable():
        return text
    return "#" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def digest(token: str) -> str:
    """64 bits of a token as eleven letters: of ten thousand, two are the same once in 10¹¹ tries."""
    return base64.urlsafe_b64encode(hashlib.blake2b(token.encode(), digest_size=8).digest())[:11].decode()
