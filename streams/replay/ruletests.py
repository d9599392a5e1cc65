"""A rule's own tests, run through the production engine: the compiled program, DETECT, the hop if need be, ALERT.

``expect`` lists the notable moments of the rule's alerts: that one opened, and that its severity rose. The list must be
complete; an empty one says that the rule keeps silent. A field that is given must be equal: ``at`` (time since the
case's beginning), ``count``/``value``/``observed``, ``severity`` (or the rule's own word for it), fields of the key and
of the alert, and names of ``metadata``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from streams import pipeline
from streams.errors import TocsinError
from streams.model import Alert, Batch, Control, Finding, Source, severity_rank
from streams.replay.hop import Hop
from streams.replay.report import value_text
from streams.rules.durations import format_duration, parse_duration
from streams.rules.rule import Rule, RuleSet
from streams.rules.testing import Case, cases
from streams.runtime.stages import program
from streams.state.alerting import AlertState
from streams.state.detecting import DetectState

_finding = msgspec.json.Decoder(Finding)
_alert = msgspec.json.Decoder(Alert)
_encode = msgspec.json.Encoder().encode
_OF_ALERT = (
    "tenant",
    "rule",
    "title",
    "description",
    "type",
    "violation_type",
    "deal_id",
    "correlation_id",
    "status",
    "runbook",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """An alert opened, or its severity rose. ``at``: ms since the beginning of the case."""

    at: int
    what: str
    finding: Finding
    alert: Alert

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value_text(value)}" for name, value in self.finding.key.items())
        observed = self.finding.observed
        return f"{self.what} at {format_duration(self.at)}: {self.alert.severity}, observed {observed} ({key})"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """``problems`` is empty for a case that passed."""

    rule: str
    file: str
    line: int
    case: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


def test_rules(ruleset: RuleSet, sources: Mapping[str, Source]) -> Iterator[CaseResult]:
    """Run every case of every rule, switched off ones too. ``sources`` by name, as configured."""
    for rule in ruleset.rules:
        source = sources.get(rule.source) or Source(rule.source, f"{rule.source}.events")
        for case in cases(rule):
            problems = tuple(_run(rule, source, case))
            yield CaseResult(rule.id, rule.file, rule.line, case.name, problems)


test_rules.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test where it is imported


def _run(rule: Rule, source: Source, case: Case) -> Iterator[str]:
    try:
        found, refused = moments(rule, source, case)
    except TocsinError as error:
        yield error.message
        return
    yield from refused
    yield from _compare(found, case.expect)


def moments(rule: Rule, source: Source, case: Case) -> tuple[list[Moment], list[str]]:
    """What the rule does with the events of a case; and the events that were refused."""
    enabled = rule if rule.enabled else replace(rule, enabled=True)
    control = Control(position=1, ruleset=RuleSet((enabled,)))
    state = DetectState(source, 0, rekeyed_partitions=1, program=program)
    state.loaded()
    hop, findings, refused = Hop(control), [], []
    for offset, (at, event) in enumerate(case.events):
        now = case.start + at
        for output in pipeline.detect(state, Batch([(offset, _encode(event), now)]), now, control):
            if output.topic == "alert-input":
                findings.append(output.value)
            elif output.topic == "rekeyed":
                hop.take(output)
            elif output.topic == "dead-letter":
                refused.append(f"event {offset + 1} (at {format_duration(at)}) is refused: {_reason(output.value)}")
    findings += [output.value for output in hop.drain() if output.topic == "alert-input"]
    return list(_folded(findings, control, case.start)), refused


class _Reason(msgspec.Struct):
    reason: str
    error: str


def _reason(value: bytes) -> str:
    letter = msgspec.json.decode(value, type=_Reason)
    return f"{letter.reason}: {letter.error}"


def _folded(findings: Iterable[bytes], control: Control, start: int) -> Iterator[Moment]:
    """ALERT over the findings, one step each, so that every one can be told by what it did."""
    state = AlertState(0)
    state.loaded()
    ranks: dict[str, int] = {}
    now = 0
    for offset, value in enumerate(findings):
        finding = _finding.decode(value)
        now = max(now, finding.event_time)
        for output in pipeline.alert(state, Batch([(offset, value, now)]), now, control):
            if output.topic != "alerts":
                continue
            alert = _alert.decode(output.value)
            rank, before = severity_rank(alert.severity), ranks.get(alert.id)
            ranks[alert.id] = max(rank, before or 0)
            if before is None or rank > before:
                yield Moment(finding.event_time - start, "opened" if before is None else "raised", finding, alert)


def _compare(found: list[Moment], expected: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    left = list(found)
    missed: list[Mapping[str, Any]] = []
    for entry in expected:
        match = next((moment for moment in left if not list(_unequal(moment, entry))), None)
        if match is None:
            missed.append(entry)
        else:
            left.remove(match)
    for entry in missed:
        # The one that was meant, as well as it can be told: at the same time, else the next one.
        near = next((moment for moment in left if _at(entry) in (None, moment.at)), left[0] if left else None)
        if near is None:
            yield f"expected {_shown(entry)}, but nothing happened"
        else:
            left.remove(near)
            yield f"expected {_shown(entry)}, but it {near}: {', '.join(_unequal(near, entry))}"
    for moment in left:
        yield f"not expected: it {moment}"


def _unequal(moment: Moment, entry: Mapping[str, Any]) -> Iterator[str]:
    for name, wanted in entry.items():
        known, actual = _actual(moment, name)
        if not known:
            yield f"{name} is not a field of the alert or of its key"
        elif name == "at":
            if actual != _at(entry):
                yield f"at is {format_duration(actual)}, not {wanted}"
        elif name == "severity":
            if str(wanted).lower() not in (moment.alert.severity.value, moment.alert.severity_word.lower()):
                yield f"severity is {moment.alert.severity}, not {wanted}"
        elif not _same(actual, wanted):
            yield f"{name} is {actual!r}, not {wanted!r}"


def _actual(moment: Moment, name: str) -> tuple[bool, Any]:
    finding, alert = moment.finding, moment.alert
    if name == "at":
        return True, moment.at
    if name in ("count", "value", "observed"):
        return True, finding.observed
    if name == "severity":
        return True, alert.severity
    if name in finding.key:
        return True, finding.key[name]
    if name in ("threshold", "within"):
        return True, getattr(finding, name)
    if name in _OF_ALERT:
        return True, getattr(alert, name)
    if name == "metadata":
        return True, alert.metadata
    return name in alert.metadata, alert.metadata.get(name)


def _same(actual: Any, wanted: Any) -> bool:
    if isinstance(actual, Mapping) and isinstance(wanted, Mapping):  # the given names of metadata
        return all(name in actual and _same(actual[name], value) for name, value in wanted.items())
    if isinstance(actual, bool) or isinstance(wanted, bool):
        return actual is wanted
    if isinstance(actual, (int, float)) and isinstance(wanted, (int, float)):
        return abs(actual - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return bool(actual == wanted)


def _at(entry: Mapping[str, Any]) -> int | None:
    at = entry.get("at")
    return None if at is None else at if type(at) is int else parse_duration(at)


def _shown(entry: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in entry.items()) + "}"
