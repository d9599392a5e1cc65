"""What people did to alerts while the events of a backtest came, as it stands on ``alert-input``, at its times."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streams.model import Command
from streams.replay.spool import Spool, Waiting
from streams.replay.topics import Point, Topic, TopicRange

_command = msgspec.json.Decoder(Command)


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
    """The topic they stand on, as the cluster calls it."""

    topic: str
    options: Mapping[str, Any]

    def within(self, begin: int, end: int) -> Commands:
        """Those that were written from ``begin`` to ``end``, ms, both taken in. Raises ClusterError."""
        topic = Topic(self.options, TopicRange(self.topic, Point(time=begin)))
        found: list[Waiting] = []
        try:
            for partition in topic.ranges:
                for messages in topic.messages(partition):
                    for message in messages:
                        at, value = message.timestamp()[1], message.value() or b""
                        if begin <= at <= end and _is_command(value):
                            found.append(Waiting(at, message.key() or b"", value))
        finally:
            topic.close()
        found.sort(key=lambda waiting: waiting.at)  # those of a tenant stand in one partition, and keep their order
        spool, digest = Spool(), hashlib.sha256()
        for waiting in found:
            spool.add(waiting)
            digest.update(waiting.value + b"\n")
        return Commands(spool, digest.hexdigest(), self.topic)


def _is_command(value: bytes) -> bool:
    try:
        _command.decode(value)
    except msgspec.MsgspecError:  # a finding; or what anybody may have written, and ALERT refuses
        return False
    return True
