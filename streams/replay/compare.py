"""What a replay of the journal made, against what the live topics hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from confluent_kafka import TopicPartition

from streams.codec.outputs import PLAIN, Wire
from streams.replay.topics import consumer_of, partitions_of, read
from streams.runtime.names import Names
from streams.runtime.waiting import watermarks

_SHOWN = 20
Records = Counter[tuple[bytes, bytes]]
Ends = Mapping[tuple[str, int], int]  #: by logical topic and partition


class _Head(msgspec.Struct):
    """What names a record of ours, whatever it is."""

    record: str = ""
    id: str = ""
    command_id: str = ""
    version: int = 0
    origin: str = ""
    stage: str = ""
    error: str = ""


_head = msgspec.json.Decoder(_Head)


def _always(_: _Head) -> bool:
    return True


def _finding(head: _Head) -> bool:
    return head.record == "finding"  # commands come from people and from delivery


def _ours(head: _Head) -> bool:
    """Dead letters of the replayed stages; not those that stand for an output too large to produce."""
    return head.stage in ("detect", "alert", "rekeyed") and "too large to produce" not in head.error


#: The topics that the replayed stages write, and which of their records are theirs.
COMPARED: dict[str, Callable[[_Head], bool]] = {
    "alert-input": _finding,
    "alerts": _always,
    "notifications": _always,
    "operations": _always,
    "rekeyed": _always,
    "late": _always,
    "shadow": _always,
    "dead-letter": _ours,
}


def ends_of(options: Mapping[str, Any], names: Names) -> Ends:
    """Where the compared topics end now. What stands below has its steps in a journal that is read afterwards."""
    consumer = consumer_of(options)
    try:
        return {
            (topic, partition): watermarks(consumer, TopicPartition(names.topic(topic), partition))[1]
            for topic in COMPARED
            for partition in partitions_of(consumer, names.topic(topic))
        }
    finally:
        consumer.close()


def differences(
    outputs: Mapping[str, Records], options: Mapping[str, Any], names: Names, ends: Ends | None = None,
    wire: Wire = PLAIN,
) -> list[str]:  # fmt: skip
    """``outputs`` of a replay, by logical topic, against the live topics.

    With ``ends``, from before the journal was read, what live workers wrote since is no difference.
    One line for each record that only one side has, or that differs; the first ones of each topic, then a count.
    """
    found: list[str] = []
    consumer = consumer_of(options)
    try:
        for topic, ours in COMPARED.items():
            live: Records = Counter()
            since: Records = Counter()
            for partition in partitions_of(consumer, names.topic(topic)):
                low, high = watermarks(consumer, TopicPartition(names.topic(topic), partition))
                for messages in read(consumer, names.topic(topic), partition, low, high) if low < high else ():
                    for message in messages:
                        value = message.value() or b""
                        with suppress(ValueError):  # then it differs as it is
                            value = wire.json(topic, value)
                        if ours(_decoded(value)):
                            live[message.key() or b"", value] += 1
                            if ends is not None and (message.offset() or 0) >= ends.get((topic, partition), 0):
                                since[message.key() or b"", value] += 1
            found += compared(topic, live, outputs.get(topic, Counter()), since)
    finally:
        consumer.close()
    return found


def compared(topic: str, live: Records, replayed: Records, since: Records | None = None) -> list[str]:
    """The differences in one topic. ``since``: those of ``live`` that may be younger than what was replayed."""
    lines: list[str] = []
    missing, extra = replayed - live, live - replayed - (since or Counter())
    by_name = {_name(value): value for _, value in missing}
    paired = set()
    for (_, value), n in extra.items():
        name = _name(value)
        twin = by_name.get(name)
        if twin is not None:
            paired.add(name)
            lines.append(f"{topic}: {name} differs: live {_around(value, twin)}, replayed {_around(twin, value)}")
        else:
            lines.append(f"{topic}: {name} was written {n} times more than replayed")
    lines += [
        f"{topic}: {_name(value)} is missing {n} times"
        for (_, value), n in missing.items()
        if _name(value) not in paired
    ]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"{topic}: and {len(lines) - _SHOWN} more"]
    return lines


def _decoded(value: bytes) -> _Head:
    try:
        return _head.decode(value)
    except (ValueError, RecursionError):  # anybody may have written it
        return _Head()


def _name(value: bytes) -> str:
    head = _decoded(value)
    if head.id:
        return f"{head.id}#{head.version}" if head.version else head.id
    return head.command_id or head.origin or value[:120].decode("utf-8", "replace")


def _around(value: bytes, other: bytes) -> str:
    """The part of ``value`` where it begins to differ from ``other``."""
    at = next(
        (n for n, (one, two) in enumerate(zip(value, other, strict=False)) if one != two), min(len(value), len(other))
    )
    return value[max(0, at - 40) : at + 60].decode("utf-8", "replace")
