"""The life of an alert: one table says what may follow what, and a command that may not is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from streams.alerts.case import HISTORY_KEPT, Case, Why
from streams.alerts.incidents import PHASES, grow, shrink
from streams.alerts.memory import Timer
from streams.model import Action, Command, Disposition, Reason, Resolution, Status

MAX_NOTE = 4_000  #: characters of one note
MAX_NOTES = 128 * 1024  #: bytes of all notes of an alert, as JSON
MAX_METADATA = 16 * 1024  #: bytes of a resolution's metadata, as JSON
MAX_FAILED = 50  #: receivers listed in ``notification_failed``
MAX_TAGS = 50
#: That an alert stands is told to all it reaches who do not know.
BEGINNINGS = frozenset({Reason.NEW, Reason.REOPENED})
MAX_NAME = 200  #: characters of a tag, an assignee, a target


class Move(StrEnum):
    """All that can change a status: actions of people, kinds of findings, and time."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE = "snooze"
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    REOPEN = "reopen"
    CLEAR = "clear"  #: the condition ended
    RETRACT = "retract"  #: the condition never held
    REFIRE = "refire"  #: the condition holds again within the cooldown
    WAKE = "wake"  #: a snooze has ended
    QUIET = "quiet"  #: nothing came for long enough


_CLOSING = {
    Move.RESOLVE: Status.RESOLVED,
    Move.DISMISS: Status.DISMISSED,
    Move.CLEAR: Status.RESOLVED,
    Move.QUIET: Status.RESOLVED,
    Move.RETRACT: Status.DISMISSED,
}
#: Whatever is not in it is refused.
TRANSITIONS: dict[tuple[Status, Move], Status] = {
    **{
        (status, move): to
        for status in (Status.ACTIVE, Status.ACKNOWLEDGED, Status.SNOOZED)
        for move, to in _CLOSING.items()
    },
    (Status.ACTIVE, Move.ACKNOWLEDGE): Status.ACKNOWLEDGED,
    (Status.SNOOZED, Move.ACKNOWLEDGE): Status.ACKNOWLEDGED,
    (Status.ACKNOWLEDGED, Move.UNACKNOWLEDGE): Status.ACTIVE,
    (Status.ACTIVE, Move.SNOOZE): Status.SNOOZED,
    (Status.ACKNOWLEDGED, Move.SNOOZE): Status.SNOOZED,
    (Status.SNOOZED, Move.SNOOZE): Status.SNOOZED,
    (Status.SNOOZED, Move.WAKE): Status.ACTIVE,
    (Status.RESOLVED, Move.REFIRE): Status.ACTIVE,
    (Status.RESOLVED, Move.RETRACT): Status.DISMISSED,
    (Status.RESOLVED, Move.REOPEN): Status.ACTIVE,
    (Status.DISMISSED, Move.REOPEN): Status.ACTIVE,
}


class Refusal(StrEnum):
    """Why a command was refused."""

    UNKNOWN_ALERT = "unknown_alert"  #: no such alert of that tenant, or it has been forgotten
    DUPLICATE = "duplicate"  #: this command has been applied before
    ANOTHER_VERSION = "another_version"  #: it was made for a version that is not the latest: look again
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    ALREADY_CLOSED = "already_closed"  #: resolved or dismissed; comments are still welcome
    NOT_CLOSED = "not_closed"  #: there is nothing to reopen
    NOT_AN_INCIDENT = "not_an_incident"
    IS_AN_INCIDENT = "is_an_incident"  #: incidents stand in no incident
    ALREADY_LINKED = "already_linked"
    NOT_LINKED = "not_linked"
    UNKNOWN_TARGET = "unknown_target"  #: the alert or incident it names, or itself
    IN_THE_PAST = "in_the_past"  #: a snooze that has ended already
    UNKNOWN_WORD = "unknown_word"  #: a disposition or a phase
    INCOMPLETE = (
        "incomplete"  #: a comment or update without text, a snooze without end, a failed delivery without receiver
    )
    TOO_LARGE = "too_large"  #: a note, the metadata of a resolution, a name or the number of tags
    NOTES_FULL = "notes_full"  #: the alert holds as many notes as it can carry; say it without a note


_WHY = {
    Move.ACKNOWLEDGE: Why.ACKNOWLEDGED,
    Move.UNACKNOWLEDGE: Why.UNACKNOWLEDGED,
    Move.SNOOZE: Why.SNOOZED,
    Move.WAKE: Why.WOKEN,
    Move.RESOLVE: Why.RESOLVED,
    Move.DISMISS: Why.DISMISSED,
    Move.CLEAR: Why.RESOLVED,
    Move.QUIET: Why.RESOLVED,
    Move.RETRACT: Why.RETRACTED,
    Move.REFIRE: Why.REOPENED,
    Move.REOPEN: Why.REOPENED,
}
_REFUSED = {
    Move.ACKNOWLEDGE: Refusal.ALREADY_ACKNOWLEDGED,
    Move.UNACKNOWLEDGE: Refusal.NOT_ACKNOWLEDGED,
    Move.REOPEN: Refusal.NOT_CLOSED,
}
#: Finds an alert of the same tenant, for the commands that name another one.
Others = Callable[[str], Case | None]
_encode = msgspec.json.Encoder().encode


def obey(case: Case | None, command: Command, now: int, others: Others | None = None) -> Refusal | None:
    """Apply ``command`` to the case of the alert it names (None: there is none). A refused one changes nothing."""
    if case is None or case.base.tenant != command.tenant:
        return Refusal.UNKNOWN_ALERT
    if command.id in case.commands:
        return Refusal.DUPLICATE
    if command.expected_version is not None and command.expected_version != case.base.version + (case.why is not None):
        return Refusal.ANOTHER_VERSION
    if command.action is Action.DELIVERY_FAILED:
        refusal = _delivery_failed(case, command)
    elif (refusal := _unfit(case, command, now)) is None:
        refusal = _act(case, command, now, others or _nobody)
        if refusal is None and command.note:
            case.notes = (*case.notes, _note(command, now))
    if refusal is None:
        case.remember_command(command.id)
    return refusal


def move(
    case: Case, what: Move, by: str, now: int, resolution: Resolution | None = None, why: str = "",
    disposition: str = "",
) -> bool:  # fmt: skip
    """Take ``what`` if the table allows it. Acknowledgements, notes and the last resolution survive a re-fire."""
    status = TRANSITIONS.get((case.status, what))
    if status is None:
        return False
    before = case.status
    case.become(status, by, why or what.value, now)
    case.changed(_WHY[what])
    if case.phase and case.is_open is (case.phase == PHASES[-1]):  # of an incident: the handling goes with the status
        case.phase = PHASES[0] if case.is_open else PHASES[-1]
    if status is not Status.SNOOZED:
        case.snoozed_until = None
        case.timers.pop(Timer.SNOOZE, None)
    if status is Status.ACKNOWLEDGED:
        case.acknowledged_at, case.acknowledged_by = now, by
    if status in (Status.ACKNOWLEDGED, Status.SNOOZED):  # whoever has it in hand knows what was held back until now
        case.held = {reason: None for reason in case.held if reason in BEGINNINGS}
    elif status is Status.ACTIVE:  # again: reminders and escalation begin from the start
        case.escalation_level, case.restart, case.began = 0, True, now
        if before in (Status.RESOLVED, Status.DISMISSED):
            case.resolved_at, case.resolved_by, case.disposition, case.duplicate_of = None, "", "", ""
            case.breached = ()
            case.notify(Reason.REOPENED)
        elif what is Move.WAKE:
            case.notify(Reason.REPEATED)
        else:
            case.acknowledged_at, case.acknowledged_by = None, ""
            if case.held:
                case.release()
    else:
        case.resolved_at, case.resolved_by = now, by
        if resolution is not None:
            case.resolution = resolution
        if disposition:
            case.disposition = disposition
        case.notify(Reason.RESOLVED)
    return True


def _act(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    doing = _DOING.get(command.action)
    if doing is not None:
        return doing(case, command, now, others)
    what = Move(command.action.value)
    resolution = None
    if what in (Move.RESOLVE, Move.DISMISS):
        resolution = Resolution(notes=command.note, action=command.resolution_action, metadata=command.metadata)
        if command.target:
            other = others(command.target)
            if other is None or other is case:
                return Refusal.UNKNOWN_TARGET
    if move(case, what, command.by, now, resolution, command.note[:MAX_NAME], command.disposition):
        if what in (Move.RESOLVE, Move.DISMISS):
            case.duplicate_of = command.target
        if what is Move.SNOOZE:
            assert command.until is not None
            case.snoozed_until = case.timers[Timer.SNOOZE] = command.until
        return None
    if what is Move.REOPEN or case.is_open:
        return _REFUSED.get(what, Refusal.ALREADY_CLOSED)
    return Refusal.ALREADY_CLOSED


def _comment(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    case.changed(Why.COMMENTED)
    return None


def _assign(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    case.assignee = command.assignee
    case.changed(Why.ASSIGNED)
    return None


def _tag(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    if command.action is Action.TAG:
        tags = tuple(dict.fromkeys((*case.tags, *command.tags)))
        if len(tags) > MAX_TAGS + len(case.base.tags):
            return Refusal.TOO_LARGE
    else:
        tags = tuple(tag for tag in case.tags if tag not in command.tags)
    case.tags = tags
    case.changed(Why.TAGGED)
    return None


def _escalate(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    if not case.is_open:
        return Refusal.ALREADY_CLOSED
    case.asked = command.by
    case.dirty = True
    return None


def _link(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    incident = None
    if command.target:
        incident = others(command.target)
        if incident is None or incident is case or not incident.phase:
            return Refusal.UNKNOWN_TARGET
    if case.phase:
        return Refusal.IS_AN_INCIDENT
    if case.incident == command.target:
        return Refusal.ALREADY_LINKED if command.target else Refusal.NOT_LINKED
    if case.incident and (former := others(case.incident)) is not None:
        shrink(former, case)
    case.incident = ""
    case.changed(Why.LINKED)
    if incident is not None:
        grow(incident, [case], now)
    else:
        case.entity = ""  # somebody knows better: it joins none by itself any more
    return None


def _phase(case: Case, command: Command, now: int, others: Others) -> Refusal | None:
    phase = command.target or case.phase
    if not case.phase:
        return Refusal.NOT_AN_INCIDENT
    if phase not in PHASES:
        return Refusal.UNKNOWN_WORD
    if not case.is_open:
        return Refusal.ALREADY_CLOSED
    if phase == case.phase and not command.note.strip():
        return Refusal.INCOMPLETE
    case.history = (
        *case.history[1 - HISTORY_KEPT :],
        {"at": now, "by": command.by, "from": case.phase, "to": phase, "why": command.note[:MAX_NAME]},
    )
    case.phase = phase
    case.changed(Why.PHASED)
    if phase == "resolved":
        resolution = Resolution(notes=command.note, action=command.resolution_action, metadata=command.metadata)
        move(case, Move.RESOLVE, command.by, now, resolution, command.note[:MAX_NAME], command.disposition)
    else:
        case.notify(Reason.UPDATED)
    return None


_DOING: dict[Action, Callable[[Case, Command, int, Others], Refusal | None]] = {
    Action.COMMENT: _comment,
    Action.ASSIGN: _assign,
    Action.TAG: _tag,
    Action.UNTAG: _tag,
    Action.ESCALATE: _escalate,
    Action.LINK: _link,
    Action.PHASE: _phase,
}


def _delivery_failed(case: Case, command: Command) -> Refusal | None:
    if not command.receiver or not command.notification_id:
        return Refusal.INCOMPLETE
    told = f"{Action.DELIVERY_FAILED}:{command.notification_id}"
    if told in case.commands:
        return Refusal.DUPLICATE
    case.remember_command(told)
    since, told_at = case.in_hand_since, command.metadata.get("told_at")
    if since is None or (type(told_at) is int and told_at >= since):  # what was said before it was taken in hand is old
        case.failed = (*case.failed, command.receiver)
    if command.receiver not in case.notification_failed and len(case.notification_failed) < MAX_FAILED:
        case.notification_failed = (*case.notification_failed, command.receiver)
        case.changed(Why.DELIVERY_FAILED)
    return None


def _unfit(case: Case, command: Command, now: int) -> Refusal | None:
    """Whether what the command says can be kept."""
    action = command.action
    if action is Action.COMMENT and not command.note.strip():
        return Refusal.INCOMPLETE
    if action in (Action.TAG, Action.UNTAG) and not (command.tags and all(map(str.strip, command.tags))):
        return Refusal.INCOMPLETE
    if action is Action.SNOOZE and command.until is None:
        return Refusal.INCOMPLETE
    if action is Action.SNOOZE and command.until is not None and command.until <= now:
        return Refusal.IN_THE_PAST
    if command.disposition and command.disposition not in set(Disposition):
        return Refusal.UNKNOWN_WORD
    if len(command.note) > MAX_NOTE or len(command.resolution_action) > MAX_NOTE:
        return Refusal.TOO_LARGE
    if any(len(name) > MAX_NAME for name in (*command.tags, command.assignee, command.target)):
        return Refusal.TOO_LARGE
    if command.metadata and len(_encode(command.metadata)) > MAX_METADATA:
        return Refusal.TOO_LARGE
    if command.note and len(_encode((*case.notes, _note(command, 0)))) > MAX_NOTES:
        return Refusal.NOTES_FULL
    return None


def _nobody(_: str) -> Case | None:
    return None


def _note(command: Command, now: int) -> dict[str, object]:
    return {"at": now, "by": command.by, "text": command.note}
