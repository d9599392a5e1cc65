"""``tocsin alerts``: look at alerts, and say what became of them."""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import evidence, plain, why
from connectors.registry import parse_sinks
from connectors.storage.sqlite_reader import find_alerts, read_alerts, read_versions
from connectors.times import for_people, rfc3339
from streams.cli.context import admin, get_config, kafka_options, names_of
from streams.codec.outputs import Wire
from streams.config import Config, registry_of
from streams.errors import ConfigError, TocsinError
from streams.model import SEVERITIES, Action, Alert, Command, Operation, OperationOutcome, Status

_COLOURS = {"critical": "bold white on red", "high": "red", "medium": "yellow", "low": "cyan", "info": "blue"}
_DONE = {
    Action.ACKNOWLEDGE: "acknowledged", Action.UNACKNOWLEDGE: "no longer acknowledged", Action.RESOLVE: "resolved",
    Action.DISMISS: "dismissed", Action.COMMENT: "commented on",
}  # fmt: skip
_json: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_tenant: Callable[[Any], Any] = click.option("--tenant", help="Whose alert.")


@click.group("alerts")
def command() -> None:
    """List alerts; acknowledge, resolve, dismiss them.

    `list` reads the SQLite storage of the configuration; `show` and the others find an alert there, or else on the
    alerts topic. An id may be cut short as long as the storage knows only one alert that begins so.
    """


def storage_path(config: Config) -> Path | None:
    """The file of the first sqlite sink; None where none is configured."""
    for sink in parse_sinks(list(config.sinks)):
        if sink.type == "sqlite":
            return config.data_dir / Path(sink.options.path)
    return None


@command.command("list")
@_tenant
@click.option("--status", type=click.Choice([status.value for status in Status]))
@click.option("--severity", type=click.Choice([severity.value for severity in SEVERITIES]))
@click.option("--type", "type_", help="security, compliance, performance, system or metrics.")
@click.option("--source")
@click.option("--rule")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest so many.")
@_json
def list_(limit: int, as_json: bool, type_: str | None, **wanted: str | None) -> None:
    """The newest alerts.

    \b
    Example:  tocsin alerts list --tenant acme --status active --severity critical
    """
    config = get_config()
    path = storage_path(config)
    if path is None:
        raise ConfigError(
            "`tocsin alerts list` needs a storage", "add `- {name: archive, type: sqlite}` to sinks in tocsin.yaml"
        )
    alerts = read_alerts(path, limit=limit, type=type_, **wanted)
    if as_json:
        _lines(alerts)
    elif alerts:
        _console().print(_table(alerts))
        if len(alerts) == limit:
            click.echo(f"the newest {limit}; --limit shows more", err=True)
    else:
        click.echo("no alerts", err=True)


@command.command("show")
@click.argument("alert_id")
@click.option("--history", is_flag=True, help="Every version.")
@_json
def show(alert_id: str, history: bool, as_json: bool) -> None:
    """One alert: what fired, why, on which events, and what people did with it."""
    versions = _find(get_config(), alert_id, history)
    if as_json:
        _lines([alert for alert, _ in versions])
        return
    alert, where = versions[-1]
    grid = Table.grid(padding=(0, 2))
    for name, text in _facts(alert, where):
        grid.add_row(Text(name, style="dim"), text)
    console = _console()
    console.print(grid)
    if history:
        table = Table("version", "at", "status", "severity", "count", "why", "position", box=box.SIMPLE_HEAD)
        for one, at in versions:
            cells = (str(one.version), str(rfc3339(one.updated_at)), one.status.value, one.severity.value)
            table.add_row(*cells, str(one.count), Text(plain(one.why, 60)), Text(plain(at, 200)))
        console.print(table)


def _asking(action: Action, note_required: bool = False, closing: bool = False) -> Callable[[Any], Any]:
    """The options of a command that asks something of an alert."""

    needed: dict[str, Any] = {"required": True} if note_required else {"default": ""}

    def decorate(function: Any) -> Any:
        options = [
            click.argument("alert_id"),
            _tenant,
            click.option("--by", help="Who asks; by default $USER."),
            click.option("--note", help="Why, for those who look later.", **needed),
            click.option("--wait", is_flag=True, help="Until it is applied or refused; exit status 1 if refused."),
            click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds that --wait waits."),
            _json,
        ]
        if closing:
            options.append(click.option("--action", "resolution", default="", help="What was done about it."))
        for option in reversed(options):
            function = option(function)
        return function

    def build(function: Any) -> Any:
        name = {Action.ACKNOWLEDGE: "ack", Action.UNACKNOWLEDGE: "unack"}.get(action, action.value)
        return command.command(name)(decorate(function))

    return build


@_asking(Action.ACKNOWLEDGE)
def ack(**options: Any) -> int:
    """Say that somebody looks at it: no more reminders."""
    return _ask(Action.ACKNOWLEDGE, **options)


@_asking(Action.UNACKNOWLEDGE)
def unack(**options: Any) -> int:
    """Nobody looks at it after all: it is active again."""
    return _ask(Action.UNACKNOWLEDGE, **options)


@_asking(Action.RESOLVE, closing=True)
def resolve(**options: Any) -> int:
    """Close it: what caused it is gone.

    \b
    Example:  tocsin alerts resolve 3f9c --note "bulk export was planned" --action "told the owner" --wait
    """
    return _ask(Action.RESOLVE, **options)


@_asking(Action.DISMISS, closing=True)
def dismiss(**options: Any) -> int:
    """Close it: a false alarm."""
    return _ask(Action.DISMISS, **options)


@_asking(Action.COMMENT, note_required=True)
def comment(**options: Any) -> int:
    """Leave a note on it."""
    return _ask(Action.COMMENT, **options)


def _ask(
    action: Action, *, alert_id: str, tenant: str | None, by: str | None, note: str, wait: bool, timeout: float,
    as_json: bool, resolution: str = "",
) -> int:  # fmt: skip
    from streams.runtime.commands import Desk

    config = get_config()
    if tenant is None:
        alert = _find(config, alert_id)[-1][0]
        alert_id, tenant = alert.id, alert.tenant
    asked = Command(
        id=uuid.uuid4().hex,
        action=action,
        alert_id=alert_id,
        tenant=tenant,
        by=by or os.environ.get("USER") or getpass.getuser(),
        at=time.time_ns() // 1_000_000,
        note=note,
        resolution_action=resolution,
    )
    admin(config)  # one clear message where Kafka cannot be reached
    operation = Desk(kafka_options(config), names_of(config)).send(asked, timeout if wait else None)
    if wait and operation is None:
        raise TocsinError(
            f"nothing was heard of the command in {timeout:g} s; it is written and will be applied",
            "does a worker with the role alert run?",
        )
    return _told(asked, operation, as_json)


def _told(asked: Command, operation: Operation | None, as_json: bool) -> int:
    refused = operation is not None and operation.outcome is OperationOutcome.REFUSED
    if as_json:
        document = {"command_id": asked.id, "alert_id": asked.alert_id, "tenant": asked.tenant, "action": asked.action}
        document["outcome"] = operation.outcome if operation else "sent"
        click.echo(json.dumps(document | ({"reason": operation.reason} if operation and operation.reason else {})))
    elif refused and operation is not None:
        raise TocsinError(
            f"refused: {plain(operation.reason.replace('_', ' '))}", "`tocsin alerts show` says how it stands"
        )
    else:
        what = _DONE[asked.action] if operation else f"asked for: {asked.action.value}"
        click.echo(f"{plain(asked.alert_id, 80)} {what} (tenant {plain(asked.tenant, 80)})")
    return 1 if refused else 0


def _find(config: Config, alert_id: str, history: bool = False) -> list[tuple[Alert, str]]:
    """The versions of an alert, or just the last: from the storage if it knows it, else from the topic."""
    path = storage_path(config)
    if path is not None and path.is_file():
        found = find_alerts(path, alert_id)
        if len(found) > 1:
            ids = ", ".join(alert.id for alert in found)
            raise TocsinError(f"more than one alert begins with {alert_id}: {ids}", "give more of the id")
        if found:
            versions = read_versions(path, found[0].id)
            return versions if history else versions[-1:]
    from streams.runtime.commands import Desk

    admin(config)
    versions = Desk(kafka_options(config), names_of(config), Wire(registry_of(config))).versions(alert_id)
    if not versions:
        raise TocsinError(
            f"there is no alert {plain(alert_id, 80)}",
            "a shortened id is only known to the storage; `tocsin alerts list` shows what there is",
        )
    return versions if history else versions[-1:]


def _console() -> Console:
    """As wide as the terminal; into a pipe or a file wide enough to keep the lines whole."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def _lines(alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        click.echo(msgspec.json.encode(for_people(msgspec.to_builtins(alert))))


def _table(alerts: Sequence[Alert]) -> Table:
    table = Table("id", "created", "severity", "status", "tenant", "title", "count", box=box.SIMPLE_HEAD)
    for alert in alerts:
        table.add_row(
            Text(plain(alert.id, 12)),
            str(rfc3339(alert.created_at))[:19],
            Text(alert.severity.value, style=_COLOURS[alert.severity.value]),
            alert.status.value,
            Text(plain(alert.tenant, 40)),
            Text(plain(alert.title, 120)),
            str(alert.count),
        )
    return table


def _facts(alert: Alert, where: str) -> list[tuple[str, Text]]:
    """Name and text of everything worth a line."""
    word = f" ({plain(alert.severity_word, 40)})" if alert.severity_word != alert.severity.value else ""
    facts: list[tuple[str, str]] = [
        ("id", alert.id),
        ("title", alert.title),
        ("what", alert.description),
        ("severity", alert.severity.value + word),
        ("status", f"{alert.status.value}, version {alert.version}: {alert.why}"),
        ("tenant", alert.tenant),
        ("key", " · ".join(f"{name} {plain(value, 120)}" for name, value in alert.key.items())),
        ("why", why(alert)),
        ("rule", f"{alert.rule} version {alert.rule_version}, rule set {alert.ruleset}"),
        ("events", f"{rfc3339(alert.event_time)} to {rfc3339(alert.last_event_time)}: {evidence(alert)}"),
        ("opened", str(rfc3339(alert.created_at))),
        ("acknowledged", _who(alert.acknowledged_at, alert.acknowledged_by)),
        ("closed", _who(alert.resolved_at, alert.resolved_by)),
        (
            "resolution",
            " · ".join(filter(None, (alert.resolution.notes, alert.resolution.action))) if alert.resolution else "",
        ),
        ("reminders", str(alert.escalation_level or "")),
        ("not reached", ", ".join(alert.notification_failed)),
        ("runbook", alert.runbook),
        ("tags", ", ".join(alert.tags)),
        ("metadata", plain(alert.metadata) if alert.metadata else ""),
        *((f"note by {plain(note.get('by', ''), 60)}", str(note.get("text", ""))) for note in alert.notes),
        ("position", where),
    ]
    return [(name, Text(plain(text, 2000))) for name, text in facts if text]


def _who(at: int | None, by: str) -> str:
    return f"{rfc3339(at)} by {by}" if at is not None else ""
