"""Dead letters: what was refused, what was done about it since, and how a record goes back to where it came from.

A source record is published again on its own topic and partition, byte for byte, with one header more. Whether a
letter was seen to stands on ``operations``: the dead-letter topic itself is never changed.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from confluent_kafka import Message

from streams.model import DeadLetter, DeadReason, Deed, Operation, position
from streams.runtime.names import Names
from streams.runtime.redrive import Headers, Publishing
from streams.runtime.scan import Scan, Stretch

HEADER = "redriven"  #: of a record that came back: which re-drive, and the dead letter's position
_CUT = 1024  #: a key or header of so many bytes may have been cut by the letter
_MOST_HEADERS = 32
_letter = msgspec.json.Decoder(DeadLetter).decode
_operation = msgspec.json.Decoder(Operation).decode
_NOTIFICATIONS = "notifications"
_DONE = {Deed.REDRIVE: "redriven", Deed.DISCARD: "discarded"}


class _Named(msgspec.Struct):
    id: str


_named = msgspec.json.Decoder(_Named).decode


class LeftOut(StrEnum):
    """Why a dead letter that was asked for is not sent back."""

    SEEN_TO = "seen_to"  #: it was sent back or discarded before
    COUNTED = "counted"  #: one rule failed on it, all others have counted it: ask for the reason by name
    EMPTY = "empty"  #: a tombstone holds nothing to send
    CUT = "cut"  #: too large for a letter, and gone from its topic
    SHARED = "shared"  #: it stands on a topic that every sink reads: `tocsin deliveries redrive`, `storage rebuild`
    DERIVED = "derived"  #: it was made from an event (rekeyed): send that one back
    FROM_A_FILE = "from_a_file"  #: it has no topic


@dataclass(frozen=True, slots=True)
class Refused:
    """A dead letter. ``where``: its own position; ``done``: redriven, discarded, or empty."""

    where: str
    letter: DeadLetter
    done: str = ""

    @property
    def topic(self) -> str:
        """The logical topic of the record that was refused."""
        return self.letter.origin.rsplit("/", 2)[0] if self.letter.origin.count("/") >= 2 else ""

    @property
    def value(self) -> bytes | None:
        return None if self.letter.value is None else base64.b64decode(self.letter.value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; everything given must hold. ``ids``: positions of letters, or of the records refused."""

    ids: tuple[str, ...] = ()
    since: int = 0
    until: int | None = None
    stretch: Stretch | None = None  #: of ``dead-letter``
    stage: str = ""  #: its beginning: ``detect``, ``deliver:slack``
    topic: str = ""
    reasons: Collection[DeadReason] = ()

    def holds(self, one: Refused) -> bool:
        letter = one.letter
        return (
            (not self.ids or one.where in self.ids or letter.origin in self.ids)
            and self.since <= letter.at
            and (self.until is None or letter.at < self.until)
            and letter.stage.startswith(self.stage)
            and self.topic in ("", one.topic)
            and (not self.reasons or letter.reason in self.reasons)
        )


@dataclass(frozen=True, slots=True)
class Returning:
    """A record on its way back, as it was."""

    refused: Refused
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go back."""

    records: tuple[Returning, ...] = ()
    left_out: Counter[LeftOut] = field(default_factory=Counter)


def read_letters(scan: Scan, wanted: Wanted) -> list[Refused]:
    """The letters that are asked for, oldest first, with what was done about each."""
    found: list[tuple[str, DeadLetter]] = []
    for message in scan.records("dead-letter", wanted.since, wanted.stretch):
        try:
            letter = _letter(message.value() or b"")
        except (ValueError, RecursionError):
            continue
        found.append((position("dead-letter", message.partition() or 0, message.offset() or 0), letter))
    first = min((letter.at for _, letter in found), default=0)
    done = _seen_to(scan, first) if found else {}
    letters = [Refused(where, letter, _done(where, letter, done)) for where, letter in found]
    return sorted(filter(wanted.holds, letters), key=lambda one: (one.letter.at, one.where))


def plan(chosen: Iterable[Refused], scan: Scan, reasons: Collection[DeadReason] = ()) -> Plan:
    """``reasons``: those that were asked for by name."""
    records, left_out = [], Counter[LeftOut]()
    for one in chosen:
        back = _unfit(one, reasons) or _as_it_was(one, scan)
        if isinstance(back, LeftOut):
            left_out[back] += 1
        else:
            records.append(back)
    return Plan(tuple(records), left_out)


def redrive(plan: Plan, by: str, now: int, mark: str, options: Mapping[str, Any], names: Names) -> None:
    """Publish all of it, or none. Raises ClusterError."""
    with Publishing(options, names, mark) as write:
        for back in plan.records:
            _, partition, _ = back.refused.letter.origin.rsplit("/", 2)
            headers = (*back.headers, (HEADER, f"{mark} {back.refused.where}".encode()))
            write.produce(back.refused.topic, back.value, back.key, headers, int(partition))
            write.operation(back.refused.where, "", Deed.REDRIVE, by, now, f"to {back.refused.topic}/{partition}")


def discard(
    chosen: Iterable[Refused], by: str, note: str, now: int, mark: str, options: Mapping[str, Any], names: Names
) -> None:
    """Say of all of them, or of none, that they need nothing. Raises ClusterError."""
    with Publishing(options, names, mark) as write:
        for one in chosen:
            write.operation(one.where, "", Deed.DISCARD, by, now, note)


def _seen_to(scan: Scan, since: int) -> dict[str, tuple[str, int]]:
    """What was done and when; by a letter's position, or by sink and id of a notification that was sent again."""
    done: dict[str, tuple[str, int]] = {}
    for message in scan.records("operations", since):
        try:
            operation = _operation(message.value() or b"")
        except (ValueError, RecursionError):
            continue
        if operation.action in _DONE:
            of_letter = operation.alert_id.startswith("dead-letter/")
            done[operation.alert_id if of_letter else operation.reason] = _DONE[operation.action], operation.at
    return done


def _done(where: str, letter: DeadLetter, done: Mapping[str, tuple[str, int]]) -> str:
    """A sink that fails again after the re-drive writes another letter: only later deeds count for this one."""
    what, at = done.get(where) or done.get(_told(letter)) or ("", 0)
    return what if at >= letter.at or where in done else ""


def _told(letter: DeadLetter) -> str:
    """Sink and id, as `tocsin deliveries redrive` notes them, of a notification that was not delivered."""
    stage, _, sink = letter.stage.partition(":")
    if stage != "deliver" or letter.value is None or not letter.origin.startswith(f"{_NOTIFICATIONS}/"):
        return ""
    try:
        return f"{sink} {_named(base64.b64decode(letter.value)).id}"
    except (ValueError, RecursionError):
        return ""  # no notification, or cut


def _unfit(one: Refused, reasons: Collection[DeadReason]) -> LeftOut | None:
    letter = one.letter
    if one.done:
        return LeftOut.SEEN_TO
    if letter.value is None:
        return LeftOut.EMPTY
    if not one.topic or letter.origin.startswith("file:"):
        return LeftOut.FROM_A_FILE
    if letter.stage.startswith("deliver:"):
        return LeftOut.SHARED
    if one.topic == "rekeyed":
        return LeftOut.DERIVED
    if letter.reason is DeadReason.RULE_FAILED and DeadReason.RULE_FAILED not in reasons:
        return LeftOut.COUNTED
    return None


def _as_it_was(one: Refused, scan: Scan) -> Returning | LeftOut:
    letter, value = one.letter, one.value
    key = None if letter.key is None else base64.b64decode(letter.key)
    headers = tuple((name, base64.b64decode(data)) for name, data in letter.headers)
    lengths = [len(key or b""), *(len(data) for _, data in headers)]
    if not letter.truncated and max(lengths) < _CUT and len(headers) < _MOST_HEADERS and value is not None:
        return Returning(one, key, value, tuple(kept for kept in headers if kept[0] != HEADER))
    topic, partition, offset = letter.origin.rsplit("/", 2)
    message = scan.one(topic, int(partition), int(offset))
    if message is None or not _is(message, letter):
        return LeftOut.CUT
    return Returning(one, message.key(), message.value() or b"", tuple(_headers(message)))


def _is(message: Message, letter: DeadLetter) -> bool:
    """Whether this is the record the letter tells of: the topic may have been made anew."""
    return hashlib.sha256(message.value() or b"").hexdigest() == letter.sha256


def _headers(message: Message) -> Headers:
    found: Any = message.headers() or []
    return [(name, data) for name, data in found if name != HEADER]
