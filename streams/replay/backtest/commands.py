"""What people did to alerts while the events of a backtest came, as it stands on ``alert-input``, at its times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Message

from streams.codec.outputs import PLAIN, Wire
from streams.model import Command, Operation
from streams.model.operation import OperationOutcome
from streams.replay.spool import Spool, Waiting
from streams.replay.topics import Point, Topic, TopicRange

_command = msgspec.json.Decoder(Command)
_operation = msgspec.json.Decoder(Operation)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Commands:
    """Those of a stretch of time, oldest first. ``digest``: over them, each with a line's end behind it."""

    spool: Spool
    digest: str
    topic: str

    def described(self) -> dict[str, Any]:
        return {"topic": self.topic, "taken": self.spool.count, "sha256": self.digest}


@dataclass(frozen=True, slots=True)
class CommandLog:
    """The topic they stand on, and that of what came of them, as the cluster calls them."""

    topic: str
    outcomes: str
    options: Mapping[str, Any]
    wire: Wire = PLAIN

    def within(self, begin: int, end: int) -> Commands:
        """Those that were written from ``begin`` to ``end``, ms, both taken in. Raises ClusterError.

        One that was done though it named a version of its alert names none here: where the batches of a live run lay
        decides how many versions there are.
        """
        found: list[tuple[int, bytes, Command, bytes]] = []
        for message in self._messages(self.topic, begin):
            at, value = message.timestamp()[1], message.value() or b""
            if begin <= at <= end and (command := _decoded(value)) is not None:
                found.append((at, message.key() or b"", command, value))
        found.sort(key=lambda one: one[0])  # those of a tenant stand in one partition, and keep their order
        naming = any(command.expected_version is not None for _, _, command, _ in found)
        done = self._done(begin) if naming else frozenset()
        spool, digest = Spool(), hashlib.sha256()
        for at, key, command, value in found:
            given = value
            if command.expected_version is not None and command.id in done:
                given = _encode(msgspec.structs.replace(command, expected_version=None))
            spool.add(Waiting(at, key, given))
            digest.update(value + b"\n")
        return Commands(spool, digest.hexdigest(), self.topic)

    def _done(self, begin: int) -> frozenset[str]:
        """The ids of those that were done."""
        found = set()
        for message in self._messages(self.outcomes, begin):
            with suppress(ValueError):  # anybody may have written it
                one = _operation.decode(self.wire.json("operations", message.value() or b""))
                if one.outcome is OperationOutcome.APPLIED:
                    found.add(one.command_id)
        return frozenset(found)

    def _messages(self, name: str, begin: int) -> Iterator[Message]:
        topic = Topic(self.options, TopicRange(name, Point(time=begin)))
        try:
            for partition in topic.ranges:
                for messages in topic.messages(partition):
                    yield from messages
        finally:
            topic.close()


def _decoded(value: bytes) -> Command | None:
    try:
        return _command.decode(value)
    except msgspec.MsgspecError:  # a finding; or what anybody may have written, and ALERT refuses
        return None
