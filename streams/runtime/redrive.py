"""Sending again: a notification to its one sink, without any detection and without any other sink knowing.

A re-drive publishes the notification again, with the same id (the idempotency key) and the mark of the re-drive. It
is addressed to one receiver, so every other sink passes it by; its own sink sends it with its rate, its circuit and
its retries, and each attempt carries the mark. All of a re-drive stands in one transaction, with one record each on
``operations``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from streams.codec.outputs import PLAIN, Wire
from streams.errors import ClusterError
from streams.model import Deed, Operation, OperationOutcome, content_hash
from streams.runtime.ledger import LOST, Entry, State
from streams.runtime.names import Names
from streams.runtime.scan import Stretch

_encode = msgspec.json.Encoder().encode
Headers = Sequence[tuple[str, bytes | None]]


class LeftOut(StrEnum):
    """Why something that was asked for is not sent again."""

    UNDER_WAY = "under_way"  #: it waits or is being retried: it will be sent anyway
    SUPERSEDED = "superseded"  #: the same sink has been told something later of the alert
    NOT_RETAINED = "not_retained"  #: the notification is gone from its topic
    OF_A_STORAGE = "of_a_storage"  #: `tocsin storage rebuild` fills a storage


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; everything given must hold. ``ids``: beginnings of ids of notifications or alerts."""

    sink: str = ""
    ids: tuple[str, ...] = ()
    since: int = 0
    until: int | None = None
    stretch: Stretch | None = None  #: of ``notifications``
    tenant: str = ""
    states: Collection[State] = ()

    def holds(self, entry: Entry) -> bool:
        return (
            self.sink in ("", entry.sink)
            and self.tenant in ("", entry.tenant)
            and (not self.ids or any(entry.id.startswith(one) or entry.alert_id.startswith(one) for one in self.ids))
            and self.since <= entry.at
            and (self.until is None or entry.at < self.until)
            and (self.stretch is None or any(_within(where, self.stretch) for where in entry.where))
            and (not self.states or entry.state in self.states)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be sent again, in the order in which it was first told."""

    entries: tuple[Entry, ...] = ()
    left_out: Counter[LeftOut] = field(default_factory=Counter)


def plan(ledger: Iterable[Entry], wanted: Wanted, *, superseded: bool = False) -> Plan:
    """``superseded``: send again also what the same sink has been told something later of."""
    ledger = list(ledger)
    chosen = [entry for entry in ledger if wanted.holds(entry)]
    left_out: Counter[LeftOut] = Counter()
    kept: list[Entry] = []
    for entry in chosen:
        if (why := _unfit(entry)) is not None:
            left_out[why] += 1
        else:
            kept.append(entry)
    if not superseded:
        own = {(entry.sink, entry.id) for entry in kept}
        latest: dict[tuple[str, str], int] = {}
        for entry in ledger:
            if entry.state is State.DELIVERED and (entry.sink, entry.id) not in own:
                about = entry.sink, entry.subject
                latest[about] = max(latest.get(about, 0), entry.at)
        fresh = [entry for entry in kept if latest.get((entry.sink, entry.subject), 0) <= entry.at]
        left_out[LeftOut.SUPERSEDED] += len(kept) - len(fresh)
        kept = fresh
    return Plan(tuple(kept), +left_out)


def redrive(
    plan: Plan, by: str, now: int, mark: str, options: Mapping[str, Any], names: Names, wire: Wire = PLAIN
) -> None:
    """Publish all of it, or none. Raises ClusterError."""
    with Publishing(options, names, mark) as write:
        for entry in plan.entries:
            assert entry.note is not None
            again = msgspec.structs.replace(entry.note, redriven=mark)
            write.produce("notifications", wire.write("notifications", _encode(again)), again.subject.encode())
            write.operation(entry.alert_id, entry.tenant, Deed.REDRIVE, by, now, f"{entry.sink} {entry.id}")


def _unfit(entry: Entry) -> LeftOut | None:
    if entry.note is None:
        return LeftOut.OF_A_STORAGE if entry.id.startswith(f"{entry.alert_id}:") else LeftOut.NOT_RETAINED
    if entry.state not in LOST | {State.DELIVERED}:
        return LeftOut.UNDER_WAY
    return None


def _within(where: str, stretch: Stretch) -> bool:
    _, partition, offset = where.rsplit("/", 2)
    return int(partition) == stretch.partition and stretch.first <= int(offset) <= stretch.last


class Publishing:
    """Records that are all on the brokers when the block ends, or none of them. Raises ClusterError."""

    def __init__(self, options: Mapping[str, Any], names: Names, mark: str) -> None:
        self._names, self._mark, self._count = names, mark, 0
        self._failed: list[KafkaError] = []
        self._producer = Producer(
            {
                **options,
                "transactional.id": f"{names.prefix}{names.app}-redrive-{mark}",
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "transaction.timeout.ms": 60_000,
            }
        )

    def __enter__(self) -> Self:
        self._must(lambda: self._producer.init_transactions(15))
        self._must(self._producer.begin_transaction)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._abort()
            return
        self._must(lambda: self._producer.commit_transaction(30))
        if self._failed:  # librdkafka aborts by itself then; never trust that alone
            raise ClusterError(f"a record could not be written: {self._failed[0].str()}", "nothing was done")

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, headers: Headers = (), partition: int = -1
    ) -> None:
        """To a logical topic."""
        there = self._names.topic(topic)
        while True:
            try:
                self._producer.produce(there, value, key, partition, headers=list(headers), on_delivery=self._wrote)
                return
            except BufferError:
                self._producer.poll(0.05)

    def operation(self, about: str, tenant: str, deed: Deed, by: str, now: int, reason: str) -> None:
        """Who did what to what, among the operations of its tenant."""
        self._count += 1
        record = Operation(
            command_id=content_hash("redrive", self._mark, self._count), alert_id=about, tenant=tenant, action=deed,
            outcome=OperationOutcome.APPLIED, by=by, at=now, asked_at=now, reason=reason,
        )  # fmt: skip
        self.produce("operations", _encode(record), tenant.encode() or None)

    def _must(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except KafkaException as error:
            self._abort()
            raise ClusterError(f"nothing was done: {error.args[0].str()}", "run `tocsin topics check`") from None

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(10)
        except KafkaException:
            pass  # the brokers abort it when its time is over

    def _wrote(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failed.append(error)
