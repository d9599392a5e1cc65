"""Payloads that are no event at all: absent, foreign, malformed, cut, or in another encoding."""

from __future__ import annotations

import gzip
import json
import zlib

from tests.poison.corpus import Corpus, padded


def absent(c: Corpus) -> None:
    c.bad("tombstone", None, "no value where an event was expected")
    c.bad("empty", b"", "no bytes")
    for name, raw in (("blank", b" "), ("newlines", b"\r\n\r\n"), ("nul", b"\0"), ("nuls", b"\0" * 390)):
        c.bad(name, raw, "no JSON")
    c.bad("blanks-megabyte", b" " * 1_000_000, "no JSON")


def foreign(c: Corpus) -> None:
    event = c.bytes_of("foreign")
    for name, raw in {
        "null": b"null", "true": b"true", "false": b"false", "integer": b"17", "negative": b"-1", "fraction": b"1.5",
        "text": b'"login"', "array": b"[]", "array-of-event": b"[" + event + b"]",
        "array-of-pairs": b'[["type","poison"]]',
        "event-as-text": json.dumps(event.decode()).encode(),
    }.items():  # fmt: skip
        c.bad(f"top-{name}", raw, "JSON, but no object")
    for name, raw in {
        "two-events": event + event, "two-lines": event + b"\n" + event, "comma-after": event + b",",
        "brace-after": event + b"}", "nul-after": event + b"\0", "word-after": event + b" end",
        "comma-before": b"," + event,
        "word-before": b"event: " + event, "length-before": len(event).to_bytes(4, "big") + event,
        "registry-magic": b"\0\0\0\0\7" + event, "json-sequence": b"\x1e" + event, "xssi-guard": b")]}'\n" + event,
        "xml": b"<event><type>poison</type></event>", "yaml": b"type: poison\nactor: mallory\n",
        "csv": b"type,actor\npoison,mallory\n", "query": b"type=poison&actor=mallory",
        "html": b"<!doctype html><h1>502</h1>",
        "syslog": b"<34>1 2024-05-01T12:00:00Z host login - - - failed",
        "cef": b"CEF:0|a|b|1|100|login|5|suser=mallory",
        "gzip": gzip.compress(event, mtime=0), "zlib": zlib.compress(event),
        "messagepack": b"\x82\xa4type\xa6poison\xa1a\x01",
        "protobuf": b"\x0a\x06poison\x12\x07mallory\x18\x01", "avro": b"Obj\x01\x04\x14avro.codec\x08null",
        "png": b"\x89PNG\r\n\x1a\n",
        "pickle": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x94.", "elf": b"\x7fELF\x02\x01\x01",
        "random": c.rng.randbytes(390),
        "python": b"{'type': 'poison', 'mfa': False}", "json5": b"{type: 'poison', /* why */ actor: 'mallory',}",
    }.items():  # fmt: skip
        c.bad(f"foreign-{name}", raw, "no JSON, or more than one")


def syntax(c: Corpus) -> None:
    for name, value in {
        "none": b"", "nan": b"NaN", "infinity": b"Infinity", "minus-infinity": b"-Infinity", "undefined": b"undefined",
        "python-true": b"True", "capital-null": b"NULL", "cut-true": b"tru", "cut-null": b"nul",
        "long-false": b"falsee",
        "plus": b"+1", "leading-zero": b"01", "minus-zero-one": b"-01", "minus": b"-", "bare-dot": b".5",
        "dot-end": b"1.",
        "empty-exponent": b"1e", "signed-exponent": b"1e+", "two-dots": b"1.2.3", "hexadecimal": b"0x1F",
        "underscore": b"1_000",
        "arabic-digit": "٣".encode(), "single-quotes": b"'x'", "no-end-quote": b'"x', "newline-in-text": b'"a\nb"',
        "tab-in-text": b'"a\tb"', "nul-in-text": b'"a\0b"', "control-in-text": b'"a\x1fb"', "bad-escape": b'"\\x41"',
        "octal-escape": b'"\\101"', "cut-escape": b'"\\u12"', "wrong-escape": b'"\\u12G4"', "lone-high": b'"\\ud800"',
        "lone-low": b'"\\udc00"', "swapped-pair": b'"\\udc00\\ud800"', "high-then-text": b'"\\ud800x"',
        "high-then-escape": b'"\\ud800\\n"', "two-highs": b'"\\ud800\\ud800"', "open-array": b"[1, 2",
        "open-object": b'{"a": 1',
        "comma-in-array": b"[1, 2,]", "comma-first": b"[,1]", "no-comma": b"[1 2]", "colon-in-array": b'["a": 1]',
        "no-colon": b'{"a" 1}', "two-colons": b'{"a":: 1}', "key-without-value": b'{"a"}', "unquoted-key": b"{a: 1}",
        "number-key": b"{1: 2}", "null-key": b"{null: 2}", "wrong-bracket": b"[1}", "comment": b"1 // one",
        "block-comment": b"/**/ 1",
        "vertical-tab": b"\x0b1", "form-feed": b"\x0c1", "no-break-space": "\u00a01".encode(),
        "line-separator": "\u20281".encode(),
        "template": b"{{ value }}", "regex": b"/a/", "date": b"2024-05-01", "function": b"alert(1)", "bytes": b"b'x'",
    }.items():  # fmt: skip
        c.spoilt(f"syntax-{name}", value, "malformed JSON")


def truncated(c: Corpus) -> None:
    whole = c.bytes_of("cut")
    for name, after in {
        "brace": b"{", "key-quote": b'{"', "in-key": b'{"even', "key": b'{"event_id"', "colon": b'{"event_id":',
        "in-text": b'"poison-', "text": b'"mallory"', "comma": b'"mallory",', "in-number": str(c.at)[:6].encode(),
        "in-word": b'"mfa": fal', "in-null": b"2.5, nu", "in-escape": b'"x\\', "in-fraction": b"[1, 2.",
        "array": b'"attempts": [',
        "array-comma": b"[1,", "nested-brace": b'"geo": {', "nested-colon": b'"country":', "nested-end": b'"NL"}',
        "in-two-bytes": b'"note": "\xc3', "in-three-bytes": "é".encode() + b"\xe2\x98",
        "in-four-bytes": "☃".encode() + b"\xf0\x9f\x98",
    }.items():  # fmt: skip
        c.bad(f"cut-after-{name}", whole[: whole.index(after) + len(after)], "ends in the middle")
    c.bad("cut-last-byte", whole[:-1], "the last byte is missing")
    c.bad("cut-first-byte", whole[1:], "the first byte is missing")
    for number, end in enumerate(sorted(c.rng.sample(range(1, len(whole)), 12))):
        c.bad(f"cut-anywhere-{number}", whole[:end], f"only {end} of {len(whole)} bytes")
    large = padded(c, "cut-large", 200_000)
    c.bad("cut-large", large[: c.rng.randrange(1_000, 199_000)], "a large event that ends in the middle")


def text(c: Corpus) -> None:
    event = c.bytes_of("encoding")
    for name, raw in {
        "bom": b"\xef\xbb\xbf" + event, "utf-16": event.decode().encode("utf-16"),
        "utf-16-le": event.decode().encode("utf-16-le"),
        "utf-16-be": event.decode().encode("utf-16-be"), "utf-32": event.decode().encode("utf-32"),
        "utf-7": b"+AHs-" + event[1:], "ebcdic": json.dumps({"type": "poison"}).encode("cp500"),
    }.items():  # fmt: skip
        c.bad(f"encoding-{name}", raw, "not UTF-8, or with a byte order mark")
    for name, value in {
        "latin-1": b"caf\xe9", "windows": b"\x93x\x94", "lone-continuation": b"\x80", "cut-sequence": b"\xe2\x98",
        "overlong-slash": b"\xc0\xaf", "overlong-nul": b"\xc0\x80", "surrogate": b"\xed\xa0\x80",
        "cesu-pair": b"\xed\xa0\xbd\xed\xb8\x80",
        "beyond-unicode": b"\xf4\x90\x80\x80", "five-bytes": b"\xf8\x88\x80\x80\x80", "fe": b"\xfe", "ff": b"\xff",
    }.items():  # fmt: skip
        c.spoilt(f"utf8-{name}", b'"' + value + b'"', "invalid UTF-8")
        raw = c.bytes_of(f"utf8-{name}-name", **{"@@": 1}).replace(b"@@", value)
        c.bad(f"utf8-{name}-name", raw, "invalid UTF-8, in a field's name")
    for name, value in {
        "empty": b'""', "escaped-nul": b'"a\\u0000b"', "escaped-controls": b'"\\b\\f\\n\\r\\t\\u001f\\u007f"',
        "delete": b'"\x7f"',
        "pair": b'"\\ud83d\\ude00"', "noncharacter": '"\uffff\ufdd0"'.encode(), "last": '"\U0010ffff"'.encode(),
        "right-to-left": '"\u202egnp.exe"'.encode(), "zero-width": '"a\u200bb\ufeff"'.encode(),
        "combining": ('"' + "e" + "\u0301" * 500 + '"').encode(),
        "solidus": b'"\\/"', "sql": b'"\'; drop table alerts; --"', "html": b'"<script>alert(1)</script>"',
        "format": b'"{0.__class__} %s %n ${jndi:x}"',
        "template": b'"{actor}{count}{{}}"', "path": b'"../../etc/passwd"', "ansi": b'"\\u001b[2J\\u001b[31m"',
        "crlf": b'"a\\r\\nX-Header: b"',
        "hundred-kilobytes": b'"' + b"x" * 100_000 + b'"', "quotes": b'"' + b'\\"' * 5_000 + b'"',
        "brackets": b'"' + b"[{" * 5_000 + b'"',
    }.items():  # fmt: skip
        c.spoilt(f"text-{name}", value, "odd but valid text", good=True)
