"""Our topics as Avro: registered by hand, written by setting, read back to the very bytes of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any, cast

import fastavro
import msgspec
import pytest

from schemas.library import Library
from streams.codec.outputs import PLAIN, RECORDS, Wire, encoders, schema_text, subject_of
from streams.codec.schema_registry import Registry
from streams.errors import ConfigError, SourceUnavailable
from streams.model import Output
from streams.runtime.names import Names
from streams.runtime.timing import Timing
from streams.runtime.transaction import Transaction
from tests.registry_server import RegistryServer

TOPICS = {topic: f"acme.{topic}" for topic in RECORDS}
EXAMPLES = [(topic, name) for topic, (subject, _) in RECORDS.items() for name in Library().examples(subject, "valid")]


def example(topic: str, name: str) -> bytes:
    """As the core writes it."""
    subject, kind = RECORDS[topic]
    return msgspec.json.encode(msgspec.convert(Library().examples(subject, "valid")[name], kind))


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture
def registry(server: RegistryServer) -> Registry:
    return Registry(server.url, pause=lambda _: None)


@pytest.fixture
def wire(registry: Registry) -> Wire:
    for topic, there in TOPICS.items():
        registry.register(subject_of(there), schema_text(topic))
    return Wire(registry, encoders(registry, TOPICS))


@pytest.mark.parametrize(("topic", "name"), EXAMPLES)
def test_a_record_comes_back_byte_for_byte(wire: Wire, topic: str, name: str) -> None:
    value = example(topic, name)
    avro = wire.write(topic, value)
    assert avro[:1] == b"\0"
    assert wire.json(topic, avro) == value
    assert wire.json(topic, value) == value


def test_the_subject_is_of_the_topic_with_its_prefix(wire: Wire, server: RegistryServer) -> None:
    assert set(server.subjects) == {"acme.alerts-value", "acme.notifications-value", "acme.deliveries-value"}


def test_a_worker_registers_nothing_and_names_all_that_is_missing(registry: Registry, server: RegistryServer) -> None:
    registry.register("acme.alerts-value", schema_text("alerts"))
    with pytest.raises(
        ConfigError, match=r"not registered at .*: acme.notifications-value, acme.deliveries-value"
    ) as caught:
        encoders(registry, TOPICS)
    assert "tocsin topics schemas --register" in caught.value.hint
    assert set(server.subjects) == {"acme.alerts-value"}


def test_another_schema_under_the_subject_is_not_ours(registry: Registry) -> None:
    registry.register("acme.alerts-value", '{"type": "record", "name": "tocsin.Alert", "fields": []}')
    with pytest.raises(ConfigError, match="not registered"):
        encoders(registry, {"alerts": "acme.alerts"})


def test_json_needs_no_registry_and_avro_without_one_is_nobodys_record(wire: Wire) -> None:
    topic, name = EXAMPLES[0]
    value = example(topic, name)
    assert PLAIN.write(topic, value) == PLAIN.json(topic, value) == value
    with pytest.raises(SourceUnavailable, match="no schema_registry is configured"):
        PLAIN.json(topic, wire.write(topic, value))
    assert PLAIN.json("dead-letter", b"\0bytes") == b"\0bytes"


@pytest.mark.parametrize("cut", [1, 4, 5, 20, -1])
def test_a_record_cut_short_is_refused(wire: Wire, cut: int) -> None:
    topic, name = EXAMPLES[0]
    with pytest.raises(ValueError, match="not "):
        wire.json(topic, wire.write(topic, example(topic, name))[:cut])


def test_another_schema_of_the_same_name_is_read_by_avros_rules(wire: Wire, registry: Registry) -> None:
    older = json.loads(schema_text("deliveries"))
    older["fields"] = [field for field in older["fields"] if field["name"] != "error"]
    schema_id = registry.register("old-value", json.dumps(older))
    record = {
        name: value for name, value in Library().examples("delivery", "valid")["delivered"].items() if name != "error"
    }
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(older), record)
    value = b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()
    assert json.loads(wire.json("deliveries", value))["sink"] == record["sink"]


class _Produced:
    """A producer that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []

    def produce(self, topic: str, value: bytes, key: bytes) -> None:
        self.records.append((topic, value))


def transaction(wire: Wire) -> tuple[Transaction, _Produced]:
    produced = _Produced()
    return Transaction(cast("Any", produced), Names("t", "acme."), "alert", Timing(), wire), produced


def test_a_transaction_writes_avro_where_it_is_asked_to(wire: Wire, registry: Registry) -> None:
    only = Wire(registry, {"alerts": wire.encoders["alerts"]})
    outputs, produced = transaction(only)
    first_of = {topic: (topic, name) for topic, name in reversed(EXAMPLES)}
    alert, note = (example(*first_of[topic]) for topic in ("alerts", "notifications"))
    outputs.add([Output("alerts", b"k", alert), Output("notifications", b"k", note)], frozenset())
    (first, avro), (second, plain) = produced.records
    assert (first, second) == ("acme.alerts", "acme.notifications")
    assert (wire.json("alerts", avro), plain) == (alert, note)
    assert avro[:1] == b"\0"


def test_a_record_that_fits_no_schema_becomes_a_dead_letter_and_stops_nothing(wire: Wire) -> None:
    outputs, produced = transaction(wire)
    outputs.add([Output("alerts", b"k", b'{"id": 7, "version": "x"}')], frozenset())
    ((topic, value),) = produced.records
    assert topic == "acme.dead-letter"
    assert "output for alerts does not fit its schema" in json.loads(value)["error"]
