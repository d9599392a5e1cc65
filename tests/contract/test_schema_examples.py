"""The schemas, their examples and the structs of the code say the same."""

from __future__ import annotations

import io
import json
from enum import StrEnum
from typing import Any

import fastavro
import msgspec
import pytest

import schemas
from schemas.library import Library, definitions
from streams.detect.hop import Copy, Mark
from streams.model import Alert, Command, Delivery, Evidence, Finding, Notification, Operation, Resolution, Status, Step
from streams.model.command import Action
from streams.model.dead import DeadLetter, DeadReason, dead_letter
from streams.model.delivery import Outcome
from streams.model.finding import FindingKind
from streams.model.notification import Reason
from streams.model.operation import Deed, OperationOutcome
from streams.model.severity import Severity
from streams.runtime.control import ControlRecord
from streams.runtime.transaction import JournalRecord
from streams.simulate.traffic import generate

LIBRARY = Library()
EVENTS = {"audit.events", "trade.events", "chain.events", "metric.events"}
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "alert": Alert,
    "command": Command,
    "control": ControlRecord,
    "dead-letter": DeadLetter,
    "delivery": Delivery,
    "evidence": Evidence,
    "finding": Finding,
    "journal": JournalRecord,
    "notification": Notification,
    "operation": Operation,
}
INNER: list[tuple[str, str, type[msgspec.Struct]]] = [
    ("alert", "tocsin.Resolution", Resolution),
    ("journal", "tocsin.Step", Step),
    ("rekeyed", "tocsin.Copy", Copy),
    ("rekeyed", "tocsin.Mark", Mark),
]
READ: dict[str, Any] = {**STRUCTS, "rekeyed": Copy | Mark}
ENUMS: list[tuple[str, str, type[StrEnum]]] = [
    ("alert", "tocsin.Severity", Severity),
    ("alert", "tocsin.Status", Status),
    ("command", "tocsin.Action", Action),
    ("dead-letter", "tocsin.DeadReason", DeadReason),
    ("delivery", "tocsin.Outcome", Outcome),
    ("finding", "tocsin.FindingKind", FindingKind),
    ("finding", "tocsin.Severity", Severity),
    ("notification", "tocsin.Reason", Reason),
    ("operation", "tocsin.Action", Deed),
    ("operation", "tocsin.OperationOutcome", OperationOutcome),
]


def examples(quality: str) -> list[Any]:
    return [
        pytest.param(subject, example, id=f"{subject}/{name}")
        for subject in schemas.subjects()
        for name, example in LIBRARY.examples(subject, quality).items()
    ]


@pytest.mark.parametrize(("subject", "record"), examples("valid"))
def test_a_valid_example_has_no_problems(subject: str, record: Any) -> None:
    assert schemas.validate(subject, record) == []


@pytest.mark.parametrize(("subject", "example"), examples("invalid"))
def test_an_invalid_example_has_the_problem_told_beside_it(subject: str, example: Any) -> None:
    assert schemas.validate(subject, example["record"]) == [example["problem"]]


@pytest.mark.parametrize("subject", schemas.subjects())
def test_every_subject_has_examples_of_both_kinds(subject: str) -> None:
    assert len(LIBRARY.examples(subject, "valid")) >= 2
    assert len(LIBRARY.examples(subject, "invalid")) >= 3


def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Name in JSON -> default in JSON, or NODEFAULT."""
    found: dict[str, Any] = {}
    if (tag := struct.__struct_config__.tag) is not None:
        found[struct.__struct_config__.tag_field or "type"] = msgspec.NODEFAULT
        assert isinstance(tag, str)
    for field in msgspec.structs.fields(struct):
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        found[field.encode_name] = default if default is msgspec.NODEFAULT else json.loads(msgspec.json.encode(default))
    return found


def _schema_fields(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in record["fields"]:
        default = field.get("default", msgspec.NODEFAULT)
        is_json = isinstance(field["type"], dict) and field["type"].get("tocsin") == "json"
        found[field["name"]] = json.loads(default) if is_json and default is not msgspec.NODEFAULT else default
    return found


def _definition(subject: str, name: str | None = None) -> dict[str, Any]:
    document = LIBRARY.document(subject)
    return definitions(document)[name] if name else document  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("subject", "name", "struct"), [(subject, None, struct) for subject, struct in STRUCTS.items()] + INNER
)
def test_schema_and_struct_have_the_same_fields_and_defaults(
    subject: str, name: str | None, struct: type[msgspec.Struct]
) -> None:
    # Records leave out what has its default, so a default that differs would change their meaning.
    assert _schema_fields(_definition(subject, name)) == _fields(struct)


@pytest.mark.parametrize(("subject", "name", "words"), ENUMS)
def test_schema_and_enum_have_the_same_words(subject: str, name: str, words: type[StrEnum]) -> None:
    assert definitions(LIBRARY.document(subject))[name]["symbols"] == [word.value for word in words]


def test_every_word_set_of_the_code_is_held_against_its_schema() -> None:
    told = {(subject, name) for subject, name, _ in ENUMS}
    for subject in STRUCTS:
        own = definitions(LIBRARY.text(subject))
        enums = {(subject, name) for name, node in own.items() if node["type"] == "enum" and len(node["symbols"]) > 1}
        assert enums <= told


@pytest.mark.parametrize("subject", sorted(READ))
def test_what_the_code_reads_and_writes_back_is_still_valid(subject: str) -> None:
    for name, record in LIBRARY.examples(subject, "valid").items():
        value = msgspec.json.decode(json.dumps(record), type=READ[subject])
        again = json.loads(msgspec.json.encode(value))
        assert schemas.validate(subject, again) == [], name
        assert msgspec.json.decode(json.dumps(again), type=READ[subject]) == value, name


def test_a_dead_letter_made_by_the_code_is_valid() -> None:
    letter = dead_letter(
        stage="detect", origin="audit.events/0/1", reason=DeadReason.MALFORMED, error=ValueError("x" * 10_000), at=1,
        value=b"\xff" * 800_000, key=b"\x00", headers=(("h", None), ("i", b"\xfe")),
    )  # fmt: skip
    assert schemas.validate("dead-letter", json.loads(msgspec.json.encode(letter))) == []


def _datum(schema: Any, names: dict[str, Any], value: Any) -> Any:
    """A JSON record as what fastavro encodes: JSON fields as text, arrays as records, defaults filled in."""
    if isinstance(schema, str):
        schema = names.get(schema, schema)
    if isinstance(schema, list):
        tags = {_tag(branch): branch for branch in schema if _tag(branch)}
        if tags:
            return _datum(tags[value["record"]], names, value)
        if value is None:
            return None
        rest = [branch for branch in schema if branch != "null"]
        return _datum(rest[0], names, value) if len(rest) == 1 else value
    if not isinstance(schema, dict):
        return value
    if schema.get("tocsin") == "json":
        return json.dumps(value)
    if schema["type"] == "record":
        if schema.get("tocsin") == "array":
            value = dict(zip((field["name"] for field in schema["fields"]), value, strict=False))
        return {
            field["name"]: _datum(field["type"], names, value[field["name"]])
            if field["name"] in value
            else field["default"]
            for field in schema["fields"]
        }
    if schema["type"] == "array":
        return [_datum(schema["items"], names, item) for item in value]
    if schema["type"] == "map":
        return {key: _datum(schema["values"], names, item) for key, item in value.items()}
    return value


def _tag(branch: Any) -> str | None:
    fields = branch.get("fields", ()) if isinstance(branch, dict) else ()
    words = [f["type"]["symbols"][0] for f in fields if f["name"] == "record" and len(f["type"]["symbols"]) == 1]
    return words[0] if words else None


@pytest.mark.parametrize(("subject", "record"), [item for item in examples("valid") if item.values[0] not in EVENTS])
def test_a_valid_record_goes_through_avro_and_back(subject: str, record: Any) -> None:
    document = LIBRARY.document(subject)
    schema = schemas.load(subject)
    datum = _datum(document, definitions(document), record)
    wire = io.BytesIO()
    fastavro.schemaless_writer(wire, schema, datum)
    wire.seek(0)
    back = fastavro.schemaless_reader(wire, schema, None)
    again = io.BytesIO()
    fastavro.schemaless_writer(again, schema, back)
    assert again.getvalue() == wire.getvalue()
    assert set(back) == set(datum)


def test_every_topic_of_tocsin_names_schemas_that_exist() -> None:
    known = set(schemas.subjects())
    for spec in schemas.topic_specs():
        assert set(spec.schemas) <= known, spec.name
        assert spec.schemas or spec.of == "changelog", spec.name


def test_simulated_events_are_valid_events() -> None:
    seen = set()
    for simulated in generate(7, start_ms=1_714_564_800_000, duration_ms=120_000, rate=20.0):
        seen.add(simulated.source)
        record = json.loads(msgspec.json.encode(simulated.event))
        assert schemas.validate(f"{simulated.source}.events", record) == [], record
    assert {f"{source}.events" for source in seen} == EVENTS
