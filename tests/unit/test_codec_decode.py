"""One reading of JSON: what is refused and what a number becomes, wherever it stands in the payload."""

from __future__ import annotations

import time
from typing import Any

import pytest

from streams.model.decode import MAX_DEPTH, decode_full

BIG = 2**256 - 1


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"18446744073709551615", 2**64 - 1),  # the last integer that stays one
        (b"18446744073709551616", "18446744073709551616"),
        (b"-9223372036854775808", -(2**63)),
        (b"-9223372036854775809", "-9223372036854775809"),
        (str(BIG).encode(), str(BIG)),
        (b"1" * 4_400, "1" * 4_400),  # longer than Python converts
        (b"1e999", "1e999"),
        (b"-1e400", "-1e400"),
        (b'[1e999, {"x": [18446744073709551616]}]', ["1e999", {"x": ["18446744073709551616"]}]),
        (b'["1e999", 1e999]', ["1e999", "1e999"]),
        (b"1e-999", 0.0),
        (b"1e5", 100000.0),
        (b"-0", 0),
        (b"true", True),
        (b'"00000000000000000000000"', "00000000000000000000000"),
        (b'"\\u0000\\ud83d\\ude00"', "\x00😀"),
        (b'1, "a": 2', 2),  # of duplicate keys the last one
    ],
)
def test_what_a_value_becomes(raw: bytes, value: Any) -> None:
    got = decode_full(b'{"a":' + raw + b"}")["a"]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"null", b"[]", b"1", b'"{}"', b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1}}', b"{'a':1}",
        b'{"a":1,}',
        b'{"a":NaN}', b'{"a":Infinity}', b'{"a":01}', b'{"a":+1}', b'{"a":1.}', b'{"a":.5}', b'{"a":0x1}', b'{"a":1e}',
        b'{"a":1e999x}', b"{1e999:1}", b'{"a":tru}', b'{"a":"\x01"}', b'{"a":"\\x"}', b'{"a":"\\ud800"}',
        b'{"a":"\xff"}', b'{"\xff":1}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"), b'{"a":1}\x00', b"\x00",
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        decode_full(raw)
    assert str(caught.value)


def nest(depth: int, opening: bytes = b'{"a":', inner: bytes = b"1", closing: bytes = b"}") -> bytes:
    return opening * depth + inner + closing * depth


def test_depth_is_limited_whatever_the_call_stack() -> None:
    decode_full(nest(MAX_DEPTH))
    with pytest.raises(ValueError, match="nested deeper than 256 levels"):
        decode_full(nest(MAX_DEPTH + 1))
    with pytest.raises(ValueError, match="nested deeper"):
        decode_full(b'{"a":' + nest(MAX_DEPTH, b"[", b"", b"]") + b"}")

    def deep_down(frames: int) -> dict[str, Any]:
        return deep_down(frames - 1) if frames else decode_full(nest(MAX_DEPTH))

    assert deep_down(400) == decode_full(nest(MAX_DEPTH))


def test_brackets_in_strings_are_no_depth() -> None:
    text = '\\"' + "[{" * 5_000
    assert decode_full(b'{"a":"' + text.encode() + b'","b":[' + b"[]," * 5_000 + b"1]}")["a"] == '"' + "[{" * 5_000


@pytest.mark.parametrize(
    "raw",
    [
        b'"' + b'\\"' * 500_000,
        b'{"a":"' + b"[" * 1_000_000,
        b"[" * 1_000_000,
        b'{"a":[' + b"[]," * 330_000 + b"1]}",
        b'{"a":[' + b"1e999," * 160_000 + b"1]}",
        b'{"a":' + b"1" * 1_000_000 + b"}",
        b'{"a":[' + (b"9" * 4_300 + b",") * 230 + b"1]}",
    ],
)
def test_hostile_payloads_of_a_megabyte_end_in_linear_time(raw: bytes) -> None:
    began = time.process_time()
    try:
        decode_full(raw)
    except ValueError:
        pass
    assert time.process_time() - began < 3  # some 0.2 s; quadratic time would be minutes
