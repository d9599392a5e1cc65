"""READ FIRST. The flow of Tocsin, as functions over the state of one partition.

Every function takes ``(state, batch, now, control)`` and returns the records to write; the runtime puts them,
the state's changes and the position into one transaction. Live workers, replays and rule tests call the same ones.
"""

from __future__ import annotations

from streams.alerts.fold import fold
from streams.alerts.intake import read
from streams.alerts.lifecycle import obey
from streams.alerts.outcomes import dead, dead_reason, operation
from streams.model import Batch, Control, Finding, Output, position
from streams.state.alerting import MAX_TICK, AlertState

# --- ALERT


def alert(state: AlertState, batch: Batch, now: int, control: Control) -> list[Output]:
    """Findings and commands of ``alert-input``, in the order of the log: fold → lifecycle → route.

    Gives dead letters and one record on ``operations`` for each command, then at most one new version of each
    alert, followed by its notifications.
    """
    now = state.begin(now, control)
    outputs: list[Output] = []
    for index, (offset, value, _) in enumerate(batch.records):
        try:
            record = read(value)
            if isinstance(record, Finding):
                state.counts["verdict", fold(state.book, record, now)] += 1
            else:
                refusal = obey(state.book.case(record.alert_id), record, now)
                state.counts["commands", record.action, "applied" if refusal is None else "refused"] += 1
                outputs.append(operation(record, refusal, now))
        except Exception as error:  # this record's, never the batch's
            reason = dead_reason(value, error)
            state.counts["dead", state.topic, reason] += 1
            origin = position(state.topic, state.partition, offset)
            outputs.append(dead(origin, value, batch.original(index), reason=reason, error=error, now=now))
    if batch.records:
        state.position.committed = state.position.next = batch.records[-1][0] + 1
    return outputs + state.finish(now)


def alert_tick(state: AlertState, now: int, control: Control, *, at_end: bool) -> list[Output]:
    """What time alone brings about: reminders, then old alerts forgotten; at most ``MAX_TICK`` of them."""
    now = state.begin(now, control)
    done = state.remind_due(now, MAX_TICK)
    outputs = state.finish(now)
    state.purge(now, MAX_TICK - done)
    return outputs
