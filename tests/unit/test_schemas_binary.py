"""Every example of every schema, as Avro and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

import schemas
from schemas.binary import Binary
from schemas.library import Library

LIBRARY = Library()
VALID = [(subject, name) for subject in LIBRARY.subjects() for name in LIBRARY.examples(subject, "valid")]
OPEN = ("audit.events", "trade.events", "chain.events", "metric.events")


def with_defaults(binary: Binary, record: Any) -> Any:
    return binary.decode(binary.encode(record))


@pytest.mark.parametrize(("subject", "name"), VALID)
def test_a_valid_example_comes_back(subject: str, name: str) -> None:
    record = LIBRARY.examples(subject, "valid")[name]
    binary = Binary(subject)
    try:
        value = binary.encode(record)
    except ValueError as error:
        assert subject in OPEN, error
        assert "Avro has no place for" in str(error)
        return
    found = binary.decode(value)
    assert schemas.validate(subject, found) == []
    assert contains(found, record), (found, record)
    assert binary.encode(found) == value


def contains(found: Any, record: Any) -> bool:
    """Whether everything of ``record`` is in ``found``, which may have defaults besides, of the same types."""
    if isinstance(record, dict):
        return isinstance(found, dict) and all(name in found and contains(found[name], record[name]) for name in record)
    if isinstance(record, list):
        return isinstance(found, list) and len(found) >= len(record) and all(map(contains, found, record))
    return bool(found == record) and isinstance(found, bool) is isinstance(record, bool)


def test_only_events_have_fields_that_avro_has_no_place_for() -> None:
    closed = [subject for subject in LIBRARY.subjects() if subject not in OPEN]
    assert {subject for subject, _ in VALID} >= set(closed)


@pytest.mark.parametrize("subject", [subject for subject in LIBRARY.subjects() if subject not in OPEN])
@pytest.mark.parametrize("record", [None, 7, "x", [], {}, {"id": {}}, {"unknown": 1}], ids=json.dumps)
def test_what_is_no_record_is_refused(subject: str, record: Any) -> None:
    if not schemas.validate(subject, record):
        Binary(subject).encode(record)
        return
    with pytest.raises(ValueError, match=r"."):
        Binary(subject).encode(record)


def test_values_of_any_kind_keep_their_kind() -> None:
    alert = LIBRARY.examples("alert", "valid")["opened"]
    values = {
        "a": 1,
        "b": 1.0,
        "c": True,
        "d": None,
        "e": "é\U0001f600",
        "f": [1, {"g": "18446744073709551616"}],
        "h": "1",
    }
    found = with_defaults(Binary("alert"), {**alert, "values": values})["values"]
    assert json.dumps(found) == json.dumps(values)


def test_the_text_for_a_registry_is_the_schema_without_its_documentation() -> None:
    text = Binary("notification").text
    assert '"doc"' not in text
    assert '"references"' not in text
    assert json.loads(text)["name"] == "tocsin.Notification"
