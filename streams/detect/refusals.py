"""Records that were refused, whole or by one rule: the dead letters and late letters of DETECT."""

from __future__ import annotations

import msgspec

from streams.model import DeadReason, Original, Output
from streams.model.dead import dead_letter

_encode = msgspec.json.Encoder().encode


def reason_of(value: bytes | None, error: Exception) -> DeadReason:
    """Why a record could not be read: not there, not JSON, or JSON that is no event."""
    if value is None:
        return DeadReason.TOMBSTONE
    if isinstance(error, msgspec.ValidationError):
        return DeadReason.INVALID
    if isinstance(error, (msgspec.DecodeError, UnicodeError, RecursionError)):
        return DeadReason.MALFORMED
    return DeadReason.INVALID if isinstance(error, ValueError) else DeadReason.FAILED


def refused(
    topic: str, origin: str, value: bytes | None, original: Original,
    *, reason: DeadReason, error: BaseException | str, now: int, rule: str = "",
) -> Output:  # fmt: skip
    """A record for ``dead-letter`` or ``late`` (``topic``), with the original as it was and why.

    Raises a MemoryError that it is given.
    """
    if isinstance(error, MemoryError):
        raise error  # no record's fault: the process ends, and another begins where the last commit stands
    letter = dead_letter(
        stage="detect", origin=origin, reason=reason, error=error, at=now, rule=rule,
        value=value, key=original.key, headers=original.headers,
    )  # fmt: skip
    return Output(topic, origin.encode(), _encode(letter))
