"""``tocsin incidents``: alerts that belong together, how they are handled, and what is to be learned of them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from connectors.notifiers.console import plain
from connectors.storage.sqlite_reader import newest_alerts, read_alerts, read_versions
from connectors.times import rfc3339
from streams.alerts.crowds import INCIDENT
from streams.alerts.incidents import PHASES
from streams.cli import alert_display
from streams.cli.alert_lookup import desk, find, latest, storage_path
from streams.cli.alerts_asked import ask
from streams.cli.alerts_raise import by_hand, check_severity
from streams.cli.context import get_config, now_ms, who
from streams.cli.incident_document import document, markdown, page, sections
from streams.cli.incident_timeline import Story
from streams.cli.printing import json_option, limit_option
from streams.config import Config
from streams.errors import ClusterError, ConfigError, TocsinError
from streams.model import Action, Alert, Command, Notification, Status, severity_rank

_by = click.option("--by", help="Who; by default $USER.")
_wait = click.option("--wait/--no-wait", default=True, show_default=True, help="Until it is decided.")
_timeout = click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds to wait.")


@click.group("incidents")
def command() -> None:
    """Incidents: list, open, handle and export them.

    An incident is an alert of the rule tocsin.incident that stands for others: `tocsin alerts` works on it too (ack,
    assign, comment, resolve). It opens by itself where the policy has `incidents:`, or by hand.

    \b
    Examples:
      tocsin incidents list --phase investigating
      tocsin incidents show b01d
      tocsin incidents export b01d --format html --out b01d.html
    """


@command.command("list")
@click.option("--tenant", help="Whose.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Of the alert it is.")
@click.option("--phase", type=click.Choice(PHASES), help="Where its handling stands.")
@limit_option
@json_option
def list_(tenant: str | None, status: str | None, phase: str | None, limit: int, as_json: bool) -> None:
    """The newest incidents.

    \b
    Example:  tocsin incidents list --phase investigating
    """
    config = get_config()
    path = storage_path(config)
    if path is not None and path.is_file():
        found = read_alerts(path, limit=100_000, rule=INCIDENT, tenant=tenant, status=status)
    else:
        found = [
            one for one in reversed(latest(config, tenant)) if one.rule == INCIDENT and status in (None, one.status)
        ]
    found = [one for one in found if phase in (None, one.phase)][:limit]
    if as_json:
        alert_display.lines(found)
        return
    if not found:
        click.echo("no incidents", err=True)
        return
    table = Table("id", "opened", "severity", "phase", "alerts", "tenant", "title", "assignee", box=box.SIMPLE_HEAD)
    for one in found:
        severity = Text(one.severity.value, style=alert_display.COLOURS[one.severity.value])
        cells = (Text(plain(one.tenant, 40)), Text(plain(one.title, 120)), Text(plain(one.assignee, 40)))
        opened = str(rfc3339(one.created_at))[:19]
        table.add_row(Text(plain(one.id, 12)), opened, severity, one.phase, str(one.count), *cells)
    alert_display.console().print(table)


@command.command("show")
@click.argument("incident_id")
@json_option
def show(incident_id: str, as_json: bool) -> None:
    """How it stands, its alerts, and what has happened so far.

    \b
    Example:  tocsin incidents show b01d
    """
    config = get_config()
    story = _story(config, incident_id, with_notifications=False)
    if as_json:
        alert_display.lines([story.incident])
        return
    grid = Table.grid(padding=(0, 2))
    for name, text in alert_display.facts(story.incident, ""):
        if name not in ("history", "alerts", "why", "events"):
            grid.add_row(Text(name, style="dim"), text)
    console = alert_display.console()
    console.print(grid)
    console.print(alert_display.table(story.alerts))
    timeline = Table("when", "by", "what", "alert", box=box.SIMPLE_HEAD)
    for one in story.timeline():
        of = "" if one.alert_id == story.incident.id else plain(one.alert_id, 12)
        timeline.add_row(str(rfc3339(one.at))[:19], Text(plain(one.by, 40)), Text(plain(one.what, 160)), Text(of))
    console.print(timeline)


@command.command("open")
@click.option("--alerts", required=True, multiple=True, metavar="ID[,ID]...", help="Its alerts, all of one tenant.")
@click.option("--title", required=True, help="What is wrong, in a line.")
@click.option("--severity", help="By default that of the worst of them.")
@click.option("--description", default="", help="More than a line.")
@_by
@_wait
@_timeout
@json_option
def open_(
    alerts: tuple[str, ...], title: str, severity: str | None, description: str, by: str | None, wait: bool,
    timeout: float, as_json: bool,
) -> int:  # fmt: skip
    """Open an incident by hand, of given alerts; prints its id. Later alerts about the same join it by themselves,
    where the policy has `incidents:`.

    \b
    Example:  tocsin incidents open --alerts 3f9c,77a0 --title "Payments fail in the EU"
    """
    config, person = get_config(), who(by)
    ids = [one.strip() for text in alerts for one in text.split(",") if one.strip()]
    members = list({alert.id: alert for alert in (find(config, one)[-1][0] for one in ids)}.values())
    tenants = sorted({alert.tenant for alert in members})
    if len(tenants) != 1:
        names = ", ".join(plain(name, 40) for name in tenants) or "none"
        raise ConfigError(f"an incident is of one tenant, and these alerts are of {names}", "open one for each")
    worst = max(members, key=lambda alert: severity_rank(alert.severity))
    word = check_severity(severity) if severity else worst.severity.value
    finding = by_hand(
        INCIDENT, title.strip() or "Incident", word, tenants[0], person, now_ms(), source="manual", type_=worst.type,
        key={"incident": uuid.uuid4().hex[:12]}, description=description,
    )  # fmt: skip
    links = [_command(Action.LINK, alert, person, target=finding.alert_id) for alert in members]
    click.echo(finding.alert_id, err=as_json)
    return ask(config, links, timeout if wait else None, as_json, first=[finding])


@command.command("phase")
@click.argument("incident_id")
@click.argument("phase", type=click.Choice(PHASES))
@click.option("--note", default="", help="A status update for those who watch it.")
@_by
@_wait
@_timeout
@json_option
def phase_(incident_id: str, phase: str, note: str, by: str | None, wait: bool, timeout: float, as_json: bool) -> int:
    """Say where its handling stands; those along its route are told. `resolved` closes it, not its alerts.

    \b
    Example:  tocsin incidents phase b01d mitigated --note "traffic goes through the other region"
    """
    config = get_config()
    asked = _command(Action.PHASE, _incident(config, incident_id), who(by), target=phase, note=note)
    return ask(config, [asked], timeout if wait else None, as_json)


@command.command("update")
@click.argument("incident_id")
@click.option("--note", required=True, help="What there is to say.")
@_by
@_wait
@_timeout
@json_option
def update(incident_id: str, note: str, by: str | None, wait: bool, timeout: float, as_json: bool) -> int:
    """Tell those who watch it how it goes; its phase stays.

    \b
    Example:  tocsin incidents update b01d --note "the vendor confirms; next update in an hour"
    """
    config = get_config()
    asked = _command(Action.PHASE, _incident(config, incident_id), who(by), note=note)
    return ask(config, [asked], timeout if wait else None, as_json)


@command.command("export")
@click.argument("incident_id")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["markdown", "html", "json"]),
    default="markdown",
    show_default=True,
    help="Of the document.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; by default standard output.")
@click.option("--no-notifications", is_flag=True, help="Leave out who was told, which is read from Kafka.")
def export(incident_id: str, format_: str, out: Path | None, no_notifications: bool) -> None:
    """The post-incident document: times, timeline, alerts with their evidence, and questions to answer.

    \b
    Example:  tocsin incidents export b01d --format html --out b01d.html
    """
    story = _story(get_config(), incident_id, with_notifications=not no_notifications)
    if format_ == "json":
        text = json.dumps(document(story), ensure_ascii=False, indent=2) + "\n"
    else:
        text = (markdown if format_ == "markdown" else page)(sections(story))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None


def _command(action: Action, alert: Alert, by: str, **fields: Any) -> Command:
    identity = uuid.uuid4().hex
    return Command(id=identity, action=action, alert_id=alert.id, tenant=alert.tenant, by=by, at=now_ms(), **fields)


def _incident(config: Config, incident_id: str) -> Alert:
    found = find(config, incident_id)[-1][0]
    if found.rule != INCIDENT:
        raise TocsinError(f"{plain(found.id, 80)} is an alert, not an incident", "`tocsin incidents list` shows them")
    return found


def _story(config: Config, incident_id: str, *, with_notifications: bool) -> Story:
    """From the storage if it knows the incident, else from the alerts topic."""
    incident, path = _incident(config, incident_id), storage_path(config)
    versions = [alert for alert, _ in read_versions(path, incident.id)] if path is not None and path.is_file() else []
    if path is not None and versions:
        among = newest_alerts(path, tenant=incident.tenant, incident=incident.id)
        members = {alert.id: [one for one, _ in read_versions(path, alert.id)] for alert in among}
    else:
        everything = desk(config).alerts()
        versions = everything[incident.id]
        members = {
            identity: found
            for identity, found in everything.items()
            if found[-1].incident == incident.id and found[-1].tenant == incident.tenant
        }
    told: list[Notification] = []
    if with_notifications:
        try:
            told = desk(config).notifications({incident.id, *members})
        except ClusterError as error:
            click.echo(f"who was told is left out: {error.message}", err=True)
    return Story(versions, members, told)
