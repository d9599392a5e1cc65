"""What passes between the shell and the pure core: batches in, outputs out, and the control state in force."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

#: (offset, value, record timestamp ms). A plain tuple: one is made for every event.
Record = tuple[int, bytes | None, int]


class Original(NamedTuple):
    """What a dead letter needs beyond the value."""

    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def _nothing(_: int) -> Original:
    return Original(None, ())


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition in offset order. ``original(i)`` looks up key and headers of ``records[i]``."""

    records: list[Record]
    original: Callable[[int], Original] = _nothing

    def original_of(self, offset: int) -> Original:
        """Key and headers of the record at ``offset``."""
        return self.original(bisect_left(self.records, (offset,)))  # a shorter tuple is less


class Output(NamedTuple):
    """A record to produce in the same transaction. ``topic`` is the logical name, without prefix."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """Control state up to ``position`` (offset of the next control record): the rule set, and settings per kind/id."""

    position: int
    ruleset: Any  #: streams.rules.RuleSet; Any because model is below rules
    records: dict[str, dict[str, Any]] = field(default_factory=dict)  #: "policy/default" -> document


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One call of the core, as journalled. A tick has ``begin == end``."""

    now: int
    begin: int
    end: int
    ruleset: str
    control: int
    at_end: bool = False  #: the partition had been read to its end (what lets an idle watermark advance)
