"""The archives of the configuration, for commands that look back further than topics reach."""

from __future__ import annotations

import os

from connectors.context import SinkContext
from connectors.redact import Secrets
from connectors.registry import parse_sinks
from connectors.storage.archive import open_store
from streams.config import Config
from streams.replay.lookback.archived import Archives


def archives_of(config: Config) -> Archives:
    """All of them; none where none is configured. Raises SinkBroken where what they need is not installed."""
    sinks = [sink for sink in parse_sinks(list(config.sinks)) if sink.type == "archive"]
    secrets = Secrets(os.environ)
    return Archives({
        sink.name: open_store(sink.options, SinkContext(sink.name, config.data_dir, secrets)) for sink in sinks
    })  # fmt: skip
