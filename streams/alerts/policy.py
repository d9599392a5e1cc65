"""The alert policy: who is told, when an alert is said again, and how long a closed one is remembered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from streams.alerts.crowds import Grouping, StormCap, parse_grouping, parse_storm
from streams.alerts.dangling import dangling
from streams.alerts.inhibition import Inhibition, parse_dependencies, parse_inhibitions
from streams.alerts.maintenance import MAINTENANCE, Window, parse_window
from streams.alerts.silences import SILENCE, Silence, parse_silence
from streams.alerts.targets import Targets, parse_targets
from streams.errors import ConfigError
from streams.model import Severity
from streams.model.severity import SEVERITY_WORDS
from streams.route import Receiver
from streams.route.escalation import Escalation, parse_escalations
from streams.route.intervals import Interval, parse_cron, parse_intervals, parse_zone
from streams.route.oncall import OVERRIDE, Override, Schedule, parse_override_record, parse_schedules
from streams.route.presets import with_preset
from streams.route.tree import Route, parse_route
from streams.rules.problems import BlockErrors

MINUTE, DAY = 60_000, 86_400_000
_MAX_DURATION = 3650 * DAY
_MAX_NAME = 100
_UNITS = {"ms": 1, "s": 1_000, "m": MINUTE, "h": 3_600_000, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Durations in ms. The default tells nobody, and marks what stays critical and unacknowledged for 15 minutes."""

    receivers: tuple[Receiver, ...] = ()
    route: Route | None = None  #: None: every receiver that takes an alert is told at once
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    escalate: Mapping[str, str] = field(default_factory=dict)  #: by severity, or the rule's own word: an escalation
    oncall: Mapping[str, Schedule] = field(default_factory=dict)
    maintenance: tuple[Window, ...] = ()
    silences: tuple[Silence, ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
    dependencies: tuple[Inhibition, ...] = ()
    targets: Targets = field(default_factory=Targets)
    storm: StormCap | None = None
    incidents: Grouping | None = None
    remind_after: int = 15 * MINUTE  #: since the last notification, while nobody has acknowledged
    remind_severities: tuple[Severity, ...] = (Severity.CRITICAL,)  #: none: no reminders
    max_reminders: int = 10  #: in a row, then it stays quiet
    retain: int = 7 * DAY  #: a closed alert is forgotten so long after its last change
    retain_open: int = 90 * DAY  #: so is one that nobody ever closed

    @cached_property
    def by_name(self) -> dict[str, Receiver]:
        """The receivers, by name."""
        return {receiver.name: receiver for receiver in self.receivers}

    def escalation_of(self, severity: str, word: str, routed: str) -> Escalation | None:
        """The one a route names, else the one for the rule's own word, else the one for the severity."""
        name = routed or self.escalate.get(word.lower()) or self.escalate.get(severity, "")
        return self.escalations.get(name)


DEFAULT = Policy()


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """The policy a document describes. Raises ConfigError that lists everything that is wrong with it.

    Durations are ms, or text such as ``15m``. Severities may be given in other words (``P1``, ``WARNING``). What
    ``preset`` names stands under what the document says.
    """
    if not isinstance(document, Mapping):
        raise ConfigError("policy: a mapping is expected", "see streams/docs/alerts.md")
    problems: list[str] = []
    values: dict[str, Any] = {}
    try:
        document = with_preset(document)
    except ValueError as error:
        problems.append(f"preset: {error}")
        document = {name: value for name, value in document.items() if name != "preset"}
    for name, value in document.items():
        reader = _FIELDS.get(name) if isinstance(name, str) else None
        if reader is None:
            problems.append(_unknown(name, [*_FIELDS, "preset"], ""))
            continue
        try:
            values[name] = reader(value)
        except _Problems as found:
            problems += [f"{name}{problem}" for problem in found.args]
    problems += dangling(values)
    if problems:
        raise ConfigError("policy: " + "; ".join(problems), "see streams/docs/alerts.md")
    return Policy(**values)


def with_records(policy: Policy, records: Mapping[str, Mapping[str, Any]]) -> Policy:
    """The policy with silences, maintenance windows and on-call overrides of the control records, by ``kind/id``. One
    that cannot be read counts as absent: whoever reads the control topic refuses such a record before it comes here.
    """
    silences, windows = list(policy.silences), list(policy.maintenance)
    overrides: list[tuple[str, Override]] = []
    for name, document in sorted(records.items()):
        kind, _, identity = name.partition("/")
        try:
            if kind == SILENCE:
                silences.append(parse_silence(identity, document))
            elif kind == MAINTENANCE:
                windows.append(parse_window(identity, document))
            elif kind == OVERRIDE:
                overrides.append(parse_override_record(document))
        except BlockErrors:
            continue
    schedules = {name: schedule.overridden(overrides) for name, schedule in policy.oncall.items()}
    return replace(policy, silences=tuple(silences), maintenance=tuple(windows), oncall=schedules)


class _Problems(Exception):
    """Each argument is one: ``: what is wrong``."""


def _duration(value: Any) -> int:
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        value = int(found[1]) * _UNITS[found[2]]
    if type(value) is not int or not 0 < value <= _MAX_DURATION:
        raise _Problems(f": {_short(value)} is not a duration (ms, or text like 15m; above 0, at most 3650d)")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 1_000_000:
        raise _Problems(f": {_short(value)} is not a count from 0 to 1000000")
    return value


def _severity(value: Any) -> Severity:
    if not isinstance(value, str) or (severity := SEVERITY_WORDS.get(value.lower())) is None:
        raise _Problems(f": {_short(value)} is not a severity ({', '.join(Severity)})")
    return severity


def _severities(value: Any) -> tuple[Severity, ...]:
    if not isinstance(value, (list, tuple)):
        raise _Problems(f": {_short(value)} is not a list of severities")
    return _each(value, _severity)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME:
        raise _Problems(f": {_short(value)} is not a name (1 to {_MAX_NAME} characters)")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise _Problems(f": {_short(value)} is not a list of names")
    return _each(value, _name)


def _receiver(value: Any) -> Receiver:
    if not isinstance(value, Mapping):
        raise _Problems(f": {_short(value)} is not a receiver (name, min_severity, types, rules, sources, tags)")
    problems: list[str] = [] if "name" in value else [": it has no name"]
    fields: dict[str, Any] = {}
    for key, item in value.items():
        reader = _RECEIVER.get(key) if isinstance(key, str) else None
        if reader is None:
            problems.append(_unknown(key, list(_RECEIVER), ": "))
            continue
        try:
            fields[key] = reader(item)
        except _Problems as found:
            problems += [f".{key}{problem}" for problem in found.args]
    if problems:
        raise _Problems(*problems)
    return Receiver(**fields)


def _receivers(value: Any) -> tuple[Receiver, ...]:
    if not isinstance(value, (list, tuple)):
        raise _Problems(f": {_short(value)} is not a list of receivers")
    receivers = _each(value, _receiver)
    names = [receiver.name for receiver in receivers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _Problems(*(f": the name {name!r} is given twice" for name in twice))
    return receivers


def _each(values: Any, reader: Any) -> tuple[Any, ...]:
    read, problems = [], []
    for place, value in enumerate(values):
        try:
            read.append(reader(value))
        except _Problems as found:
            problems += [f"[{place}]{problem}" for problem in found.args]
    if problems:
        raise _Problems(*problems)
    return tuple(read)


def _block(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader of one section, by the parser that owns it."""

    def reading(value: Any) -> Any:
        try:
            return parse(value)
        except BlockErrors as errors:
            raise _Problems(*(f"{f'.{path}' if path else ''}: {text}" for path, text in errors.problems)) from None
        except ValueError as error:
            raise _Problems(f": {error}") from None

    return reading


def _records(parse: Callable[[str, Any], Any]) -> Callable[[Any], Any]:
    """A reader of records by id."""

    def reading(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _Problems(f": {_short(value)} is not a mapping of ids to records")
        found, problems = [], []
        for identity, document in value.items():
            try:
                found.append(parse(str(identity), document))
            except BlockErrors as errors:
                problems += [f".{identity}{f'.{path}' if path else ''}: {text}" for path, text in errors.problems]
        if problems:
            raise _Problems(*problems)
        return tuple(found)

    return reading


def _escalate(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _Problems(f": {_short(value)} is not a mapping of severities to escalations")
    found = {}
    for word, name in value.items():
        if str(word).lower() not in SEVERITY_WORDS or not isinstance(name, str):
            raise _Problems(f".{word}: is not a severity with the name of an escalation")
        found[str(word).lower()] = name
    return found


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Problems(f": {_short(value)} is neither true nor false")
    return value


def _unknown(name: Any, known: list[str], prefix: str) -> str:
    close = get_close_matches(str(name)[:50], known, 1)
    return f"{prefix}unknown key {_short(name)}" + (f" (did you mean {close[0]}?)" if close else "")


def _short(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)) or (isinstance(value, int) and value.bit_length() > 64):
        return f"this {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_RECEIVER = {
    "name": _name, "min_severity": _severity, "types": _names, "rules": _names, "sources": _names, "tags": _names,
    "oncall": _name, "fallback": _name, "send_resolved": _switch, "digest": _block(parse_cron),
    "timezone": _block(parse_zone), "batch": _count, "batch_wait": _duration,
}  # fmt: skip
_FIELDS = {
    "receivers": _receivers, "route": _block(parse_route), "intervals": _block(parse_intervals),
    "escalations": _block(parse_escalations), "escalate": _escalate, "oncall": _block(parse_schedules),
    "maintenance": _records(parse_window), "silences": _records(parse_silence), "inhibit": _block(parse_inhibitions),
    "dependencies": _block(parse_dependencies), "targets": _block(parse_targets), "storm": _block(parse_storm),
    "incidents": _block(parse_grouping), "remind_after": _duration, "remind_severities": _severities,
    "max_reminders": _count, "retain": _duration, "retain_open": _duration,
}  # fmt: skip
