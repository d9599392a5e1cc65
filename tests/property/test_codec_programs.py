"""The oracle's tests over other formats: the programs agree, and the same events give the same findings in each."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import pipeline
from streams.codec.avro import AvroDecoder, framed
from streams.codec.avro_schema import prepare
from streams.codec.cloudevents import structured
from streams.codec.registry import MAPPINGS, source_mapping
from streams.errors import SourceUnavailable
from streams.model import Batch, Original, Source
from streams.replay.moments import rfc3339
from streams.rules.compiled import compiled
from streams.rules.plain import plain
from streams.rules.rule import RuleSet
from streams.rules.values import normal
from tests.detecting import AUDIT, BASE, PROGRAMS, control, detecting, letters, original_value, records, rule
from tests.property.test_programs_agree import NAMES, SCALARS, payloads, rulesets, typed

ANY = ["null", "boolean", "long", "double", "string", "bytes"]
#: The names that rules of the other test read, at their top level and inside ``user`` and ``tenant``.
SCHEMA = {
    "type": "record", "name": "Event",
    "fields": [
        *({"name": name, "type": ANY} for name in ("action", "outcome", "actor", "class", "f0", "event_id", "n", "id")),
        {"name": "event_time", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}, "string"]},
        {"name": "user", "type": ["null", "long", {"type": "record", "name": "User", "fields": [
            {"name": "id", "type": ANY}, {"name": "org", "type": ["null", "string", {"type": "map", "values": ANY}]},
        ]}]},
        {"name": "tenant", "type": ["null", "string", {"type": "map", "values": ANY}]},
        {"name": "tags", "type": {"type": "array", "items": ["string", "Event"]}},
    ],
}  # fmt: skip
PARSED = fastavro.parse_schema(json.loads(json.dumps(SCHEMA)))
PREPARED = prepare(json.dumps(SCHEMA))
AVRO = Source("audit", "audit.events", mapping=AvroDecoder(lambda _: PREPARED))

avro_scalars = st.sampled_from([
    value for value in SCALARS if not isinstance(value, int) or isinstance(value, bool) or -(2**63) <= value < 2**63
]) | st.sampled_from([float("nan"), float("inf"), b"\xff\x00", b""])  # fmt: skip
inner = st.dictionaries(st.sampled_from(NAMES), avro_scalars, max_size=3)
users = st.none() | st.integers(-5, 5) | st.fixed_dictionaries(
    {"id": avro_scalars, "org": st.none() | st.just("x") | inner}
)  # fmt: skip
leaves = st.fixed_dictionaries({
    **dict.fromkeys(("action", "outcome", "actor", "class", "f0", "event_id", "n", "id"), avro_scalars),
    "event_time": st.none() | st.integers(-(2**62), 2**62) | st.just("2024-05-01T12:00:00Z"),
    "user": users, "tenant": st.none() | st.just("acme") | inner, "tags": st.just([]),
})  # fmt: skip
events = st.builds(lambda event, tags: {**event, "tags": tags}, leaves, st.lists(st.just("a") | leaves, max_size=2))


def avro(event: dict[str, Any], parsed: Any = PARSED, schema_id: int = 1) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, parsed, event)
    return framed(schema_id, out.getvalue())


@st.composite
def avro_payloads(draw: st.DrawFn) -> bytes:
    """Values of the schema, and values that something happened to."""
    raw = avro(draw(events))
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        at = draw(st.integers(0, len(raw)))
        new = draw(st.sampled_from([b"", b"\xff", b"\0", b"\x02", b"\xff" * 11, b"\x01"]))
        raw = raw[:at] + new + (raw[at + 1 :] if draw(st.booleans()) else b"" if draw(st.booleans()) else raw[at:])
    return raw


def outcome(program: Any, raw: bytes) -> Any:
    """All that a program says of a payload."""
    try:
        event = program.decode(raw)
    except (ValueError, RecursionError) as error:
        return type(error).__name__, str(error)
    numbers = range(len(program.arms))
    return typed([
        normal(event.event_time), normal(event.event_id), normal(event.tenant), program.match(event), program.document(raw),
        [program.match_one(number, event) for number in numbers],
        [program.key(number)(event) for number in numbers],
        [program.values(number)(event) for number in numbers],
    ])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ruleset=rulesets(), raws=st.lists(avro_payloads(), min_size=1, max_size=6))
def test_any_rules_over_any_avro(ruleset: RuleSet, raws: list[bytes]) -> None:
    fast, slow = compiled(ruleset, AVRO), plain(ruleset, AVRO)
    for raw in raws:
        assert outcome(fast, raw) == outcome(slow, raw), (raw, fast.source_code)


@settings(max_examples=150, deadline=None)
@given(raw=avro_payloads())
def test_any_avro_is_read_as_json_or_refused(raw: bytes) -> None:
    try:
        document = AVRO.mapping(raw)  # type: ignore[misc]
    except ValueError:
        return
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


extensions = st.dictionaries(
    st.sampled_from(["tenant", "subject", "action", "actor", "n", "traceid"]), st.sampled_from(SCALARS), max_size=3
)


@settings(max_examples=150, deadline=None)
@given(ruleset=rulesets(), datas=st.lists(payloads(), min_size=1, max_size=4), extra=extensions, encoded=st.booleans())
def test_any_rules_over_any_cloudevents(
    ruleset: RuleSet, datas: list[bytes], extra: dict[str, Any], encoded: bool
) -> None:
    source = Source("audit", "audit.events", mapping=MAPPINGS["cloudevents"])
    fast, slow = compiled(ruleset, source), plain(ruleset, source)
    head = msgspec.json.encode({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **extra})[:-1]
    for data in datas:
        body = b'"data_base64":"' + base64.b64encode(data) + b'"' if encoded else b'"data":' + data
        raw = head + b"," + body + b"}"
        assert outcome(fast, raw) == outcome(slow, raw), (raw, fast.source_code)


headers = st.lists(
    st.tuples(
        st.sampled_from(["ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "ce_x", "content-type", "ce_data", "h", "ce_"]),
        st.sampled_from([None, b"", b"1", b"1.0", b"\xff", b"application/json", b"application/cloudevents+json", b"2024-05-01T12:00:00Z"]),
    ),
    max_size=8,
).map(tuple)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(value=payloads() | st.binary(max_size=20), given_headers=headers)
def test_any_headers_are_joined_or_refused(value: bytes, given_headers: Any) -> None:
    try:
        document = MAPPINGS["cloudevents"](structured(value, Original(None, given_headers)))  # type: ignore[misc]
    except ValueError:
        return
    assert document["event_id"]
    assert document["type"]


# -- the same events in each format

FLAT = fastavro.parse_schema({
    "type": "record", "name": "Login", "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "tenant", "type": "string"},
        {"name": "actor", "type": ["null", "string"]},
        {"name": "action", "type": {"type": "enum", "name": "Action", "symbols": ["login", "logout"]}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 80, "scale": 0}},
    ],
})  # fmt: skip
FLAT_PREPARED = prepare(json.dumps({key: value for key, value in FLAT.items() if not key.startswith("__")}))  # type: ignore[union-attr]


def as_json(event: dict[str, Any]) -> tuple[bytes, Original]:
    return msgspec.json.encode(event), Original(None, ())


def as_avro(event: dict[str, Any]) -> tuple[bytes, Original]:
    return avro({**event, "amount": Decimal(event["amount"])}, FLAT), Original(None, ())


def _attributes(event: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    time = str(rfc3339(event["event_time"]))
    named = {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": "/logins",
        "type": "login",
        "time": time,
        "tenant": event["tenant"],
    }
    return named, {name: value for name, value in event.items() if name not in ("event_id", "event_time", "tenant")}


def as_structured(event: dict[str, Any]) -> tuple[bytes, Original]:
    attributes, data = _attributes(event)
    said = (("content-type", b"application/cloudevents+json"),)
    return msgspec.json.encode({**attributes, "datacontenttype": "application/json", "data": data}), Original(
        None, said
    )


def as_binary(event: dict[str, Any]) -> tuple[bytes, Original]:
    attributes, data = _attributes(event)
    said = tuple((f"ce_{name}", value.encode()) for name, value in attributes.items())
    return msgspec.json.encode(data), Original(None, (*said, ("content-type", b"application/json")))


CLOUDEVENTS = Source(
    "audit", "audit.events", AUDIT.partition_by, mapping=MAPPINGS["cloudevents"], join=structured
)  # fmt: skip
FORMATS: dict[str, tuple[Source, Callable[[dict[str, Any]], tuple[bytes, Original]]]] = {
    "json": (AUDIT, as_json),
    "avro": (
        Source("audit", "audit.events", AUDIT.partition_by, mapping=AvroDecoder(lambda _: FLAT_PREPARED)),
        as_avro,
    ),
    "structured": (CLOUDEVENTS, as_structured),
    "binary": (CLOUDEVENTS, as_binary),
}
RULES = control(
    rule("r.count", {"count": {"at_least": 3, "within": "1m"}}),
    rule("r.rekeyed", {"match": {}}, group_by=["action"], where={"action": "logout"}),
    rule("r.amount", {"match": {}}, where={"amount": {"gt": str(2**200)}}),
)
logins = st.lists(
    st.fixed_dictionaries({
        "event_time": st.integers(BASE, BASE + 180_000), "actor": st.sampled_from(["ada", "bob", None]),
        "tenant": st.sampled_from(["acme", "é"]), "action": st.sampled_from(["login", "login", "logout"]),
        "amount": st.sampled_from(["1", str(2**200), str(2**200 + 1)]),
    }),
    max_size=12,
).map(lambda found: [{"event_id": f"e{number}", **event} for number, event in enumerate(found)])  # fmt: skip


def detected(name: str, events: list[dict[str, Any]], program: Any = compiled) -> list[Any]:
    """What DETECT gives for the events in a format, but for the event itself, which keeps its own form."""
    source, write = FORMATS[name]
    written = [write(event) for event in events]
    batch = Batch(records(value for value, _ in written), lambda index: written[index][1])
    outputs = pipeline.detect(detecting(source, program=program), batch, BASE, RULES)
    assert letters(outputs) == []
    plainly = []
    for output in outputs:
        document = msgspec.json.decode(output.value)
        if output.topic == "late":  # it keeps the value as it came
            document = {
                name: value for name, value in document.items() if name not in ("value", "size", "sha256", "headers")
            }
        for evidence in document.get("evidence", ()) if isinstance(document, dict) else ():
            evidence.pop("event", None)
        if output.topic == "rekeyed":
            document = (
                [part for part in document if not isinstance(part, dict)]
                if isinstance(document, list)
                else {field: value for field, value in document.items() if field != "event"}
            )
        plainly.append((output.topic, output.key, document))
    return plainly


@settings(max_examples=100, deadline=None)
@given(events=logins)
def test_the_same_events_give_the_same_findings_in_each_format(events: list[dict[str, Any]]) -> None:
    wanted = detected("json", events)
    for name in FORMATS:
        for program in PROGRAMS:
            assert detected(name, events, program) == wanted, name


def test_those_events_fire_each_rule() -> None:
    events = [
        {
            "event_id": f"e{n}",
            "event_time": BASE + n,
            "actor": "ada",
            "tenant": "acme",
            "action": action,
            "amount": str(2**200 + n),
        }
        for n, action in enumerate(["login", "login", "login", "logout"])
    ]
    for name in FORMATS:
        topics = [topic for topic, _, _ in detected(name, events)]
        assert (topics.count("alert-input"), topics.count("rekeyed") > 0) == (4, True), (
            name
        )  # count, amount three times


# -- what goes wrong


@pytest.mark.parametrize("name", ["avro", "structured", "binary"])
def test_a_dead_letter_keeps_the_original_value_and_headers(name: str) -> None:
    source, write = FORMATS[name]
    value, original = write(
        {"event_id": "e", "event_time": BASE, "actor": "a", "tenant": "t", "action": "login", "amount": "1"}
    )
    value = value[:-1]
    batch = Batch(records([value]), lambda _: original)
    (letter,) = letters(pipeline.detect(detecting(source), batch, BASE, RULES))
    assert original_value(letter) == value
    assert [name for name, _ in letter.get("headers", ())] == [name for name, _ in original.headers]


def test_a_late_event_keeps_the_original_value() -> None:
    source, write = FORMATS["binary"]
    written = [
        write({"event_id": f"e{n}", "event_time": at, "actor": "a", "tenant": "t", "action": "login", "amount": "1"})
        for n, at in enumerate([BASE + 600_000, BASE])
    ]
    batch = Batch(records(value for value, _ in written), lambda index: written[index][1])
    late = letters(pipeline.detect(detecting(source), batch, BASE, RULES), "late")
    assert [original_value(letter) for letter in late] == [written[1][0]] * len(late)
    assert late


def test_a_registry_that_is_down_leaves_the_pipeline_and_no_dead_letter() -> None:
    def down(_: int) -> Any:
        raise SourceUnavailable("the schema registry does not answer")

    source = Source("audit", "audit.events", mapping=AvroDecoder(down))
    good, _ = FORMATS["avro"][1](
        {"event_id": "e", "event_time": BASE, "actor": "a", "tenant": "t", "action": "login", "amount": "1"}
    )
    with pytest.raises(SourceUnavailable):
        pipeline.detect(detecting(source), Batch(records([good])), BASE, RULES)


def test_an_avro_source_may_have_a_mapping_too(tmp_path: Any) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("who: actor\nkind: {const: avro}\n")
    mapping = source_mapping(FORMATS["avro"][0].mapping, str(file))
    value, _ = as_avro(
        {"event_id": "e", "event_time": BASE, "actor": "ada", "tenant": "t", "action": "login", "amount": "7"}
    )
    assert mapping is not None
    assert mapping(value) == {
        "event_id": "e", "event_time": BASE, "actor": "ada", "tenant": "t", "action": "login", "amount": "7", "who": "ada", "kind": "avro",
    }  # fmt: skip
