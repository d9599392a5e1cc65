"""A source as the core sees it: where its events stand and how its time behaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streams.model.flow import Original


@dataclass(frozen=True, slots=True)
class Source:
    """``name`` is what rules say (``audit``); ``topic`` the logical topic. Durations in ms.

    ``mapping`` turns a foreign payload into an envelope (a dict), or None for native JSON; it raises on bad input.
    ``join`` makes that payload of a record's value where part of it stands in the headers; it raises likewise.
    """

    name: str
    topic: str
    partition_by: tuple[str, ...] = ()
    max_disorder: int = 5_000
    max_skew: int = 300_000
    idle_after: int = 3_000
    default_tenant: str = "default"
    mapping: Callable[[bytes], dict[str, Any]] | None = None
    join: Callable[[bytes, Original], bytes] | None = None
