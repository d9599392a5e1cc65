"""``tocsin silences``: for a time nobody wants to hear of what matches."""

from __future__ import annotations

from typing import Any

import click

from streams.alerts.silences import SILENCE, Phase, Silence, parse_silence
from streams.alerts.subject import Subject
from streams.cli import suppressing as common
from streams.cli.context import control, now_ms, who
from streams.cli.on_demand import OnDemand
from streams.cli.printing import json_option, line
from streams.errors import ConfigError
from streams.model import Alert
from streams.replay.moments import rfc3339
from streams.route.matchers import all_hold, parse_matchers

_SECTION = "silences"


@click.group("silences", cls=OnDemand, elsewhere={"backtest": "streams.cli.silences_backtest:command"})
def command() -> None:
    """Silences: who does not want to hear of what, why, and until when.

    What a silence hides is counted, listed, and told when it ends, if it still stands by then. Silences end by time
    alone; `expire` ends one now, and its record stays.

    \b
    Examples:
      tocsin silences preview --match 'rule="audit.bulk-export"'
      tocsin silences add --match 'rule="audit.bulk-export"' --match 'key.actor=backup' --for 2h --comment "import"
      tocsin silences list
      tocsin silences expire import-3f9c
      tocsin silences backtest --match 'rule="audit.bulk-export"' --from "last 7d"
    """


@command.command("add")
@click.option("--match", "matchers", multiple=True, required=True, help="""Such as 'severity="low"'; all must hold.""")
@click.option("--for", "lasts", metavar="DURATION", help="Such as 2h.")
@click.option("--until", metavar="TIME", help="Such as 2026-07-05T02:00:00Z.")
@click.option("--start", metavar="TIME", help="Now, without it.")
@click.option("--comment", required=True, help="Why, for those who wonder.")
@click.option("--tenant", default="", help="Of one tenant only.")
@click.option("--author", help="By default $USER.")
@click.option("--id", "identity", help="Its id: given again, the same silence is changed or left as it is.")
@json_option
def add(
    matchers: tuple[str, ...], lasts: str | None, until: str | None, start: str | None, comment: str, tenant: str,
    author: str | None, identity: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Hide what matches, from now (or --start) on, --for so long or --until then.

    \b
    Examples:
      tocsin silences add --match 'severity=~"low|info"' --for 8h --tenant acme --comment "moving house"
      tocsin silences add --id nightly --match 'rule=~"ops[.].*"' --for 2h --comment "nightly import" --json
    """
    if (lasts is None) is (until is None):
        raise click.UsageError("give either --for or --until")
    with control() as reader:
        document = reader.current.records.get(f"{SILENCE}/{identity}") if identity else None
        known = parse_silence(identity, document) if identity and document else None
        now = now_ms()
        begins = common.moment("--start", start) if start else now
        if start is None and known is not None and known.phase(now) is Phase.ACTIVE:
            begins = known.begins  # it goes on
        ends = (
            common.moment("--until", until)
            if until
            else (begins if start else now) + common.duration("--for", lasts or "")
        )
        if ends <= max(begins, now):
            raise click.UsageError("it would have ended before it hides anything")
        document = {
            "matchers": list(matchers), "starts_at": begins, "ends_at": ends, "author": who(author),
            "comment": comment, **({"tenant": tenant} if tenant else {}),
        }  # fmt: skip
        identity = identity or common.new_id(comment)
        changed, position = common.write(reader, SILENCE, identity, document)
    silence = parse_silence(identity, document)
    if as_json:
        line(_shown(silence, now) | {"changed": changed, "position": position})
        return
    when = f"until {rfc3339(ends)}" if begins <= now else f"from {rfc3339(begins)} until {rfc3339(ends)}"
    click.echo(f"silence {identity} {when}" if changed else f"silence {identity} is in force already, {when}")


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Those that have ended too.")
@json_option
def list_(every: bool, as_json: bool) -> None:
    """What is silenced now or will be, and how many open alerts each silence hides at present.

    \b
    Example:  tocsin silences list --all
    """
    with control() as reader:
        documents, in_policy = common.standing(reader, SILENCE, _SECTION)
    now = now_ms()
    silences = [parse_silence(identity, document) for identity, document in documents.items()]
    shown = sorted(
        (one for one in silences if every or one.phase(now) is not Phase.EXPIRED), key=lambda one: (one.ends, one.id)
    )
    columns = ("id", "phase", "starts_at", "ends_at", "tenant", "matchers", "hides", "author", "comment")
    rows = [_shown(one, now) for one in shown]
    common.listing(SILENCE, rows, in_policy, columns, between=" ", as_json=as_json, nothing="nothing is silenced")


@command.command("show")
@click.argument("identity", metavar="ID")
@json_option
def show(identity: str, as_json: bool) -> None:
    """One silence, and the open alerts it hides.

    \b
    Example:  tocsin silences show import-3f9c
    """
    with control() as reader:
        documents, _ = common.standing(reader, SILENCE, _SECTION)
    if identity not in documents:
        raise ConfigError(f"there is no silence {identity!r:.100}", "`tocsin silences list --all` names them all")
    silence = parse_silence(identity, documents[identity])
    alerts = [
        alert
        for alert in common.open_alerts(silence.tenant)
        if any((one.stage, one.by) == (SILENCE, identity) for one in alert.suppressed)
    ]
    shown = _shown(silence, now_ms()) | {"hides": len(alerts)}
    if as_json:
        line(shown | {"alerts": [alert.id for alert in alerts]})
        return
    for name, value in shown.items():
        click.echo(f"{name:10} {' '.join(value) if isinstance(value, list) else value}")
    if alerts:
        click.echo()
        common.alert_rows(alerts)


@command.command("expire")
@click.argument("identity", metavar="ID")
@json_option
def expire(identity: str, as_json: bool) -> None:
    """End a silence now: what it has hidden and still stands is told. Its record stays, for who asks later.

    \b
    Example:  tocsin silences expire import-3f9c
    """
    with control() as reader:
        document = common.one_of(reader, SILENCE, _SECTION, identity)
        now = now_ms()
        silence = parse_silence(identity, document)
        if silence.phase(now) is Phase.EXPIRED:
            raise ConfigError(f"silence {identity} has ended already", "`tocsin silences list` shows what is in force")
        ended = document | {"ends_at": max(now, silence.begins)}
        _, position = common.write(reader, SILENCE, identity, ended)
    if as_json:
        line(_shown(parse_silence(identity, ended), now) | {"position": position})
        return
    click.echo(f"silence {identity} has ended")


@command.command("preview")
@click.option("--match", "matchers", multiple=True, required=True, help="As in `add`; all must hold.")
@click.option("--tenant", default="", help="Of one tenant only.")
@json_option
def preview(matchers: tuple[str, ...], tenant: str, as_json: bool) -> None:
    """Which open alerts a silence would hide, without making one.

    \b
    Example:  tocsin silences preview --match 'rule="audit.bulk-export"' --tenant acme
    """
    try:
        parsed = parse_matchers(list(matchers))
    except ValueError as error:
        raise click.UsageError(f"--match {error}") from None
    alerts: list[Alert] = [alert for alert in common.open_alerts(tenant) if all_hold(parsed, Subject(alert))]
    if as_json:
        for alert in alerts:
            line({"id": alert.id, "tenant": alert.tenant, "rule": alert.rule, "severity": alert.severity,
                         "status": alert.status, "title": alert.title})  # fmt: skip
        return
    if alerts:
        common.alert_rows(alerts)
    click.echo(f"{len(alerts)} open alerts would be hidden")


def _shown(silence: Silence, now: int) -> dict[str, Any]:
    return {
        "id": silence.id, "phase": silence.phase(now).value, "starts_at": rfc3339(silence.begins),
        "ends_at": rfc3339(silence.ends), "tenant": silence.tenant,
        "matchers": [str(matcher) for matcher in silence.matchers], "author": silence.author,
        "comment": silence.comment,
    }  # fmt: skip
