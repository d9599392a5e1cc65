"""The alert policy: who is told, when an alert is said again, and how long a closed one is remembered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from streams.errors import ConfigError
from streams.model import Severity
from streams.model.severity import SEVERITY_WORDS
from streams.route import Receiver

MINUTE, DAY = 60_000, 86_400_000
_MAX_DURATION = 3650 * DAY
_MAX_NAME = 100
_UNITS = {"ms": 1, "s": 1_000, "m": MINUTE, "h": 3_600_000, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in ms. The default tells nobody, and marks what stays critical and unacknowledged for 15 minutes."""

    receivers: tuple[Receiver, ...] = ()
    remind_after: int = 15 * MINUTE  #: since the last notification, while nobody has acknowledged
    remind_severities: tuple[Severity, ...] = (Severity.CRITICAL,)  #: none: no reminders
    max_reminders: int = 10  #: in a row, then it stays quiet
    retain: int = 7 * DAY  #: a closed alert is forgotten so long after its last change
    retain_open: int = 90 * DAY  #: so is one that nobody ever closed


DEFAULT = Policy()


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """The policy a document describes. Raises ConfigError that lists everything that is wrong with it.

    Durations are ms, or text such as ``15m``. Severities may be given in other words (``P1``, ``WARNING``).
    """
    if not isinstance(document, Mapping):
        raise ConfigError("policy: a mapping is expected", "see streams/docs/alerts.md")
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, value in document.items():
        reader = _FIELDS.get(name) if isinstance(name, str) else None
        if reader is None:
            problems.append(_unknown(name, list(_FIELDS), ""))
            continue
        try:
            values[name] = reader(value)
        except _Problems as found:
            problems += [f"{name}{problem}" for problem in found.args]
    if problems:
        raise ConfigError("policy: " + "; ".join(problems), "see streams/docs/alerts.md")
    return Policy(**values)


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
}  # fmt: skip
_FIELDS = {
    "receivers": _receivers, "remind_after": _duration, "remind_severities": _severities, "max_reminders": _count,
    "retain": _duration, "retain_open": _duration,
}  # fmt: skip
