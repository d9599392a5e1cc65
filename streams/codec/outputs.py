"""Avro on our own topics: written where a setting says so, read wherever it stands.

The subject of a topic is ``<topic>-value``. A worker never registers a schema: ``tocsin topics schemas --register``
does, when somebody means to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from schemas.binary import Binary
from streams.codec.avro import AvroDecoder, framed
from streams.codec.avro_schema import prepare
from streams.codec.schema_registry import Registry
from streams.errors import ConfigError, SourceUnavailable
from streams.model import Alert, Delivery, Notification

#: The schema and the type of what a topic holds, by logical topic.
RECORDS: dict[str, tuple[str, Any]] = {
    "alerts": ("alert", Alert),
    "notifications": ("notification", Notification),
    "deliveries": ("delivery", Delivery),
}

#: A record in JSON, as it is to be produced. Raises ValueError for one the schema has no place for.
Encode = Callable[[bytes], bytes]

_binary = cache(Binary)
_encode = msgspec.json.Encoder().encode


def subject_of(topic: str) -> str:
    """The subject for a topic, as it is called on the cluster."""
    return f"{topic}-value"


def schema_text(topic: str) -> str:
    """What is registered for a logical topic."""
    return _binary(RECORDS[topic][0]).text


def encoders(registry: Registry, topics: Mapping[str, str]) -> dict[str, Encode]:
    """What writes Avro, by logical topic; ``topics``: those that are to be Avro, logical name to that on the cluster.

    Raises ConfigError with every schema that is not registered, SourceUnavailable where the registry does not answer.
    """
    ids = {topic: registry.id_of(subject_of(there), schema_text(topic)) for topic, there in topics.items()}
    if missing := [subject_of(topics[topic]) for topic, schema_id in ids.items() if schema_id is None]:
        raise ConfigError(
            f"our schemas are not registered at {registry.url}: {', '.join(missing)}",
            "register them with `tocsin topics schemas --register`, or write json (outputs)",
        )
    return {topic: _encoder(topic, schema_id) for topic, schema_id in ids.items() if schema_id is not None}


def _encoder(topic: str, schema_id: int) -> Encode:
    binary = _binary(RECORDS[topic][0])
    return lambda value: framed(schema_id, binary.encode(msgspec.json.decode(value)))


@dataclass(frozen=True, slots=True)
class Wire:
    """Values of our topics between the JSON of the core and what stands on the cluster. By default that is JSON too."""

    registry: Registry | None = None  #: without it Avro cannot be read
    encoders: Mapping[str, Encode] = field(default_factory=dict)
    _decoders: dict[str, AvroDecoder] = field(default_factory=dict)

    def write(self, topic: str, value: bytes) -> bytes:
        """What is to be produced for a record in JSON. Raises ValueError for one its schema has no place for."""
        encode = self.encoders.get(topic)
        return value if encode is None else encode(value)

    def json(self, topic: str, value: bytes) -> bytes:
        """The record in JSON, byte for byte as it is written there. Raises ValueError, or SourceUnavailable.

        No JSON begins with a zero byte, all Avro of ours does.
        """
        if value[:1] != b"\0" or topic not in RECORDS:
            return value
        if self.registry is None:
            raise SourceUnavailable(
                f"a record on {topic} is Avro, and no schema_registry is configured", "see streams/docs/codecs.md"
            )
        subject, kind = RECORDS[topic]
        if topic not in self._decoders:
            reader = prepare(_binary(subject).text)
            self._decoders[topic] = AvroDecoder(self.registry.schema, reader)
        record = _binary(subject).json_of(self._decoders[topic](value))
        return _encode(msgspec.convert(record, kind))


#: JSON only.
PLAIN = Wire()
