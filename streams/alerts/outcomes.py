"""Named outputs of the alert stage beside the alerts: what became of a command, and the records it refused."""

from __future__ import annotations

import msgspec

from streams.alerts.fold import ForeignAlert
from streams.alerts.lifecycle import Refusal
from streams.model import Command, DeadReason, Deed, Operation, OperationOutcome, Original, Output
from streams.model.dead import dead_letter

_encode = msgspec.json.Encoder().encode


def operation(command: Command, refusal: Refusal | None, now: int) -> Output:
    """One record on ``operations``, applied or refused. The note stands on the alert and is not repeated."""
    record = Operation(
        command_id=command.id,
        alert_id=command.alert_id,
        tenant=command.tenant,
        action=Deed(command.action),
        outcome=OperationOutcome.APPLIED if refusal is None else OperationOutcome.REFUSED,
        by=command.by,
        at=now,
        asked_at=command.at,
        reason="" if refusal is None else refusal.value,
    )
    return Output("operations", command.tenant.encode(), _encode(record))


def dead_reason(value: bytes | None, error: Exception) -> DeadReason:
    """Which kind of bad record it is."""
    if value is None:
        return DeadReason.TOMBSTONE
    if isinstance(error, (msgspec.ValidationError, ForeignAlert)):
        return DeadReason.INVALID
    return DeadReason.MALFORMED if isinstance(error, (ValueError, RecursionError)) else DeadReason.FAILED


def dead(
    origin: str, value: bytes | None, original: Original, *, reason: DeadReason, error: Exception, now: int
) -> Output:
    """The dead letter of one record."""
    letter = dead_letter(
        stage="alert", origin=origin, reason=reason, error=error, at=now,
        value=value, key=original.key, headers=original.headers,
    )  # fmt: skip
    return Output("dead-letter", origin.encode(), _encode(letter))
