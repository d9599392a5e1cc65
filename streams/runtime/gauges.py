"""What a role shows of its partitions, once a second."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from confluent_kafka import Consumer, TopicPartition

from streams import telemetry
from streams.model import SEVERITIES
from streams.runtime.stage import Part
from streams.state.detect.rulebook import Rulebook
from streams.state.tables import Table


def show(role: str, parts: Iterable[Part], consumer: Consumer) -> int:
    """Move what the cores counted into the metrics; returns how many records over all parts wait to be read."""
    wall, lag, live, restoring = time.time_ns() // 1_000_000, 0, 0, 0
    active: Counter[str] = Counter()
    if role == "detect":
        telemetry.RULE_OFF.clear()
        telemetry.EVICTED.clear()
        telemetry.UNDECIDED.clear()
    parts = list(parts)
    # Behind the last record there may be ends of transactions, which are no records: the client has passed them.
    asked = [TopicPartition(*part.name) for part in parts if part.live]
    passed = {(tp.topic, tp.partition): tp.offset for tp in consumer.position(asked)} if asked else {}
    for part in parts:
        if not part.live:  # the restore's thread is still filling its state
            restoring += 1
            continue
        live += 1
        _core(part, active, wall)
        labels = _labels(part)
        _, high = consumer.get_watermark_offsets(TopicPartition(*part.name), cached=True)
        behind = max(0, high - max(part.state.position.next, passed[part.name]))
        telemetry.LAG.labels(*labels).set(behind)
        lag += 0 if part.drained else behind  # what stands behind an open transaction upstream cannot be read yet
        if (watermark := part.state.position.stage.get("watermark")) is not None:
            telemetry.WATERMARK_DELAY.labels(*labels).set((wall - watermark) / 1000)
    if role == "alert":
        for severity in SEVERITIES:
            telemetry.ACTIVE.labels(severity).set(active[severity])
    telemetry.PARTITIONS.labels(role, "live").set(live)
    telemetry.PARTITIONS.labels(role, "restoring").set(restoring)
    return lag


def forget(part: Part) -> None:
    """The part is another worker's now: so are its figures."""
    telemetry.SERIES.show(str(part), [])
    for metric in (telemetry.LAG, telemetry.WATERMARK_DELAY, telemetry.RESTORE_SECONDS):
        with suppress(KeyError):
            metric.remove(*_labels(part))


def _labels(part: Part) -> tuple[str, str]:
    return part.input.topic, str(part.number)


def _core(part: Part, active: Counter[str], wall: int) -> None:
    """Counts every state has; open alerts, rule times and rules that are off, where it has them."""
    state = part.state
    telemetry.record(state.counts)
    active.update(getattr(state, "active", {}))
    timings: list[tuple[str, int]] = getattr(state, "timings", [])
    for rule, ns in timings:
        telemetry.RULE_SECONDS.labels(rule).observe(ns / 1e9)
    timings.clear()
    book = getattr(state, "book", None)
    for rule in getattr(book, "off", ()):
        telemetry.RULE_OFF.labels(rule, str(part)).set(1)
    for rule, n in getattr(book, "evicted", {}).items():
        telemetry.EVICTED.labels(rule, str(part)).set(n)
    if isinstance(book, Rulebook):
        for rule, n in book.undecided(wall).items():
            telemetry.UNDECIDED.labels(rule, str(part)).set(n)
        telemetry.SERIES.show(str(part), [sample for table in book.exporting() for sample in _series(table)])


def _series(table: Table) -> Iterator[telemetry.Sample]:
    export = table.rule.export
    assert export is not None
    for tenant, key, value in table.series.shown(table.shelves):
        yield telemetry.Sample(export.name, table.rule.id, ("tenant", *table.rule.group_by), (tenant, *key), value)
