"""``tocsin alerts``: look at alerts. What people ask of them is in ``alerts_work`` and its neighbours."""

from __future__ import annotations

import click
from rich import box
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import plain
from connectors.storage.sqlite_reader import read_alerts
from connectors.times import rfc3339
from streams.cli import alert_display, alerts_raise, alerts_report, alerts_work
from streams.cli.alert_lookup import find, storage_path
from streams.cli.context import get_config
from streams.cli.printing import json_option, limit_option
from streams.errors import ConfigError
from streams.model import SEVERITIES, Disposition, Status


@click.group("alerts")
def command() -> None:
    """List alerts, work with them, and report on them.

    `list` reads the SQLite storage of the configuration; the others find alerts there, or else on the alerts topic.
    An id may be cut short as long as the storage knows only one alert that begins so.

    \b
    Examples:
      tocsin alerts list --status active --severity critical
      tocsin alerts show 3f9c
      tocsin alerts ack 3f9c --note "looking"
      tocsin alerts resolve 3f9c --as true_positive --note "account locked"
      tocsin alerts report --since 7d
    """


@command.command("list")
@click.option("--tenant", help="Whose alerts.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="How it stands.")
@click.option("--severity", type=click.Choice([severity.value for severity in SEVERITIES]), help="How bad.")
@click.option("--type", "type_", help="security, compliance, performance, system or metrics.")
@click.option("--source", help="The source whose events it is about, such as audit.")
@click.option("--rule", help="The id of its rule.")
@click.option("--assignee", help="Who sees to them.")
@click.option("--incident", help="The full id of an incident: its alerts.")
@click.option("--disposition", type=click.Choice([one.value for one in Disposition]), help="What they were.")
@limit_option
@json_option
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
    alerts = read_alerts(path, limit=limit, offset=0, type=type_, **wanted)
    if as_json:
        alert_display.lines(alerts)
    elif alerts:
        alert_display.console().print(alert_display.table(alerts))
        if len(alerts) == limit:
            click.echo(f"the newest {limit}; --limit shows more", err=True)
    else:
        click.echo("no alerts", err=True)


@command.command("show")
@click.argument("alert_id")
@click.option("--history", is_flag=True, help="Every version.")
@json_option
def show(alert_id: str, history: bool, as_json: bool) -> None:
    """One alert: what fired, why, on which events, who was told, and what people did with it.

    \b
    Examples:
      tocsin alerts show 3f9c
      tocsin alerts show 3f9c --history --json
    """
    versions = find(get_config(), alert_id, history)
    if as_json:
        alert_display.lines([alert for alert, _ in versions])
        return
    alert, where = versions[-1]
    grid = Table.grid(padding=(0, 2))
    for name, text in alert_display.facts(alert, where):
        grid.add_row(Text(name, style="dim"), text)
    console = alert_display.console()
    console.print(grid)
    if history:
        table = Table("version", "at", "status", "severity", "count", "why", "position", box=box.SIMPLE_HEAD)
        for one, at in versions:
            cells = (str(one.version), str(rfc3339(one.updated_at)), one.status.value, one.severity.value)
            table.add_row(*cells, str(one.count), Text(plain(one.why, 60)), Text(plain(at, 200)))
        console.print(table)


for _each in (*alerts_work.COMMANDS, alerts_raise.command, alerts_report.report, alerts_report.labels):
    command.add_command(_each)
