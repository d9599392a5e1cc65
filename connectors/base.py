"""The contract of a connector: take a batch, say of each item what became of it.

A connector knows one vendor and classifies that vendor's failures. Everything else (retry, order, rate, breaker,
offsets, records of what happened) is the runner's, and the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from streams.errors import TocsinError
from streams.model import Alert, Notification, position


class Kind(StrEnum):
    """What a sink reads."""

    NOTIFIER = "notifier"  #: reads ``notifications``, those whose receiver is the sink's name
    STORAGE = "storage"  #: reads ``alerts``, every version of every alert, and the further topics it asks for


class Origin(NamedTuple):
    """Where an item stands; ``topic`` is the logical name."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One thing to deliver. ``key`` is the idempotency key: the same however often the item is sent.

    It is the notification's id, or ``<alert id>:<version>`` for storage.
    """

    key: str
    alert: Alert
    origin: Origin
    raw: bytes
    notification: Notification | None = None
    lane: str = ""  #: items of one lane are delivered in order; empty: the alert's id. Of a group it is the group's

    def __post_init__(self) -> None:
        if not self.lane:
            object.__setattr__(self, "lane", self.alert.id)

    @property
    def tenant(self) -> str:
        return self.alert.tenant


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One record of another topic, as it stands there, for a storage that asked for it. ``at``: its timestamp, ms.

    ``key`` is its position. Only sinks whose connector names further topics are given records.
    """

    key: str
    origin: Origin
    raw: bytes
    lane: str
    at: int = 0
    record_key: bytes | None = None


Work = Item | Record


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it. ``reference`` is the receiver's own name for it."""

    reference: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now. ``after_ms``: the receiver asked to wait so long; ``everyone``: and meant all items, not this one."""

    reason: str
    after_ms: int | None = None
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """Never: the receiver refuses this item, and would again."""

    reason: str


Result = Delivered | Retry | Rejected


class SinkBroken(TocsinError):
    """The sink itself is unusable (bad secret, corrupt database): no item's fault. It is restarted with back-off."""


class Sink(Protocol):
    """One receiver. All methods run on the sink's own event loop; ``deliver`` may run several times at once."""

    async def open(self) -> None:
        """Acquire what ``deliver`` needs. Raises SinkBroken where that is impossible."""

    async def deliver(self, batch: Sequence[Item]) -> Sequence[Result]:
        """One result per item, in order. Items of one alert come in the order of its versions.

        It must be cancellable, and safe to repeat with the same keys. An exception counts as Retry for the whole
        batch; SinkBroken as the end of this sink until it is opened again.
        """

    async def close(self) -> None:
        """Release everything; called once, also after a failed ``open``."""


_alert = msgspec.json.Decoder(Alert)
_notification = msgspec.json.Decoder(Notification)


class _Addressed(msgspec.Struct):
    receiver: str


_addressed = msgspec.json.Decoder(_Addressed)


def partition_lane(origin: Origin) -> str:
    """The lane of everything on one partition."""
    return f"{origin.topic}/{origin.partition}"


def decode_item(kind: Kind, receiver: str, raw: bytes, origin: Origin) -> Item | None:
    """The item in one record; None where a notification is addressed to another receiver.

    Raises ValueError (msgspec.DecodeError, UnicodeDecodeError) or RecursionError for anything that is not a record
    of ``streams.model``.
    """
    if kind is Kind.STORAGE:
        alert = _alert.decode(raw)
        return Item(f"{alert.id}:{alert.version}", alert, origin, raw)
    if _addressed.decode(raw).receiver != receiver:
        return None
    notification = _notification.decode(raw)
    return Item(notification.id, notification.alert, origin, raw, notification, notification.subject)


def as_record(raw: bytes, origin: Origin, at: int, record_key: bytes | None) -> Record:
    """A record of a further topic: taken as it is, decoded by whoever asked for it."""
    return Record(position(*origin), origin, raw, partition_lane(origin), at, record_key)
