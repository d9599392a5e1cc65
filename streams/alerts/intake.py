"""What stands on ``alert-input``, read and checked: findings and commands. Anything else is refused with a reason."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.model import Command, Finding
from streams.model.decode import MAX_DEPTH, check_depth

MAX_RECORD = 256 * 1024  #: bytes; what DETECT promises for a finding
MAX_ID = 200  #: characters of an id or a name
MAX_TIME = 253_402_300_799_999  #: the last ms of the year 9999
_SMALL = 32 * 1024  #: below it, JSON that grows when it is written again (1e9 -> 1000000000.0) stays small enough

_DEEPEST = MAX_DEPTH + 3  #: a finding carries events, as deep as they may be, in a list of objects

_decoder: msgspec.json.Decoder[Finding | Command] = msgspec.json.Decoder(Finding | Command)
_encode = msgspec.json.Encoder().encode
_SCALARS = (str, int, float, bool, type(None))
_FOLDS = ("cooldown", "until_resolved")


def read(raw: bytes | None) -> Finding | Command:
    """One record. Raises ValueError (``msgspec.DecodeError`` among them: not JSON, or not of a record's shape) with a
    message for people, or RecursionError."""
    if raw is None:
        raise msgspec.ValidationError("no value")
    if len(raw) > MAX_RECORD:
        raise msgspec.ValidationError(f"{len(raw)} bytes are more than {MAX_RECORD}")
    check_depth(raw, _DEEPEST)
    record = _decoder.decode(raw)
    if len(raw) > _SMALL and (size := len(_encode(record))) > MAX_RECORD:
        raise msgspec.ValidationError(f"{size} bytes when written again are more than {MAX_RECORD}")
    if isinstance(record, Finding):
        _check_finding(record)
    else:
        _check_command(record)
    return record


def _check_finding(finding: Finding) -> None:
    for name in ("id", "alert_id", "rule", "tenant"):
        _check_name(name, getattr(finding, name))
    _check_time("event_time", finding.event_time)
    if finding.cooldown < 0:
        raise msgspec.ValidationError("cooldown is below 0")
    if finding.within is not None and not 0 <= finding.within <= MAX_TIME:
        raise msgspec.ValidationError("within is out of range")
    if finding.fold not in _FOLDS:
        raise msgspec.ValidationError(f"fold is neither {_FOLDS[0]} nor {_FOLDS[1]}")
    for part, value in finding.key.items():
        if type(value) not in _SCALARS:
            raise msgspec.ValidationError(f"key part {part[:50]!r} is no scalar")
    for evidence in finding.evidence:
        _check_time("event_time of evidence", evidence.event_time)


def _check_command(command: Command) -> None:
    for name in ("id", "alert_id", "tenant", "by"):
        _check_name(name, getattr(command, name))
    for name in ("receiver", "notification_id"):
        if len(getattr(command, name)) > MAX_ID:
            raise msgspec.ValidationError(f"{name} is longer than {MAX_ID} characters")
    _check_time("at", command.at)


def _check_name(name: str, value: Any) -> None:
    if not value or len(value) > MAX_ID:
        raise msgspec.ValidationError(f"{name} is empty or longer than {MAX_ID} characters")


def _check_time(name: str, value: int) -> None:
    if not 0 <= value <= MAX_TIME:
        raise msgspec.ValidationError(f"{name} is outside the years 1970 to 9999")
