"""The compiled program does to any bytes exactly what the plain one does: decode or refuse, match, key, values."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.detect.registry import KINDS
from streams.model import Source
from streams.model.decode import decode_full
from streams.rules.compiled import compiled
from streams.rules.indicators import bound_to, named_list
from streams.rules.lists import bind
from streams.rules.never import why_never
from streams.rules.parse import parse_rule
from streams.rules.plain import plain
from streams.rules.problems import BlockErrors
from streams.rules.rule import Rule, RuleSet
from streams.rules.values import normal, read
from streams.rules.where import parse_where

#: Few names, so that rules and events meet; among them parents of others, and Python's own words.
PATHS = (
    "action",
    "outcome",
    "actor",
    "user",
    "user.id",
    "user.org.id",
    "user.org",
    "class",
    "f0",
    "event_id",
    "tenant.x",
    "n",
)
NAMES = (
    "action",
    "outcome",
    "actor",
    "user",
    "id",
    "org",
    "class",
    "f0",
    "event_id",
    "event_time",
    "tenant",
    "x",
    "n",
    "é",
)
TEXTS = (
    "login",
    "Login",
    "failure",
    "",
    "1",
    "true",
    "10.1.2.3",
    "::ffff:10.1.2.3",
    "2001:DB8::1:2",
    "Ada@Mail.D.Example.",
    "https://u:p@[2001:db8::1]:8443/@x",
    "mail.D.example",
    "ß",
    "STRASSE",
    str(2**64),
    str(-(2**63) - 1),
    "3402",
    "1e999",
    "0.5",
    "-7",
    '"\\{}',
    "null",
)
NUMBERS = (0, 1, -1, 1.0, 1.5, -0.0, 2**53, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**200, 1e300, 3402)
SCALARS = (*TEXTS, *NUMBERS, True, False, None)

scalars = st.sampled_from(SCALARS)
texts = st.sampled_from(TEXTS)


def _modified(condition: st.SearchStrategy[dict[str, Any]], *names: str) -> st.SearchStrategy[dict[str, Any]]:
    modifiers = st.fixed_dictionaries({}, optional={name: st.booleans() for name in names})
    return st.builds(lambda one, two: {**one, **two}, condition, modifiers)


some = st.lists(scalars, min_size=1, max_size=3)
operators = st.one_of(
    scalars.filter(lambda value: True),
    some,
    _modified(st.one_of(
        st.builds(lambda op, value: {op: value}, st.sampled_from(["eq", "ne"]), scalars),
        st.builds(lambda op, value: {op: value}, st.sampled_from(["in", "not_in", "in_list", "contains", "not_contains"]), some),
        st.builds(lambda op, value: {op: value}, st.sampled_from(["starts_with", "ends_with"]), st.lists(texts, min_size=1, max_size=2)),
        st.builds(lambda value: {"regex": value}, st.sampled_from(["^l.g", "[0-9]{3}", "a|é", "", "(?i)LOGIN"])),
    ), "case_sensitive", "if_missing"),
    _modified(st.one_of(
        st.builds(lambda op, value: {op: value}, st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from([*NUMBERS, "5", "0.5", str(2**64)])),
        st.builds(lambda value: {"cidr": value}, st.sampled_from(["10.0.0.0/8", ["::/0", "192.0.2.0/24"]])),
        st.builds(lambda low, high: {"gte": low, "lt": high}, st.sampled_from([-1, 0, 0.5]), st.sampled_from([1, 2**64, 1e300])),
    ), "if_missing"),
    st.builds(lambda value: {"exists": value}, st.booleans()),
    _modified(st.builds(
        lambda op, path, calculated: {op: {"field": path, **calculated}},
        st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]), st.sampled_from(PATHS),
        st.fixed_dictionaries({}, optional={"times": st.sampled_from([0.9, -1, "1.5", 2**64]), "plus": st.sampled_from([0, 1, 0.1])}),
    ), "if_missing"),
    _modified(st.builds(lambda name: {"in_list": name}, st.sampled_from(["bad", "nets", "nobody-applied"])), "case_sensitive", "if_missing"),
)  # fmt: skip
#: What stands in the lists that rules name.
LISTS = {
    "bad": ["login", "STRASSE", "é", "1", ".d.example", str(2**64)],
    "nets": ["10.1.0.0/16", "192.0.2.7", "::/8", "2001:db8::/32", "login"],
}
fields = st.dictionaries(st.sampled_from(PATHS), operators, min_size=1, max_size=3)
wheres = st.recursive(
    fields,
    lambda inner: st.one_of(
        st.builds(lambda one, two: {**one, "any": two}, fields, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one, two: {**one, "not": two}, fields, inner),
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)
detects = st.one_of(
    st.just({"match": {}}),
    st.builds(lambda path: {"distinct": {"field": path, "at_least": 2, "within": "1m"}}, st.sampled_from(PATHS)),
    st.builds(
        lambda a, b: {"level": {"value": a, "of": b, "above": "5%"}}, st.sampled_from(PATHS), st.sampled_from(PATHS)
    ),
)
keys = st.recursive(
    st.sampled_from(PATHS),
    lambda inner: st.one_of(
        st.builds("lower({})".format, inner),
        st.builds("domain({})".format, inner),
        st.builds("prefix({}, {})".format, inner, st.integers(1, 9)),
        st.builds("cidr({}, {})".format, inner, st.integers(0, 32)),
        st.builds("cidr({}, {}, {})".format, inner, st.integers(0, 32), st.integers(0, 128)),
        st.builds("first({}, {})".format, inner, inner),
    ),
    max_leaves=3,
)
#: Rules as files have them: often about one action, so that the index has something to file.
rule_documents = st.builds(
    lambda where, action, keys, missing, detect: {
        "source": "audit",
        "title": "t",
        "type": "security",
        "severity": "low",
        "where": {**({"action": action} if action is not None else {}), **where},
        "group_by": keys,
        "missing": missing,
        "detect": detect,
        "tests": [{"name": "one", "events": [{}], "expect": [{"severity": "low"}]}],
    },
    wheres,
    st.sampled_from([None, "login", "failure", ["login", "Login"], 1, [1, 2.5], True]),
    st.lists(st.one_of(st.sampled_from(PATHS), keys), max_size=2, unique=True),
    st.sampled_from(["skip", "null"]),
    detects,
)


@st.composite
def rulesets(draw: st.DrawFn) -> RuleSet:
    rules: list[Rule] = []
    for number, document in enumerate(draw(st.lists(rule_documents, max_size=8))):
        try:
            rules.append(parse_rule({**document, "id": f"r{number}"}, KINDS))
        except BlockErrors as errors:
            assert any(
                "can never match" in message or "with itself" in message or "functions" in message
                for _, message in errors.problems
            ), errors.problems
    return bind(RuleSet(tuple(rules)), LISTS if draw(st.booleans()) else {})


values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    max_leaves=8,
)
#: As JSON text, with what no dictionary holds: the same name twice, escapes, numbers of any size.
PIECES = (
    b'"action":"login"', b'"action":"failure","action":"login"', b'"user":{"id":1},"user":{}', b'"user":{},"user":{"id":1}',
    b'"user":7,"user":{"id":"x"}', b'"user":{"id":"x","id":2}', b'"\\u0061ction":"login"', b'"n":1e999', b'"user":{"id":-1e999}',
    b'"zzz":1e999', b'"zzz":[1e400,{"a":-1e999}]', b'"n":1E5', b'"n":0.1e1', b'"n":1e-999', b'"n":-0', b'"n":' + b"9" * 30,
    b'"n":-' + b"9" * 4300, b'"zzz":' + b"9" * 4301, b'"user":{"org":{"id":' + b"1" * 4400 + b"}}", b'"actor":"\xc3\xa9"',
    b'"zzz":"\xff"', b'"actor":"\xed\xa0\x80"', b'"zzz":"\\ud800"', b'"zzz":"\\udc00"', b'"actor":"\\ud83d\\ude00"', b'"\xff":1',
    b'"zzz":"\x01"', b'"zzz":01', b'"zzz":NaN', b'"zzz":tru', b'"zzz":' + b"[" * 300 + b"]" * 300, b'"zzz":' + b"[" * 255 + b"]" * 255,
    b'"zzz":' + b'{"a":' * 3000 + b"1" + b"}" * 3000, b'"zzz":"' + b"[" * 600 + b'"', b'"action":["login"]', b'"action":{"x":1}',
    b'"tenant":{"x":1}', b'"tenant":"t"', b'"event_time":1', b'"class":null', b'"f0":[18446744073709551616,"a"]',
    b'"user":{"org":{"id":18446744073709551616}}', b'"user":[1]', b'"user":{"org":"x"}', b'"user":null',
)  # fmt: skip
objects = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), values, max_size=8).map(msgspec.json.encode),
    st.builds(
        lambda document, pieces: b"{" + b",".join([*([document] if document else []), *pieces]) + b"}",
        st.dictionaries(st.sampled_from(NAMES), values, max_size=4).map(lambda value: msgspec.json.encode(value)[1:-1]),
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=3),
    ),
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Objects, and objects that something happened to."""
    raw = draw(objects)
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        at = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["cut", "insert", "replace"]))
        if kind == "cut":
            raw = raw[:at]
        else:
            new = draw(
                st.sampled_from(
                    [b"\xff", b"\\", b'"', b"{", b"]", b",", b" ", b"\x00", b"1e999", b"\xef\xbb\xbf", b"0"]
                )
            )
            raw = raw[:at] + new + raw[at + (kind == "replace") :]
    return raw


payload_lists = st.lists(payloads(), min_size=1, max_size=6)


def _outcome(program: Any, raw: bytes) -> Any:
    try:
        event = program.decode(raw)
    except (ValueError, RecursionError):
        return "refused"
    matched = program.match(event)
    numbers = range(len(program.arms))
    return typed([
        normal(event.event_time), normal(event.event_id), normal(event.tenant), matched,
        [program.match_one(number, event) for number in numbers],
        [program.key(number)(event) for number in numbers],
        [program.values(number)(event) for number in numbers],
    ])  # fmt: skip


def typed(value: Any) -> Any:
    """Values that tell 1 from true and from 1.0."""
    if isinstance(value, (list, tuple)):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return type(value).__name__, value


@settings(max_examples=200, deadline=None)
@given(ruleset=rulesets(), raws=payload_lists)
@example(
    ruleset=RuleSet(()), raws=[b"", b"null", b"[]", b"{}", b"{} ", b"{}x", b"\xff", b"[" * 100_000, b'{"a":' * 100_000]
)
def test_any_rules_over_any_bytes(ruleset: RuleSet, raws: list[bytes]) -> None:
    source = Source("audit", "audit.events")
    fast, slow = compiled(ruleset, source), plain(ruleset, source)
    for raw in raws:
        assert _outcome(fast, raw) == _outcome(slow, raw), (raw, fast.source_code)


@settings(max_examples=75, deadline=None)
@given(ruleset=rulesets(), raws=payload_lists)
def test_any_rules_over_a_mapped_source(ruleset: RuleSet, raws: list[bytes]) -> None:
    def mapping(raw: bytes) -> dict[str, Any]:
        document = decode_full(raw)
        return {
            **document,
            "f0": document.get("n"),
            "n": 2**70,
            "user": {"id": document.get("actor"), "org": {"id": 1}},
        }

    source = Source("audit", "audit.events", mapping=mapping)
    fast, slow = compiled(ruleset, source), plain(ruleset, source)
    for raw in raws:
        assert _outcome(fast, raw) == _outcome(slow, raw), (raw, fast.source_code)


@settings(max_examples=75, deadline=None)
@given(ruleset=rulesets(), raws=payload_lists)
def test_match_is_what_the_rules_say_one_by_one(ruleset: RuleSet, raws: list[bytes]) -> None:
    program = compiled(ruleset, Source("audit", "audit.events"))
    for raw in raws:
        try:
            event = program.decode(raw)
        except (ValueError, RecursionError):
            continue
        one_by_one = tuple(number for number in range(len(program.arms)) if program.match_one(number, event))
        assert (program.match(event) or ()) == one_by_one


@settings(max_examples=200, deadline=None)
@given(
    where=wheres,
    extra=wheres,
    events=st.lists(st.dictionaries(st.sampled_from(NAMES), values, max_size=8), min_size=1, max_size=8),
)
def test_what_is_said_to_match_never_never_does(where: Any, extra: Any, events: list[dict[str, Any]]) -> None:
    try:
        condition = parse_where({"all": [where, extra]})
    except BlockErrors as errors:
        assert all("with itself" in message for _, message in errors.problems)
        return
    condition = bound_to(condition, {name: named_list(name, entries) for name, entries in LISTS.items()})
    if why_never(condition):
        for event in events:
            document = decode_full(msgspec.json.encode(event))
            assert not condition.holds(lambda path, document=document: read(document, path))  # type: ignore[misc]
