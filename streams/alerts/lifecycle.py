"""The life of an alert: one table says what may follow what, and a command that may not is refused by name."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from streams.alerts.case import Case, Why
from streams.model import Action, Command, Reason, Resolution, Status

MAX_NOTE = 4_000  #: characters of one note
MAX_NOTES = 128 * 1024  #: bytes of all notes of an alert, as JSON
MAX_METADATA = 16 * 1024  #: bytes of a resolution's metadata, as JSON
MAX_FAILED = 50  #: receivers listed in ``notification_failed``


class Move(StrEnum):
    """All that can change a status: four actions of people, and three kinds of findings."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    CLEAR = "clear"  #: the condition ended
    RETRACT = "retract"  #: the condition never held
    REFIRE = "refire"  #: the condition holds again within the cooldown


#: Whatever is not in it is refused.
TRANSITIONS: dict[tuple[Status, Move], Status] = {
    (Status.ACTIVE, Move.ACKNOWLEDGE): Status.ACKNOWLEDGED,
    (Status.ACTIVE, Move.RESOLVE): Status.RESOLVED,
    (Status.ACTIVE, Move.DISMISS): Status.DISMISSED,
    (Status.ACTIVE, Move.CLEAR): Status.RESOLVED,
    (Status.ACTIVE, Move.RETRACT): Status.DISMISSED,
    (Status.ACKNOWLEDGED, Move.UNACKNOWLEDGE): Status.ACTIVE,
    (Status.ACKNOWLEDGED, Move.RESOLVE): Status.RESOLVED,
    (Status.ACKNOWLEDGED, Move.DISMISS): Status.DISMISSED,
    (Status.ACKNOWLEDGED, Move.CLEAR): Status.RESOLVED,
    (Status.ACKNOWLEDGED, Move.RETRACT): Status.DISMISSED,
    (Status.RESOLVED, Move.REFIRE): Status.ACTIVE,
}


class Refusal(StrEnum):
    """Why a command was refused."""

    UNKNOWN_ALERT = "unknown_alert"  #: no such alert of that tenant, or it has been forgotten
    DUPLICATE = "duplicate"  #: this command has been applied before
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    ALREADY_CLOSED = "already_closed"  #: resolved or dismissed; comments are still welcome
    INCOMPLETE = "incomplete"  #: a comment without text, a failed delivery without its receiver
    TOO_LARGE = "too_large"  #: a note, or the metadata of a resolution
    NOTES_FULL = "notes_full"  #: the alert holds as many notes as it can carry; say it without a note


_WHY = {
    Move.ACKNOWLEDGE: Why.ACKNOWLEDGED,
    Move.UNACKNOWLEDGE: Why.UNACKNOWLEDGED,
    Move.RESOLVE: Why.RESOLVED,
    Move.DISMISS: Why.DISMISSED,
    Move.CLEAR: Why.RESOLVED,
    Move.RETRACT: Why.RETRACTED,
    Move.REFIRE: Why.REOPENED,
}
_encode = msgspec.json.Encoder().encode


def obey(case: Case | None, command: Command, now: int) -> Refusal | None:
    """Apply ``command`` to the case of the alert it names (None: there is none). A refused one changes nothing."""
    if case is None or case.base.tenant != command.tenant:
        return Refusal.UNKNOWN_ALERT
    if command.id in case.commands:
        return Refusal.DUPLICATE
    if command.action is Action.DELIVERY_FAILED:
        refusal = _delivery_failed(case, command)
    elif (refusal := _unfit(case, command)) is None and (refusal := _act(case, command, now)) is None and command.note:
        case.notes = (*case.notes, _note(command, now))
    if refusal is None:
        case.remember_command(command.id)
    return refusal


def move(case: Case, what: Move, by: str, now: int, resolution: Resolution | None = None) -> bool:
    """Take ``what`` if the table allows it. Acknowledgements, notes and the last resolution survive a re-fire."""
    status = TRANSITIONS.get((case.status, what))
    if status is None:
        return False
    case.become(status)
    case.changed(_WHY[what])
    if status is Status.ACKNOWLEDGED:
        case.acknowledged_at, case.acknowledged_by = now, by
    elif status is Status.ACTIVE:  # again: its reminders begin from the start
        case.escalation_level, case.restart = 0, True
        if what is Move.REFIRE:
            case.resolved_at, case.resolved_by = None, ""
            case.notify(Reason.REOPENED)
        else:
            case.acknowledged_at, case.acknowledged_by = None, ""
    else:
        case.resolved_at, case.resolved_by = now, by
        if resolution is not None:
            case.resolution = resolution
        case.notify(Reason.RESOLVED)
    return True


def _act(case: Case, command: Command, now: int) -> Refusal | None:
    if command.action is Action.COMMENT:
        case.changed(Why.COMMENTED)
        return None
    what = Move(command.action.value)
    resolution = None
    if what in (Move.RESOLVE, Move.DISMISS):
        resolution = Resolution(notes=command.note, action=command.resolution_action, metadata=command.metadata)
    if move(case, what, command.by, now, resolution):
        return None
    if not case.is_open:
        return Refusal.ALREADY_CLOSED
    return Refusal.ALREADY_ACKNOWLEDGED if what is Move.ACKNOWLEDGE else Refusal.NOT_ACKNOWLEDGED


def _delivery_failed(case: Case, command: Command) -> Refusal | None:
    if not command.receiver or not command.notification_id:
        return Refusal.INCOMPLETE
    told = f"{Action.DELIVERY_FAILED}:{command.notification_id}"
    if told in case.commands:
        return Refusal.DUPLICATE
    case.remember_command(told)
    if command.receiver not in case.notification_failed and len(case.notification_failed) < MAX_FAILED:
        case.notification_failed = (*case.notification_failed, command.receiver)
        case.changed(Why.DELIVERY_FAILED)
    return None


def _unfit(case: Case, command: Command) -> Refusal | None:
    """Whether what the command says can be kept."""
    if command.action is Action.COMMENT and not command.note.strip():
        return Refusal.INCOMPLETE
    if len(command.note) > MAX_NOTE or len(command.resolution_action) > MAX_NOTE:
        return Refusal.TOO_LARGE
    if command.metadata and len(_encode(command.metadata)) > MAX_METADATA:
        return Refusal.TOO_LARGE
    if command.note and len(_encode((*case.notes, _note(command, 0)))) > MAX_NOTES:
        return Refusal.NOTES_FULL
    return None


def _note(command: Command, now: int) -> dict[str, object]:
    return {"at": now, "by": command.by, "text": command.note}
