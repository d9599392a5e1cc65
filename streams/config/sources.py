"""The configured sources as the core sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streams.codec.alerts import alerts
from streams.codec.avro import AvroDecoder, SchemaOf
from streams.codec.avro_schema import Schema
from streams.codec.enrichment import Enriched
from streams.codec.geoip import GeoIP
from streams.codec.outputs import Wire
from streams.codec.registry import JOINS, MAPPINGS, Apply, source_mapping
from streams.codec.schema_registry import Login, Registry, local_schema
from streams.config.references import resolved
from streams.config.settings import Config, SourceSettings
from streams.errors import ConfigError
from streams.model import Source


def event_sources(config: Config) -> tuple[Source, ...]:
    """One ``Source`` per configured source, by name. Raises ConfigError for a mapping or schema that cannot be used."""
    registry, enriched = registry_of(config), enrichment_of(config)
    return tuple(
        Source(
            name=name,
            topic=source.topic,
            partition_by=source.partition_by,
            max_disorder=source.max_disorder,
            max_skew=source.max_skew,
            idle_after=source.idle_after,
            default_tenant=source.default_tenant,
            mapping=alerts(Wire(registry))
            if source.topic == "alerts"
            else enriched(name, source_mapping(_documents(source, registry), source.mapping)),
            join=JOINS.get(source.codec),
        )
        for name, source in sorted(config.sources.items())
    )


def avro_writers(config: Config) -> dict[str, SchemaOf]:
    """Of each source of Avro payloads, where the schemas are that they were written by."""
    registry = registry_of(config)
    decoders = {name: _documents(source, registry) for name, source in config.sources.items()}
    return {name: one.writer for name, one in decoders.items() if isinstance(one, AvroDecoder)}


def enrichment_of(config: Config) -> Callable[[str, Apply | None], Apply | None]:
    """What a source's mapping becomes by the configured enrichment: itself where the source is not enriched.

    Raises ConfigError for a database that cannot be used.
    """
    settings = config.enrichment.geoip
    if settings is None:
        return lambda _, mapping: mapping
    geoip = GeoIP(settings.city, settings.asn)
    fields = {tuple(address.split(".")): tuple(target.split(".")) for address, target in settings.fields.items()}
    return lambda name, mapping: Enriched(mapping, geoip, fields) if name in settings.sources else mapping


def registry_of(config: Config) -> Registry | None:
    """The configured schema registry, secrets resolved; nothing is asked of it yet."""
    settings = config.schema_registry
    if settings is None:
        return None
    login = Login(
        settings.username,
        resolved("schema_registry.password", settings.password),
        resolved("schema_registry.token", settings.token),
    )
    ca = None if settings.ca is None else str(settings.ca)
    return Registry(settings.url, login, ca=ca, kept=config.data_dir / "schemas")


def _documents(source: SourceSettings, registry: Registry | None) -> Apply | None:
    if source.codec != "avro":
        return MAPPINGS[source.codec]
    reader = None if source.schema is None else local_schema(source.schema)
    if source.writers:
        return AvroDecoder(_Local(source.writers, registry), reader)
    if registry is not None:
        return AvroDecoder(registry.schema, reader)
    if reader is None:
        raise ConfigError("codec: avro needs a schema_registry, or schema: a file", "see streams/docs/codecs.md")
    return AvroDecoder(lambda _: reader)


class _Local:
    """Schemas of files, by id; of the registry for other ids, if there is one."""

    def __init__(self, files: dict[int, Path], registry: Registry | None) -> None:
        self._registry = registry
        self._schemas = {schema_id: local_schema(path) for schema_id, path in files.items()}

    def __call__(self, schema_id: int) -> Schema:
        if schema_id in self._schemas:
            return self._schemas[schema_id]
        if self._registry is None:
            raise ValueError(f"schema {schema_id} is not one of writers: {', '.join(map(str, sorted(self._schemas)))}")
        return self._registry.schema(schema_id)
