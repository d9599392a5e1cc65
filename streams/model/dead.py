"""A dead letter: a record that was refused, whole, with its origin and the reason."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum

import msgspec


class DeadReason(StrEnum):
    """Why a record was refused."""

    MALFORMED = "malformed"  #: not JSON, not UTF-8, nested too deep
    INVALID = "invalid"  #: JSON, but not an envelope (wrong type of a field the engine needs)
    TOMBSTONE = "tombstone"  #: a null value where an event was expected
    RULE_FAILED = "rule_failed"  #: a rule raised on it; the other rules' results stand
    FAILED = "failed"  #: anything else that one record raised
    LATE = "late"  #: goes to ``late``: older than any window it could count in


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One refused record."""

    stage: str
    origin: str  #: position of the record
    reason: DeadReason
    error: str
    at: int
    rule: str = ""
    key: str | None = None  #: base64
    value: str | None = None  #: base64 of the first ``MAX_VALUE`` bytes
    headers: tuple[tuple[str, str], ...] = ()  #: name, base64
    size: int = 0  #: of the original value, bytes
    sha256: str = ""  #: of the original value
    truncated: bool = False


#: Base64 grows it by a third; with the rest it stays below the broker's default limit of 1 MiB.
MAX_VALUE = 700_000
_MAX_ERROR = 500


def _b64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def dead_letter(
    *,
    stage: str,
    origin: str,
    reason: DeadReason,
    error: BaseException | str,
    at: int,
    value: bytes | None,
    key: bytes | None = None,
    headers: tuple[tuple[str, bytes | None], ...] = (),
    rule: str = "",
) -> DeadLetter:
    """The dead letter for one record; an oversize value is cut, its size and hash kept."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return DeadLetter(
        stage=stage,
        origin=origin,
        reason=reason,
        error=text[:_MAX_ERROR],
        at=at,
        rule=rule,
        key=_b64(key if key is None else key[:1024]),
        value=_b64(value if value is None else value[:MAX_VALUE]),
        headers=tuple((name, _b64((data or b"")[:1024]) or "") for name, data in headers[:32]),
        size=len(value or b""),
        sha256=hashlib.sha256(value).hexdigest() if value is not None else "",
        truncated=value is not None and len(value) > MAX_VALUE,
    )
