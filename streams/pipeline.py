"""READ FIRST. The flow of Tocsin, as functions over the state of one partition.

Every function takes ``(state, batch, now, control)`` and returns the records to write; the runtime puts them,
the state's changes and the position into one transaction. Live workers, replays and rule tests call the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.alerts.fold import fold
from streams.alerts.intake import read
from streams.alerts.lifecycle import obey
from streams.alerts.outcomes import dead, dead_reason, operation
from streams.detect import hop
from streams.detect.base import FOREVER
from streams.detect.clock import MAX_TIME, event_id_of, event_time, tenant_of
from streams.detect.refusals import reason_of, refused
from streams.errors import SourceUnavailable
from streams.model import Batch, Control, DeadReason, Finding, Output, position
from streams.state.alerts.alerting import MAX_TICK, AlertState
from streams.state.detect.arrived import Arrived
from streams.state.detect.detecting import DetectState
from streams.state.detect.hits import copied, evaluate
from streams.state.detect.judging import lapsed
from streams.state.detect.rekeyed import RekeyedState

#: Expired keys that one step looks at for each rule, beside two for each of its records.
SWEEP = 500


# --- DETECT


def detect(state: DetectState, batch: Batch, now: int, control: Control) -> list[Output]:
    """Events of one source partition: decode → validate → match → step the rules that matched.

    Gives findings, copies for rules of another key, dead letters and late letters in the order of the log, then the
    watermark if it is time. An event that nothing matches costs nothing further: keep it so.
    """
    state.begin(control)
    outputs: list[Output] = []
    program, clock, book, skew = state.program, state.clock, state.book, state.source.max_skew
    decode, match, newest = program.decode, program.match, clock.newest
    wake, join, stirred = clock.reaching(book.wake), state.source.join, False
    for offset, raw, stamp in batch.records:
        if newest >= wake:  # some timer may be due, before this event
            clock.newest = newest
            outputs += lapsed(state, clock.mark, now, locate=state.locate)
            wake = clock.reaching(book.wake)
        try:
            if raw is None:
                raise ValueError("null where an event was expected")
            payload = raw if join is None else join(raw, batch.original_of(offset))
            event = decode(payload)
            at, tenant, event_id = event.event_time, event.tenant, event.event_id
            if at.__class__ is not int or not 0 <= at <= MAX_TIME:
                at, _ = event_time(at, stamp)
            if tenant.__class__ is not str or not tenant:
                tenant = tenant_of(tenant, state.source.default_tenant)
            if event_id.__class__ is not str:
                event_id = event_id_of(event_id)
        except SourceUnavailable:  # no record's fault: the process ends without a commit, and reads it again
            raise
        except Exception as error:  # it is this record's fault, and never the batch's
            outputs.append(_dead(state, batch, offset, raw, reason_of(raw, error), error, now))
            continue
        try:
            matched = match(event)
        except Exception:  # some rule's fault: they are asked one by one
            matched = ()
        if matched is not None:
            clock.newest, stirred = newest, True
            try:
                came = offset, raw, payload, at, stamp, tenant, event_id, event
                outputs += evaluate(state, batch, *came, matched, now)
            except Exception as error:  # as above
                outputs.append(_dead(state, batch, offset, raw, reason_of(raw, error), error, now))
            if state.program is not program:  # a rule was switched off
                program = state.program
                decode, match = program.decode, program.match
            if book.wake < FOREVER:
                wake = clock.reaching(book.wake)
        if at > newest:
            if stamp < 0 or at <= stamp + skew:
                newest = at
            else:
                state.counts["skewed", state.source.name] += 1
    clock.newest = newest
    if batch.records:
        state.counts["events", state.source.name] += len(batch.records)
        state.came(now, batch.records[-1][0] + 1)
    outputs += lapsed(state, clock.mark, now, locate=state.locate)
    outputs += state.finish(now, SWEEP + 2 * len(batch.records))
    state.stirred = stirred or bool(outputs)
    return outputs


def detect_tick(state: DetectState, now: int, control: Control, *, at_end: bool) -> list[Output]:
    """Time passes over a partition without events: its watermark advances, and is published where others need it."""
    state.begin(control)
    state.tick(now, at_end=at_end)
    outputs = lapsed(state, state.clock.mark, now, locate=state.locate) + state.finish(now, SWEEP)
    state.stirred = bool(outputs)
    return outputs


def rekeyed(state: RekeyedState, batch: Batch, now: int, control: Control) -> list[Output]:
    """Copies and watermarks: let copies wait, then step those that every origin has passed, in their one order."""
    state.begin(control)
    outputs: list[Output] = []
    for offset, value, _ in batch.records:
        try:
            below = state.take(offset, hop.read(value or b""))
            if below is not None:
                outputs += copied(state, below, state.limit, now)
        except Exception as error:  # it is this record's fault, and never the batch's
            outputs.append(_dead(state, batch, offset, value, reason_of(value, error), error, now))
    if batch.records:
        state.came(batch.records[-1][0] + 1)
    return outputs + _drain(state, None, now)


def rekeyed_tick(state: RekeyedState, now: int, control: Control, *, at_end: bool) -> list[Output]:
    """A new rule set may need fewer origins, and so free copies that waited for them."""
    state.begin(control)
    return _drain(state, None, now)


def rekeyed_in_turn(state: RekeyedState, copies: Sequence[Arrived], now: int, control: Control) -> list[Output]:
    """For a replay that has put all copies into their one order: some of them, stepped at once."""
    state.begin(control)
    outputs: list[Output] = []
    for copy in copies:
        outputs += copied(state, copy, copy.order, now)
    state.passed(copies[-1].order)
    state.finish(now, SWEEP + 2 * len(copies))
    return outputs


def rekeyed_end(state: RekeyedState, now: int, control: Control, *, mark: int) -> list[Output]:
    """For a replay that has read everything: no origin sends more, so all that waits is stepped. ``mark``: how far
    all origins have come, which is how far time has.
    """
    state.begin(control)
    return _drain(state, FOREVER, now, mark)


def _drain(state: RekeyedState, limit: int | None, now: int, mark: int | None = None) -> list[Output]:
    outputs: list[Output] = []
    stepped = 0
    for copy in state.ready(limit):
        outputs += copied(state, copy, copy.order, now)
        stepped += 1
    outputs += lapsed(state, state.limit if mark is None else mark, now, locate=str)
    state.finish(now, SWEEP + 2 * stepped)
    return outputs


def _dead(
    state: DetectState | RekeyedState, batch: Batch, offset: int, value: bytes | None, reason: DeadReason,
    error: Exception, now: int,
) -> Output:  # fmt: skip
    source = state.source.name if isinstance(state, DetectState) else state.topic
    state.counts["dead", source, reason.value] += 1
    origin, original = state.locate(offset), batch.original_of(offset)
    return refused("dead-letter", origin, value, original, reason=reason, error=error, now=now)


# --- ALERT


def alert(state: AlertState, batch: Batch, now: int, control: Control) -> list[Output]:
    """Findings and commands of ``alert-input``, in their order: fold → lifecycle → suppress → route → escalate.

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
                refusal = obey(state.book.case(record.alert_id), record, now, state.other(record.tenant))
                state.counts["commands", record.action, "applied" if refusal is None else "refused"] += 1
                outputs.append(operation(record, refusal, now))
        except Exception as error:  # this record's, never the batch's
            reason = dead_reason(value, error)
            state.counts["dead", state.topic, reason] += 1
            origin = position(state.topic, state.partition, offset)
            outputs.append(dead(origin, value, batch.original(index), reason=reason, error=error, now=now))
    if batch.records:
        state.position.committed = state.position.next = batch.records[-1][0] + 1
    decided = state.decide(now)  # suppress → route → escalate
    return outputs + state.tell(decided, now)


def alert_tick(state: AlertState, now: int, control: Control, *, at_end: bool) -> list[Output]:
    """What time alone brings about: timers of alerts, groups to be told, then old alerts forgotten; at most
    ``MAX_TICK`` of each.
    """
    now = state.begin(now, control)
    done = state.ring_due(now, MAX_TICK)
    state.remind(now)
    outputs = state.tell(state.decide(now), now)
    state.purge(now, MAX_TICK - done)
    return outputs
