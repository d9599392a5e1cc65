"""An operation: what became of a command. One record for each command, applied or refused."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from streams.model.command import Action


class OperationOutcome(StrEnum):
    """Whether it was done."""

    APPLIED = "applied"
    REFUSED = "refused"


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``reason`` names why it was refused (``streams.alerts.lifecycle.Refusal``); empty where it was applied."""

    command_id: str
    alert_id: str
    tenant: str
    action: Action
    outcome: OperationOutcome
    by: str
    at: int  #: when it was decided
    asked_at: int  #: the command's own time
    reason: str = ""
