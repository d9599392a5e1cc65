"""``tocsin alerts ack`` and its likes: what people ask of one alert, of several, or of all for which matchers hold."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import click

from streams.cli.alert_lookup import find, matchers, matching
from streams.cli.alerts_asked import ask
from streams.cli.context import get_config, now_ms, who
from streams.config import Config
from streams.errors import ConfigError
from streams.model import Action, Command, Disposition
from streams.replay.moments import parse_moment
from streams.rules.durations import parse_duration

_NAMES = {Action.ACKNOWLEDGE: "ack", Action.UNACKNOWLEDGE: "unack"}
#: What ``--where`` looks among; the others take open alerts.
_CLOSED = {Action.REOPEN: True, Action.COMMENT: None, Action.LINK: None}
COMMANDS: list[click.Command] = []


def asking(action: Action, *more: Any, note_required: bool = False, name: str = "") -> Callable[[Any], click.Command]:
    """A command that asks ``action`` of alerts. The function says what its own options mean: fields of the record."""
    note: dict[str, Any] = {"required": True} if note_required else {"default": ""}
    options = [
        click.argument("alert_ids", nargs=-1, metavar="[ALERT_ID]..."),
        click.option("--where", multiple=True, metavar="MATCHER", help="Instead of ids: all for which this holds."),
        click.option("--yes", is_flag=True, help="Do not ask whether --where means these."),
        click.option("--every-tenant", is_flag=True, help="--where may hold for alerts of several tenants."),
        click.option("--tenant", help="Whose alerts."),
        click.option("--by", help="Who asks; by default $USER."),
        click.option("--note", help="Why, for those who look later.", **note),
        *more,
        click.option("--expect-version", type=click.IntRange(1), help="Refuse where it has changed since."),
        click.option("--wait/--no-wait", default=None, help="Until it is decided; of several alerts by default."),
        click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds to wait."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object for each alert."),
    ]

    def build(function: Callable[..., dict[str, Any]]) -> click.Command:
        def run(**given: Any) -> int:
            common = {key: given.pop(key) for key in _COMMON}
            return _run(action, function(**given), common)

        run.__doc__ = function.__doc__
        wrapped: Any = run
        for option in reversed(options):
            wrapped = option(wrapped)
        built: click.Command = click.command(name or _NAMES.get(action, action.value))(wrapped)
        COMMANDS.append(built)
        return built

    return build


_COMMON = (
    "alert_ids", "where", "yes", "every_tenant", "tenant", "by", "note", "expect_version", "wait", "timeout", "as_json",
)  # fmt: skip


def _run(action: Action, fields: dict[str, Any], given: dict[str, Any]) -> int:
    config, ids, where = get_config(), given["alert_ids"], given["where"]
    if bool(ids) is bool(where):
        raise ConfigError(
            "give ids of alerts, or --where", "tocsin alerts ack --where 'rule=~\"audit.*\"' --tenant acme"
        )
    if given["expect_version"] is not None and (where or len(ids) > 1):
        raise ConfigError("--expect-version is for one alert", "versions of several differ")
    if where:
        named = _matching(action, where, given, config)
        if not named:
            click.echo("no alert is meant", err=True)
            return 0
    else:
        named = [_named(config, one, given["tenant"]) for one in dict.fromkeys(ids)]
    commands = [
        Command(
            id=uuid.uuid4().hex, action=action, alert_id=alert_id, tenant=tenant, by=who(given["by"]), at=now_ms(),
            expected_version=given["expect_version"], **({"note": given["note"]} | fields),
        )
        for alert_id, tenant in named
    ]  # fmt: skip
    wait = given["wait"] if given["wait"] is not None else len(commands) > 1
    return ask(config, commands, given["timeout"] if wait else None, given["as_json"])


def _matching(action: Action, where: Sequence[str], given: dict[str, Any], config: Config) -> list[tuple[str, str]]:
    alerts = matching(matchers(where), given["tenant"], given["every_tenant"], _CLOSED.get(action, False), config)
    if alerts and not given["yes"]:
        from streams.cli.alert_display import console, table

        console().print(table(alerts[:20]))
        if len(alerts) > 20:
            click.echo(f"and {len(alerts) - 20} more")
        click.confirm(f"{_NAMES.get(action, action.value)} {len(alerts)} alerts?", abort=True)
    return [(alert.id, alert.tenant) for alert in alerts]


def _named(config: Config, alert_id: str, tenant: str | None) -> tuple[str, str]:
    """With a tenant an id is taken as it is: whether it is that tenant's is for the alert stage to say."""
    if tenant is not None:
        return alert_id, tenant
    alert = find(config, alert_id)[-1][0]
    return alert.id, alert.tenant


def _one(config: Config, alert_id: str) -> str:
    return find(config, alert_id)[-1][0].id


_done = click.option("--action", "resolution", default="", help="What was done about it.")
_words = click.Choice([one.value for one in Disposition])
_as = click.option("--as", "disposition", type=_words, help="What it was: a label that rules are scored by.")
_of = click.option("--of", "original", default="", metavar="ALERT_ID", help="Of a duplicate: the other alert.")


def _closing(resolution: str, disposition: str | None, original: str) -> dict[str, Any]:
    if original and disposition not in (None, Disposition.DUPLICATE):
        raise ConfigError("--of names what it is a duplicate of", "give it with --as duplicate")
    if disposition == Disposition.DUPLICATE and not original:
        raise ConfigError("--as duplicate needs --of: of which alert?", "`tocsin alerts list` shows them")
    target = _one(get_config(), original) if original else ""
    return {
        "resolution_action": resolution, "target": target,
        "disposition": disposition or (Disposition.DUPLICATE.value if original else ""),
    }  # fmt: skip


@asking(Action.ACKNOWLEDGE)
def ack() -> dict[str, Any]:
    """Say that somebody looks at it: no more reminders, no escalation.

    \b
    Examples:
      tocsin alerts ack 3f9c 77a0 --note "looking"
      tocsin alerts ack --where 'rule=~"audit.*"' --tenant acme --yes
    """
    return {}


@asking(Action.UNACKNOWLEDGE)
def unack() -> dict[str, Any]:
    """Nobody looks at it after all: it is active again.

    \b
    Example:  tocsin alerts unack 3f9c --note "handed over"
    """
    return {}


@asking(Action.RESOLVE, _done, _as, _of)
def resolve(resolution: str, disposition: str | None, original: str) -> dict[str, Any]:
    """Close it: what caused it is gone.

    \b
    Example:  tocsin alerts resolve 3f9c --as true_positive --note "account locked" --action "told the owner" --wait
    """
    return _closing(resolution, disposition, original)


@asking(Action.DISMISS, _done, _as, _of)
def dismiss(resolution: str, disposition: str | None, original: str) -> dict[str, Any]:
    """Close it: a false alarm, or nothing to act on.

    \b
    Examples:
      tocsin alerts dismiss 3f9c --as false_positive --note "a test account"
      tocsin alerts dismiss 3f9c --as duplicate --of 77a0
    """
    return _closing(resolution, disposition, original)


@asking(Action.COMMENT, note_required=True)
def comment() -> dict[str, Any]:
    """Leave a note on it, whatever its status.

    \b
    Example:  tocsin alerts comment 3f9c --note "asked the owner of the account"
    """
    return {}


@asking(
    Action.SNOOZE,
    click.option("--for", "for_", metavar="DURATION", help="How long, such as 2h."),
    click.option("--until", metavar="TIME", help="Until when, such as 2024-01-01T08:00:00Z."),
)
def snooze(for_: str | None, until: str | None) -> dict[str, Any]:
    """Nobody is told of it for a time; then it is active again, unless it has ended.

    \b
    Example:  tocsin alerts snooze 3f9c --for 2h --note "the vendor knows"
    """
    if (for_ is None) is (until is None):
        raise ConfigError("give --for or --until", "tocsin alerts snooze 3f9c --for 2h")
    if until is not None:
        return {"until": parse_moment(until)}
    try:
        return {"until": now_ms() + parse_duration(for_)}
    except ValueError as error:
        raise ConfigError(f"--for {error}") from None


@asking(Action.REOPEN)
def reopen() -> dict[str, Any]:
    """It was closed too soon: it is active again, and those it reaches are told.

    \b
    Example:  tocsin alerts reopen 3f9c --note "it came back"
    """
    return {}


@asking(Action.ASSIGN, click.option("--to", "assignee", required=True, help="Who sees to it."))
def assign(assignee: str) -> dict[str, Any]:
    """Say who sees to it.

    \b
    Example:  tocsin alerts assign 3f9c --to ada
    """
    return {"assignee": assignee}


@asking(Action.ASSIGN, name="unassign")
def unassign() -> dict[str, Any]:
    """Nobody in particular sees to it any more.

    \b
    Example:  tocsin alerts unassign 3f9c
    """
    return {"assignee": ""}


_tags = click.option("--tag", "tags", multiple=True, required=True, help="Several are allowed.")


@asking(Action.TAG, _tags)
def tag(tags: tuple[str, ...]) -> dict[str, Any]:
    """Put tags on it, by which it can be routed, silenced and found.

    \b
    Example:  tocsin alerts tag 3f9c --tag pci --tag quarter-end
    """
    return {"tags": tags}


@asking(Action.UNTAG, _tags)
def untag(tags: tuple[str, ...]) -> dict[str, Any]:
    """Take tags off it.

    \b
    Example:  tocsin alerts untag 3f9c --tag pci
    """
    return {"tags": tags}


@asking(Action.ESCALATE, click.option("--reason", required=True, help="Why it cannot wait; stands on it as a note."))
def escalate(reason: str) -> dict[str, Any]:
    """Tell the next level of its escalation now.

    \b
    Example:  tocsin alerts escalate 3f9c --reason "customers are affected"
    """
    return {"note": reason}


@asking(Action.LINK, click.option("--incident", required=True, metavar="INCIDENT", help="Its id."))
def link(incident: str) -> dict[str, Any]:
    """Put it into an incident.

    \b
    Example:  tocsin alerts link 3f9c 77a0 --incident b01d
    """
    return {"target": _one(get_config(), incident)}


@asking(Action.LINK, name="unlink")
def unlink() -> dict[str, Any]:
    """Take it out of its incident; it joins none by itself any more.

    \b
    Example:  tocsin alerts unlink 3f9c
    """
    return {"target": ""}
