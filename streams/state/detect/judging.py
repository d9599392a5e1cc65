"""One rule meets one event of one key: the step, the finding, and what becomes of a rule that raises.

Shared by both halves of DETECT, before and after the hop through ``rekeyed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from streams.detect.base import Moment, Observed, Ref, Skipped, State, Witness
from streams.detect.findings import Completing, analysis_failed, finding
from streams.detect.refusals import refused
from streams.model import Control, DeadReason, Finding, FindingKind, Original, Output
from streams.rules.program import Key
from streams.rules.rule import Rule
from streams.state.detect.captured import clipped, nested
from streams.state.detect.keys import Row, bounded, key_at, row_of, too_long, values_of
from streams.state.detect.rulebook import MAX_ERRORS, Rulebook
from streams.state.shelf import Shelf
from streams.state.tables import Table

Locate = Callable[[Any], str]

_encode = msgspec.json.Encoder().encode


class Judging(Protocol):
    """What is needed of the state of a partition."""

    counts: Counter[tuple[str, ...]]
    timings: list[tuple[str, int]]
    stopwatch: Callable[[], int] | None
    control: Control | None
    book: Rulebook

    @property
    def topic(self) -> str:
        """Logical name of what is read."""

    def locate(self, ref: Any, /) -> str:
        """The position of an event by what the state of a key has of it."""


class Lapsed:
    """The event after which nothing came, for what time alone brings about. See ``findings.Completing``."""

    __slots__ = ("_captured", "_locate", "at", "event_id", "position", "tenant")

    from_record = False
    raw = b""

    def __init__(self, locate: Callable[[Ref], str], tenant: str, last: Witness, captured: Mapping[str, Any]) -> None:
        self._locate, self._captured = locate, captured
        self.tenant, self.at, self.event_id, self.position = tenant, last.at, last.event_id, locate(last.ref)

    def document(self) -> dict[str, Any]:
        """What was kept of it for the templates."""
        return nested(self._captured)

    def locate(self, ref: Ref) -> str:
        return self._locate(ref)


def judge(
    state: Judging, table: Table, tenant: str, key: Key, moment: Moment, event: Completing, *, locate: Locate
) -> list[Output]:
    """Step a key, whatever time has brought about for it before; the findings. Where it raises, nothing has changed
    but what time had brought about, and that a key is forgotten whose state lives (``streams.detect.living``).
    """
    watch = state.stopwatch
    began = watch() if watch is not None else 0
    if too_long(key):
        key = bounded(key)
    row = row_of(key)
    before = table.find(tenant, row)
    outputs: list[Output] = []
    timed, detector, captured = table.timed, table.detector, None
    if timed is not None and before is not None:
        while before is not None and (due := timed.due(before)) is not None and due <= moment.closed:
            outputs += lapse(state, table, table.shelves[tenant], row, before, moment.horizon, locate=locate)
            before = table.find(tenant, row)
    if table.captures:
        captured = (*map(clipped, moment.values[table.reads :]), moment.at)
        moment = moment._replace(values=moment.values[: table.reads])
    expired = before is not None and detector.newest(before) <= moment.horizon and not detector.holds(before)
    known = None if expired else before  # whether or not it was swept
    try:
        after, seen = detector.step(known, moment)
    except Exception:
        table.spoiled(tenant, row, known, moment.horizon)
        raise
    if seen.__class__ is Skipped:
        state.counts[seen.value, table.rule.id] += 1
        return outputs
    if seen is not None:
        evicted = table.forgot(tenant, moment.horizon)
        outputs += told(state, table.rule, tenant, key, seen, event, evicted)  # type: ignore[arg-type]  # as above
    table.put(tenant, row, before, after, moment.horizon, captured)
    if timed is not None and (wake := table.wake) < state.book.wake:
        state.book.wake = wake
    if table.measured is not None and after is not None:
        table.show(tenant, row, table.measured.measure(after))
    if watch is not None:
        state.timings.append((table.rule.id, watch() - began))
    return outputs


def lapse(
    state: Judging, table: Table, shelf: Shelf, row: Row, before: State, horizon: int, *, locate: Locate
) -> list[Output]:
    """What time alone has brought about for a key; the findings. Where it raises, nothing has changed."""
    timed = table.timed
    assert timed is not None
    after, seen = timed.expire(before)
    if after is before:
        raise ValueError("a timer was due, and the state stayed as it was")
    outputs: list[Output] = []
    if seen is not None:
        rule, first = table.rule, seen[0] if isinstance(seen, list) else seen
        assert isinstance(first, Observed)
        captured = dict(zip(table.captures, shelf.captured.get(row, ()), strict=False))
        event = Lapsed(locate, shelf.tenant, first.evidence[-1], captured)
        evicted = table.forgot(shelf.tenant, horizon)
        outputs = told(state, rule, shelf.tenant, key_at(row), seen, event, evicted)  # type: ignore[arg-type]  # never Skipped
    table.put(shelf.tenant, row, before, after, horizon)
    return outputs


def lapsed(state: Judging, mark: int, now: int, *, locate: Locate) -> list[Output]:
    """What time alone has brought about when the watermark reached ``mark``, over all rules and keys."""
    outputs: list[Output] = []
    for table, shelf, row, before in state.book.due(mark):
        try:
            outputs += lapse(state, table, shelf, row, before, mark - table.span, locate=locate)
        except Exception as error:  # isolated and reported; the key begins anew with its next event
            table.discard(shelf.tenant, row, mark - table.span)
            event = Lapsed(str, shelf.tenant, Witness(mark, f"{state.topic}/timer", ""), {})
            outputs += rule_failed(state, table, event, error, Original(None, ()), now)[0]
    return outputs


def told(
    state: Judging, rule: Rule, tenant: str, key: Key, seen: Observed | list[Observed], event: Completing, evicted: int
) -> list[Output]:
    """The findings of what was seen, counted."""
    outputs = []
    for observed in seen if isinstance(seen, list) else (seen,):
        found = finding(rule, ruleset_of(state), tenant, values_of(key), observed, event, evicted)
        outputs.append(output_of(found, rule))
        if rule.is_shadow:
            state.counts["shadow", rule.id, found.kind.value, found.severity.value] += 1
        elif found.kind is FindingKind.FIRE:
            state.counts["findings", rule.id, rule.type, found.severity.value] += 1
        elif found.kind is FindingKind.RETRACT:
            state.counts["retracted", rule.id] += 1
        else:
            state.counts["cleared", rule.id] += 1
    return outputs


def rule_failed(
    state: Judging, table: Table, event: Completing, error: Exception, original: Original, now: int
) -> tuple[list[Output], bool]:
    """The dead letter and the finding that say so; and whether with this error the rule is to be switched off. Of a
    shadow rule the finding alone, on its own topic.
    """
    rule = table.rule
    errors = table.failed()
    state.counts["rule_errors", rule.id] += 1
    if errors == MAX_ERRORS:
        state.counts["rule_off", rule.id] += 1
    failed = output_of(analysis_failed(rule, ruleset_of(state), event.tenant, event, error), rule)
    if rule.is_shadow:
        return [failed], errors == MAX_ERRORS
    letter = refused(
        "dead-letter", event.position, event.raw, original,
        reason=DeadReason.RULE_FAILED, error=error, now=now, rule=rule.id,
    )  # fmt: skip
    return [letter, failed], errors == MAX_ERRORS


def too_late(
    state: Judging, table: Table, event: Completing, horizon: int, original: Original, now: int
) -> list[Output]:
    """An event at or below the horizon of a rule: named, counted, and kept on ``late``; of a shadow rule counted."""
    state.counts["late", table.rule.id] += 1
    if table.rule.is_shadow:
        return []
    error = f"event time {event.at} is not after {horizon}, up to which {table.rule.id} has forgotten"
    letter = refused(
        "late", event.position, event.raw, original, reason=DeadReason.LATE, error=error, now=now, rule=table.rule.id
    )
    return [letter]


def ruleset_of(state: Judging) -> str:
    """Version of the rule set in force."""
    assert state.control is not None
    version: str = state.control.ruleset.version
    return version


def output_of(found: Finding, rule: Rule) -> Output:
    """The record that carries what ``rule`` found: for ALERT, or for nobody but those who try the rule."""
    return Output("shadow" if rule.is_shadow else "alert-input", found.tenant.encode(), _encode(found))
