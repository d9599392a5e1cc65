"""Commands on their way: written together, waited for together, told in one summary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import click

from connectors.notifiers.console import plain
from streams.cli.alert_lookup import desk
from streams.config import Config
from streams.errors import TocsinError
from streams.model import Action, Command, Finding, Operation, OperationOutcome

PARTLY = 3  #: exit status: some were applied, others were refused or not heard of
_DONE = {
    Action.ACKNOWLEDGE: "acknowledged", Action.UNACKNOWLEDGE: "no longer acknowledged", Action.RESOLVE: "resolved",
    Action.DISMISS: "dismissed", Action.COMMENT: "commented on", Action.SNOOZE: "snoozed", Action.REOPEN: "reopened",
    Action.ASSIGN: "assigned", Action.TAG: "tagged", Action.UNTAG: "untagged", Action.ESCALATE: "escalated",
    Action.LINK: "linked", Action.PHASE: "updated",
}  # fmt: skip


def ask(
    config: Config, commands: Sequence[Command], wait: float | None, as_json: bool, first: Sequence[Finding] = ()
) -> int:
    """Write the commands, one record each, behind ``first``. With ``wait`` (seconds) until they are decided.

    Returns 0 where all were applied (or, without ``wait``, written), 1 where none was, ``PARTLY`` in between.
    """
    heard = desk(config).send_all([*first, *commands], wait)
    if as_json:
        for command in commands:
            click.echo(json.dumps(_document(command, heard.get(command.id))))
        return _status(commands, heard) if wait is not None else 0
    if wait is None:
        for command in commands:
            click.echo(f"{_what(command)} asked for: {command.action.value} (tenant {plain(command.tenant, 80)})")
        return 0
    return _one(commands[0], heard, wait) if len(commands) == 1 else _summary(commands, heard, wait)


def _one(command: Command, heard: dict[str, Operation], wait: float) -> int:
    operation = heard.get(command.id)
    if operation is None:
        raise TocsinError(
            f"nothing was heard of the command in {wait:g} s; it is written and will be applied",
            "does a worker with the role alert run?",
        )
    if operation.outcome is OperationOutcome.REFUSED:
        raise TocsinError(f"refused: {_reason(operation)}", "`tocsin alerts show` says how it stands")
    click.echo(f"{_what(command)} {_DONE[command.action]} (tenant {plain(command.tenant, 80)})")
    return 0


def _summary(commands: Sequence[Command], heard: dict[str, Operation], wait: float) -> int:
    outcomes: Counter[str] = Counter()
    for command in commands:
        operation = heard.get(command.id)
        if operation is None:
            outcome = f"not heard of in {wait:g} s"
        elif operation.outcome is OperationOutcome.REFUSED:
            outcome = f"refused: {_reason(operation)}"
        else:
            outcome = _DONE[command.action]
        outcomes[outcome] += 1
        if outcome != _DONE[command.action]:
            click.echo(f"{_what(command)} {outcome} (tenant {plain(command.tenant, 80)})", err=True)
    done = outcomes.pop(_DONE[commands[0].action], 0)
    others = "".join(f", {number} {outcome}" for outcome, number in sorted(outcomes.items()))
    click.echo(f"{done} of {len(commands)} {_DONE[commands[0].action]}{others}")
    return _status(commands, heard)


def _status(commands: Sequence[Command], heard: dict[str, Operation]) -> int:
    applied = sum(operation.outcome is OperationOutcome.APPLIED for operation in heard.values())
    return 0 if applied == len(commands) else PARTLY if applied else 1


def _document(command: Command, operation: Operation | None) -> dict[str, str]:
    document = {"command_id": command.id, "alert_id": command.alert_id, "tenant": command.tenant}
    document |= {"action": command.action.value, "outcome": operation.outcome.value if operation else "sent"}
    return document | ({"reason": operation.reason} if operation and operation.reason else {})


def _what(command: Command) -> str:
    return plain(command.alert_id, 80)


def _reason(operation: Operation) -> str:
    return plain(operation.reason.replace("_", " "))
