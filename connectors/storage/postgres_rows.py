"""From records to the rows of PostgreSQL's tables. Pure.

PostgreSQL's text has no NUL, and an index has no room for long values; ``document`` keeps both as they were.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from connectors.base import Item, Record
from streams.model import Delivery, position
from streams.model.operation import Operation

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_LONGEST = 400  #: characters: even in four bytes each, five such columns and more fit into an index entry
_delivery = msgspec.json.Decoder(Delivery)
_operation = msgspec.json.Decoder(Operation)


def storable(text: str) -> str:
    """``text`` without NUL, so that different texts stay different: NUL becomes ``␀0``, and ``␀`` is doubled."""
    if "\0" not in text and "␀" not in text:
        return text
    return text.replace("␀", "␀␀").replace("\0", "␀0")


def indexed(text: str) -> str:
    """``storable``, and where it is too long for an index cut, with its hash at the end. What to compare columns to."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 40]}…{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return storable(text)


@dataclass(frozen=True, slots=True)
class Table:
    """``key`` and ``long`` are texts (short enough for an index; any), ``numbers`` 64-bit integers or None."""

    name: str
    key: tuple[str, ...]
    long: tuple[str, ...]
    numbers: tuple[str, ...]
    flags: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.long, *self.numbers, *self.flags, "document", "position")


ALERTS = Table(
    "alerts",
    ("id", "tenant", "rule", "severity", "type", "source", "status", "assignee", "incident"),
    ("severity_word", "title", "why", "acknowledged_by", "resolved_by", "correlation_id", "violation_type", "deal_id",
     "disposition"),
    ("version", "count", "event_time", "last_event_time", "created_at", "updated_at", "acknowledged_at", "resolved_at",
     "escalation_level", "snoozed_until"),
    ("suppressed", "notification_failed"),
)  # fmt: skip
DELIVERIES = Table(
    "deliveries",
    ("notification_id", "alert_id", "tenant", "sink", "outcome"),
    ("reference", "error"),
    ("attempt", "at", "latency_ms"),
)
OPERATIONS = Table(
    "operations",
    ("command_id", "alert_id", "tenant", "action", "outcome"),
    ("by", "reason"),
    ("at", "asked_at"),
)
TABLES = (ALERTS, DELIVERIES, OPERATIONS)
_GETTERS = {
    table.name: tuple(
        attrgetter(*names) for names in (table.key, table.long, table.numbers) + ((table.flags,) if table.flags else ())
    )
    for table in TABLES
}


class Unstorable(ValueError):
    """No column holds this value."""


def row(table: Table, record: Any, raw: bytes, where: str) -> tuple[Any, ...]:
    """The record's row, columns as ``table.columns``. Raises Unstorable."""
    key, long, numbers, *flags = _GETTERS[table.name]
    values = numbers(record)
    for value in values:
        if value is not None and not _LOWEST <= value <= _HIGHEST:
            raise Unstorable(f"a number beyond 64 bits in {table.name}: {value!r:.60}")
    try:
        document = raw.decode()
    except UnicodeDecodeError as error:
        raise Unstorable(f"not UTF-8: {error}") from None
    return (
        *map(indexed, key(record)),
        *map(storable, long(record)),
        *values,
        *(map(bool, flags[0](record)) if flags else ()),
        document,
        where,
    )


def table_and_row(work: Item | Record) -> tuple[Table, tuple[Any, ...]]:
    """Where an item belongs, and its row. Raises ValueError for what is no record of its topic."""
    where = position(*work.origin)
    if isinstance(work, Item):
        return ALERTS, row(ALERTS, work.alert, work.raw, where)
    match work.origin.topic:
        case "deliveries":
            return DELIVERIES, row(DELIVERIES, _delivery.decode(work.raw), work.raw, where)
        case "operations":
            return OPERATIONS, row(OPERATIONS, _operation.decode(work.raw), work.raw, where)
    raise Unstorable(f"no table for {work.origin.topic}")


VERSION = ALERTS.columns.index("version")
