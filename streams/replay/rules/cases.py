"""A rule's own tests, run through the production engine (``streams.replay.rules.engine``), and what came of them.

``expect`` lists the notable moments of the rule's alerts: that one opened, and that its severity rose. The list must be
complete; an empty one says that the rule keeps silent. ``never`` lists what must not be among them; without ``expect``,
anything else may. A field that is given must be equal: ``at`` (time since the
case's beginning), ``count``/``value``/``observed``, ``severity`` (or the rule's own word for it), fields of the key and
of the alert, and names of ``metadata``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streams.errors import TocsinError
from streams.model import Source
from streams.replay.rules.engine import Moment, moments
from streams.rules.durations import format_duration, parse_duration
from streams.rules.problems import Problem, RuleErrors
from streams.rules.rule import Rule, RuleSet
from streams.rules.testing import Case, cases

#: What an entry of ``expect`` and ``never`` may name beside the fields of the key and names of the metadata.
WORDS = ("at", "count", "value", "observed", "threshold", "within", "severity", "metadata")
#: And these fields of the alert.
OF_ALERT = (
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
        for case in cases(rule):
            yield CaseResult(rule.id, rule.file, rule.line, case.name, tuple(_run(rule, sources, case)))


def passing(ruleset: RuleSet, sources: Mapping[str, Source]) -> RuleSet:
    """The rule set, once all its tests have passed. Raises ``RuleErrors`` that names every one that did not."""
    failed = [
        Problem(f"{result.file}:{result.line}", "tests", f"{result.case}: {problem}")
        for result in test_rules(ruleset, sources)
        for problem in result.problems
    ]
    if failed:
        raise RuleErrors(failed)
    return ruleset


test_rules.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test where it is imported


def _run(rule: Rule, sources: Mapping[str, Source], case: Case) -> Iterator[str]:
    delay = rule.allowed_lateness + min(
        sources[name].max_disorder if name in sources else Source(name, name).max_disorder for name in rule.sources
    )
    for number, ordered in enumerate(case.orders(delay)):
        problems = list(_run_once(rule, sources, ordered))
        yield from (f"in order {number}: {problem}" if number else problem for problem in problems)
        if problems:
            return  # other orders would say it again


def _run_once(rule: Rule, sources: Mapping[str, Source], case: Case) -> Iterator[str]:
    try:
        found, refused = moments(rule, sources, case)
    except TocsinError as error:
        yield error.message
        return
    yield from refused
    for entry in case.never:
        yield from (f"never {_shown(entry)}, but it {moment}" for moment in found if not list(_unequal(moment, entry)))
    if case.expect is not None:
        yield from _compare(found, case.expect)


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
    if name in OF_ALERT:
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
        if isinstance(actual, int) and isinstance(wanted, int):  # of any size: neither fits a double, perhaps
            return actual == wanted
        if not abs(wanted) <= sys.float_info.max:
            return False
        return abs(actual - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return bool(actual == wanted)


def _at(entry: Mapping[str, Any]) -> int | None:
    at = entry.get("at")
    return None if at is None else at if type(at) is int else parse_duration(at)


def _shown(entry: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in entry.items()) + "}"
