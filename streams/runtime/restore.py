"""Bringing partitions back: committed offset, then the changelog up to what was committed, then compare.

Runs on a thread of its own; the source thread polls on meanwhile, so that the group keeps its member.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from queue import SimpleQueue
from typing import Any

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams import telemetry
from streams.errors import StateMismatch
from streams.runtime.names import Names
from streams.runtime.points import at
from streams.runtime.stage import Part
from streams.runtime.waiting import MOVING, watermarks
from streams.state.partition import POSITION, PartitionState, Position

_error, _key, _value = Message.error, Message.key, Message.value
_position = msgspec.json.Decoder(Position)


@dataclass(frozen=True, slots=True)
class Failed:
    """``parts`` could not be restored. That is nobody's fault where another worker has them by now: it writes on."""

    parts: tuple[Part, ...]
    error: BaseException


Done = SimpleQueue[Part | Failed]


def start(parts: list[Part], options: Mapping[str, Any], names: Names, group: str, done: Done) -> None:
    """Restore ``parts`` in the background; each arrives in ``done`` when it is whole, or with others as ``Failed``."""
    threading.Thread(target=_guarded, args=(parts, options, names, group, done), name="restore", daemon=True).start()


def _guarded(parts: list[Part], options: Mapping[str, Any], names: Names, group: str, done: Done) -> None:
    base = {**options, "group.id": group, "enable.auto.commit": False}  # only asks for offsets, never subscribes
    # What is missing from the middle of a changelog must be an error, not a jump to its end.
    whole = {"enable.partition.eof": True, "auto.offset.reset": "error"}
    fast = {"fetch.wait.max.ms": 20, "fetch.queue.backoff.ms": 5}
    left = list(parts)
    stable = Consumer({**base, **whole, **fast, "isolation.level": "read_committed"})
    ends = Consumer({**base, "isolation.level": "read_uncommitted"})
    try:
        for answer in _restore(parts, stable, ends, names):
            left = [part for part in left if part not in (answer.parts if isinstance(answer, Failed) else (answer,))]
            done.put(answer)
    except BaseException as error:  # the source thread decides what it means
        done.put(Failed(tuple(left), error))
    finally:
        stable.close()
        ends.close()


def _restore(parts: list[Part], stable: Consumer, ends: Consumer, names: Names) -> Iterator[Part | Failed]:
    at("committing?")
    committed = _committed(parts, stable)
    # Only now: what a transaction wrote that committed() waited for lies below this watermark. And from a
    # read_uncommitted handle: a read_committed one answers with the last stable offset, and we would stop early.
    wanted: dict[tuple[str, int], tuple[Part, int]] = {}
    for part in parts:
        changelog = names.changelog(part.input.table)
        high = watermarks(ends, TopicPartition(changelog, part.number))[1]
        wanted[changelog, part.number] = part, high
    at("restoring", parts=[str(part) for part in parts])
    for topic in {topic for topic, _ in wanted}:
        stable.list_topics(topic, 10)  # or the assignment waits a second for metadata
    stable.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in wanted])
    seen: dict[tuple[str, int], bool] = {}
    keys, reported = 0, time.monotonic()
    while wanted:
        messages = stable.consume(5000, 0.01)
        ends_of: list[tuple[Message, KafkaError]] = []
        if any(map(_error, messages)):
            both = [(message, message.error()) for message in messages]
            ends_of = [(message, error) for message, error in both if error is not None]
            messages = [message for message, error in both if error is None]
        for name, run in groupby(messages, lambda message: (message.topic(), message.partition())):
            if name in wanted:
                n, positioned = _load(wanted[name][0].state, list(run))
                keys, seen[name] = keys + n, seen.get(name, False) or positioned
        for message, error in ends_of:
            name = message.topic(), message.partition()
            if (entry := wanted.get(name)) is None:
                continue
            part, high = entry
            if error.code() == KafkaError._PARTITION_EOF:
                # Below `high` it is only the last stable offset: a transaction is open, another EOF follows.
                if message.offset() >= high:
                    del wanted[name]
                    try:
                        _compare(part, committed[part.name], seen.get(name, False), ends)
                    except StateMismatch as mismatch:
                        yield Failed((part,), mismatch)
                        continue
                    part.state.loaded()
                    yield part
            elif not error.retriable() and error.code() not in MOVING:
                raise KafkaException(error)
        if time.monotonic() - reported > 2:
            reported = time.monotonic()
            telemetry.log.info("restoring", records=keys, partitions_left=len(wanted))


def _load(state: PartitionState, messages: list[Message]) -> tuple[int, bool]:
    """Take records of one changelog; how many, and whether ``__position`` was among them."""
    keys, values, begin, positioned = list(map(_key, messages)), list(map(_value, messages)), 0, False
    for place, (key, value) in enumerate(zip(keys, values, strict=True)):
        if value is not None and key != POSITION:
            continue
        state.load_all(keys[begin:place], values[begin:place])
        begin = place + 1
        if key == POSITION:
            state.position = _position.decode(value)
            positioned = True
        else:
            state.unload(key)
    state.load_all(keys[begin:], values[begin:])
    return len(messages), positioned


def _committed(parts: list[Part], stable: Consumer) -> dict[tuple[str, int], int]:
    """The committed offset of each part; on a read_committed handle it waits out transactions that hold positions."""
    found: dict[tuple[str, int], int] = {}
    while left := [TopicPartition(part.topic, part.number) for part in parts if part.name not in found]:
        try:
            for tp in stable.committed(left, 5):
                if tp.error is None:
                    found[tp.topic, tp.partition] = tp.offset
        except KafkaException as error:
            code = error.args[0].code()
            if code not in MOVING and not error.args[0].retriable():
                raise
            time.sleep(0 if code == KafkaError._TIMED_OUT else 0.1)
            telemetry.log.info("waiting for a transaction that holds positions", error=error.args[0].str())
    return found


def _compare(part: Part, committed: int, seen: bool, ends: Consumer) -> None:
    """``__position`` must say what the group says; the same check finds resets, expiry and recreated topics."""
    position = part.state.position
    if not seen and committed == OFFSET_INVALID:  # first seen: nothing committed, and no position ever written
        low = watermarks(ends, TopicPartition(part.topic, part.number))[0]
        part.state.position = Position(committed=low, next=low)
        return
    if not seen or position.committed != committed:
        says = f"__position says {position.committed}" if seen else "there is no __position"
        theirs = (
            "no offset is committed" if committed == OFFSET_INVALID else f"the group's committed offset is {committed}"
        )
        raise StateMismatch(
            f"{part}: {theirs}, but {says}",
            "somebody moved the group's offsets, or they expired, or a topic was recreated: restore the group's offset "
            "to the value of __position, or reset changelog and group together (see streams/docs/operations.md)",
        )
