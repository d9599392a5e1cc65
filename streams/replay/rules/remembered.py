"""What a rule remembers of a key, for people and programs."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.detect.base import Measured, State
from streams.model import Batch
from streams.replay.lookback.onekey import OneKey
from streams.replay.moments import rfc3339
from streams.state.tables import Table

#: Events that are tried at the most, to see what the next finding needs.
MOST = 200


def readable(table: Table, state: State | None) -> dict[str, Any] | None:
    """The number a kind measures, where it has one, its threshold, how old the state is, when time alone will bring
    something about; and the state as it stands. None: nothing is remembered.
    """
    if state is None:
        return None
    detector, timed = table.detector, table.timed
    due = timed.due(state) if timed is not None else None
    return {
        "measured": detector.measure(state) if isinstance(detector, Measured) else None,
        "entries": len(state) // detector.stride,
        "newest": rfc3339(detector.newest(state)),
        "holds": detector.holds(state),
        "due": rfc3339(due) if due is not None else None,
        "raw": state,
    }


def needed(one: OneKey) -> dict[str, Any] | None:
    """How often the key's last event would have to come again, each under an id of its own and at the same event time,
    until the rule finds something; and what. None where that cannot be tried: no event came, or it is of a foreign
    form. ``events`` is None where ``MOST`` of them bring nothing about. Steps ``one`` on: look at all else before.
    """
    if not one.steps:
        return None
    last, source_partition = one.steps[-1], one.last_fed
    if source_partition is None:
        return None
    source, partition = source_partition
    if source.mapping is not None or source.join is not None:
        return None
    before, offset = len(one.findings), one.offset
    one.imagine()
    for number in range(1, MOST + 1):
        event = {**last.event, "event_id": f"what-if-{number}", "event_time": last.at}
        record = offset + number, msgspec.json.encode(event), max(one.clock, last.at)
        one.feed(source, partition, [Batch([record])])
        one.settle()
        if len(one.findings) > before:
            found = one.findings[before]
            said = {"kind": found.kind.value, "observed": found.observed, "threshold": found.threshold}
            return {"events": number, "finding": {**said, "severity": found.severity.value}}
    return {"events": None, "finding": None}
