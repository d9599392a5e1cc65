"""Where the time went between an event and those who were told of its alert, stage by stage, read from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import Message

from streams.errors import ClusterError
from streams.model import Alert, Command, Finding, Outcome
from streams.runtime.ledger import Entry
from streams.runtime.scan import Scan

_input = msgspec.json.Decoder(Finding | Command).decode


class Passed(NamedTuple):
    """A stage and when it was passed (ms); None: not yet, or no longer to be found."""

    stage: str  #: event, ingest, detect, emit; per sink send, delivered; acknowledged
    at: int | None
    sink: str = ""


def passed(scan: Scan, versions: Sequence[tuple[Alert, str]], entries: Sequence[Entry]) -> list[Passed]:
    """``versions``: of one alert with their positions, the oldest first; ``entries``: of the ledger.

    The event is the one that opened the alert; ingest, detect and emit are when its record, the finding and the
    alert's first version were written, by the timestamps of these records. Of each sink the first notification counts.
    """
    (first, where), (last, _) = versions[0], versions[-1]
    found = [Passed("event", first.event_time)]
    found.append(Passed("ingest", _written(scan, first.first[-1].position if first.first else "")))
    found.append(Passed("detect", _detected(scan, first)))
    found.append(Passed("emit", _written(scan, where) or first.created_at))
    for sink, entry in sorted(_first_by_sink(entries, first.id).items()):
        sent = [one.at - one.latency_ms for one in entry.attempts[:1]]
        done = [one.at for one in entry.attempts if one.outcome is Outcome.DELIVERED]
        found.append(Passed("send", sent[0] if sent else None, sink))
        found.append(Passed("delivered", done[0] if done else None, sink))
    found.append(Passed("acknowledged", last.acknowledged_at))
    return found


def _first_by_sink(entries: Sequence[Entry], alert_id: str) -> dict[str, Entry]:
    """The first that told of this alert, alone or in a group. Storages are told of versions, and are left out."""
    found: dict[str, Entry] = {}
    for entry in entries:
        group = entry.note.group if entry.note is not None else None
        members = {member.id for member in group.alerts} if group is not None else set()
        if entry.note is not None and (entry.alert_id == alert_id or alert_id in members):
            found.setdefault(entry.sink, entry)
    return found


def _detected(scan: Scan, alert: Alert) -> int | None:
    for message in scan.records("alert-input", alert.created_at):
        value = message.value() or b""
        if alert.id.encode() in value and message.key() == alert.tenant.encode():
            try:
                record = _input(value)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, Finding) and record.alert_id == alert.id:
                return _timestamp(message)
    return None


def _written(scan: Scan, position: str) -> int | None:
    """When the record at a position was written; None for what is not on the cluster any longer."""
    parts = position.rsplit("/", 2)
    if len(parts) != 3 or position.startswith("file:") or not (parts[1].isdigit() and parts[2].isdigit()):
        return None
    try:
        message = scan.one(parts[0], int(parts[1]), int(parts[2]))
    except ClusterError:
        return None
    return _timestamp(message) if message is not None else None


def _timestamp(message: Message) -> int | None:
    at = int(message.timestamp()[1])
    return at if at >= 0 else None
