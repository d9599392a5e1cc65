"""The full decode of an event: one reading of JSON for the plain interpreter, the mappings and what fires.

A payload is refused for the same reasons wherever and whenever it is read, whatever the reader needs of it.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

#: Objects and arrays inside each other. Below what any call stack of ours leaves, so that a live worker and a replay
#: refuse the same payloads. No payload of ``UNCHECKED`` bytes or less can close more than this.
MAX_DEPTH = 256
UNCHECKED = 2 * MAX_DEPTH

INT_MIN, INT_MAX = -(2**63), 2**64 - 1  #: integers outside become decimal strings

_decoder = msgspec.json.Decoder(dict[str, Any])
# Whether nineteen digits stand in a row, six times faster than by a regular expression.
_DIGITS = bytes(ord("0") if byte in b"0123456789" else 0 for byte in range(256))
_LONG = b"0" * 19
# Never fails once it began (a string without an end runs to the end), so that hostile input stays linear.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+["\\]?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
_STRING_OR_NUMBER = re.compile(_STRING.pattern + rb"|" + _NUMBER, re.DOTALL)
_VALUE_ENDS = re.compile(rb"[ \t\r\n]*[,\]}]")
_MAX_DIGITS = 4_300  # of an integer: what Python converts


def check_depth(raw: bytes, deepest: int = MAX_DEPTH) -> None:
    """Raise ``msgspec.DecodeError`` (a ValueError) where objects and arrays nest deeper. Free for ordinary events."""
    if len(raw) <= UNCHECKED or raw.count(b"{") + raw.count(b"[") <= deepest:
        return
    depth = 0
    for bracket in _STRING.sub(b"", raw).translate(None, _NOT_BRACKETS):
        if bracket in b"{[":
            depth += 1
            if depth > deepest:
                raise msgspec.DecodeError(f"nested deeper than {deepest} levels")
        else:
            depth -= 1


def big_to_text(value: Any) -> Any:
    """Integers beyond 64 bits inside ``value`` as decimal strings, in place (a bare integer: returned)."""
    if type(value) is int:
        return value if INT_MIN <= value <= INT_MAX else str(value)
    waiting = [value]
    while waiting:
        node = waiting.pop()
        for at, item in node.items() if type(node) is dict else enumerate(node) if type(node) is list else ():
            if type(item) is int:
                if not INT_MIN <= item <= INT_MAX:
                    node[at] = str(item)
            elif type(item) is dict or type(item) is list:
                waiting.append(item)
    return value


def _quote_unfit(token: re.Match[bytes]) -> bytes:
    text = token[0]
    if text[0] == 0x22 or (text.lstrip(b"-").isdigit() and len(text) <= _MAX_DIGITS) or math.isfinite(float(text)):
        return text
    return b'"' + text + b'"' if _VALUE_ENDS.match(token.string, token.end()) else text


def decode_full(raw: bytes) -> dict[str, Any]:
    """The payload as an object. All of it is checked: UTF-8, syntax and depth.

    Numbers beyond 64 bits (larger integers, ``1e999``) become strings, as they were written, so that what is refused
    never depends on the fields somebody reads; of duplicate keys the last one counts. Raises ValueError
    (``msgspec.DecodeError`` and ``UnicodeDecodeError`` are such) with a message for people, or RecursionError on a
    nearly full call stack.
    """
    check_depth(raw)
    try:
        value = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        if "out of range" not in str(error):
            raise
        value = _decoder.decode(_STRING_OR_NUMBER.sub(_quote_unfit, raw))
    if _LONG in raw.translate(_DIGITS):
        big_to_text(value)
    return value
