"""How often a rule may notify: carried on the rule for the alert stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.rules.block import Block
from streams.rules.option import Option

#: What stands in the block, for the reference page.
OPTIONS = (
    Option("every", "duration", "", "at most one alert in so long"),
    Option("per_hour", "integer", "", "at most so many alerts in an hour; one of the two must be there"),
)


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most one alert in ``every`` ms, and ``per_hour`` in an hour; None: no such limit."""

    every: int | None = None
    per_hour: int | None = None


def parse_throttle(raw: Any) -> Throttle:
    """A ``throttle`` block: ``{every: 5m, per_hour: 10}``, at least one of them. Raises ``BlockErrors``."""
    block = Block(raw)
    throttle = Throttle(
        block.duration("every", None, least=1) if block.has("every") else None,
        block.integer("per_hour", None, least=1) if block.has("per_hour") else None,
    )
    if isinstance(raw, Mapping) and not (block.has("every") or block.has("per_hour")):
        block.problem("", "names neither every nor per_hour")
    block.check()
    return throttle
