"""The configuration: ``tocsin.yaml`` and the environment as one frozen, typed value."""

from __future__ import annotations

from streams.config.load import ConfigErrors, load_config
from streams.config.settings import (
    Config,
    Detect,
    Enrichment,
    GeoIp,
    Http,
    Kafka,
    Log,
    Sasl,
    SchemaRegistry,
    SourceSettings,
)
from streams.config.sources import enrichment_of, event_sources, registry_of

__all__ = [
    "Config", "ConfigErrors", "Detect", "Enrichment", "GeoIp", "Http", "Kafka", "Log", "Sasl", "SchemaRegistry",
    "SourceSettings", "enrichment_of", "event_sources", "load_config", "registry_of",
]  # fmt: skip
