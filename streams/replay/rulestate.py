"""What a rule remembers of a key, for people and programs."""

from __future__ import annotations

from typing import Any

from streams.detect.base import Measured, State
from streams.replay.moments import rfc3339
from streams.state.tables import Table


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
