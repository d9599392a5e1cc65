"""One rule meets one event of one key: the step, the finding, and what becomes of a rule that raises.

Shared by both halves of DETECT, before and after the hop through ``rekeyed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import msgspec

from streams.detect.base import Moment, Skipped
from streams.detect.findings import Completing, analysis_failed, finding
from streams.detect.refusals import refused
from streams.model import Control, DeadReason, Finding, FindingKind, Original, Output
from streams.rules.program import Key
from streams.state.keys import MAX_KEY, bounded, row_tail, values_of
from streams.state.rulebook import MAX_ERRORS
from streams.state.tables import Table

_encode = msgspec.json.Encoder().encode


class Judging(Protocol):
    """What is needed of the state of a partition."""

    counts: Counter[tuple[str, ...]]
    timings: list[tuple[str, int]]
    stopwatch: Callable[[], int] | None
    control: Control | None


def judge(state: Judging, table: Table, tenant: str, key: Key, moment: Moment, event: Completing) -> Output | None:
    """Step the key; the finding, if it is one. Where anything raises, nothing has changed."""
    rule, watch = table.rule, state.stopwatch
    began = watch() if watch is not None else 0
    row = row_tail(tenant, key)
    if len(row) > MAX_KEY:
        key = bounded(key)
        row = row_tail(tenant, key)
    after, seen = table.step(row, moment)
    output = None
    if seen is not None:
        if isinstance(seen, Skipped):
            state.counts[seen.value, rule.id] += 1
            return None
        found = finding(rule, ruleset_of(state), tenant, values_of(key), seen, event, table.evicted)
        output = output_of(found)
        if found.kind is FindingKind.FIRE:
            state.counts["findings", rule.id, rule.type, found.severity.value] += 1
        else:
            state.counts["cleared", rule.id] += 1
    table.put(row, after, moment.horizon)
    if watch is not None:
        state.timings.append((rule.id, watch() - began))
    return output


def rule_failed(
    state: Judging, table: Table, event: Completing, error: Exception, original: Original, now: int
) -> tuple[list[Output], bool]:
    """The dead letter and the finding that say so; and whether with this error the rule is to be switched off."""
    rule = table.rule
    errors = table.failed()
    state.counts["rule_errors", rule.id] += 1
    if errors == MAX_ERRORS:
        state.counts["rule_off", rule.id] += 1
    outputs = [
        refused(
            "dead-letter", event.position, event.raw, original,
            reason=DeadReason.RULE_FAILED, error=error, now=now, rule=rule.id,
        ),
        output_of(analysis_failed(rule, ruleset_of(state), event.tenant, event, error)),
    ]  # fmt: skip
    return outputs, errors == MAX_ERRORS


def too_late(state: Judging, table: Table, event: Completing, horizon: int, original: Original, now: int) -> Output:
    """An event at or below the horizon of a rule: named, counted, and kept on ``late``."""
    state.counts["late", table.rule.id] += 1
    error = f"event time {event.at} is not after {horizon}, up to which {table.rule.id} has forgotten"
    return refused(
        "late", event.position, event.raw, original, reason=DeadReason.LATE, error=error, now=now, rule=table.rule.id
    )


def ruleset_of(state: Judging) -> str:
    """Version of the rule set in force."""
    assert state.control is not None
    version: str = state.control.ruleset.version
    return version


def output_of(found: Finding) -> Output:
    """The record that carries a finding."""
    return Output("alert-input", found.tenant.encode(), _encode(found))
