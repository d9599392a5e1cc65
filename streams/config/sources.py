"""The configured sources as the core sees them."""

from __future__ import annotations

from streams.codec.registry import mapping_named_or_file
from streams.config.settings import Config
from streams.model import Source


def event_sources(config: Config) -> tuple[Source, ...]:
    """One ``Source`` per configured source, by name. Raises ConfigError for a mapping that cannot be used."""
    return tuple(
        Source(
            name=name,
            topic=source.topic,
            partition_by=source.partition_by,
            max_disorder=source.max_disorder,
            max_skew=source.max_skew,
            idle_after=source.idle_after,
            default_tenant=source.default_tenant,
            mapping=mapping_named_or_file(source.mapping) if source.mapping else None,
        )
        for name, source in sorted(config.sources.items())
    )
