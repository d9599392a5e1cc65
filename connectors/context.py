"""What a sink is given besides its own configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.redact import Secrets

if TYPE_CHECKING:  # for commands that only show alerts, or read a storage
    from aiohttp.abc import AbstractResolver


@dataclass(frozen=True, slots=True)
class SinkContext:
    """``data_dir``: where relative paths of storage begin. ``resolver``: instead of the system's, for tests.

    ``owns(topic, partition)``: whether this worker is the one that reads it now, for a sink that speaks unasked.
    """

    name: str
    data_dir: Path = Path()
    secrets: Secrets = field(default_factory=lambda: Secrets(os.environ))
    timeout_ms: int = 10_000
    resolver: AbstractResolver | None = None
    owns: Callable[[str, int], bool] = lambda _topic, _partition: True
