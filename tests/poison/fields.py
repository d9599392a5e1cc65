"""JSON objects with something odd in them: some are events all the same, some are none."""

from __future__ import annotations

import json

from tests.poison.corpus import AT, Corpus, largest_value, padded


def numbers(c: Corpus) -> None:
    for name, value in {
        "256-bit": str(2**256 - 1).encode(), "minus-256-bit": str(-(2**255)).encode(),
        "64-bit": b"18446744073709551615",
        "65-bit": b"18446744073709551616", "minus-64-bit": b"-9223372036854775809", "1e999": b"1e999",
        "minus-1e999": b"-1e999",
        "1e-999": b"1e-999", "huge-exponent": b"1e" + b"9" * 400, "zero-huge-exponent": b"0e" + b"9" * 400,
        "minus-zero": b"-0",
        "minus-zero-point": b"-0.0", "long-fraction": b"0." + b"1" * 5_000, "4300-digits": b"9" * 4_300,
        "4301-digits": b"9" * 4_301,
        "hundred-thousand-digits": b"7" * 100_000, "largest-double": b"1.7976931348623157e308",
        "smallest-double": b"5e-324",
        "beyond-double": b"1.8e308", "capital-exponent": b"1E5", "many-in-a-list": b"[" + b"1e999," * 2_000 + b"1]",
        "boolean": b"true",
    }.items():  # fmt: skip
        c.spoilt(f"number-{name}", value, "odd but valid", good=True)


def depth(c: Corpus) -> None:
    def nested(depth: int, opening: bytes, inner: bytes, closing: bytes) -> bytes:
        return opening * depth + inner + closing * depth

    for name, parts in {
        "arrays": (b"[", b"", b"]"),
        "objects": (b'{"a":', b"1", b"}"),
        "mixed": (b'[{"a":', b"1", b"}]"),
    }.items():
        levels = len(parts[0].replace(b'"a":', b""))
        c.spoilt(f"depth-255-{name}", nested(254 // levels, *parts), "as deep as may be", good=True)
        for depth in (300, 1_000, 100_000):
            c.spoilt(f"depth-{depth}-{name}", nested(depth, *parts), f"nested {depth} deep")
    c.spoilt("depth-unclosed", b"[" * 100_000, "nested 100,000 deep and never closed")
    c.spoilt("depth-256-exactly", nested(255, b"[", b"", b"]"), "as deep as may be", good=True)
    c.spoilt("depth-257-exactly", nested(256, b"[", b"", b"]"), "one level too deep")
    c.bad("depth-top-array", b"[" * 100_000, "nested 100,000 deep")
    c.bad("depth-top-object", nested(100_000, b'{"a":', b"1", b"}"), "nested 100,000 deep")


def times(c: Corpus) -> None:
    far = 4_070_908_800_000  # 2099
    for name, value in {
        "true": True, "false": False, "word": "yesterday", "empty": "", "blank": " ", "date": "2024-05-01",
        "no-offset": "2024-05-01T12:00:00",
        "no-such-day": "2024-02-30T12:00:00Z", "hour-25": "2024-05-01T25:00:00Z", "minus-one": -1, "minus-text": "-1",
        "digits-as-text": str(AT),
        "microseconds": AT * 1000, "nanoseconds": AT * 1_000_000, "256-bit": 2**256, "1e300": 1e300, "array": [AT],
        "object": {"$date": AT},
        "nan-text": "NaN", "year-1969": "1969-12-31T23:59:59Z", "year-10000": 253_402_300_800_000,
        "year-0": "0000-01-01T00:00:00Z", "null-text": "null",
    }.items():  # fmt: skip
        c.bad(
            f"time-{name}", c.bytes_of(f"time-{name}", event_time=value), "event_time is no time between 1970 and 9999"
        )
    c.bad(
        "time-1e999", c.bytes_of("time-1e999", event_time="@@").replace(b'"@@"', b"1e999"), "event_time beyond a double"
    )
    stamp = "2024-05-01T12:00:00"
    for name, value in {
        "missing": ..., "null": None, "zero": 0, "1970": 1, "float": float(c.at), "half-millisecond": c.at + 0.5,
        "utc": f"{stamp}Z",
        "offset": "2024-05-01T14:00:00+02:00", "fraction": f"{stamp}.123456Z", "year-2099": far,
        "year-2099-text": "2099-01-01T00:00:00Z",
        "year-9999": 253_402_300_799_999, "hour-ahead": c.at + 3_600_000, "hour-behind": c.at - 3_600_000,
        "years-behind": c.at - 10**11,
    }.items():  # fmt: skip
        c.good(
            f"time-{name}", c.bytes_of(f"time-{name}", event_time=value), "an odd time; nothing else becomes late of it"
        )
    raw = c.bytes_of("time-exponent", event_time="@@").replace(b'"@@"', b"1.7145648e12")
    c.good("time-exponent", raw, "ms with an exponent")


def names(c: Corpus) -> None:
    for name, value in {
        "number": 5,
        "true": True,
        "array": ["acme"],
        "object": {"id": 1},
        "star": "*",
        "201": "t" * 201,
        "fraction": 1.5,
    }.items():
        c.bad(f"tenant-{name}", c.bytes_of(f"tenant-{name}", tenant=value), "tenant is no name, or a reserved one")
    for name, value in {
        "missing": ...,
        "null": None,
        "empty": "",
        "200": "t" * 200,
        "slash": "a/b",
        "unicode": "tenant-é☃",
        "nul": "a\0b",
        "quote": '"]',
    }.items():
        c.good(f"tenant-{name}", c.bytes_of(f"tenant-{name}", tenant=value), "an odd tenant, or the default one")
    for name, value in {"true": True, "fraction": 1.5, "array": ["x"], "object": {"$oid": "x"}}.items():
        c.bad(f"id-{name}", c.bytes_of(f"id-{name}", event_id=value), "event_id is neither text nor a whole number")
    odd_ids = {
        "missing": ...,
        "null": None,
        "empty": "",
        "zero": 0,
        "minus": -5,
        "256-bit": 2**256 - 1,
        "nul": "\0",
        "long": "i" * 10_000,
    }
    for name, value in odd_ids.items():
        c.good(f"id-{name}", c.bytes_of(f"id-{name}", event_id=value), "an odd event_id")


def keys(c: Corpus) -> None:
    for name, value in {
        "array": ["mallory"],
        "object": {"name": "mallory"},
        "empty-array": [],
        "deep": [[[{}]]],
        "null": None,
        "missing": ...,
    }.items():
        c.good(
            f"actor-{name}",
            c.bytes_of(f"actor-{name}", actor=value),
            "no key for rules that group by actor",
            fires=False,
        )
    odd = {
        "empty": "", "number": 5, "number-text": "5", "fraction": 5.5, "true": True, "true-text": "true",
        "256-bit": 2**256, "nul": "\0",
        "long": "a" * 50_000, "very-long": "b" * 600_000, "json": '["b",true]', "separator": "a|b\x1fc",
        "unicode": "ａｄａ", "braces": "{actor}",
    }  # fmt: skip
    for name, value in odd.items():
        c.good(f"actor-{name}", c.bytes_of(f"actor-{name}", actor=value), "an odd key of its own")
    for name, value in {
        "array": ["poison"],
        "object": {"poison": 1},
        "number": 5,
        "null": None,
        "missing": ...,
        "upper": "POISON",
        "blank": " poison",
    }.items():
        c.good(f"type-{name}", c.bytes_of(f"type-{name}", type=value), "no rule asks for this type", fires=False)
    for field in ("action", "outcome", "source_ip", "source"):
        for name, value in {"array": [], "object": {}, "null": None, "number": 0, "nested": [{"a": [1]}]}.items():
            key = f"{field}-{name}"
            c.good(key, c.bytes_of(key, **{field: value}), "a field that other rules ask for, mistyped")


def shapes(c: Corpus) -> None:
    c.good("nothing", b"{}", "an object without fields", fires=False)
    c.good("strange-object", b'{"a":{"b":[]}}', "no field of the envelope", fires=False)

    def with_extra(name: str, extra: bytes, why: str, fires: bool = True) -> None:
        c.good(name, c.bytes_of(name, **{"@@": 1}).replace(b'"@@": 1', extra), why, fires)

    with_extra("twice-type-last-counts", b'"type": "other"', "a repeated name: the last value counts", fires=False)
    with_extra("twice-same", b'"type": "poison"', "a repeated name")
    with_extra("twice-actor", b'"actor": "eve"', "a repeated name: the last value counts")
    with_extra("twice-skipped", b'"x": 1, "x": {"y": 2}', "a repeated name")
    with_extra("twice-time", b'"event_time": %d' % c.at, "a repeated name")
    with_extra("twice-escaped", b'"t\\u0079pe": "other"', "a repeated name, once in escapes", fires=False)
    with_extra("empty-name", b'"": 1', "an empty name")
    with_extra("dotted-name", b'"actor.name": 1, "a.b.c": {"d.e": 2}', "names with dots")
    with_extra(
        "dunder-names",
        b'"__proto__": {}, "__class__": 1, "__dict__": {}, "constructor": 2',
        "names that mean something elsewhere",
    )
    with_extra("long-name", b'"' + b"n" * 100_000 + b'": 1', "a name of 100,000 bytes")
    with_extra("many-fields", b", ".join(b'"f%d": %d' % (n, n) for n in range(10_000)), "10,000 fields")
    with_extra("many-items", b'"list": [' + b"0," * 100_000 + b"0]", "100,000 items")
    with_extra("control-names", b'"\\u0000": 1, "\\n": 2', "names of control characters")
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in "poison")
    raw = c.bytes_of("escaped", type="@@").replace(b"@@", escaped.encode()).replace(b'"actor"', b'"\\u0061ctor"')
    c.good("escaped", raw, "the same event, written in escapes")
    event = json.loads(c.bytes_of("layout"))
    c.good(
        "layout-spread",
        json.dumps({**event, "event_id": f"{c.prefix}-layout-spread"}, indent=8).encode(),
        "spread over lines",
    )
    c.good("layout-blanks", b" \t\r\n" * 500 + c.bytes_of("layout-blanks") + b"\r\n" * 500, "blanks around it")
    backwards = dict(reversed({**event, "event_id": f"{c.prefix}-layout-backwards"}.items()))
    c.good("layout-backwards", json.dumps(backwards).encode(), "fields in another order")


def sizes(c: Corpus) -> None:
    largest = largest_value(None)
    edges = (700_000, 990_000, 1_000_000)  # of a dead letter's value, of an output, of librdkafka's own default
    for size in (*(edge + off for edge in edges for off in (-1, 0, 1)), largest - 40, largest - 1, largest):
        c.good(f"size-{size}", padded(c, f"size-{size}", size), f"{size} bytes, of at most {largest}")
        if abs(size - edges[0]) <= 1 or size == largest:
            name = f"size-{size}-broken"
            c.bad(name, padded(c, name, size)[:-1] + b"]", f"malformed, and {size} bytes long")
